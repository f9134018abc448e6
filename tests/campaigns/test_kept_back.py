"""What a window kept back stays kept back in the schedule, and in the mail after the window, when its day is over."""

from datetime import date, timedelta

import pytest

from campaigns import runs
from campaigns.models import ContactCampaign, EmailSchedule
from campaigns.settings import read
from tests.campaigns.mails import make_campaign, make_contact

pytestmark = pytest.mark.django_db
OPENS = date(2026, 6, 1)  # the window of whoever was born on a 31 July, in Oregon
OREGON = {"zip_code": "97201", "state": "OR"}


def nights_after(first: date) -> list[tuple[str, list[str]]]:
    """Of six nights: why the campaign's mail is skipped, and what the mail after the window stands for."""
    told = []
    for night in range(6):
        runs.run(runs.Order(day=first + timedelta(days=night), settings=read({}), versions={}))
        mail = EmailSchedule.objects.get(campaign_instance__isnull=False)
        after = EmailSchedule.objects.get(email_type="post_window")
        told.append((mail.skip_reason, after.metadata["skipped_emails"]))
    return told


def test_a_campaign_mail_that_a_window_kept_back_up_to_its_day_is_not_missed_the_day_after():
    contact = make_contact(birth_date=date(1955, 7, 31), **OREGON)
    ContactCampaign.objects.create(contact=contact, instance=make_campaign("rate_increase"), trigger_on=OPENS + timedelta(days=3))

    assert nights_after(OPENS) == [("exclusion_window", ["birthday", "campaign_rate_increase"])] * 6


def test_one_whose_day_had_passed_before_anybody_knew_it_is_missed_and_no_window_kept_it_back():
    contact = make_contact(birth_date=date(1955, 7, 31), **OREGON)
    ContactCampaign.objects.create(
        contact=contact, instance=make_campaign("rate_increase", active_from=OPENS), trigger_on=OPENS - timedelta(days=1)
    )

    assert nights_after(OPENS) == [("missed", ["birthday"])] * 6
