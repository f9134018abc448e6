"""Contacts, templates and planned mails as the tests of hand-over need them."""

from dataclasses import replace
from datetime import UTC, date, datetime
from itertools import count
from typing import Any

from campaigns.hand_over import Terms
from campaigns.links import Links
from campaigns.mail_writing import Office
from campaigns.models import CampaignInstance, CampaignType, Contact, ContactCampaign, EmailSchedule, Status
from campaigns.rules.email_types import FIRST_CAMPAIGN_TYPES
from campaigns.settings import SchedulerSettings
from messaging.models import EmailTemplate, Message
from tests.factories import SENDER

DAY = date(2026, 3, 2)
NOW = datetime(2026, 3, 2, 13, 0, tzinfo=UTC)  # 07:00 in Chicago
LINKS = Links(site_url="https://portal.example", key="k" * 50)
OFFICE = Office(
    name="Elm Insurance", phone="312-555-0100", address="1 Elm Street, Chicago, IL 60601", plans_url="https://plans.example/look"
)
SETTINGS = SchedulerSettings(daily_send_percentage_cap=1.0, organisation_contacts=50_000)
TERMS = Terms(sender=SENDER, settings=SETTINGS, links=LINKS, office=OFFICE, now=NOW)
NUMBERS = count(1)
TEXT = "Hello {{ first_name|default:'there' }}, see {{ plans_url }}."
HTML = '<p>Hello {{ first_name|default:"there" }}, <a href="https://plans.example/a?b=1&amp;c=2">look</a>.</p>'


def terms(**changed: Any) -> Terms:
    """The usual terms with other settings of the scheduler."""
    return replace(TERMS, settings=replace(SETTINGS, **changed))


def make_template(name: str, *, subject: str = "News", text: str = TEXT, html: str = HTML) -> EmailTemplate:
    template = EmailTemplate.objects.create(name=name, title=name, kind=name)
    template.versions.create(number=1, subject=subject, text=text, html=html)
    return template


def make_contact(**facts: Any) -> Contact:
    number = next(NUMBERS)
    plain = {"email": f"contact{number}@client.example", "first_name": "Ada", "last_name": "Example", "zip_code": "75001", "state": "TX"}
    return Contact.objects.create(**plain | {"birth_date": date(1955, 3, 16)} | facts)


def make_campaign(kind: str = "rate_increase", **facts: Any) -> CampaignInstance:
    behaviour = FIRST_CAMPAIGN_TYPES[kind]
    told = {name: getattr(behaviour, name) for name in behaviour.__dataclass_fields__}
    campaign_type, _ = CampaignType.objects.get_or_create(name=kind, defaults=told)
    return CampaignInstance.objects.create(**{"campaign_type": campaign_type, "name": f"Campaign {next(NUMBERS)}"} | facts)


def plan(contact: Contact | None = None, **facts: Any) -> EmailSchedule:
    """A birthday mail that is due, unless the facts say otherwise; a campaign's has its target."""
    contact = contact or make_contact()
    campaign = facts.get("campaign_instance")
    plain: dict[str, Any] = {"email_type": "birthday", "send_on": DAY, "event_on": date(2026, 3, 16), "priority": 5}
    if campaign:
        plain["email_type"] = f"campaign_{campaign.campaign_type.name}"
    row = plain | {"status": Status.PRE_SCHEDULED, "send_time": "08:30"} | facts
    if campaign and not row.get("parent"):
        ContactCampaign.objects.get_or_create(contact=contact, instance=campaign, trigger_on=row["event_on"])
    return EmailSchedule.objects.create(contact=contact, **row)


def sent(mail: EmailSchedule, *, at: datetime = NOW) -> EmailSchedule:
    """Its message has gone out at that time."""
    message = Message.objects.get(pk=EmailSchedule.objects.get(pk=mail.pk).message_id)
    held = {"lease": "00000000-0000-0000-0000-000000000001", "leased_until": at}
    Message.objects.filter(pk=message.pk).update(status="claimed", **held)
    Message.objects.filter(pk=message.pk).update(status="transmitting", transmitting_since=at)
    Message.objects.filter(pk=message.pk).update(status="sent", sent_at=at, lease=None, leased_until=None)
    return EmailSchedule.objects.get(pk=mail.pk)
