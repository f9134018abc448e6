"""What the auditor does not call a breach: the three cases in which it was wrong, found in the years of `make audit`."""

from dataclasses import replace
from datetime import date
from random import Random

from tests.audit.forgetting import kept_back
from tests.audit.in_database import Changes
from tests.audit.moves import Mail
from tests.audit.nights import Auditor, without_doubtful
from tests.audit.office import Office
from tests.audit.windows import Window

WINDOW = Window(date(2026, 3, 20), date(2026, 5, 29))
SKIPPED = Mail(
    contact=7,
    email_type="effective_date",
    date=date(2026, 4, 5),
    event_date=date(2026, 5, 5),
    status="skipped",
    reason="exclusion_window",
)
GOES = replace(SKIPPED, date=date(2026, 5, 30), event_date=date(2026, 6, 12), status="pre-scheduled", reason=None)


def test_a_window_keeps_nothing_back_that_goes_after_all_for_another_day_of_the_year():
    assert kept_back([SKIPPED], WINDOW)
    assert not kept_back([SKIPPED, GOES], WINDOW)
    assert kept_back([SKIPPED, replace(GOES, event_date=date(2027, 6, 12))], WINDOW)


def test_what_was_kept_back_is_the_same_event_and_not_one_of_the_same_year():
    auditor = Auditor(Office(Random(1), date(2026, 5, 31), limit=3), machine=None, oracle_every=1)  # type: ignore[arg-type]
    auditor.office.day = date(2026, 6, 20)
    stand = Changes({1: SKIPPED}, []).stand
    auditor.record.take(stand, [])

    assert auditor.was_kept_back(replace(SKIPPED, reason="missed"))
    assert not auditor.was_kept_back(replace(GOES, status="skipped", reason="missed"))


def test_nobody_says_whether_a_window_of_later_kept_a_missed_campaign_back():
    target = {"instance": 63, "active_end_date": None, "trigger_date": "2026-04-06"}
    row = {"campaign_instance": 63, "date": "2026-04-06", "skip_reason": "missed"}

    def known(day: date, **changed: str) -> list:
        return without_doubtful({"targets": [target], "history": [row | changed]}, day=day)["targets"]

    assert known(date(2026, 5, 1)) == []
    assert known(date(2026, 5, 1), skip_reason="exclusion_window") == known(date(2026, 4, 6)) == [target]
