"""What a first start shows: 120 cases of 15 invented firms, three templates about cases and one for each campaign mail.

Days are kept as "so many days ago", so they never age."""

import csv
import tomllib
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from messaging.rendering import TemplateSource

FOLDER = Path(__file__).parent
DAYS_AGO = " Days Ago"
UNKNOWN_DAY = "2099-01-01"  # how the spreadsheet writes an unknown date of injury


@dataclass(frozen=True, kw_only=True)
class SampleTemplate:
    name: str
    kind: str
    source: TemplateSource


def case_rows(*, today: date) -> list[dict[str, str]]:
    """The sample cases as rows of the spreadsheet that cases are imported from, with days counted back from `today`."""
    with (FOLDER / "cases.csv").open(encoding="utf-8", newline="") as file:
        return [dict(dated(column, cell, today=today) for column, cell in row.items()) for row in csv.DictReader(file)]


def templates() -> list[SampleTemplate]:
    """The sample templates, in the order of their file names."""
    return [read_template(path) for path in sorted((FOLDER / "templates").glob("*.toml"))]


def dated(column: str, cell: str, *, today: date) -> tuple[str, str]:
    """A column of days ago becomes a column of dates; any other stays as it is."""
    name = column.removesuffix(DAYS_AGO)
    if name == column:
        return column, cell
    if not cell:
        return name, UNKNOWN_DAY if name == "DOI" else ""
    return name, (today - timedelta(days=int(cell))).isoformat()


def read_template(path: Path) -> SampleTemplate:
    data = tomllib.loads(path.read_text(encoding="utf-8"))
    return SampleTemplate(name=data["name"], kind=data["kind"], source=TemplateSource(**data["source"]))
