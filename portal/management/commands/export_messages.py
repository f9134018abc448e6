"""The message log as a file that other programs and spreadsheets read."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone

from messaging import export
from portal.management.command import PortalCommand, Report, a_reader_may_leave, whole, wrong_usage
from portal.management.files import path_option, written


class Command(PortalCommand):
    help = "Writes the log of messages and sessions as CSV or JSON, however long it is, to a file or to stdout."

    def options(self, parser: CommandParser) -> None:
        parser.add_argument("--format", choices=export.FORMS, default="csv", help="default csv")
        parser.add_argument("--days", type=whole(1, 36_500), default=30, metavar="N", help="default 30")
        parser.add_argument("--out", type=path_option, metavar="FILE", help="where it is written; without it, stdout")

    def handle(self, *args: Any, **told: Any) -> None:
        if told["json"] and told["out"] is None and told["format"] != "json":
            raise wrong_usage("--json tells of a file: name it with --out. To have the log itself as JSON, say --format json.")
        super().handle(*args, **told)

    def work(self, *, format: str, days: int, out: Path | None, **told: Any) -> Report:
        pieces = export.log_of(None, form=format, days=days, at=timezone.now())
        if out is None:
            with a_reader_may_leave(missing="The log"):
                count(pieces, sys.stdout.write)
                sys.stdout.flush()
            raise SystemExit(0)
        with written(out) as file:
            lines, size = count(pieces, lambda piece: file.write(piece.encode()))
        return Report(facts={"rows": lines, "bytes": size, "out": str(out)}, text=f"{out}: {lines:,} rows, {size:,} bytes")


def count(pieces: Iterator[str], write: Callable[[str], object]) -> tuple[int, int]:
    """Everything is written; returns how many rows and bytes that were."""
    rows, size = 0, 0
    for piece in pieces:
        write(piece)
        rows, size = rows + export.counts(piece), size + len(piece.encode())
    return rows, size
