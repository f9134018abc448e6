"""A run of the scheduler, met by every fault at each of its points, and its workers killed at random: the same schedule as unharmed."""

import os
import random
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest

from messaging.faults import POINTS
from tests.faults.lab import Lab
from tests.faults.test_sweep import strike

FAULTS = {"kill": "kill", "raise": "raise", "sleep past the lease": "sleep:1.2", "stop the database": "touch:mark"}
RUNNING = "SELECT count(*) FROM campaigns_schedulerrun WHERE status = 'running'"
STEPS_DONE = "SELECT count(*) FROM campaigns_runchunk WHERE step <> 'plan' AND run_id = (SELECT max(id) FROM campaigns_schedulerrun)"
CHUNKS_DONE = "SELECT count(*) FROM campaigns_runchunk WHERE step = 'done' AND run_id = (SELECT max(id) FROM campaigns_schedulerrun)"
ALARMS = "SELECT text FROM messaging_systemevent WHERE level = 'alarm' AND text LIKE '%does not take what it writes%'"
JUMP = "UPDATE campaigns_runchunk SET leased_until = leased_until - %(by)s WHERE leased_until IS NOT NULL"  # what a clock forward does
SEED = int(os.environ.get("STORM_SEED", "12"))


def eventually(is_so: Callable[[], object], *, within_seconds: float = 60) -> None:
    ends_at = time.monotonic() + within_seconds
    while not is_so():
        assert time.monotonic() < ends_at, "it did not come to be so"
        time.sleep(0.02)


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


def rage(lab: Lab, *, kills: int, every: float) -> None:
    """Two workers share the run; so many are killed, each after a moment at random, so many seconds on average."""
    expected, chance = unharmed(lab), random.Random(SEED)
    lab.zygote.run("start_run")
    struck = 0
    crew = [lab.zygote.fork("share_run") for _ in range(2)]
    while struck < kills and lab.database.ask(RUNNING) == [(1,)]:
        time.sleep(chance.expovariate(1 / every))
        crew.pop(0).kill()
        struck += 1
        crew.append(lab.zygote.fork("share_run"))
    for worker in crew:
        worker.answer()

    assert lab.zygote.run("finish_run") == expected
    assert struck >= kills / 2, "the run was over before the storm was"


def test_ten_kills_in_one_run_change_nothing(clean_lab: Lab):
    rage(clean_lab, kills=10, every=0.1)


@pytest.mark.storm
def test_a_hundred_kills_in_one_run_change_nothing(clean_lab: Lab):
    rage(clean_lab, kills=100, every=0.03)


def outlive(lab: Lab, *, seconds: float) -> None:
    """PostgreSQL goes in the middle of a run, and comes back so much later. Nobody tells the workers."""
    expected = unharmed(lab)
    lab.zygote.run("start_run")
    crew = [lab.fork("share_run") for _ in range(2)]
    eventually(lambda: lab.database.ask(STEPS_DONE)[0][0] >= 3)
    lab.database.stop("immediate")
    time.sleep(seconds)
    lab.database.start()

    assert lab.database.ask(RUNNING) == [(1,)], "the run was over before its database was gone"
    for worker in crew:
        worker.answer(within_seconds=seconds + 120)
    assert lab.zygote.run("finish_run") == expected
    assert lab.zygote.run("verify_schedules") == []


def test_a_run_outlives_a_stop_of_the_database(clean_lab: Lab):
    outlive(clean_lab, seconds=2)


@pytest.mark.storm
def test_a_run_outlives_a_stop_of_half_a_minute(clean_lab: Lab):
    outlive(clean_lab, seconds=30)


def test_a_full_disk_holds_a_run_up_aloud_and_it_goes_on_by_itself(clean_lab: Lab):
    expected = unharmed(clean_lab)
    with small_disk(clean_lab, table="campaigns_emailschedule") as disk:
        clean_lab.zygote.run("start_run")
        clean_lab.database.ask("TRUNCATE campaigns_emailschedule CASCADE")
        ballast = fill(disk)
        crew = [clean_lab.fork("share_run") for _ in range(2)]
        eventually(lambda: clean_lab.database.ask(ALARMS))
        assert "No space left on device" in clean_lab.database.ask(ALARMS)[0][0]
        assert clean_lab.database.ask(RUNNING) == [(1,)]
        assert clean_lab.database.ask(CHUNKS_DONE) == [(0,)]

        ballast.unlink()  # that is all that somebody does

        for worker in crew:
            worker.answer(within_seconds=120)
        assert clean_lab.zygote.run("finish_run") == expected
        assert clean_lab.zygote.run("verify_schedules") == []


@contextmanager
def small_disk(lab: Lab, *, table: str) -> Iterator[Path]:
    """That table lies on a disk of a few megabytes of its own, which a test may fill. Skipped aloud where nothing may be mounted."""
    place = Path(lab.database.address["host"]) / "small"
    owner = place.parent.stat()
    place.mkdir()
    options = f"size=6m,mode=0700,uid={owner.st_uid},gid={owner.st_gid}"
    try:
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)], capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip("no small disk: there is no program `mount` here")
    if mounted.returncode:
        place.rmdir()
        pytest.skip(f"no small disk: nothing may be mounted here ({mounted.stderr.strip()})")
    try:
        as_superuser(lab, f"CREATE TABLESPACE small LOCATION '{place}'", f"ALTER TABLE {table} SET TABLESPACE small")
        yield place
    finally:
        for file in place.glob("ballast"):
            file.unlink()
        as_superuser(lab, f"ALTER TABLE {table} SET TABLESPACE pg_default", "DROP TABLESPACE IF EXISTS small")
        subprocess.run(["umount", str(place)], check=True)
        place.rmdir()


def as_superuser(lab: Lab, *orders: str) -> None:
    with psycopg.connect(**lab.database.address | {"user": "postgres"}, autocommit=True) as line:
        for order in orders:
            line.execute(order)


def fill(disk: Path) -> Path:
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))
    return ballast


@pytest.mark.parametrize("hours", [2, -2])
def test_clocks_that_jump_change_nothing_in_a_run(clean_lab: Lab, hours: int):
    """The database's own, again and again, which makes leases lapse at once or never by themselves; and two workers' by hours."""
    expected = unharmed(clean_lab)
    clean_lab.zygote.run("start_run")

    crew = [clean_lab.fork("share_run", wrong_hours=wrong) for wrong in (hours, -hours, 0)]
    jumps = 0
    while clean_lab.database.ask(RUNNING) == [(1,)]:
        clean_lab.database.ask(JUMP, by=timedelta(hours=hours))
        jumps += 1
        time.sleep(0.05)
    for worker in crew:
        worker.answer()

    assert clean_lab.zygote.run("finish_run") == expected
    assert clean_lab.zygote.run("verify_schedules") == []
    assert jumps > 1, "the run was over before a clock jumped"
