"""Four months of nights, twice, of five hundred contacts each: nothing is broken that the campaigns promise."""

import sys
from datetime import date
from random import Random

import pytest

from tests.audit.in_database import InDatabase
from tests.audit.in_memory import InMemory
from tests.audit.nights import Audit, Scheduler, audit
from tests.audit.office import Office


def months(scheduler: Scheduler, *, start: date, limit: int, contacts: int, nights: int = 120) -> Audit:
    office = Office(Random(start.year), start, limit=limit)
    office.open(contacts)
    told = audit(office, scheduler, nights=nights, oracle_every=10)
    sys.stdout.write(f"\n{told.report()}\n")
    return told


@pytest.mark.parametrize(
    ("start", "limit"), [(date(2024, 12, 1), 2), (date(2025, 7, 1), 5)], ids=["over New Year, two mails a month", "AEP"]
)
def test_five_hundred_contacts_through_120_nights(start: date, limit: int) -> None:
    told = months(InMemory(), start=start, limit=limit, contacts=500)
    assert told.broken == {}, told.report()
    wanted = ["mails sent", "rows moved", "rules changed", "dates corrected", "times without a run", "campaigns begun", "suppressed"]
    assert [what for what in wanted if not told.counted[what]] == []


@pytest.mark.django_db
def test_the_same_with_runs_on_rows() -> None:
    told = months(InDatabase(), start=date(2025, 7, 20), limit=3, contacts=200, nights=80)
    assert told.broken == {}, told.report()
    assert told.counted["mails sent"] > 0
