"""A block of records becomes rows for staging: column by column, each different value cleaned once."""

from dataclasses import dataclass
from datetime import date
from itertools import islice

from campaigns.importing.columns import Header, Meanings, Wrong
from campaigns.importing.kinds import Sort, Texts, Written
from campaigns.importing.reading import Block, Refused, as_record

MOST_DOUBTS = 100  # that are told; all are noted at the contacts


@dataclass(frozen=True, kw_only=True)
class Cleaned:
    rows: list[int]
    written: Written  # beside them, what the staging table has
    refused: list[Refused]
    doubts: list[str]  # about rows that are taken, the first ones


class Cleaner:
    """Knows the file's columns, and remembers what their values mean."""

    def __init__(self, header: Header, *, sort: Sort, on: date) -> None:
        columns = {column.name: column for column in sort.columns(on)}
        self.sort = sort
        self.meanings = {place: Meanings(columns[name]) for place, name in enumerate(header.names) if name}

    def clean(self, block: Block) -> Cleaned:
        """Every record is among the written rows or among the refused ones."""
        wrong: dict[int, list[tuple[str, str]]] = {}
        texts: Texts = {}
        columns = list(zip(*block.records, strict=True))
        for place, meanings in self.meanings.items():
            found = meanings.of(columns[place]) if columns else []
            texts[meanings.column.name] = found
            if Wrong in set(map(type, found)):
                for at in (at for at, one in enumerate(found) if type(one) is Wrong):
                    wrong.setdefault(at, []).append((meanings.column.name, found[at].sentence))
        rows = block.rows
        if wrong:
            rows = kept(rows, without=wrong)
            texts = {name: kept(found, without=wrong) for name, found in texts.items()}
        refused = [refusal(block, at, problems) for at, problems in sorted(wrong.items())]
        doubts = [f"Row {rows[at]}, {sentence}" for at, sentence in islice(self.sort.doubts(texts), MOST_DOUBTS)]
        return Cleaned(rows=rows, written=self.sort.written(texts), refused=[*block.refused, *refused], doubts=doubts)


def kept(values: list, *, without: dict[int, list[tuple[str, str]]]) -> list:
    return [value for at, value in enumerate(values) if at not in without]


def refusal(block: Block, at: int, problems: list[tuple[str, str]]) -> Refused:
    """Everything that is wrong with a record, in one text."""
    row = block.rows[at]
    reason = " ".join(f"Row {row}, {sentence}" for _, sentence in problems)
    return Refused(row=row, column=problems[0][0], reason=reason, record=as_record(block.records[at]))
