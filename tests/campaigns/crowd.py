"""Made-up contacts with campaigns, and runs over them night after night."""

from dataclasses import replace
from typing import Any

import numpy as np

from campaigns import scheduler
from campaigns.rules.shapes import HISTORY, TARGET, Array, Contacts, Status, filled
from campaigns.rules.states import CODES, STATES
from campaigns.scheduler import Chunk
from campaigns.settings import SchedulerSettings

LIKELY = [CODES[state] for state in ("CA", "ID", "KY", "MD", "NV", "OK", "OR", "VA", "MO", "NY", "TX", "FL")]


def crowd(size: int, *, seed: int, around: str, settings: SchedulerSettings, targets: int = 0) -> Chunk:
    """Contacts of all states, one in ten without a birth or an effective date, with campaigns in the year that `around` begins."""
    random = np.random.default_rng(seed)
    birthday = np.datetime64("1940-01-01", "D") + random.integers(0, 9_000, size)
    effective_date = (np.datetime64("2010-01", "M") + random.integers(0, 12 * 14, size)).astype("M8[D]")
    birthday[random.random(size) < 0.05] = np.datetime64("1960-02-29", "D")
    birthday[random.random(size) < 0.1] = np.datetime64("NaT", "D")
    effective_date[random.random(size) < 0.1] = np.datetime64("NaT", "D")
    state = np.where(random.random(size) < 0.7, random.choice(LIKELY, size), random.integers(0, len(STATES), size))
    kinds = [settings.email_types.codes[f"campaign_{name}"] for name in sorted(settings.campaign_types)]
    asked = filled(
        TARGET,
        targets,
        place=random.integers(0, size, targets),
        kind=random.choice(kinds, targets),
        trigger_on=np.datetime64(around, "D") + random.integers(-10, 200, targets),
    )
    asked["instance"] = np.arange(targets) % 7
    return Chunk(Contacts(np.arange(1, size + 1) * 3, state.astype("i1"), birthday, effective_date), targets=asked)


def night(chunk: Chunk, *, day: Any, settings: SchedulerSettings) -> Array:
    (rows,) = scheduler.schedule([chunk], day=day, settings=settings)
    return rows


def cut(chunk: Chunk, *places: int) -> list[Chunk]:
    """The same contacts in several chunks."""
    ends = [*places, len(chunk.contacts)]
    return [part(chunk, np.arange(start, end)) for start, end in zip([0, *places], ends, strict=True)]


def part(chunk: Chunk, places: Array) -> Chunk:
    """The contacts at these ascending places, with what belongs to them."""
    new = np.full(len(chunk.contacts), -1)
    new[places] = np.arange(len(places))

    def own(records: Array) -> Array:
        kept = records[new[records["place"]] >= 0].copy()
        kept["place"] = new[kept["place"]]
        return kept

    return Chunk(chunk.contacts.take(places), own(chunk.targets), own(chunk.history), own(chunk.events))


def left_behind(rows: Array) -> Array:
    """The rows of a run as the HISTORY of the next one."""
    shared = ("place", "kind", "send_on", "event_on", "status", "instance", "moved_from")
    return filled(HISTORY, len(rows), id=np.arange(len(rows)), **{name: rows[name] for name in shared})


def after(chunk: Chunk, rows: Array, *, sent: Array | None = None) -> Chunk:
    """The chunk as the next run finds it: what was planned, and what has gone out before."""
    history = np.concatenate([left_behind(rows), *([] if sent is None else [sent])])
    history["id"] = np.arange(len(history))
    return replace(chunk, history=history)


def handed_over(rows: Array, *, day: Any) -> Array:
    """HISTORY of the mails of a day, which went out."""
    gone = left_behind(rows[(rows["status"] == Status.PRE_SCHEDULED) & (rows["send_on"] <= day)])
    gone["status"] = Status.SENT
    return gone
