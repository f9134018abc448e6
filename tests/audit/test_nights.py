"""Four months of nights with a thousand contacts, on real rows and with real hand-over: nothing is broken that the campaigns promise."""

import sys
from datetime import date
from random import Random

import pytest

from tests.audit.in_database import InDatabase
from tests.audit.nights import audit
from tests.audit.office import Office

HAPPENS = [
    "campaigns begun",
    "clicks and answers",
    "dates corrected",
    "days above the cap, each of them reported",
    "follow-ups sent",
    "mails sent",
    "moved to another state",
    "rows moved",
    "rows silent for the frequency limit",
    "rules changed",
    "suppressed",
    "times without a run or a hand-over",
]


@pytest.mark.django_db
def test_a_thousand_contacts_through_120_nights() -> None:
    office = Office(Random(2025), date(2025, 7, 20), limit=3)
    office.open(1_000)
    told = audit(office, InDatabase(), nights=120, oracle_every=20)
    sys.stdout.write(f"\n{told.report()}\n")
    assert told.broken == {}, told.report()
    assert [what for what in HAPPENS if not told.counted[what]] == []
