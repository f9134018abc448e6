"""Four months of nights of a thousand contacts: nothing is broken that the campaigns promise."""

import sys
from datetime import date
from random import Random

import pytest

from tests.audit.in_memory import InMemory
from tests.audit.nights import Audit, audit
from tests.audit.office import Office


def months(*, start: date, limit: int, seed: int, contacts: int = 500) -> Audit:
    office = Office(Random(seed), start, limit=limit)
    office.open(contacts)
    told = audit(office, InMemory(), nights=120, oracle_every=10)
    sys.stdout.write(f"\n{told.report()}\n")
    return told


@pytest.mark.parametrize(
    ("start", "limit"), [(date(2024, 12, 1), 2), (date(2025, 7, 1), 5)], ids=["over New Year, two mails a month", "AEP"]
)
def test_a_thousand_contacts_through_120_nights(start: date, limit: int) -> None:
    told = months(start=start, limit=limit, seed=start.year)
    assert told.broken == {}, told.report()
    wanted = ["mails sent", "rows moved", "rules changed", "dates corrected", "times without a run", "campaigns begun", "suppressed"]
    assert [what for what in wanted if not told.counted[what]] == []
