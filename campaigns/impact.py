"""What other settings would do to the plan: which mails would not go out any more, which would, which on another day.

Both plans are made as of one day, from the contacts as they are. Of many contacts a sample is looked at, and the caps shrink with it.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from django.db import connection

from campaigns import loading, scheduler
from campaigns.rules.email_types import POST_WINDOW
from campaigns.rules.shapes import REASON_WORDS, Array, Status, first_match
from campaigns.rules.standing import keys
from campaigns.rules.states import STATES
from campaigns.settings import SchedulerSettings

MOST_CONTACTS = 20_000
CHUNK = 5_000  # contacts
SAME_WINDOW = np.timedelta64(180, "D")  # ends of one window under two rules lie nearer to each other
GONE = "not_planned"

SAMPLE = "SELECT id FROM campaigns_contact WHERE (hashint8extended(id, 0) & 2147483647) %% %s = 0 ORDER BY id LIMIT %s"
COUNT = "SELECT count(*) FROM campaigns_contact"


@dataclass
class Impact:
    """Mails that the new settings plan otherwise, among the contacts that were looked at."""

    contacts: int
    looked_at: int
    before: int = 0  # planned mails
    after: int = 0
    excluded: int = 0  # planned before, not any more
    released: int = 0  # not planned before
    moved: int = 0
    by_state: dict[str, Counter[str]] = field(default_factory=dict)
    by_day: dict[str, Counter[str]] = field(default_factory=dict)  # a mail that moves leaves one day and comes to another
    by_reason: Counter[str] = field(default_factory=Counter)  # why the excluded ones are

    @property
    def is_sample(self) -> bool:
        return self.looked_at < self.contacts

    @property
    def factor(self) -> float:
        """What a figure of the sample stands for."""
        return self.contacts / self.looked_at if self.looked_at else 1.0

    def add(self, what: str, states: Array, days: Sequence[tuple[str, Array]]) -> None:
        setattr(self, what, getattr(self, what) + len(states))
        for code, count in zip(*np.unique(states, return_counts=True), strict=True):
            self.by_state.setdefault(STATES[code], Counter())[what] += int(count)
        for name, some in days:
            for day, count in zip(*np.unique(some, return_counts=True), strict=True):
                self.by_day.setdefault(str(day), Counter())[name] += int(count)

    @property
    def sentence(self) -> str:
        """The figures in words, those of a sample as what they stand for."""
        about = "about " if self.is_sample else ""
        parts = [f"{about}{round(getattr(self, name) * self.factor):,} {name}" for name in ("excluded", "released", "moved")]
        whom = f"a sample of {self.looked_at:,} of {self.contacts:,} contacts" if self.is_sample else f"all {self.contacts:,} contacts"
        planned = f"{round(self.before * self.factor):,} planned mails become {round(self.after * self.factor):,}"
        return f"{about.capitalize()}{planned}: {', '.join(parts)}. Planned as of today for {whom}."

    def facts(self) -> dict[str, Any]:
        """As JSON has it, days in their order."""
        totals = {name: getattr(self, name) for name in ("contacts", "looked_at", "before", "after", "excluded", "released", "moved")}
        tables = {"by_state": {state: dict(self.by_state[state]) for state in sorted(self.by_state)}}
        tables["by_day"] = {day: dict(self.by_day[day]) for day in sorted(self.by_day)}
        return totals | tables | {"by_reason": dict(self.by_reason), "is_sample": self.is_sample, "factor": round(self.factor, 3)}


def impact(*, old: SchedulerSettings, new: SchedulerSettings, day: Any, most: int = MOST_CONTACTS) -> Impact:
    """What `new` plans otherwise than `old` on that day, for all contacts or for a sample of about `most`."""
    assert old.email_types.names == new.email_types.names, "both name the same types"
    contacts, ids = sample(most=most)
    found = Impact(contacts=contacts, looked_at=len(ids))
    before, after = (plan(ids, day=day, settings=scaled(settings, found)) for settings in (old, new))
    for (states, one), (_, other) in zip(before, after, strict=True):
        compare(states, one, other, into=found)
    return found


def sample(*, most: int) -> tuple[int, list[int]]:
    """How many contacts there are, and the ids that are looked at: all, or each with the same chance, always the same ones."""
    with connection.cursor() as cursor:
        cursor.execute(COUNT)
        contacts = cursor.fetchone()[0]
        cursor.execute(SAMPLE, [-(-contacts // most) or 1, most])
        return contacts, [row[0] for row in cursor.fetchall()]


def scaled(settings: SchedulerSettings, found: Impact) -> SchedulerSettings:
    """The settings with the limits that count mails, not shares, as small as the sample."""
    limit = max(1, round(settings.ed_daily_soft_limit / found.factor))
    return replace(settings, ed_daily_soft_limit=limit, organisation_contacts=None)


def plan(ids: list[int], *, day: Any, settings: SchedulerSettings) -> list[tuple[Array, Array]]:
    """Chunk by chunk the contacts' states and the ROWs planned for them, follow-ups included."""
    pieces = [ids[at : at + CHUNK] for at in range(0, len(ids), CHUNK)]
    chunks = [loading.chunk(piece, day=day, settings=settings) for piece in pieces]
    rows = scheduler.schedule(chunks, day=day, settings=settings) if chunks else []
    followed = [
        scheduler.follow_ups(scheduler.with_known_events(chunk, day=day, settings=settings), day=day, settings=settings) for chunk in chunks
    ]
    return [(chunk.contacts.state, np.concatenate(both)) for chunk, *both in zip(chunks, rows, followed, strict=True)]


def compare(states: Array, before: Array, after: Array, *, into: Impact) -> None:
    """Count what one chunk's plans do not share."""
    old, new = (rows[rows["status"] == Status.PRE_SCHEDULED] for rows in (before, after))
    match = matched(old, new)
    stays = match >= 0
    there = new[match[stays]]
    moved = old[stays]["send_on"] != there["send_on"]
    left, come = old[stays][moved], there[moved]
    gone, fresh = old[~stays], new[np.setdiff1d(np.arange(len(new)), match[stays])]
    into.before += len(old)
    into.after += len(new)
    into.add("excluded", states[gone["place"]], [("excluded", gone["send_on"])])
    into.add("released", states[fresh["place"]], [("released", fresh["send_on"])])
    into.add("moved", states[left["place"]], [("moved_away", left["send_on"]), ("moved_here", come["send_on"])])
    into.by_reason.update(reasons(gone, after))


def matched(old: Array, new: Array) -> Array:
    """For each of the old mails the position of the new one about the same event, -1 where there is none."""
    match = first_match(keys(old), keys(new))
    rest = np.flatnonzero((match < 0) & (old["kind"] == POST_WINDOW))
    free = np.setdiff1d(np.flatnonzero(new["kind"] == POST_WINDOW), match)
    found = first_match(nth_of_contact(old[rest]), nth_of_contact(new[free])) if len(free) else np.full(len(rest), -1)
    rest, other = rest[found >= 0], free[found[found >= 0]]
    near = np.abs(old["event_on"][rest] - new["event_on"][other]) < SAME_WINDOW
    match[rest[near]] = other[near]
    return match


def nth_of_contact(rows: Array) -> tuple[Array, Array]:
    """Each row's contact, and the how-manieth of that contact's it is. The rows come by contact and day."""
    first = np.searchsorted(rows["place"], rows["place"])
    return rows["place"], np.arange(len(rows)) - first


def reasons(gone: Array, after: Array) -> Counter[str]:
    """Why mails that were planned are not any more: the reason they are skipped for, or that nobody plans them."""
    skipped = after[after["status"] == Status.SKIPPED]
    found = first_match(keys(gone), keys(skipped))
    words = [REASON_WORDS[code] or GONE for code in skipped["reason"].tolist()]
    return Counter(words[at] if at >= 0 else GONE for at in found)
