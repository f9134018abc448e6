"""The states' rules in words, their coverage against the requirement, and whom a type that ignores windows concerns."""

from dataclasses import replace

import pytest

from campaigns.rules.states import FIRST_STATE_RULES, STATES, Anchor, Window
from campaigns.settings import SchedulerSettings
from campaigns.state_table import NAMES, REQUIRED, coverage, departures, rule_words, states_concerned, window_words

# domain §5.3, written down once more: state, anchor, days before, days after
TABLE = """
    CA birthday 30 60, ID birthday 0 63, KY birthday 0 60, MD birthday 0 30, NV birth_month 0 60, OK birthday 0 60, OR birthday 0 31,
    VA birthday 0 30, MO effective_date 30 33, CT always 0 0, MA always 0 0, NY always 0 0, WA always 0 0
"""


def test_what_is_required_is_the_table_of_the_requirement():
    told = {state: (anchor, int(before), int(after)) for state, anchor, before, after in (line.split() for line in TABLE.split(","))}

    ruled = {state: (rule.anchor.name.lower(), rule.before, rule.after) for state, rule in REQUIRED.items() if rule.anchor != Anchor.NONE}
    assert ruled == told
    assert len(REQUIRED) == len(NAMES) == len(STATES) == 52
    assert set(NAMES) == set(STATES)


def test_the_required_rules_cover_8_birthday_1_effective_date_and_4_year_round_states():
    groups = coverage(REQUIRED)

    assert {name: len(states) for name, states in groups.items()} == {
        "birthday": 8,
        "effective_date": 1,
        "year_round": 4,
        "free": 39,
        "missing": 0,
    }
    assert departures(REQUIRED) == []


DEPARTURES = [
    (
        {"CA": Window(anchor=Anchor.BIRTHDAY, before=30, after=30)},
        "CA: from 30 days before the birthday to 30 days after it; required is from",
    ),
    ({"TX": Window(anchor=Anchor.ALWAYS)}, "TX: every day of the year; required is free."),
    ({"NY": Window(anchor=Anchor.NONE)}, "NY: free; required is every day of the year."),
    ({"IL": Window(anchor=Anchor.NONE, year_round_from_age=76)}, "IL: free; every day from age 76; required is free."),
    ({"MO": replace(FIRST_STATE_RULES["MO"], source=" ")}, "MO: its rule has no source."),
]


@pytest.mark.parametrize(("changes", "sentence"), DEPARTURES, ids=[sentence[:2] for _, sentence in DEPARTURES])
def test_each_departure_is_named(changes, sentence):
    (told,) = departures({**REQUIRED, **changes})

    assert told.startswith(sentence)


def test_a_state_without_an_entry_is_missing():
    rules = {state: rule for state, rule in REQUIRED.items() if state != "DC"}

    assert coverage(rules)["missing"] == ["DC"]
    assert departures(rules) == ["DC: no rule and not said to be free; required is free."]


@pytest.mark.parametrize(
    ("rule", "words", "window"),
    [
        (FIRST_STATE_RULES["CA"], "from 30 days before the birthday to 60 days after it", "91 days; mails stop 60 days earlier"),
        (FIRST_STATE_RULES["NV"], "from the first day of the birth month to 60 days after it", "61 days; mails stop 60 days earlier"),
        (
            Window(anchor=Anchor.EFFECTIVE_DATE, before=1),
            "from 1 day before the effective date to that day",
            "2 days; mails stop 60 days earlier",
        ),
        (Window(anchor=Anchor.BIRTHDAY), "the birthday itself", "1 day; mails stop 60 days earlier"),
        (FIRST_STATE_RULES["NY"], "every day of the year", "no mail at all"),
        (Window(anchor=Anchor.NONE), "free", "none"),
    ],
)
def test_a_rule_is_told_in_words(rule, words, window):
    assert (rule_words(rule), window_words(rule, lead_days=60)) == (words, window)


def test_a_type_that_ignores_windows_concerns_every_state_with_a_rule():
    concerned = states_concerned(SchedulerSettings())

    assert concerned.year_round == ["CT", "MA", "NY", "WA"]
    assert concerned.with_window == ["CA", "ID", "KY", "MD", "MO", "NV", "OK", "OR", "VA"]
    assert concerned.sentence == (
        "CT, MA, NY, WA exclude every day of the year; CA, ID, KY, MD, MO, NV, OK, OR, VA have exclusion windows."
    )
    assert states_concerned(SchedulerSettings(state_rules={})).sentence == "No state has a rule at present."
