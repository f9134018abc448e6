"""What a worker of the fault tests does with campaign mails: plan them, hand them over, unsubscribe."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta

from campaigns import hand_over, invariants, runs
from campaigns.importing import jobs
from campaigns.models import Contact, EmailSchedule, ImportKind
from campaigns.targeting import wait_for_run
from campaigns.unsubscribing import unsubscribe
from messaging import invariants as record
from portal import planning
from tests.campaigns.mails import TERMS, make_template, plan

MAILS, AT_ONCE = 12, 3


def plan_mails() -> int:
    """Mails that are due today, once."""
    if not EmailSchedule.objects.exists():
        make_template("birthday")
        event = date.today() + timedelta(days=14)
        for number in range(MAILS):
            born = event.replace(year=1956)  # a leap year
            contact = Contact.objects.create(email=f"c{number}@client.example", zip_code="75001", state="TX", birth_date=born)
            plan(contact, event_on=event, send_on=date.today())
    return EmailSchedule.objects.count()


def hand_all_over() -> int:
    hand_over.AT_ONCE = AT_ONCE
    late = datetime.combine(date.today() + timedelta(days=1), time(), tzinfo=UTC)  # the time of sending is over
    return hand_over.hand_over(day=date.today(), terms=replace(TERMS, now=late)).handed_over


def unsubscribe_one() -> int:
    return unsubscribe(EmailSchedule.objects.order_by("pk").values_list("pk", flat=True)[0])


def upload_contacts() -> int:
    """A file of contacts waits to be read."""
    lines = "".join(f"new{number}@client.example,66842\n" for number in range(MAILS))
    return jobs.receive([b"email,zip_code\n", lines.encode()], kind=ImportKind.CONTACTS, name="contacts.csv", by=None).pk


def start_run() -> int:
    """A run over everybody waits for workers."""
    return runs.start(planning.order()).pk


def edit_contacts() -> int:
    """Dates were corrected, and wait for a run."""
    Contact.objects.update(birth_date=date(1957, 5, 5))
    wait_for_run(Contact.objects.values_list("pk", flat=True))
    return Contact.objects.count()


def verify_schedules() -> list[str]:
    broken = record.verify(*invariants.OF_SCHEDULES)
    return [f"{wrong.name} {wrong.sentence} {wrong.rows} rows, such as {wrong.ids}" for wrong in broken]
