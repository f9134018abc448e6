"""The arrays that the rules pass to each other, and the words their codes stand for.

`place` is a contact's position in the Contacts that came along; `kind` is an e-mail type's position in EmailTypes. A missing date is NaT.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

DAY, MONTH, YEAR = "M8[D]", "M8[M]", "M8[Y]"
NO_DAY = np.datetime64("NaT", "D")
NAT = int(np.iinfo("i8").min)  # NaT as a number
NO_INSTANCE = -1
ONE_DAY = np.timedelta64(1, "D")


class Status(IntEnum):
    PRE_SCHEDULED, SKIPPED, SCHEDULED, PROCESSING, SENT, DELIVERED, FAILED, CANCELLED = range(8)


class Reason(IntEnum):
    NONE, YEAR_ROUND_EXCLUSION, EXCLUSION_WINDOW, FREQUENCY_LIMIT, CAMPAIGN_CONFLICT, MISSED, INVALID_CONTACT = range(7)


STATUS_WORDS = ("pre-scheduled", "skipped", "scheduled", "processing", "sent", "delivered", "failed", "cancelled")
REASON_WORDS = (
    None,
    "year_round_exclusion",
    "exclusion_window",
    "frequency_limit",
    "campaign_conflict",
    "missed",
    "invalid_contact",
)

GOES_OUT = (Status.SCHEDULED, Status.PROCESSING, Status.SENT, Status.DELIVERED)  # left the scheduler's hands: cannot be moved or undone

ROW = np.dtype(
    [
        ("contact", "i8"),  # the contact's id
        ("place", "i4"),
        ("kind", "i2"),
        ("send_on", DAY),
        ("event_on", DAY),  # birthday, policy or AEP day; a campaign's trigger; the last day of a post-window mail's window
        ("status", "i1"),
        ("reason", "i1"),
        ("priority", "i2"),  # the lower number goes first
        ("instance", "i8"),  # of a campaign
        ("moved_from", DAY),  # the day before smoothing and capping
        ("latest_on", DAY),  # it may not be moved beyond
        ("window_end", DAY),  # of the window that excluded it
        ("swallowed", "u8"),  # of a post-window mail: bit n stands for the e-mail type with code n
        ("respects", "?"),  # exclusion windows
        ("catch_up", "?"),
        ("over_cap", "?"),  # no later day had room, so it stays above the cap
    ],
    align=True,  # as of all these: columns that do not lie on their own boundaries are copied at each look
)

TARGET = np.dtype(
    [("place", "i4"), ("kind", "i2"), ("instance", "i8"), ("trigger_on", DAY), ("active_from", DAY), ("active_until", DAY)], align=True
)  # both ends of the activity included

HISTORY = np.dtype(
    [
        ("id", "i8"),
        ("place", "i4"),
        ("kind", "i2"),
        ("send_on", DAY),
        ("event_on", DAY),  # NaT: not known, to be found out from the day it was sent on
        ("status", "i1"),
        ("instance", "i8"),
        ("moved_from", DAY),
        ("parent", "i8"),  # of a follow-up: the id of the row it follows; -1 when not known
    ],
    align=True,
)

LEFT = np.dtype(
    [
        ("contact", "i8"),
        ("state", "i1"),
        ("birthday", DAY),
        ("effective_date", DAY),
        ("kind", "i2"),
        ("instance", "i8"),
        ("priority", "i2"),
        ("send_on", DAY),
        ("latest_on", DAY),
        ("respects", "?"),
    ],
    align=True,
)  # a row that its day does not keep, with its contact: all that is needed to find it another day

EVENT = np.dtype([("place", "i4"), ("answered", "?"), ("conditions", "?"), ("happened_on", DAY)])  # not answered: clicked


@dataclass(frozen=True)
class Contacts:
    """Element i of every array belongs to contact i. Shapes: (contacts,). `state` is a position in states.STATES."""

    id: Array
    state: Array
    birthday: Array
    effective_date: Array

    def __post_init__(self) -> None:
        shapes = {column.shape for column in (self.id, self.state, self.birthday, self.effective_date)}
        assert shapes == {(len(self.id),)}, shapes

    def __len__(self) -> int:
        return len(self.id)

    def take(self, places: Array) -> "Contacts":
        """The contacts at these places, in this order; one may appear more than once."""
        return Contacts(self.id[places], self.state[places], self.birthday[places], self.effective_date[places])


def filled(dtype: np.dtype[Any], length: int, **columns: Any) -> Array:
    """`length` records whose columns hold what is told; untold days are NaT, an untold instance or parent is -1, the rest is zero."""
    records = np.zeros(length, dtype)
    for name in records.dtype.names or ():
        if name in columns:
            records[name] = columns[name]
        elif records[name].dtype.kind == "M":
            records[name] = NO_DAY
        elif name in ("instance", "parent"):
            records[name] = NO_INSTANCE
    return records


def first_match(wanted: tuple[Array, ...], known: tuple[Array, ...]) -> Array:
    """For each wanted key the position of the first equal known key, -1 where there is none. A key has one array per part."""
    if not len(known[0]):
        return np.full(len(wanted[0]), -1)
    both = numbered([np.concatenate(parts) for parts in zip(known, wanted, strict=True)])
    here, there = both[: len(known[0])], both[len(known[0]) :]
    order = np.argsort(here, kind="stable")
    here = here[order]
    at = np.minimum(np.searchsorted(here, there), len(here) - 1)
    return np.where(here[at] == there, order[at], -1)


def without(rows: Array, taken_out: Array) -> Array:
    """The rows but for these; all of them, and no copy, where none is."""
    return rows[~taken_out] if taken_out.any() else rows


def numbered(parts: Sequence[Array]) -> Array:
    """One number for each row that sorts as its parts do, the first of them first and NaT last; equal rows have the same."""
    size, total = 1, np.zeros(len(parts[0]), "i8")
    for part in parts:
        numbers = part.astype(DAY).view("i8") if part.dtype.kind == "M" else part.astype("i8")
        least, width = bounds(numbers)
        if size * (width + 1) >= 2**62:
            return ranks(parts)
        size *= width + 1
        total = total * (width + 1) + (numbers - least if part.dtype.kind != "M" else np.where(numbers == NAT, width, numbers - least))
    return total


def bounds(numbers: Array) -> tuple[int, int]:
    """The least number, and how many there may be from it on; NaT apart."""
    if not len(numbers):
        return 0, 1
    least, most = int(numbers.min()), int(numbers.max())
    if least == NAT:
        known = numbers[numbers != NAT]
        least, most = (int(known.min()), most) if len(known) else (0, 0)
    return least, most - least + 1


def ranks(parts: Sequence[Array]) -> Array:
    """As `numbered`, for parts that lie too far apart for one number."""
    order = np.lexsort(parts[::-1])
    changes = np.zeros(len(order), bool)
    for part in parts:
        numbers = part.view("i8") if part.dtype.kind == "M" else part
        changes[1:] |= numbers[order][1:] != numbers[order][:-1]
    found = np.empty(len(order), "i8")
    found[order] = np.cumsum(changes)
    return found


def order_by(parts: Sequence[Array]) -> Array:
    """The order of rows by their parts, the first of them first; rows that are equal stay as they are."""
    return np.argsort(numbered(parts), kind="stable")
