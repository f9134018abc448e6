"""The sample contacts keep what they promise: invented, reserved, from everywhere, the same each time, and mails are due today."""

from collections import Counter
from datetime import date
from random import Random

import numpy as np
import pytest

from campaigns import loading, scheduler, zip_codes
from campaigns.models import Contact, ContactCampaign, EngagementEvent
from campaigns.rules.shapes import Status
from campaigns.settings import SchedulerSettings
from messaging import text_input
from portal.sample_data import contacts

TODAY = date(2026, 11, 26)
PEOPLE = list(contacts.people(Random(contacts.SEED), today=TODAY))


def test_there_are_2000_people_of_reserved_domains_and_clean_names():
    assert len({one.email for one in PEOPLE}) == 2_000
    for one in PEOPLE:
        assert text_input.email_address(one.email, field="E-mail") == one.email
        assert one.email.endswith(("@example.com", "@example.org", "@example.net"))
        assert text_input.one_line(one.full_name, field="Name") == one.full_name
        assert not one.phone or one.phone[3:10] == "-555-01"


def test_they_live_under_real_zip_codes_in_every_state_territory_and_post():
    assert all(zip_codes.state_of(one.zip_code) == one.state for one in PEOPLE)
    assert min(Counter(one.state for one in PEOPLE)[place] for place in zip_codes.PLACES) >= contacts.ALWAYS_THERE


def test_some_are_born_on_leap_days_or_around_new_year_and_of_some_a_date_is_missing():
    born = Counter("none" if one.birth_date is None else one.birth_date.strftime("%m-%d") for one in PEOPLE)

    assert born["none"] >= 50
    assert born["02-29"] >= 20
    assert sum(born[day] for day in ("12-29", "12-30", "12-31", "01-01", "01-02")) >= 20
    assert sum(one.effective_date is None for one in PEOPLE) >= 100


def test_the_same_people_come_each_time():
    again = list(contacts.people(Random(contacts.SEED), today=TODAY))

    assert [(one.email, one.zip_code, one.birth_date) for one in again] == [(one.email, one.zip_code, one.birth_date) for one in PEOPLE]


@pytest.mark.django_db
@pytest.mark.parametrize("today", [TODAY, date(2028, 2, 29), date(2027, 12, 31)])
def test_whatever_the_day_a_believable_number_of_mails_is_due_on_it(today):
    assert contacts.load(today=today) == 2_000
    assert contacts.load(today=today) == 0
    assert ContactCampaign.objects.values("instance").distinct().count() == 3
    assert EngagementEvent.objects.filter(kind="eligibility_answered").count() >= 20

    settings, day = SchedulerSettings(), np.datetime64(today)
    chunks = [loading.chunk(some, day=day, settings=settings) for some in loading.ranges(size=1_000)]
    rows = np.concatenate(scheduler.schedule(chunks, day=day, settings=settings))
    planned = rows[rows["status"] == Status.PRE_SCHEDULED]
    month = planned[planned["send_on"] < day + 30]

    assert 15 <= (planned["send_on"] == day).sum() <= 140
    assert 500 <= len(month) <= 4_000
    assert Contact.objects.count() == 2_000
