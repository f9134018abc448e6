"""What holds of every run: no mail on an excluded day or past its event, and the same result however contacts are cut."""

from collections import Counter

import numpy as np
import pytest

from campaigns import scheduler
from campaigns.rules import balance
from campaigns.rules.email_types import AEP, BIRTHDAY, EFFECTIVE_DATE, POST_WINDOW, is_campaign
from campaigns.rules.shapes import ROW, Reason, Status
from campaigns.rules.states import STATES
from tests.campaigns import slow_model
from tests.campaigns.asking import asked, day, settings
from tests.campaigns.crowd import after, crowd, cut, handed_over, night, part

TIGHT = settings(daily_send_percentage_cap=0.02, ed_daily_soft_limit=2, max_emails_per_period=3)
WIDE = settings(daily_send_percentage_cap=1.0, ed_daily_soft_limit=1_000_000)
TODAY = day("2025-08-20")
CONTACTS, NIGHTS = 100, 60
ALL_BUT_PLACE = [name for name in ROW.names if name != "place"]


def told(rows):
    return rows[ALL_BUT_PLACE].tolist()


def planned(rows):
    return rows[rows["status"] == Status.PRE_SCHEDULED]


@pytest.fixture(scope="module")
def chunk():
    return crowd(600, seed=1, around="2025-08-20", settings=TIGHT, targets=900)


@pytest.fixture(scope="module")
def rows(chunk):
    return night(chunk, day=TODAY, settings=TIGHT)


def test_no_mail_goes_out_on_an_excluded_day(chunk, rows):
    some = planned(rows)
    who = chunk.contacts.take(some["place"])
    people = [
        slow_model.Person(STATES[state], birthday, effective)
        for state, birthday, effective in zip(who.state, who.birthday.tolist(), who.effective_date.tolist(), strict=True)
    ]

    wrong = [
        (person, row["send_on"])
        for person, row in zip(people, some, strict=True)
        if row["respects"] and slow_model.excluded(person, row["send_on"].item())
    ]

    assert wrong == []
    assert (~np.isnat(some["moved_from"])).sum() > 100, "too few were moved for this to mean anything"


def test_no_mail_goes_out_before_today_or_past_its_event(rows):
    some = planned(rows)
    with_event = some[np.isin(some["kind"], [BIRTHDAY, EFFECTIVE_DATE])]

    assert (some["send_on"] >= TODAY).all()
    assert (with_event["send_on"] <= with_event["event_on"]).all()
    assert not (some["send_on"] > some["latest_on"]).any()


def test_a_mail_after_a_window_is_never_early(rows):
    some = planned(rows)
    some = some[some["kind"] == POST_WINDOW]

    assert len(some)
    assert (some["send_on"] > some["event_on"]).all()


def test_no_day_is_above_the_cap_but_for_rows_that_say_so(rows):
    some = planned(rows)
    cap = scheduler.caps_of(600, TIGHT).daily
    carried = Counter(one["send_on"] for one in some if not one["over_cap"])

    assert max(carried.values()) <= cap
    assert some["over_cap"].sum() < len(some) / 10


def test_no_contact_is_above_the_frequency_limit(rows):
    for place in np.unique(rows["place"]):
        own = np.sort(planned(rows[rows["place"] == place])["send_on"])
        assert all(((own >= last - 30) & (own <= last)).sum() <= 3 for last in own)
    assert (rows["reason"] == Reason.FREQUENCY_LIMIT).sum() > 10


def test_no_contact_has_two_campaigns_on_a_day(rows):
    some = planned(rows)
    some = some[is_campaign(some["kind"])]

    assert max(Counter(zip(some["place"].tolist(), some["send_on"].tolist(), strict=True)).values()) == 1
    assert (rows["reason"] == Reason.CAMPAIGN_CONFLICT).any()


@pytest.mark.parametrize("places", [(1,), (300,), (200, 201, 599), tuple(range(1, 600, 37))])
def test_chunks_may_be_cut_anywhere(chunk, rows, places):
    found = scheduler.schedule(cut(chunk, *places), day=TODAY, settings=TIGHT)

    assert told(np.concatenate(found)) == told(rows)


def test_the_order_in_which_contacts_are_told_changes_nothing():
    people = [
        {"id": number, "state": state, "birth_date": f"19{40 + number % 20}-09-{1 + number % 28:02}", "effective_date": "2015-10-01"}
        for number, state in enumerate(STATES * 2)
    ]

    forth = asked(*people, today="2025-08-20", rules_only=False)
    back = asked(*people[::-1], today="2025-08-20", rules_only=False)

    assert forth == back[::-1]


def test_a_contact_alone_gets_what_it_gets_among_ten_thousand():
    chunk = crowd(10_000, seed=2, around="2025-08-20", settings=WIDE, targets=5_000)
    everybody = night(chunk, day=TODAY, settings=WIDE)

    for place in range(0, 10_000, 501):
        alone = night(part(chunk, np.array([place])), day=TODAY, settings=WIDE)
        assert told(alone) == told(everybody[everybody["place"] == place])


def test_a_second_run_on_the_same_day_changes_nothing(chunk, rows):
    again = night(after(chunk, rows), day=TODAY, settings=TIGHT)

    assert told(again) == told(rows)


@pytest.mark.parametrize("first", ["2025-02-20", "2025-09-10"])
def test_nights_in_a_row_mail_every_event_once(first):
    chunk = crowd(CONTACTS, seed=3, around=first, settings=TIGHT, targets=100)
    sent, rows = chunk.history, np.zeros(0, ROW)
    mailed: Counter = Counter()
    owed: set = set()
    for number, today in enumerate(day(first) + np.arange(NIGHTS)):
        rows = night(after(chunk, rows[rows["send_on"] >= today], sent=sent), day=today, settings=TIGHT)
        if number % 5 == 0:
            assert told(night(after(chunk, rows, sent=sent), day=today, settings=TIGHT)) == told(rows), today
        assert owed - set(events(rows)) - set(mailed) == set(), f"forgotten by {today}"
        owed = set(events(planned(rows)))
        gone = handed_over(rows, day=today)
        mailed.update(events(gone))
        sent = np.concatenate([sent, gone])

    assert len(mailed) > 50
    assert set(mailed.values()) == {1}
    assert {key[1] for key in mailed} >= {BIRTHDAY, EFFECTIVE_DATE, POST_WINDOW}
    for place in range(CONTACTS):
        own = np.sort(sent[sent["place"] == place]["send_on"])
        assert all(((own >= last - 30) & (own <= last)).sum() <= 3 for last in own)


def events(records):
    return list(zip(*(records[name].tolist() for name in ("place", "kind", "event_on", "instance")), strict=True))


def test_aep_mails_that_found_no_room_are_still_owed_after_their_day():
    chunk = crowd(100, seed=5, around="2025-09-15", settings=TIGHT)
    before = night(chunk, day=day("2025-09-14"), settings=TIGHT)
    waiting = before[(before["kind"] == AEP) & (before["send_on"] > day("2025-09-15")) & (before["status"] == Status.PRE_SCHEDULED)]

    next_day = night(after(chunk, before), day=day("2025-09-16"), settings=TIGHT)

    later = next_day[(next_day["kind"] == AEP) & (next_day["event_on"] == day("2025-09-15")) & (next_day["status"] == Status.PRE_SCHEDULED)]
    assert len(waiting) > 20
    assert sorted(waiting["contact"]) == sorted(later["contact"])


def test_a_corrected_birth_date_ends_what_was_planned_for_the_wrong_one():
    person = {"state": "TX", "birth_date": "1950-09-01"}
    waiting = [{"email_type": "birthday", "date": "2025-08-25", "status": "pre-scheduled", "event_date": "2025-09-01"}]

    kept = asked(person | {"history": waiting}, today="2025-08-22")[0]["rows"][0]
    corrected = asked(person | {"birth_date": "1950-12-01", "history": waiting}, today="2025-08-22")[0]["rows"][0]

    assert (kept["date"], kept["catch_up"]) == ("2025-08-25", True)
    assert corrected["date"] == "2025-11-17"


def test_the_counts_of_days_add_up(chunk, rows):
    whole = balance.tally(rows, chunk.history)
    parts = [balance.tally(one, chunk.history) for one in np.array_split(rows, 7)]

    assert balance.merged(parts).tolist() == whole.tolist()
