"""What the columns of a file mean: the header, and each value of a column cleaned once, however often it stands there. Pure."""

import difflib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from messaging import sheets
from messaging.sheets import Columns, SheetRefused, spelled
from messaging.text_input import TextRefused

MOST_MEANINGS = 50_000  # values of a column that are remembered at a time
MOST_COLUMNS = 200
ALIKE = 0.8  # from here on an unknown name is taken for a misspelt one
PROBLEM = "Problem"  # the column we add to the file of refused rows, and pass over when it comes back


@dataclass(frozen=True, kw_only=True)
class Column:
    """`clean` answers with what a text means, or raises TextRefused; a text that fits `plain` means itself."""

    name: str
    synonyms: tuple[str, ...]
    clean: Callable[[str], Any]
    plain: re.Pattern[str] | None = None
    needed: bool = False

    @property
    def where(self) -> str:
        return f"column '{self.name}'"


@dataclass(frozen=True)
class Wrong:
    """Stands for a value that is refused; `sentence` goes on after "Row 8, "."""

    sentence: str


class Meanings(dict[str, Any]):
    """What the texts of one column mean, each found out once and then remembered, up to a limit."""

    def __init__(self, column: Column) -> None:
        super().__init__()
        self.column = column

    def __missing__(self, text: str) -> Any:
        try:
            meaning = self.column.clean(text)
        except TextRefused as refusal:
            meaning = Wrong(refusal.sentence)
        if len(self) >= MOST_MEANINGS:
            self.clear()
        self[text] = meaning
        return meaning

    def of(self, texts: Sequence[str]) -> list[Any]:
        """What each of these means."""
        if self.column.plain is None:
            return list(map(self.__getitem__, texts))
        plain = self.column.plain.fullmatch
        return [text if plain(text) else self[text] for text in texts]


@dataclass(frozen=True, kw_only=True)
class Header:
    """`names` has the column each place stands for; an ignored one is the empty text."""

    cells: list[str]
    names: list[str]
    ignored: list[str]


def read_header(cells: list[str], *, columns: Sequence[Column]) -> Header:
    """What a header names. Columns that nobody knows are passed over, but for those that look like a slip. Raises SheetRefused."""
    if len(cells) > MOST_COLUMNS:
        raise SheetRefused(f"The header has {len(cells):,} columns; at most {MOST_COLUMNS}.")
    names = {spelled(name): column.name for column in columns for name in (column.name, *column.synonyms)}
    there = {names.get(spelled(cell)) for cell in cells}
    missing = {name: column for name, column in names.items() if column not in there}
    strangers = [cell for cell in cells if spelled(cell) and spelled(cell) not in names and spelled(cell) != spelled(PROBLEM)]
    ignored = [cell for cell in strangers if not difflib.get_close_matches(spelled(cell), missing, n=1, cutoff=ALIKE)]
    if len(cells) == 1:
        ignored = []  # nothing is known at all: most likely another separator
    known = Columns(
        names=names,
        needed=tuple(column.name for column in columns if column.needed),
        ignored=(PROBLEM, *(spelled(cell) for cell in ignored)),
    )
    return Header(cells=cells, names=sheets.known_columns(cells, columns=known), ignored=[cell.strip() for cell in ignored])
