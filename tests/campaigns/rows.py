"""Contacts, campaigns and planned mails as a test needs them: whole and plausible, different only where the test says so."""

from datetime import date, time
from itertools import count
from typing import Any

from campaigns.models import CampaignInstance, CampaignType, Contact, EmailSchedule

NUMBERS = count(1)
DAY = date(2026, 6, 1)


def make_contact(**facts: Any) -> Contact:
    plain = {"email": f"contact{next(NUMBERS)}@example.com", "zip_code": "66842", "state": "KS"}
    return Contact.objects.create(**plain | facts)


def make_campaign(type_name: str = "rate_increase", **facts: Any) -> CampaignInstance:
    kind = CampaignType.objects.get(name=type_name)
    return CampaignInstance.objects.create(**{"campaign_type": kind, "name": f"campaign {next(NUMBERS)}"} | facts)


def make_mail(contact: Contact | None = None, **facts: Any) -> EmailSchedule:
    """A planned birthday mail, for an event of its own."""
    plain = {"email_type": "birthday", "send_on": DAY, "send_time": time(8, 30), "status": "pre-scheduled", "priority": 5}
    plain["event_on"] = date.fromordinal(DAY.toordinal() + next(NUMBERS))
    return EmailSchedule.objects.create(**{"contact": contact or make_contact()} | plain | facts)
