"""A run of the scheduler, met by every fault at each of its points, and its workers killed at random: the same schedule as unharmed."""

import os
import random
import time

import pytest

from messaging.faults import POINTS
from tests.faults.lab import Lab
from tests.faults.test_sweep import strike

FAULTS = {"kill": "kill", "raise": "raise", "sleep past the lease": "sleep:1.2", "stop the database": "touch:mark"}
SEED = int(os.environ.get("STORM_SEED", "12"))


def unharmed(lab: Lab) -> dict:
    lab.zygote.run("start_run")
    told = lab.zygote.run("finish_run")
    assert told["status"] == "completed"
    assert told["settled"], "no day was too full"
    return told


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("point", sorted(point for point in POINTS if point.startswith("run.")))
def test_whatever_strikes_a_run_it_writes_the_same_schedule(clean_lab: Lab, point: str, fault: str):
    expected = unharmed(clean_lab)
    clean_lab.zygote.run("start_run")
    place, marks = clean_lab.place(lease_seconds=0.7, settle_seconds=0), clean_lab.folder / "marks"

    worker = clean_lab.fork("work", place=place, steps=["share a run"], fault=f"{point}={FAULTS[fault]}@2", marks=str(marks))
    strike(clean_lab, marks / point, fault)
    if fault == "stop the database":
        clean_lab.database.start()
    worker.has_ended(within_seconds=30)

    assert clean_lab.zygote.run("finish_run") == expected
    assert clean_lab.zygote.run("verify_schedules") == []


@pytest.mark.parametrize("fault", ["kill", "stop the database"])
@pytest.mark.parametrize("point", sorted(point for point in POINTS if point.startswith("backup.")))
def test_whatever_strikes_its_backup_a_run_has_one_before_it_writes(clean_lab: Lab, point: str, fault: str):
    expected = unharmed(clean_lab)
    backups = clean_lab.folder / "backups"
    clean_lab.zygote.run("start_safe_run", folder=str(backups))
    place, marks = clean_lab.place(lease_seconds=0.7, settle_seconds=0), clean_lab.folder / "marks"

    worker = clean_lab.fork("work", place=place, steps=["share a run"], fault=f"{point}={FAULTS[fault]}", marks=str(marks))
    strike(clean_lab, marks / point, fault)
    if fault == "stop the database":
        clean_lab.database.start()
    worker.has_ended(within_seconds=60)

    assert clean_lab.zygote.run("finish_run") == expected
    assert clean_lab.zygote.run("verify_schedules") == []
    assert clean_lab.database.ask("SELECT without_backup, backup_id IS NOT NULL FROM campaigns_schedulerrun") == [("", True)]
    assert [path.suffix for path in backups.iterdir()] == [".dump"]


def rage(lab: Lab, *, kills: int) -> None:
    """Two workers share the run; so many are killed, each after a moment at random."""
    expected, chance = unharmed(lab), random.Random(SEED)
    lab.zygote.run("start_run")
    struck = 0
    crew = [lab.zygote.fork("share_run") for _ in range(2)]
    while struck < kills and lab.database.ask("SELECT count(*) FROM campaigns_schedulerrun WHERE status = 'running'") == [(1,)]:
        time.sleep(chance.expovariate(1 / 0.1))
        crew.pop(0).kill()
        struck += 1
        crew.append(lab.zygote.fork("share_run"))
    for worker in crew:
        worker.answer()

    assert lab.zygote.run("finish_run") == expected
    assert struck >= kills / 2, "the run was over before the storm was"


def test_ten_kills_in_one_run_change_nothing(clean_lab: Lab):
    rage(clean_lab, kills=10)


@pytest.mark.storm
def test_a_hundred_kills_in_one_run_change_nothing(clean_lab: Lab):
    rage(clean_lab, kills=100)
