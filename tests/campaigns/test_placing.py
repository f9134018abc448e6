"""Rows without room go to the same days whether they are placed all at once or piece by piece."""

import numpy as np
import pytest

from campaigns import placing, scheduler
from campaigns.rules import balance
from campaigns.rules.balance import Caps
from campaigns.rules.campaign_days import TAKEN
from campaigns.rules.email_types import FIRST_CAMPAIGN
from campaigns.rules.shapes import LEFT, NO_DAY, filled
from campaigns.scheduler import LeftOver
from campaigns.settings import SchedulerSettings

DAY = np.datetime64("2026-06-01", "D")
SETTINGS = SchedulerSettings(redistribution_horizon_days=8, daily_send_percentage_cap=0.5)
CAPS = Caps(daily=30, effective_date=9)


def chunk_of(random, *, first, size):
    """Rows of several days, kinds and priorities, some of one contact; best first, as a chunk keeps them."""
    rows = filled(LEFT, size, contact=first + random.integers(0, size // 2, size), state=random.integers(0, 52, size))
    rows["kind"] = random.choice([0, 1, 2, FIRST_CAMPAIGN, FIRST_CAMPAIGN + 1], size)
    rows["priority"] = random.integers(1, 4, size)
    rows["instance"] = random.integers(1, 3, size)
    rows["send_on"] = DAY + random.integers(0, 3, size)
    rows["birthday"] = np.datetime64("1950-01-01") + random.integers(0, 365, size)
    rows["latest_on"] = np.where(random.random(size) < 0.5, DAY + random.integers(2, 9, size), NO_DAY)
    rows["respects"] = random.random(size) < 0.8
    rows = rows[balance.best_first(rows)]
    campaigns = rows[rows["kind"] >= FIRST_CAMPAIGN]
    taken = np.zeros(len(campaigns), TAKEN)
    taken["contact"], taken["day"] = campaigns["contact"], campaigns["send_on"]
    return LeftOver(at=np.arange(size), rows=rows, taken=taken)


@pytest.mark.parametrize("seed", range(20))
def test_piece_by_piece_is_as_all_at_once(seed):
    random = np.random.default_rng(seed)
    chunks = [chunk_of(random, first=1 + 1_000 * n, size=int(random.integers(20, 80))) for n in range(5)]
    counts = balance.merged([np.array([(DAY + n, 5, 40 - 7 * n) for n in range(6)], balance.TALLY)])

    at_once = scheduler.placed(chunks, counts, caps=CAPS, settings=SETTINGS)
    kept = [(n, placing.kept(one.at, one.rows, one.taken)) for n, one in enumerate(chunks)]
    in_pieces = dict(placing.placed(kept, counts, caps=CAPS, settings=SETTINGS))

    assert any(np.isnat(days).any() for days in at_once)
    for n, days in enumerate(at_once):
        np.testing.assert_array_equal(in_pieces[n], days)
        np.testing.assert_array_equal(placing.places_of(kept[n][1]), chunks[n].at)


def test_a_chunk_that_keeps_all_its_rows_has_none_to_place():
    nothing = placing.kept(np.zeros(0, "i8"), filled(LEFT, 0), np.zeros(0, TAKEN))

    ((_, days),) = placing.placed([(1, nothing)], np.zeros(0, balance.TALLY), caps=CAPS, settings=SETTINGS)

    assert len(days) == 0
