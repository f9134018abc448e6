"""The message log as a file that other programs and spreadsheets read."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from messaging import export
from portal.management.command import PortalCommand, Report, whole


class Command(PortalCommand):
    help = "Writes the log of messages and sessions as CSV or JSON, however long it is, to a file or to stdout."

    def options(self, parser: CommandParser) -> None:
        parser.add_argument("--format", choices=export.FORMS, default="csv", help="default csv")
        parser.add_argument("--days", type=whole(1, 36_500), default=30, metavar="N", help="default 30")
        parser.add_argument("--out", type=Path, metavar="FILE", help="where it is written; without it, stdout")

    def work(self, *, format: str, days: int, out: Path | None, **told: Any) -> Report:
        pieces = export.log_of(None, form=format, days=days, at=timezone.now())
        if out is None:
            count(pieces, sys.stdout)
            raise SystemExit(0)
        unfinished = out.with_name(f".{out.name}.{os.getpid()}")
        try:
            with unfinished.open("w", encoding="utf-8", newline="") as file:
                lines, size = count(pieces, file)
            unfinished.replace(out)
        except OSError as trouble:
            raise CommandError(f"Cannot write {out}: {trouble.strerror}.") from trouble
        finally:
            unfinished.unlink(missing_ok=True)
        return Report(facts={"rows": lines, "bytes": size, "out": str(out)}, text=f"{out}: {lines:,} rows, {size:,} bytes")


def count(pieces: Iterator[str], file: TextIO) -> tuple[int, int]:
    """Everything is in the file; returns how many rows and bytes that were."""
    rows, size = 0, 0
    for piece in pieces:
        file.write(piece)
        rows, size = rows + export.counts(piece), size + len(piece.encode())
    return rows, size
