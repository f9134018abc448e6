"""Four months of nights with a thousand contacts, on real rows and with real hand-over: nothing is broken that the campaigns promise."""

import subprocess
import sys
from datetime import date
from pathlib import Path
from random import Random

import pytest
from django.conf import settings

from tests.audit.in_database import InDatabase
from tests.audit.nights import Findings, Machine, audit
from tests.audit.office import Office
from tests.audit.recordings import Recorded, Replayed

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


def a_week(machine: Machine) -> Findings:
    office = Office(Random(4), date(2025, 8, 20), limit=3)
    office.open(80)
    return audit(office, machine, nights=7, oracle_every=5, full_every=3)


@pytest.mark.django_db
def test_the_checks_of_a_recording_count_what_they_counted_in_the_first_place(tmp_path: Path) -> None:
    kept = tmp_path / "week"
    with kept.open("wb") as into:
        first = a_week(Recorded(InDatabase(), into))
    with kept.open("rb") as source:
        again = a_week(Replayed(source))
    assert first.counted["mails sent"]
    assert again == first


def test_the_long_audit_says_the_same_of_what_it_lives_through_and_of_its_recording(tmp_path: Path) -> None:
    kept = tmp_path / "days"

    lived, replayed = (counted_by_command(f"--{what}={kept}") for what in ("record", "replay"))

    assert "10 nights" in lived
    assert replayed == lived


def counted_by_command(option: str) -> str:
    command = [sys.executable, "-m", "tests.audit", "--contacts=60", "--nights=10", option]
    done = subprocess.run(command, cwd=settings.BASE_DIR, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.rpartition(" seconds, ")[0].rpartition("\n")[0]
