"""What a run tells of what it planned and changed, as plain numbers by name."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from campaigns.differences import Difference
from campaigns.rules.email_types import EFFECTIVE_DATE
from campaigns.rules.shapes import REASON_WORDS, Array, Contacts, Status
from campaigns.rules.states import CODES, OTHER, STATES
from campaigns.settings import SchedulerSettings

Counts = dict[str, Any]


def of(rows: Array, found: Difference, *, contacts: Contacts, settings: SchedulerSettings) -> Counts:
    """Of one chunk."""
    planned, skipped = rows[rows["status"] == Status.PRE_SCHEDULED], rows[rows["status"] == Status.SKIPPED]
    names = settings.email_types.names
    changes = {"added": found.added, "changed": found.changed, "removed": found.removed, "missed": found.missed}
    return {
        "scheduled": len(planned),
        "skipped": len(skipped),
        "added": len(found.added),
        "changed": len(found.changed) + len(found.missed),
        "removed": len(found.removed),
        "unchanged": found.unchanged,
        "by_type": named(planned["kind"], names),
        "by_reason": named(skipped["reason"], REASON_WORDS),
        "by_day": by_day(planned["send_on"]),
        "effective_dates": by_day(planned["send_on"][planned["kind"] == EFFECTIVE_DATE]),
        "without_room": by_day(planned["send_on"][planned["over_cap"]]),
        "differences": {what: breakdown(some, contacts, names) for what, some in changes.items() if len(some)},
    }


def breakdown(rows: Array, contacts: Contacts, names: tuple[str, ...]) -> Counts:
    """By type, state, day and reason."""
    return {
        "by_type": named(rows["kind"], names),
        "by_state": named(states_of(rows["contact"], contacts), STATES),
        "by_day": by_day(rows["send_on"]),
        "by_reason": named(rows["reason"][rows["status"] == Status.SKIPPED], REASON_WORDS),
    }


def states_of(ids: Array, contacts: Contacts) -> Array:
    """The state of each contact; `other` for one that is invalid now."""
    at = np.minimum(np.searchsorted(contacts.id, ids), max(0, len(contacts) - 1))
    if not len(contacts):
        return np.full(len(ids), CODES[OTHER])
    return np.where(contacts.id[at] == ids, contacts.state[at], CODES[OTHER])


def named(codes: Array, names: Any) -> dict[str, int]:
    numbers = np.bincount(codes)
    return {str(names[code]): int(numbers[code]) for code in np.flatnonzero(numbers)}


def by_day(days: Array) -> dict[str, int]:
    if not len(days):
        return {}
    first = days.min()
    numbers = np.bincount((days - first).astype("i8"))
    found = np.flatnonzero(numbers)
    return dict(zip(np.datetime_as_string(first + found).tolist(), numbers[found].tolist(), strict=True))


def summed(several: Iterable[Mapping[str, Any]]) -> Counts:
    """The counts of all of them, name by name."""
    total: Counts = {}
    for one in several:
        for name, value in one.items():
            if isinstance(value, Mapping):
                total[name] = summed([total.get(name, {}), value])
            else:
                total[name] = total.get(name, 0) + value
    return total


def largest_first(counted: Mapping[str, int]) -> dict[str, int]:
    return dict(Counter(counted).most_common())
