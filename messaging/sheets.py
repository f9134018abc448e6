"""A table that a person made, read strictly: which columns it has, which rows, and what is wrong with it. Pure.

Row numbers are the spreadsheet's: the header is row 1.
"""

import csv
import difflib
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from messaging.text_input import decoded, shown

MOST_ROWS = 100_000
MOST_BYTES = 50 * 1024 * 1024
MOST_CHARACTERS = 100_000  # in one cell
OTHER_SEPARATORS = {";": "a semicolon", "\t": "a tab", "|": "a bar"}


class SheetRefused(ValueError):
    """The table cannot be read as a whole, so none of its rows was."""


@dataclass(frozen=True, kw_only=True)
class Columns:
    """What a table of this sort may hold. `names` maps any accepted spelling, in small letters, to the column's own name."""

    names: Mapping[str, str]
    needed: tuple[str, ...]
    ignored: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Row:
    number: int
    values: dict[str, str]  # by column; those without a cell in this row are missing
    cells: list[str]  # as they were
    problem: str = ""  # what is wrong with the row's shape


@dataclass(frozen=True, kw_only=True)
class Sheet:
    header: list[str]  # as it was
    rows: list[Row]


def read_csv(data: bytes, *, columns: Columns) -> Sheet:
    """The table in a file of comma-separated values, UTF-8 with or without a byte order mark."""
    if len(data) > MOST_BYTES:
        raise SheetRefused(f"The file has {len(data):,} bytes; at most {MOST_BYTES:,}. Split it.")
    if data.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        raise SheetRefused("This looks like a workbook or an archive. Save the sheet as CSV (comma-separated, UTF-8) and try again.")
    return read_rows(parsed(decoded(data, field="The file")), columns=columns)


def read_rows(lines: Iterable[Sequence[str]], *, columns: Columns) -> Sheet:
    """The table in lists of texts, the first one its header; rows without any value are passed over."""
    numbered = ((number, list(cells)) for number, cells in enumerate(lines, start=1))
    filled = ((number, cells) for number, cells in numbered if any(cell.strip() for cell in cells))
    first = next(filled, None)
    if first is None:
        raise SheetRefused("The file is empty.")
    header = first[1]
    names = known_columns(header, columns=columns)
    rows: list[Row] = []
    for number, cells in filled:
        if len(rows) == MOST_ROWS:
            raise SheetRefused(f"More than {MOST_ROWS:,} rows. Split the file.")
        rows.append(shaped(number, cells, names=names))
    if not rows:
        raise SheetRefused("No data rows found under the header.")
    return Sheet(header=header, rows=rows)


def write_csv(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """The table as text that `read_csv` reads back."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()


def parsed(text: str) -> Iterator[list[str]]:
    csv.field_size_limit(MOST_CHARACTERS)
    lines = csv.reader(io.StringIO(text, newline=""), strict=True)
    number = 0
    while True:
        number += 1
        try:
            yield next(lines)
        except StopIteration:
            return
        except csv.Error as trouble:
            raise SheetRefused(f"Row {number}: {plain(trouble)}") from None


def plain(trouble: csv.Error) -> str:
    """What the csv module means, for people."""
    if "unexpected end of data" in str(trouble):
        return "a quote opened here is never closed."
    if "field larger" in str(trouble):
        return f"a value is longer than {MOST_CHARACTERS:,} characters, or a quote opened here is never closed."
    return 'a quote stands inside a value; write the whole value in quotes and the inner quote twice: "".'


def known_columns(header: Sequence[str], *, columns: Columns) -> list[str]:
    """The column each place of the header names; an ignored one is the empty text."""
    if len(header) == 1 and (sign := next((sign for sign in OTHER_SEPARATORS if sign in header[0]), "")):
        raise SheetRefused(f"The separator looks like {OTHER_SEPARATORS[sign]}. Save the file as comma-separated values.")
    ignored = {name.lower() for name in columns.ignored}
    names = ["" if spelled(name) in ignored else one_known(name, place, columns=columns) for place, name in enumerate(header, start=1)]
    for name in filter(None, names):
        if names.count(name) > 1:
            places = [str(place) for place, other in enumerate(names, start=1) if other == name]
            raise SheetRefused(f"Column '{name}' appears twice (columns {' and '.join(places)}).")
    if missing := [name for name in columns.needed if name not in names]:
        found = ", ".join(shown(name.strip()) for name in header)
        raise SheetRefused(f"Column '{missing[0]}' is missing. Found: {found}. Needed: {', '.join(columns.needed)}.")
    return names


def one_known(name: str, place: int, *, columns: Columns) -> str:
    if not name.strip():
        raise SheetRefused(f"Column {place} has no name. Name it, or take it out.")
    known = columns.names.get(spelled(name))
    if known is None:
        close = difflib.get_close_matches(spelled(name), columns.names, n=1)
        hint = f"Did you mean '{columns.names[close[0]]}'?" if close else f"Known: {', '.join(dict.fromkeys(columns.names.values()))}."
        raise SheetRefused(f"Column {shown(name.strip())} is not known. {hint}")
    return known


def spelled(name: str) -> str:
    return " ".join(name.replace("_", " ").lower().split())


def shaped(number: int, cells: list[str], *, names: list[str]) -> Row:
    while len(cells) > len(names) and not cells[-1].strip():
        cells.pop()
    wrong = f"Row {number} has {len(cells)} values, the header has {len(names)}." if len(cells) != len(names) else ""
    values = {name: cell for name, cell in zip(names, cells, strict=False) if name}
    return Row(number=number, values=values, cells=cells, problem=wrong)
