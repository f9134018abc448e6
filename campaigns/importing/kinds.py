"""What an import must know of its sort of file: its columns, its staging table, and the SQL that compares and merges."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from campaigns.importing.columns import Column

Texts = dict[str, list[Any]]  # by column, what each row's text means
Written = Iterable[Sequence[Any]]  # rows as the staging table has them, after their number


@dataclass(frozen=True, kw_only=True)
class Sort:
    """`present` are the columns that a file has. The SQL speaks of {staged} and of the plan: row, kind, contact_id, first_row, last_row.

    A plan's kind is new, changed, unchanged, or one of `sentences`, by which a row is refused.
    """

    columns: Callable[[date], Sequence[Column]]
    staged: str  # columns of the staging table, after row
    texts: Sequence[str]  # those of them that are empty rather than NULL
    written: Callable[[Texts], Written]
    flagged: str  # condition on a staged row: taken with a doubt noted
    doubts: Callable[[Texts], Iterable[tuple[int, str]]]  # about rows by their place, as sentences that go on after "Row 8, "
    locked: str  # the table that nobody else writes while it is merged
    plan: Callable[[frozenset[str]], str]
    sentences: dict[str, tuple[str, str]]  # kind of a plan: SQL for the column and for what is wrong with row s of plan p
    merge: Callable[[frozenset[str]], Sequence[str]]  # for the rows from %(low)s to %(high)s
    after: str = ""

    @property
    def named(self) -> Sequence[Column]:
        """The columns, where only their names matter."""
        return self.columns(date.max)
