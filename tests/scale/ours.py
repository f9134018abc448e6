"""This portal: its outbox, its delivery and its notes, told what a real deployment would tell them. Runs inside a worker process."""

from messaging import delivery, notes, outbox
from messaging.models import Case
from portal import wiring
from tests.scale.mails import Mail

FIRST_PID, FIRST_PV = 1_000_000, 5_000_000


def queue(mails: list[Mail]) -> None:
    outbox.queue([draft(mail) for mail in mails], sender=wiring.sender())


def queue_with_notes(mails: list[Mail]) -> None:
    """Every mail is about a case of its own, and owes it a note."""
    cases = Case.objects.bulk_create(case(mail) for mail in mails)
    drafts = [draft(mail, case=each) for mail, each in zip(mails, cases, strict=True)]
    outbox.queue(drafts, sender=wiring.sender())


def draft(mail: Mail, *, case: Case | None = None) -> outbox.Draft:
    return outbox.Draft(
        key=f"scale:{mail.number}",
        kind="status_request",
        recipient=mail.recipient,
        subject=mail.subject,
        text=mail.text,
        case=case,
        needs_note=case is not None,
    )


def case(mail: Mail) -> Case:
    return Case(
        pid=str(FIRST_PID + mail.number),
        pv=str(FIRST_PV + mail.number),
        patient_name=f"Patient {mail.number}",
        firm="Example Law",
        attorney_email=mail.recipient,
    )


def send(workers: int) -> None:
    delivery.send_due(wiring.mail_terms(), until_empty=True)


def add_notes(workers: int) -> None:
    notes.post_due(wiring.note_terms(), seconds=600)
