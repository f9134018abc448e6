"""The bytes of a file of comma-separated values as numbered records, a block at a time, whatever its size.

Rows are numbered as a spreadsheet does: the header is row 1. What is wrong with one record refuses that one and no other; only a quote
that is never closed makes all that follows unreadable, and refuses the file.
"""

import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from messaging.sheets import MOST_CHARACTERS, SheetRefused, plain

BLOCK = 10_000  # records
MOST_ROWS = 10_000_000
LONGEST_LINE = 1_000_000  # characters
LINE_END = "\r\n"
OTHER_KINDS = {
    b"PK\x03\x04": "a workbook or an archive",
    b"\xd0\xcf\x11\xe0": "a workbook",
    b"\x1f\x8b": "a compressed file",
    b"\xff\xfe": "text in UTF-16",
    b"\xfe\xff": "text in UTF-16",
}


@dataclass(frozen=True, kw_only=True)
class Refused:
    """A row that is not taken, as it stood in the file."""

    row: int
    column: str
    reason: str
    record: bytes


@dataclass(kw_only=True)
class Block:
    """Records of the header's width, their rows, and those that are not of it. `end` is the last row looked at."""

    end: int = 0
    rows: list[int] = field(default_factory=list)
    records: list[list[str]] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)


class Pieces(io.RawIOBase):
    """The pieces of a file, in their order, as one stream."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self.pieces, self.rest, self.position = iter(pieces), memoryview(b""), 0

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.position

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        while not self.rest and (piece := next(self.pieces, None)) is not None:
            self.rest = memoryview(piece)
        size = min(len(buffer), len(self.rest))
        buffer[:size], self.rest = self.rest[:size], self.rest[size:]
        self.position += size
        return size


class Records:
    """The records of a file. A broken one is None, and then `broken` says why."""

    def __init__(self, source: BinaryIO) -> None:
        source = source if isinstance(source, io.BufferedReader) else io.BufferedReader(source)  # type: ignore[type-var]
        self.refuse_other_kinds(source.peek(4)[:4])
        self.source = source
        self.text = io.TextIOWrapper(source, encoding="utf-8-sig", errors="surrogateescape", newline="")
        self.number, self.taken, self.broken = 0, [""], ""
        csv.field_size_limit(MOST_CHARACTERS)
        self.reader = csv.reader(self.lines(), strict=True)

    @staticmethod
    def refuse_other_kinds(beginning: bytes) -> None:
        for sign, words in OTHER_KINDS.items():
            if beginning.startswith(sign):
                raise SheetRefused(f"This looks like {words}. Save it as CSV (comma-separated, UTF-8) and try again.")

    def lines(self) -> Iterator[str]:
        while line := self.text.readline(LONGEST_LINE):
            if len(line) == LONGEST_LINE:
                raise SheetRefused(f"Row {self.number}: the line is longer than {LONGEST_LINE:,} characters. Is this a CSV file?")
            self.taken.append(line)
            yield line

    def __iter__(self) -> Iterator[list[str] | None]:
        while True:
            self.number += 1
            self.taken.clear()
            try:
                yield next(self.reader)
            except StopIteration:
                return
            except csv.Error as trouble:
                said = str(trouble)
                if "unexpected end" in said or ("field larger" in said and "".join(self.taken).count('"') % 2):
                    raise SheetRefused(f"Row {self.number}: {plain(trouble)}") from None
                self.broken = plain(trouble)
                yield None


def blocks(records: Records, *, width: int, size: int = BLOCK) -> Iterator[Block]:
    """The records after the header, `size` rows at a time; rows without any value are passed over."""
    block = Block()
    for cells in records:
        row = records.number
        if row - 1 > MOST_ROWS:
            raise SheetRefused(f"More than {MOST_ROWS:,} rows. Split the file.")
        if cells is None:
            raw = "".join(records.taken).rstrip("\r\n")
            block.refused.append(Refused(row=row, column="", reason=f"Row {row}: {records.broken}", record=as_bytes(raw)))
        elif len(cells) == width and (cells[0] or any(cell.strip() for cell in cells)):
            block.rows.append(row)
            block.records.append(cells)
        elif any(cell.strip() for cell in cells):
            shape(cells, row=row, width=width, block=block)
        if row % size == 0:
            block.end = row
            yield block
            block = Block()
    block.end = records.number - 1
    if block.end % size:
        yield block


def shape(cells: list[str], *, row: int, width: int, block: Block) -> None:
    """A record of another width: empty cells at its end do no harm."""
    while len(cells) > width and not cells[-1].strip():
        cells.pop()
    if len(cells) == width:
        block.rows.append(row)
        block.records.append(cells)
        return
    values = f"{len(cells)} value" + "s" * (len(cells) != 1)
    block.refused.append(Refused(row=row, column="", reason=f"Row {row} has {values}, the header has {width}.", record=as_record(cells)))


def as_record(cells: Iterable[str]) -> bytes:
    """The cells as one line of CSV, in the bytes they came in."""
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator=LINE_END).writerow(cells)  # the writer quotes a cell with a line break only if lines end so
    return as_bytes(text.getvalue().removesuffix(LINE_END))


def as_bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
