"""What the schedule says, what it should say, and the least that makes it so. What is unchanged is not touched; what is owed stays.

A row's identity is the event it is about. Rows whose day is over are history, or work that is overdue and may still go out; once it is
too late for that, they are missed.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from campaigns.rules.email_types import is_campaign
from campaigns.rules.shapes import DAY, Array, Reason, Status, first_match, without

STANDING = np.dtype(
    [
        ("contact", "i8"),
        ("id", "i8"),
        ("kind", "i2"),
        ("status", "i1"),
        ("reason", "i1"),
        ("send_on", DAY),
        ("event_on", DAY),
        ("moved_from", DAY),
        ("window_end", DAY),
        ("instance", "i8"),
        ("priority", "i2"),
        ("catch_up", "?"),
        ("over_cap", "?"),
        ("send_time", "i4"),  # seconds of the day
        ("swallowed", "u8"),
    ],
    align=True,
)  # a row of the schedule that may be written anew
Events = tuple[Array, Array, Array, Array]  # contact, kind, day, campaign
SAID = ("kind", "status", "reason", "send_on", "event_on", "moved_from", "window_end", "instance", "priority", "catch_up", "over_cap")


@dataclass(frozen=True)
class Difference:
    """`changed` are ROWs that take the place of the rows with `changed_ids`; before is what stood there."""

    added: Array
    changed: Array
    changed_ids: Array
    removed: Array  # STANDING
    missed: Array  # STANDING, planned too long ago
    unchanged: int

    @property
    def replaced(self) -> Array:
        """The ids of the rows that say something else afterwards, or are gone."""
        return np.concatenate([self.changed_ids, self.removed["id"], self.missed["id"]])

    @property
    def empty(self) -> bool:
        return not (len(self.added) or len(self.changed) or len(self.removed) or len(self.missed))


def difference(rows: Array, standing: Array, held: Events, *, day: Any, overdue_days: int, send_time: int) -> Difference:
    """From STANDING to ROWs. `held` are the events of mails that nothing changes any more: a row about one is not written again."""
    rows = without(rows, first_match(events(rows), held) >= 0)
    match = first_match(events(rows), events(standing))
    same = match >= 0
    new, old = rows[same], standing[match[same]]
    alike = unaltered(new, old, day=day, send_time=send_time)
    elsewhere = (new["send_on"] != old["send_on"]) | (new["status"] != old["status"])
    again = ~alike & elsewhere & is_campaign(new["kind"])  # two of a contact could exchange their days, which no row may do alone
    altered = ~alike & ~again
    gone = np.ones(len(standing), bool)
    gone[match[same]] = False
    rest = standing[gone]
    return Difference(
        added=np.concatenate([rows[~same], new[again]]),
        changed=new[altered],
        changed_ids=old["id"][altered],
        removed=np.concatenate([rest[obsolete(rest, day=day)], old[again]]),
        missed=rest[(rest["status"] == Status.PRE_SCHEDULED) & (rest["send_on"] < day - np.timedelta64(overdue_days, "D"))],
        unchanged=int(alike.sum()),
    )


def events(rows: Array) -> Events:
    """What each row is about."""
    return rows["contact"], rows["kind"], rows["event_on"], rows["instance"]


def held_events(history: Array, ids: Array) -> Events:
    """The events of HISTORY that has left the scheduler's hands, failed mails among it; `ids` are the contacts' ids by place."""
    held = history[~np.isin(history["status"], [Status.PRE_SCHEDULED, Status.SKIPPED])]
    return ids[held["place"]], held["kind"], held["event_on"], held["instance"]


def unaltered(new: Array, old: Array, *, day: Any, send_time: int) -> Array:
    """Whether each row says what stands there already. One that was skipped on a day that is over keeps that day, for the same reason.

    So does one whose campaign's day has passed since: it was not missed, it was kept back, and the window's own mail tells of it.
    """
    same = old["send_time"] == send_time
    for name in (*SAID, "swallowed"):
        same &= equal(new[name], old[name])
    for_the_same = equal(new["reason"], old["reason"]) & equal(new["window_end"], old["window_end"])
    history = (new["status"] == Status.SKIPPED) & (old["status"] == Status.SKIPPED) & (old["send_on"] < day)
    return same | (history & (for_the_same | (new["reason"] == Reason.MISSED)))


def equal(new: Array, old: Array) -> Array:
    """NaT among them: as numbers, days without a date are alike."""
    return new.view("i8") == old.view("i8") if new.dtype.kind == "M" else new == old


def obsolete(rows: Array, *, day: Any) -> Array:
    """Whether a row that is not planned any more goes: it is still ahead, and nothing that was withheld on its own day."""
    withheld = (rows["status"] == Status.SKIPPED) & (rows["event_on"] <= day)
    return (rows["send_on"] >= day) & ~withheld
