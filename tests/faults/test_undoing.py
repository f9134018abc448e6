"""The undoing of a run, met by every fault at each of its points, and its workers killed at random: the schedule of before."""

import random
import time

import pytest

from messaging.faults import POINTS
from tests.faults.lab import Lab
from tests.faults.test_runs import FAULTS, SEED
from tests.faults.test_sweep import strike

AS_BEFORE = {
    "status": "undone",
    "changed": True,
    "before": True,
    "checksum": True,
    "exact": True,
    "told": True,
    "rows": True,
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("point", sorted(point for point in POINTS if point.startswith("undo.")))
def test_whatever_strikes_an_undoing_the_schedule_is_that_of_before(clean_lab: Lab, point: str, fault: str):
    clean_lab.zygote.run("start_undo")
    place, marks = clean_lab.place(lease_seconds=0.7, settle_seconds=0), clean_lab.folder / "marks"
    nth = 1 if point == "undo.before_end_commit" else 2

    worker = clean_lab.fork("work", place=place, steps=["undo a run"], fault=f"{point}={FAULTS[fault]}@{nth}", marks=str(marks))
    strike(clean_lab, marks / point, fault)
    if fault == "stop the database":
        clean_lab.database.start()
    worker.has_ended(within_seconds=30)

    assert clean_lab.zygote.run("finish_undo") == AS_BEFORE
    assert clean_lab.zygote.run("verify_schedules") == []


def test_ten_kills_in_one_undoing_change_nothing(clean_lab: Lab):
    chance, struck = random.Random(SEED), 0
    clean_lab.zygote.run("start_undo")
    crew = [clean_lab.zygote.fork("share_undo") for _ in range(2)]
    while struck < 10 and clean_lab.database.ask("SELECT count(*) FROM campaigns_schedulerrun WHERE status = 'undoing'") == [(1,)]:
        time.sleep(chance.expovariate(1 / 0.05))
        crew.pop(0).kill()
        struck += 1
        crew.append(clean_lab.zygote.fork("share_undo"))
    for worker in crew:
        worker.answer()

    assert clean_lab.zygote.run("finish_undo") == AS_BEFORE
