"""The plan of one contact, kept after each of the scheduler's steps.

The steps are the scheduler's own functions in its own order. Only one thing differs: whether a day is too full is known to a run over all
contacts alone, so what the last run moved is taken from its rows instead of being balanced anew.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from campaigns import scheduler
from campaigns.rules import balance
from campaigns.rules.shapes import ROW, Array, Status, filled, first_match
from campaigns.rules.standing import keys
from campaigns.scheduler import Chunk
from campaigns.settings import SchedulerSettings


@dataclass(frozen=True, kw_only=True)
class Plan:
    """ROWs after each step; `chunk` has its history with events."""

    chunk: Chunk
    planned: Array
    uncontested: Array
    balanced: Array
    limited: Array
    follow_ups: Array

    @property
    def rows(self) -> Array:
        """What the schedule should say."""
        return np.concatenate([self.limited, self.follow_ups])

    @property
    def by_rules_alone(self) -> Array:
        """As `what_if --rules-only` has it: before conflicts, load balancing and frequency limits."""
        return np.concatenate([self.planned, self.follow_ups])


def plan_of(chunk: Chunk, *, day: Any, settings: SchedulerSettings) -> Plan:
    chunk = scheduler.with_known_events(chunk, day=day, settings=settings)
    planned = scheduler.planned(chunk, day=day, settings=settings)
    uncontested = scheduler.uncontested(chunk, planned)
    balanced = as_moved(chunk, uncontested, day=day, settings=settings)
    return Plan(
        chunk=chunk,
        planned=planned,
        uncontested=uncontested,
        balanced=balanced,
        limited=scheduler.limited(chunk, balanced, day=day, settings=settings),
        follow_ups=scheduler.follow_ups(chunk, day=day, settings=settings),
    )


def empty_plan(chunk: Chunk) -> Plan:
    """For a contact that the scheduler leaves out."""
    none = filled(ROW, 0)
    return Plan(chunk=chunk, planned=none, uncontested=none, balanced=none, limited=none, follow_ups=none)


def as_moved(chunk: Chunk, rows: Array, *, day: Any, settings: SchedulerSettings) -> Array:
    """The rows on the days to which the last run moved them, where they may still be sent then."""
    waiting = chunk.history[(chunk.history["status"] == Status.PRE_SCHEDULED) & ~np.isnat(chunk.history["moved_from"])]
    match = first_match(keys(rows), keys(waiting))
    at = np.flatnonzero((match >= 0) & (rows["status"] == Status.PRE_SCHEDULED))
    found = waiting[match[at]]
    new = found["send_on"]
    fits = (found["moved_from"] == rows["send_on"][at]) & (new >= day) & ~(new > rows["latest_on"][at])
    fits &= scheduler.judge_of(chunk.contacts.take(rows["place"]), rows["respects"], settings)(at, new)
    return scheduler.in_order(balance.moved(rows.copy(), at[fits], new[fits]))
