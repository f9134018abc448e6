"""Excluded days: the arrays against a slow model, both ends, year wrap, leap years; and what is unknown."""

from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from campaigns.rules.exclusions import anchor_missing, excluded_until, judged, windows, year_round
from campaigns.rules.shapes import Contacts, Reason
from campaigns.rules.states import FIRST_STATE_RULES, NOT_VERIFIED, SOURCE, STATES, Anchor, StateRules, Window, code_of
from tests.campaigns import slow_model
from tests.campaigns.asking import asked, contacts, day, days, plan, settings
from tests.campaigns.slow_model import Person

RULES = settings().rules
WITH_WINDOW = [*slow_model.BEFORE_AND_AFTER_BIRTHDAY, *slow_model.BEFORE_AND_AFTER_EFFECTIVE_DATE]
EDGES = [date(1960, 2, 29), date(1960, 1, 1), date(1960, 12, 31), date(1961, 2, 28), date(1961, 3, 1), date(1959, 3, 31), date(1958, 5, 30)]

dates = st.one_of(st.sampled_from(EDGES), st.dates(date(1930, 1, 1), date(2024, 12, 31)))
people = st.builds(Person, st.sampled_from([*WITH_WINDOW, *STATES]), st.none() | dates, st.none() | dates)
some_days = st.dates(date(2022, 1, 1), date(2030, 12, 31))


def arrays(persons: list[Person]) -> Contacts:
    return Contacts(
        id=np.arange(len(persons)),
        state=np.array([code_of(one.state) for one in persons], "i1"),
        birthday=np.array([one.birthday for one in persons], "M8[D]"),
        effective_date=np.array([one.effective_date for one in persons], "M8[D]"),
    )


@hypothesis_settings(deadline=None, max_examples=150)
@given(st.lists(st.tuples(people, some_days), min_size=1, max_size=30), st.sampled_from([0, 1, 60]))
def test_arrays_say_what_the_slow_model_says(pairs, lead):
    persons, asked_days = zip(*pairs, strict=True)
    who, on = arrays(list(persons)), np.array(asked_days, "M8[D]")

    until = excluded_until(who, on, rules=RULES, lead_days=lead)
    reasons, ends = judged(who, on, rules=RULES, lead_days=lead, block_unknown=False)

    found = [slow_model.window_around(person, one, lead=lead) for person, one in pairs]
    assert until.tolist() == [window and window[2] for window in found]
    assert (reasons != Reason.NONE).tolist() == [slow_model.excluded(person, one, lead=lead) for person, one in pairs]
    assert ends.tolist() == until.tolist()


@hypothesis_settings(deadline=None, max_examples=100)
@given(people, st.integers(2020, 2032))
def test_a_window_is_closed_on_the_days_around_it_and_on_none_of_its_own(person, year):
    if (found := slow_model.window(person, year)) is None:
        return
    start, statutory, end = found
    around = np.array([start - timedelta(1), start, statutory, end, end + timedelta(1)], "M8[D]")
    who = arrays([person] * len(around))

    until = excluded_until(who, around, rules=RULES, lead_days=60)

    assert until.tolist() == [None, end, end, end, None]
    assert [column[0].item() for column in windows(who.take([0]), np.datetime64(str(year), "Y"), rules=RULES, lead_days=60)] == list(found)


@pytest.mark.parametrize("state", [*WITH_WINDOW, "CT", "TX", "other"])
def test_every_day_of_six_years_for_days_that_are_easy_to_get_wrong(state):
    every = [date(2023, 1, 1) + timedelta(step) for step in range(6 * 365 + 2)]
    for edge in EDGES:
        person = Person(state, edge, edge)
        who = arrays([person] * len(every))

        found = judged(who, np.array(every, "M8[D]"), rules=RULES, lead_days=60, block_unknown=False)[0] != Reason.NONE

        closed = {
            start + timedelta(step)
            for year in range(2021, 2032)
            if (window := slow_model.window(person, year))
            for start, _, end in [window]
            for step in range((end - start).days + 1)
        }
        assert found.tolist() == [one in closed or state in slow_model.YEAR_ROUND for one in every], edge


def test_one_day_for_all_is_the_same_as_that_day_for_each():
    who = contacts({"state": "CA", "birth_date": "1955-07-10"}, {"state": "TX"}, {"state": "NY"})

    together = excluded_until(who, day("2025-08-01"), rules=RULES, lead_days=60)

    assert together.tolist() == excluded_until(who, days(*["2025-08-01"] * 3), rules=RULES, lead_days=60).tolist()


def test_the_first_rules_name_their_source_and_that_nobody_has_verified_them():
    assert {(rule.source, rule.status) for rule in FIRST_STATE_RULES.values()} == {(SOURCE, NOT_VERIFIED)}
    assert (SOURCE, NOT_VERIFIED) == ("seed 4; business_logic.md §4", "not legally verified")
    assert all(rule.since for rule in FIRST_STATE_RULES.values())


def test_who_lacks_the_date_that_the_rule_needs_is_flagged_and_written_to():
    told = [{"state": "CA"}, {"state": "MO", "birth_date": "1950-05-05"}, {"state": "NY"}, {"state": "TX"}]

    assert anchor_missing(contacts(*told), rules=RULES).tolist() == [True, True, False, False]
    assert [one["flags"] for one in asked(*told)] == [["exclusion_unknown"], ["exclusion_unknown"], [], []]
    assert [row["status"] for row in plan({"state": "CA"})] == ["pre-scheduled"]


def test_a_switch_blocks_who_lacks_the_date():
    (row,) = plan({"state": "CA"}, block_when_anchor_missing=True)

    assert (row["status"], row["skip_reason"]) == ("skipped", "exclusion_window")


def test_a_rule_may_close_the_whole_year_from_an_age_on():
    rules = StateRules({"IL": Window(anchor=Anchor.BIRTHDAY, before=0, after=45, year_round_from_age=76)})
    who = contacts({"state": "IL", "birth_date": "1950-02-28"}, {"state": "IL"}, {"state": "TX", "birth_date": "1930-01-01"})

    assert year_round(who, day("2026-02-27"), rules=rules).tolist() == [False, False, False]
    assert year_round(who, day("2026-02-28"), rules=rules).tolist() == [True, False, False]
    assert judged(who, day("2026-12-01"), rules=rules, lead_days=60, block_unknown=False)[0].tolist() == [
        Reason.YEAR_ROUND_EXCLUSION,
        Reason.NONE,
        Reason.NONE,
    ]
