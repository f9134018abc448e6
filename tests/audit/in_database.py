"""Plans by real runs on the database's rows. Hand-over is still the auditor's own: it queues a message for each mail that may go."""

from datetime import date
from typing import Any

from campaigns import runs
from campaigns.models import CampaignInstance, CampaignType, Contact, ContactCampaign, EmailSchedule, Status
from campaigns.rules.email_types import FIRST_CAMPAIGN_TYPES
from campaigns.settings import read
from messaging import outbox
from messaging.outbox import Draft
from tests.audit.in_memory import OVERDUE_DAYS, history_of, sent_or_not
from tests.audit.moves import Mail, by_contact
from tests.audit.office import Office
from tests.audit.windows import read_date
from tests.factories import SENDER

SEEN = {"cancelled": "cancelled", "skipped": "skipped", "pre-scheduled": "pre-scheduled"}  # whatever else has its message


class InDatabase:
    """The office's contacts and campaigns as rows, kept up every night."""

    def __init__(self) -> None:
        # the office names whom a campaign means: no type means everybody
        self.behaviours = {name: vars(one) | {"target_all_contacts": False} for name, one in FIRST_CAMPAIGN_TYPES.items()}
        self.types = {name: CampaignType.objects.update_or_create(name=name, defaults=one)[0] for name, one in self.behaviours.items()}
        self.rows: dict[int, list[Mail]] = {}

    def history(self, contact: int) -> list[dict[str, Any]]:
        return [history_of(mail) for mail in self.rows.get(contact, ())]

    def plan(self, office: Office) -> list[Mail]:
        """A run on what the office knows tonight; every row that stands afterwards."""
        self.write(office)
        runs.run(runs.Order(day=office.day, settings=read(office.config | {"campaign_types": self.behaviours}), versions={}))
        return self.read_rows()

    def read_rows(self) -> list[Mail]:
        rows = [mail_of(row) for row in EmailSchedule.objects.filter(parent=None).with_progress()]
        self.rows = by_contact(rows)
        return rows

    def write(self, office: Office) -> None:
        people = office.people.values()
        Contact.objects.bulk_create(
            [contact_row(one) for one in people],
            update_conflicts=True,
            unique_fields=["id"],
            update_fields=["state", "birth_date", "effective_date"],
        )
        targets = [(one["id"], target) for one in people for target in one["targets"]]
        CampaignInstance.objects.bulk_create([self.instance_row(target) for _, target in targets], ignore_conflicts=True)
        ContactCampaign.objects.bulk_create([target_row(number, target) for number, target in targets], ignore_conflicts=True)

    def instance_row(self, target: dict[str, Any]) -> CampaignInstance:
        return CampaignInstance(
            pk=target["instance"],
            campaign_type=self.types[target["campaign_type"]],
            name=f"campaign {target['instance']}",
            active_from=target["active_start_date"],
            active_until=target["active_end_date"],
        )

    def hand_over(self, office: Office) -> list[Mail]:
        gone = []
        for row in EmailSchedule.objects.due(office.day, overdue_days=OVERDUE_DAYS).order_by("pk"):
            others = [*self.rows[row.contact_id], *(mail for mail in gone if mail.contact == row.contact_id)]
            mail = sent_or_not(mail_of(row), others, office)
            if mail.status == "cancelled":
                EmailSchedule.objects.filter(pk=row.pk).move(Status.CANCELLED)
            if mail.status == "sent":
                gone.append(mail)
                send(row, day=office.day)
        self.read_rows()
        return gone


def send(row: EmailSchedule, *, day: date) -> None:
    (message,) = outbox.queue([draft_of(row)], sender=SENDER)
    EmailSchedule.objects.filter(pk=row.pk).move(Status.SCHEDULED, message=message, send_on=day)


def draft_of(row: EmailSchedule) -> Draft:
    return Draft(key=f"audit:{row.pk}", kind=row.email_type, recipient=f"c{row.contact_id}@example.org", subject="S", text="T")


def contact_row(told: dict[str, Any]) -> Contact:
    return Contact(
        pk=told["id"],
        email=f"c{told['id']}@example.org",
        zip_code="00000",
        state=told["state"],
        birth_date=read_date(told["birth_date"]),
        effective_date=read_date(told["effective_date"]),
    )


def target_row(number: int, target: dict[str, Any]) -> ContactCampaign:
    return ContactCampaign(contact_id=number, instance_id=target["instance"], trigger_on=target["trigger_date"])


def mail_of(row: Any) -> Mail:
    return Mail(
        contact=row.contact_id,
        email_type=row.email_type,
        date=row.send_on,
        event_date=row.event_on,
        status=SEEN.get(row.status, "sent"),
        reason=row.skip_reason or None,
        instance=row.campaign_instance_id,
        moved_from=row.moved_from,
        over_cap=row.over_cap,
    )
