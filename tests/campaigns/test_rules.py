"""Campaign dates, what is owed, conflicts, frequency and follow-ups, one rule at a time."""

import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from campaigns.rules import frequency
from campaigns.rules.email_types import AEP, BIRTHDAY, EFFECTIVE_DATE
from campaigns.rules.jitter import md5
from campaigns.rules.shapes import Status, first_match
from tests.campaigns.asking import day, days, history, of_type, plan, rows, settings

TYPES = settings().email_types
TX = {"state": "TX"}


def campaign(kind="rate_increase", **told):
    return {"campaign_type": kind, "instance": 1, **told}


CAMPAIGNS = [  # trigger, first and last day, today → date, status, reason
    ("2025-03-01", None, None, "2025-01-02", "2025-02-15", "pre-scheduled", None),
    ("2025-01-16", None, None, "2025-01-02", "2025-01-02", "pre-scheduled", None),  # its day is today
    ("2025-01-03", None, None, "2025-01-02", "2025-01-03", "pre-scheduled", None),  # late: the only day left before the trigger passes
    ("2025-01-02", None, None, "2025-01-02", "2025-01-02", "pre-scheduled", None),  # the trigger is today
    ("2025-01-01", None, None, "2025-01-02", "2024-12-18", "skipped", "missed"),
    ("2025-03-01", "2025-01-02", "2025-01-02", "2025-01-02", "2025-02-15", "pre-scheduled", None),  # active today is enough
    (None, "2025-01-20", None, "2025-01-20", "2025-01-20", "pre-scheduled", None),
    (None, "2025-01-01", None, "2025-01-20", "2025-01-20", "pre-scheduled", None),
]


@pytest.mark.parametrize(("trigger", "first", "last", "today", "date", "status", "reason"), CAMPAIGNS)
def test_the_day_of_a_campaign_mail(trigger, first, last, today, date, status, reason):
    target = campaign(trigger_date=trigger, active_start_date=first, active_end_date=last)
    (row,) = of_type(plan(TX | {"targets": [target]}, today=today), "campaign_rate_increase")

    assert (row["date"], row["status"], row["skip_reason"]) == (date, status, reason)


@pytest.mark.parametrize("dates", [("2025-01-03", None), (None, "2025-01-01")])
def test_a_campaign_that_is_not_active_today_mails_nobody(dates):
    target = campaign(trigger_date="2025-03-01", active_start_date=dates[0], active_end_date=dates[1])

    assert of_type(plan(TX | {"targets": [target]}), "campaign_rate_increase") == []


def test_days_before_may_be_days_after():
    told = TX | {"targets": [campaign(kind="thanks", trigger_date="2025-03-01")]}
    (row,) = of_type(plan(told, campaign_types={"thanks": {"days_before_event": -3}}), "campaign_thanks")

    assert row["date"] == "2025-03-04"


SETTLED = [  # status, date → is the birthday mail of 2025-06-15 planned again?
    ("sent", "2025-05-30", False),
    ("delivered", "2025-05-30", False),
    ("scheduled", "2025-06-05", False),
    ("processing", "2025-06-01", False),
    ("cancelled", "2025-05-30", False),
    ("pre-scheduled", "2025-05-29", False),  # overdue: it is about to go out
    ("pre-scheduled", "2025-05-20", True),  # overdue for longer than that
    ("failed", "2025-05-30", True),
    ("skipped", "2025-05-30", True),
    ("sent", "2024-06-10", True),  # the year before
]


@pytest.mark.parametrize(("status", "date", "again"), SETTLED)
def test_an_event_is_mailed_once(status, date, again):
    told = TX | {"birth_date": "1950-06-15", "history": [{"email_type": "birthday", "date": date, "status": status}]}

    assert bool(of_type(plan(told, today="2025-06-03"), "birthday")) == again


def test_a_corrected_birth_date_brings_no_second_birthday_mail():
    sent = [{"email_type": "birthday", "date": "2025-06-01", "status": "sent", "event_date": "2025-06-15"}]

    assert of_type(plan(TX | {"birth_date": "1950-07-20", "history": sent}, today="2025-06-20"), "birthday") == []


def test_a_campaign_mailed_once_is_not_mailed_again_but_another_instance_is():
    past = {"email_type": "campaign_rate_increase", "date": "2025-02-15", "status": "sent", "campaign_instance": 1}
    targets = [campaign(trigger_date="2025-03-01"), campaign(trigger_date="2025-03-01", instance=2)]
    found = of_type(plan(TX | {"targets": targets, "history": [past]}, today="2025-02-16"), "campaign_rate_increase")

    assert [row["campaign_instance"] for row in found] == [2]


def test_a_mail_after_a_window_that_was_sent_is_not_sent_again():
    told = {"state": "CA", "birth_date": "1970-02-15"}
    sent = [{"email_type": "post_window", "date": "2025-04-17", "status": "sent"}]

    assert [row["date"] for row in of_type(plan(told, today="2025-04-17"), "post_window")] == ["2025-04-17", "2026-04-17"]
    assert [row["date"] for row in of_type(plan(told | {"history": sent}, today="2025-04-17"), "post_window")] == ["2026-04-17"]


def test_a_birthday_mail_that_went_out_was_not_swallowed():
    told = {"state": "CA", "birth_date": "1970-02-15"}
    sent = [{"email_type": "birthday", "date": "2025-02-01", "status": "sent"}]

    found = plan(told | {"history": sent}, today="2025-03-01")

    assert [row["date"] for row in of_type(found, "post_window")] == ["2026-04-17"]


def test_a_campaign_that_a_window_swallowed_is_named_after_it():
    told = {"state": "CA", "birth_date": "1955-08-15", "targets": [campaign(trigger_date="2025-08-20", active_start_date="2025-05-01")]}

    for today in ("2025-06-01", "2025-08-10", "2025-09-20"):
        (row,) = [row for row in of_type(plan(told, today=today), "post_window") if row["date"] == "2025-10-15"]
        assert row["skipped_emails"] == ["birthday", "aep", "campaign_rate_increase"], today


def test_a_campaign_that_ignores_windows_goes_out_in_one():
    told = {"state": "NY", "targets": [campaign(kind="initial_blast", trigger_date="2025-02-01")]}
    (row,) = of_type(plan(told), "campaign_initial_blast")

    assert (row["date"], row["status"]) == ("2025-02-01", "pre-scheduled")


FOLLOW_UPS = [  # events since the parent of 2025-01-10 → type
    ([], "followup_1_cold"),
    ([("clicked", "2025-01-10", {})], "followup_2_clicked_no_hq"),
    ([("clicked", "2025-01-09", {})], "followup_1_cold"),  # before the mail
    ([("eligibility_answered", "2025-01-11", {"has_medical_conditions": False})], "followup_3_hq_no_yes"),
    ([("clicked", "2025-01-10", {}), ("eligibility_answered", "2025-01-11T09:00:00Z", {})], "followup_3_hq_no_yes"),
    ([("eligibility_answered", "2025-01-11", {"main_questions_yes_count": 2})], "followup_4_hq_with_yes"),
    ([("eligibility_answered", "2025-01-11", {"has_medical_conditions": True})], "followup_4_hq_with_yes"),
    ([("eligibility_answered", "2025-01-11", {"main_questions_yes_count": True})], "followup_3_hq_no_yes"),  # no count
    ([("opened", "2025-01-11", {})], "followup_1_cold"),  # what else happens does not count
    ([("clicked", "2025-01-12", {})], "followup_1_cold"),  # nobody knows yet
]


@pytest.mark.parametrize(("events", "email_type"), FOLLOW_UPS)
def test_a_follow_up_is_chosen_by_what_the_contact_did(events, email_type):
    told = TX | {
        "history": [{"email_type": "effective_date", "date": "2025-01-10", "status": "sent"}],
        "events": [{"type": kind, "at": at, "metadata": metadata} for kind, at, metadata in events],
    }
    (row,) = [row for row in plan(told, today="2025-01-11") if row["email_type"].startswith("followup")]

    assert (row["email_type"], row["date"], row["priority"]) == (email_type, "2025-01-12", 3)


WITHOUT = [  # what else is in the history of 2025-02-01 besides a mail sent on 2025-01-10
    [{"email_type": "followup_1_cold", "date": "2025-01-12", "status": "sent"}],
    [{"email_type": "followup_1_cold", "date": "2025-02-02", "status": "scheduled"}],
    [{"email_type": "followup_2_clicked_no_hq", "date": "2025-01-12", "status": "cancelled"}],
]


@pytest.mark.parametrize("more", WITHOUT)
def test_a_mail_has_one_follow_up(more):
    told = TX | {"history": [{"email_type": "aep", "date": "2025-01-10", "status": "sent"}, *more]}

    assert not [row for row in plan(told, today="2025-02-01") if row["email_type"].startswith("followup")]


def test_a_follow_up_that_is_only_planned_is_chosen_again():
    planned = {"email_type": "followup_1_cold", "date": "2025-01-12", "status": "pre-scheduled"}
    told = TX | {
        "history": [{"email_type": "aep", "date": "2025-01-10", "status": "sent"}, planned],
        "events": [{"type": "clicked", "at": "2025-01-11", "metadata": {}}],
    }
    (row,) = [row for row in plan(told, today="2025-01-11") if row["email_type"].startswith("followup")]

    assert row["email_type"] == "followup_2_clicked_no_hq"


@pytest.mark.parametrize(("date", "kind"), [("2024-12-27", "aep"), ("2025-01-31", "campaign_initial_blast")])
def test_no_follow_up_after_too_long_or_of_a_type_that_has_none(date, kind):
    told = TX | {"history": [{"email_type": kind, "date": date, "status": "sent"}]}

    assert not [row for row in plan(told, today="2025-02-01") if row["email_type"].startswith("followup")]


offsets = st.lists(st.integers(0, 70), max_size=9)


@hypothesis_settings(deadline=None, max_examples=200)
@given(st.lists(st.tuples(offsets, offsets), min_size=1, max_size=4), st.integers(1, 4))
def test_the_frequency_limit_is_that_of_a_slow_greedy_choice(people, limit):
    planned = [(place, start) for place, (own, _) in enumerate(people) for start in own]
    past = [(place, start) for place, (_, own) in enumerate(people) for start in own]
    kinds = [(BIRTHDAY, EFFECTIVE_DATE, AEP)[number % 3] for number in range(len(planned))]
    some = rows(place=[p for p, _ in planned], send_on=day("2025-01-01") + np.array([s for _, s in planned], int), kind=kinds)
    some["priority"], some["instance"] = TYPES.priority[some["kind"]], np.arange(len(some))
    counted = history(place=[p for p, _ in past], send_on=day("2025-01-01") + np.array([s for _, s in past], int), status=Status.SENT)

    found = frequency.limited(some, counted, types=TYPES, limit=limit, period_days=30)

    expected = [Status.PRE_SCHEDULED] * len(planned)
    for place, (_, own) in enumerate(people):
        standing = list(own)
        wanted = [number for number, (other, _) in enumerate(planned) if other == place]
        for number in sorted(wanted, key=lambda n: (TYPES.priority[kinds[n]] - 1, planned[n][1], kinds[n], n)):
            start = planned[number][1]
            spans = [range(last - 30, last + 1) for last in range(start, start + 31)]
            if any(sum(one in span for one in [*standing, start]) > limit for span in spans):
                expected[number] = Status.SKIPPED
            else:
                standing.append(start)
    assert found["status"].tolist() == expected


@given(st.lists(st.binary(min_size=1, max_size=70).map(lambda text: text.replace(b"\0", b"0")), min_size=1, max_size=20))
def test_the_hash_is_md5(several):
    assert [bytes(digest) for digest in md5(np.array(several, "S70"))] == [hashlib.md5(text).digest() for text in several]


def test_first_match_finds_the_first_of_equal_keys():
    known = (np.array([3, 1, 3, 2]), days("2025-01-01", None, "2025-01-01", "2025-01-02"))
    wanted = (np.array([3, 1, 2, 9]), days("2025-01-01", None, "2025-01-01", "2025-01-02"))

    assert first_match(wanted, known).tolist() == [0, 1, -1, -1]
    assert first_match(wanted, (np.zeros(0, "i8"), days())).tolist() == [-1] * 4
