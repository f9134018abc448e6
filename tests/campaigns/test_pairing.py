"""Mails of the past that do not say what they were about, and follow-ups that do not say whom they follow."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.rules.pairing import joined, one_to_one
from tests.campaigns.asking import of_type, plan

TX = {"state": "TX"}
PAIRS = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=20)


def target(instance, trigger):
    return {"campaign_type": "rate_increase", "instance": instance, "trigger_date": trigger}


def mail(date, kind="campaign_rate_increase", status="sent", **told):
    return {"email_type": kind, "date": date, "status": status, **told}


CAMPAIGNS = [  # today, mails, targets → what is planned still, by instance and day
    ("2025-03-05", [mail("2025-03-01")], [target(2, "2025-06-15"), target(1, "2025-03-15")], [(2, "2025-06-01")]),
    ("2025-03-02", [mail("2025-03-01"), mail("2025-03-01")], [target(1, "2025-03-15"), target(2, "2025-03-15")], []),
    (
        "2025-03-10",
        [mail("2025-03-01", campaign_instance=1), mail("2025-03-08", campaign_instance=1)],
        [target(1, "2025-03-15"), target(1, "2025-03-22")],
        [],
    ),
    ("2025-03-05", [mail("2025-03-01", event_date="2025-03-15")], [target(1, "2025-03-15")], []),
    ("2025-03-05", [mail("2025-02-01")], [target(1, "2025-06-15")], [(1, "2025-06-01")]),  # an older campaign's
    ("2025-03-01", [mail("2025-03-01"), mail("2025-03-04", status="pre-scheduled")], [target(1, "2025-03-15")], []),  # it has left
    (
        "2025-03-02",  # the one that says whose it is leaves the other mail the other target
        [mail("2025-03-01"), mail("2025-03-01", event_date="2025-03-15", campaign_instance=1)],
        [target(1, "2025-03-15"), target(2, "2025-03-15")],
        [],
    ),
    ("2025-03-02", [mail("2025-03-01", campaign_instance=1)], [target(1, None), target(1, "2025-03-15")], [(1, "2025-03-05")]),
]


@pytest.mark.parametrize(("today", "mails", "targets", "left"), CAMPAIGNS)
def test_a_campaign_mail_is_about_one_target_and_a_target_has_one_mail(today, mails, targets, left):
    found = of_type(plan(TX | {"targets": targets, "history": mails}, today=today), "campaign_rate_increase")

    assert [(row["campaign_instance"], row["date"]) for row in found] == left


COLD = "followup_1_cold"
AEP, BIRTHDAY, EFFECTIVE_DATE = mail("2024-12-20", "aep"), mail("2025-01-01", "birthday"), mail("2025-01-01", "effective_date")
FOLLOW_UPS = [  # today, mails → day of the follow-up, and the priority of the mail that it follows
    ("2025-01-07", [AEP, BIRTHDAY, mail("2025-01-06", COLD), mail("2025-01-07", COLD)], []),
    ("2025-01-05", [AEP, BIRTHDAY], [("2025-01-06", 7)]),
    ("2025-01-05", [AEP, BIRTHDAY, mail("2025-01-03", COLD)], [("2025-01-06", 7)]),  # it was on time for the birthday mail
    ("2025-01-05", [AEP, BIRTHDAY, mail("2025-01-04", COLD)], [("2025-01-06", 5)]),  # for neither: the older one's
    ("2025-01-05", [AEP, BIRTHDAY, mail("2025-01-04", COLD, event_date="2025-01-01")], [("2025-01-06", 7)]),
    ("2025-01-02", [BIRTHDAY, mail("2025-01-02", COLD)], []),  # early: settings were others then
    ("2025-01-03", [mail("2024-12-31", "campaign_initial_blast"), BIRTHDAY, mail("2025-01-02", COLD)], []),  # a blast has none
    ("2025-01-02", [mail("2023-01-03", COLD, "pre-scheduled"), BIRTHDAY], [("2025-01-03", 5)]),  # it was missed long ago
    ("2025-01-02", [mail("2024-12-30", COLD, "pre-scheduled"), BIRTHDAY], []),  # whosever it is, it is open
    ("2025-01-05", [AEP, mail("2024-12-30", COLD, "pre-scheduled"), BIRTHDAY], []),  # overdue, and may go out still
]


@pytest.mark.parametrize(("today", "mails", "follow_ups"), FOLLOW_UPS)
def test_a_follow_up_follows_one_mail_and_a_mail_has_one(today, mails, follow_ups):
    found = plan(TX | {"history": mails}, today=today)

    assert [(row["date"], row["priority"]) for row in found if row["email_type"].startswith("followup")] == follow_ups


@pytest.mark.parametrize("mails", [[AEP, BIRTHDAY], [BIRTHDAY, EFFECTIVE_DATE], [EFFECTIVE_DATE, BIRTHDAY]])
@pytest.mark.parametrize("told", [("event_date", "campaign_instance"), ()], ids=["its event told", "as the contract says"])
@pytest.mark.parametrize("today", ["2025-01-01", "2025-01-05"])
def test_a_planned_follow_up_is_planned_again_as_it_was(mails, told, today):
    names = ("email_type", "date", "status", *told)
    first = [row for row in plan(TX | {"history": mails}, today=today) if row["email_type"].startswith("followup")]

    again = plan(TX | {"history": [*mails, *({name: row[name] for name in names} for row in first)]}, today=today)

    assert [row for row in again if row["email_type"].startswith("followup")] == first != []


@given(PAIRS)
def test_pairs_are_made_best_first(pairs):
    ours, theirs = (np.array([pair[side] for pair in pairs], "i8") for side in (0, 1))

    made = one_to_one(ours, theirs)

    expected: list[tuple[int, int]] = []
    for pair in pairs:
        if all(pair[0] != mine and pair[1] != yours for mine, yours in expected):
            expected.append(pair)
    assert [pair for pair, chosen in zip(pairs, made, strict=True) if chosen] == expected


@given(PAIRS, PAIRS)
def test_all_pairs_with_equal_keys_are_joined(ours, theirs):
    columns = [tuple(np.array([pair[side] for pair in pairs], "i8") for side in (0, 1)) for pairs in (ours, theirs)]

    here, there = joined(*columns)

    expected = [(n, m) for n, mine in enumerate(ours) for m, yours in enumerate(theirs) if mine == yours]
    assert sorted(zip(here.tolist(), there.tolist(), strict=True)) == expected
