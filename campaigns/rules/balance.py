"""How many mails a day carries. Only the counts of days are global; everything else looks at one chunk of contacts at a time.

Three steps. Effective-date mails, which crowd on the first of a month, are spread by a jitter. Then each day keeps its best rows up
to the cap. What is left over is placed on later days with room.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np

from campaigns.rules.campaign_days import CampaignDays
from campaigns.rules.email_types import EFFECTIVE_DATE
from campaigns.rules.jitter import remainders
from campaigns.rules.shapes import DAY, GOES_OUT, NO_DAY, Array, Status

FIXED = np.iinfo("i2").min  # the priority under which mails are counted that cannot be moved: they come before all others
TALLY = np.dtype([("day", DAY), ("priority", "i2"), ("count", "i8")])
EYED_AT_ONCE = 2  # rows looked at for each place that is free

Judge = Callable[[Array, Any], Array]  # positions of rows, and a day: may each be sent then?


@dataclass(frozen=True, kw_only=True)
class Caps:
    """Mails a day: of all sorts, and effective-date mails before they are spread."""

    daily: int
    effective_date: int


def caps_for(contacts: int, *, daily_share: float, ed_limit: int, ed_share: float) -> Caps:
    """The caps of an organisation with so many contacts: shares rounded down, at least 1. In exact arithmetic: 7 % of 100 is 7."""
    daily = max(1, int(contacts * Fraction(str(daily_share))))
    return Caps(daily=daily, effective_date=max(1, min(ed_limit, int(daily * Fraction(str(ed_share))))))


def tally(rows: Array, fixed: Array) -> Array:
    """A TALLY of the planned rows by day and priority, and of the mails in HISTORY `fixed`, which cannot be moved."""
    planned = rows[rows["status"] == Status.PRE_SCHEDULED]
    counts = np.zeros(len(planned) + len(fixed), TALLY)
    counts["day"] = np.concatenate([planned["send_on"], fixed["send_on"]])
    counts["priority"] = np.concatenate([planned["priority"], np.full(len(fixed), FIXED, "i2")])
    counts["count"] = 1
    return merged([counts])


def merged(tallies: list[Array]) -> Array:
    """One TALLY of several, sorted by day and priority, each pair once."""
    every = np.concatenate([np.zeros(0, TALLY), *tallies])
    every = every[np.lexsort((every["priority"], every["day"]))]
    first = np.ones(len(every), bool)
    first[1:] = (every["day"][1:] != every["day"][:-1]) | (every["priority"][1:] != every["priority"][:-1])
    at = np.flatnonzero(first)
    result = every[at]
    result["count"] = np.add.reduceat(every["count"], at) if len(at) else 0
    return result


def days_above(counts: Array, limit: float) -> Array:
    """The days of a TALLY that carry more than `limit`."""
    days, mails = totals(counts)
    return days[mails > limit]


def smoothed(rows: Array, crowded: Array, *, day: Any, window_days: int, names: tuple[str, ...], judge: Judge) -> Array:
    """The rows with the effective-date mails of crowded days spread over `window_days` around their day.

    A mail stays where the new day would be over, past its event or excluded, and where an earlier run has put it.
    """
    rows = rows.copy()
    planned = (rows["kind"] == EFFECTIVE_DATE) & (rows["status"] == Status.PRE_SCHEDULED) & np.isnat(rows["moved_from"])
    at = np.flatnonzero(planned & np.isin(rows["send_on"], crowded))
    some = rows[at]
    offset = remainders(some["contact"], some["kind"], some["event_on"], names=names, divisor=window_days) - window_days // 2
    new = some["send_on"] + offset.astype("m8[D]")
    fits = (offset != 0) & (new >= day) & (new <= some["latest_on"])
    fits &= judge(at, new)
    return moved(rows, at[fits], new[fits])


def moved(rows: Array, at: Array, new: Any) -> Array:
    """The rows at these positions lie on their new day and remember the first one they had."""
    first = rows["moved_from"][at]
    rows["moved_from"][at] = np.where(np.isnat(first), rows["send_on"][at], first)
    rows["send_on"][at] = new
    return rows


def allowances(counts: Array, *, cap: int, threshold: float) -> Array:
    """A TALLY of how many rows of each priority stay on the days that carry more than `threshold` × `cap`."""
    crowded = counts[np.isin(counts["day"], days_above(counts, threshold * cap))]
    before = np.cumsum(crowded["count"]) - crowded["count"]
    first = np.searchsorted(crowded["day"], crowded["day"], side="left")
    crowded["count"] = np.clip(cap - (before - before[first] if len(crowded) else before), 0, crowded["count"])
    return crowded


def left_over(rows: Array, allowed: Array, earlier: Array) -> Array:
    """Positions of the rows that their day does not keep.

    A day keeps its best up to the allowance. `earlier` is the TALLY of the contacts before these, which are served first.
    """
    planned = np.flatnonzero((rows["status"] == Status.PRE_SCHEDULED) & np.isin(rows["send_on"], allowed["day"]))
    planned = planned[best_first(rows[planned])]
    key = numbered(rows["send_on"][planned], rows["priority"][planned])
    rank = np.arange(len(key)) - np.searchsorted(key, key, side="left")
    return planned[rank >= looked_up(allowed, key) - looked_up(earlier, key)]


def best_first(rows: Array) -> Array:
    """The order of the rows by day, and within a day by priority, contact and type."""
    return np.lexsort((rows["instance"], rows["kind"], rows["contact"], rows["priority"], rows["send_on"]))


def numbered(day: Array, priority: Array) -> Array:
    """One number per row that sorts by day, then by priority."""
    return day.astype("i8") * 2**16 + priority + 2**15


def looked_up(counts: Array, key: Array) -> Array:
    """The count of each key in a TALLY; 0 where it has none."""
    known = numbered(counts["day"], counts["priority"])
    at = np.searchsorted(known, key)
    found = np.append(known, -1)[at] == key
    return np.where(found, np.append(counts["count"], 0)[at], 0)


@dataclass(frozen=True)
class Room:
    """What each day carries, against what it may; and who has a campaign then. It learns of every mail that finds its place."""

    load: dict[Any, int]
    taken: CampaignDays
    cap: int
    horizon_days: int

    def find(self, left: Array, judge: Judge) -> Array:
        """The day of each row in LEFT: the next later one that has room and may take it, else NaT.

        The rows are of one day, best first, and come after all that were asked before; that day is the first of the horizon.
        """
        found, waiting = np.full(len(left), NO_DAY), np.arange(len(left))
        if not len(left):
            return found
        for new in (left["send_on"][0] + np.arange(1, self.horizon_days)).tolist():
            if (room := self.cap - self.load.get(new, 0)) <= 0:
                continue
            chosen = first_fitting(left, waiting, np.datetime64(new, "D"), room=room, judge=judge, taken=self.taken)
            found[chosen] = new
            self.load[new] = self.load.get(new, 0) + len(chosen)
            waiting = waiting[np.isnat(found[waiting])]
            if not len(waiting):
                break
        return found


def room(counts: Array, taken: CampaignDays, *, cap: int, horizon_days: int) -> Room:
    """`counts` has every mail on its present day."""
    return Room(dict(zip(*(column.tolist() for column in totals(counts)), strict=True)), taken, cap, horizon_days)


def by_day(left: Array) -> Iterator[slice]:
    """Where the rows of each day lie in LEFT, which is sorted best first."""
    ends = [*(np.flatnonzero(left["send_on"][1:] != left["send_on"][:-1]) + 1).tolist(), len(left)]
    yield from (slice(begin, end) for begin, end in pairwise([0, *ends]) if end > begin)


def totals(counts: Array) -> tuple[Array, Array]:
    """The days of a TALLY, and how many mails each carries."""
    days, at = np.unique(counts["day"], return_index=True)
    return days, np.add.reduceat(counts["count"], at) if len(at) else np.zeros(0, "i8")


def first_fitting(left: Array, waiting: Array, new: Any, *, room: int, judge: Judge, taken: CampaignDays) -> Array:
    """The first rows among the waiting that may be sent on the new day, as many as there is room, which is some."""
    waiting = waiting[~(left["latest_on"][waiting] < new)]
    chosen = [np.zeros(0, "i8")]
    step = EYED_AT_ONCE * room
    for start in range(0, len(waiting), step):
        some = waiting[start : start + step]
        some = some[judge(some, np.full(len(some), new))]
        some = some[taken.free(left[some], new)][:room]
        taken.enter(left[some], new)
        chosen.append(some)
        room -= len(some)
        if not room:
            break
    return np.concatenate(chosen)


def gone_out(history: Array) -> Array:
    """HISTORY rows that count against the days they went, or will go, out on."""
    return history[np.isin(history["status"], GOES_OUT)]
