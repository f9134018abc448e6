"""Where the rows go that their day does not keep: best first over all chunks, a piece of one chunk at a time, so that memory stays flat.

A chunk keeps them in pieces, one for each day and priority. Contacts ascend from chunk to chunk, so that the pieces of a day and priority,
chunk after chunk, are in the order in which the rows of all chunks would be asked.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from campaigns import scheduler
from campaigns.packing import packed, unpacked
from campaigns.rules.balance import Caps
from campaigns.rules.campaign_days import TAKEN, CampaignDays
from campaigns.rules.email_types import is_campaign
from campaigns.rules.shapes import DAY, LEFT, Array
from campaigns.settings import SchedulerSettings

PIECE = np.dtype([("day", DAY), ("priority", "i2"), ("rows", "i8"), ("size", "i8")])  # size: in bytes
LEFT_OVER = {"at": np.dtype("i8"), "taken": TAKEN, "pieces": PIECE, "bytes": np.dtype("u1")}
ROWS = {"rows": LEFT}


def kept(at: Array, rows: Array, taken: Array) -> bytes:
    """What a chunk's days do not keep: where each row stands in the chunk, and the rows as LEFT, best first. `taken` is TAKEN."""
    begins = np.flatnonzero((rows["send_on"][1:] != rows["send_on"][:-1]) | (rows["priority"][1:] != rows["priority"][:-1])) + 1
    parts = np.split(rows, begins) if len(rows) else []
    data = [packed({"rows": part}) for part in parts]
    pieces = np.array([(p["send_on"][0], p["priority"][0], len(p), len(d)) for p, d in zip(parts, data, strict=True)], PIECE)
    movable = np.isin(taken["contact"], rows["contact"][is_campaign(rows["kind"])])
    return packed({"at": at, "taken": taken[movable], "pieces": pieces, "bytes": np.frombuffer(b"".join(data), "u1")})


def places_of(data: bytes | memoryview | None) -> Array:
    """Where the rows stand that a chunk has left over."""
    return unpacked(data, LEFT_OVER)["at"]


@dataclass(frozen=True)
class Waiting:
    """What waits of one chunk, and how many days later each row goes; 0: nowhere."""

    chunk: int
    pieces: Array
    data: bytes
    later: Array

    def turns(self, number: int) -> Iterator[tuple[int, int, int, int, int, int]]:
        """Of each piece: day, priority, the chunk's number; then the piece's, and where its bytes and its rows begin."""
        size = row = 0
        for nth, piece in enumerate(self.pieces):
            yield int(piece["day"].astype("i8")), int(piece["priority"]), number, nth, size, row
            size, row = size + int(piece["size"]), row + int(piece["rows"])

    @property
    def found(self) -> Array:
        days = np.repeat(self.pieces["day"], self.pieces["rows"]) + self.later.astype("m8[D]")
        days[self.later == 0] = np.datetime64("NaT")
        return days


def placed(left: Iterable[tuple[int, Any]], counts: Array, *, caps: Caps, settings: SchedulerSettings) -> Iterator[tuple[int, Array]]:
    """The new day of each row of each chunk; NaT where none has room. `left` has the chunks by ascending contacts."""
    waiting, taken = [], []
    for pk, data in left:
        told = unpacked(data, LEFT_OVER)
        taken.append(told["taken"])
        waiting.append(Waiting(pk, told["pieces"], told["bytes"].tobytes(), np.zeros(len(told["at"]), "u2")))
    room = scheduler.room(counts, CampaignDays(taken), caps=caps, settings=settings)
    for _, _, chunk, nth, size, row in sorted(turn for number, one in enumerate(waiting) for turn in one.turns(number)):
        one, piece = waiting[chunk], waiting[chunk].pieces[nth]
        rows = unpacked(one.data[size : size + int(piece["size"])], ROWS)["rows"]
        found = scheduler.placed_in(room, rows, settings=settings)
        one.later[row : row + len(rows)] = np.where(np.isnat(found), 0, (found - piece["day"]).astype("i8"))
    for one in waiting:
        yield one.chunk, one.found
