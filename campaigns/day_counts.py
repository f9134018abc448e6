"""How many mails each day carries, counted so that the chunks need not be looked at again when it is known which days are crowded.

Effective-date mails leave a crowded day for the one their jitter names. So each row is counted by both days at once, and what a day
carries follows from the counts alone.
"""

from typing import Any

import numpy as np

from campaigns.rules.balance import FIXED, TALLY, gone_out, merged
from campaigns.rules.email_types import EFFECTIVE_DATE
from campaigns.rules.shapes import DAY, Array, Status, numbered

FLOW = np.dtype([("day", DAY), ("spread_to", DAY), ("priority", "i2"), ("smooth", "?"), ("count", "i8")])  # smooth: may be spread


def flow(rows: Array, spread_to: Array, history: Array) -> Array:
    """A FLOW of the planned rows, and of the mails that have left. `spread_to` is where each row goes if its day is crowded."""
    planned = np.flatnonzero(rows["status"] == Status.PRE_SCHEDULED)
    gone = gone_out(history)
    counts = np.zeros(len(planned) + len(gone), FLOW)
    counts["day"] = np.concatenate([rows["send_on"][planned], gone["send_on"]])
    counts["spread_to"] = np.concatenate([spread_to[planned], gone["send_on"]])
    counts["priority"] = np.concatenate([rows["priority"][planned], np.full(len(gone), FIXED, "i2")])
    own = (rows["kind"][planned] == EFFECTIVE_DATE) & np.isnat(rows["moved_from"][planned])
    counts["smooth"] = np.concatenate([own, gone["kind"] == EFFECTIVE_DATE])
    counts["count"] = 1
    return summed(counts)


def summed(counts: Array) -> Array:
    """A FLOW in which every pair of days, priority and sort is there once."""
    key = numbered([counts[name] for name in ("day", "spread_to", "priority", "smooth")])
    order = np.argsort(key, kind="stable")
    counts, key = counts[order], key[order]
    first = np.ones(len(counts), bool)
    first[1:] = key[1:] != key[:-1]
    at = np.flatnonzero(first)
    result = counts[at]
    result["count"] = np.add.reduceat(counts["count"], at) if len(at) else 0
    return result


def effective_dates(counts: Array) -> Array:
    """The TALLY of effective-date mails on their own days."""
    return tally_of(counts[counts["smooth"]], "day")


def carried(counts: Array, crowded: Array) -> Array:
    """The TALLY of all mails, those of crowded days where they are spread to."""
    counts = counts.copy()
    leaves = counts["smooth"] & np.isin(counts["day"], crowded)
    counts["day"][leaves] = counts["spread_to"][leaves]
    return tally_of(counts, "day")


def tally_of(counts: Array, day: str) -> Array:
    tally = np.zeros(len(counts), TALLY)
    tally["day"], tally["priority"], tally["count"] = counts[day], counts["priority"], counts["count"]
    return merged([tally])


def total(tally: Array, days: Any) -> int:
    """How many mails these days carry."""
    return int(tally["count"][np.isin(tally["day"], days)].sum())
