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


def nights_after(first: date) -> list[list[str]]:
    """What the mail after the window stands for, on each of six nights."""
    told = []
    for night in range(6):
        runs.run(runs.Order(day=first + timedelta(days=night), settings=read({}), versions={}, without_backup="A test"))
        told.append(EmailSchedule.objects.get(email_type="post_window").metadata["skipped_emails"])
    return told


def why_the_campaign_was_skipped() -> str:
    return EmailSchedule.objects.get(campaign_instance__isnull=False).skip_reason


def test_a_campaign_mail_that_a_window_kept_back_up_to_its_day_is_not_missed_the_day_after():
    contact = make_contact(birth_date=date(1955, 7, 31), **OREGON)
    ContactCampaign.objects.create(contact=contact, instance=make_campaign("rate_increase"), trigger_on=OPENS + timedelta(days=3))

    assert nights_after(OPENS) == [["birthday", "campaign_rate_increase"]] * 6
    assert why_the_campaign_was_skipped() == "exclusion_window"


def test_one_whose_day_had_passed_before_anybody_knew_it_is_missed_and_no_window_kept_it_back():
    contact = make_contact(birth_date=date(1955, 7, 31), **OREGON)
    begun_late = make_campaign("rate_increase", active_from=OPENS)
    ContactCampaign.objects.create(contact=contact, instance=begun_late, trigger_on=OPENS - timedelta(days=1))

    assert nights_after(OPENS) == [["birthday"]] * 6
    assert why_the_campaign_was_skipped() == "missed"


def test_a_birthday_mail_that_is_kept_back_on_the_birthday_itself_is_told_that_night_too():
    make_contact(birth_date=date(1955, 4, 5), effective_date=date(2010, 7, 1), zip_code="63101", state="MO")

    assert nights_after(date(2026, 4, 3)) == [["birthday", "effective_date"]] * 6
