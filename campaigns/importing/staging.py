"""A file's good rows stand in a table of their own, its bad ones among the refused; each block with its progress in one commit.

The table is unlogged: after a crash of the server it is empty, which is noticed, and then the file is read from its beginning.
"""

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from datetime import date
from typing import Any, BinaryIO

from django.db import connection, transaction

from campaigns.importing.cleaning import MOST_DOUBTS, Cleaned, Cleaner
from campaigns.importing.columns import Header, read_header
from campaigns.importing.holds import Hold
from campaigns.importing.kinds import Sort
from campaigns.importing.reading import Block, Records, Refused, blocks
from campaigns.models import ImportJob, ImportRefusal
from messaging.faults import fault
from messaging.sheets import SheetRefused

MOST_REFUSED = 100_000
PATIENCE = {"statement_timeout": "20min", "idle_in_transaction_session_timeout": "10min", "work_mem": "96MB", "jit": "off"}
COPY_ROWS = "COPY {staged} FROM STDIN (FORMAT csv{texts})"
COPY_REFUSED = (
    'COPY campaigns_importrefusal (job_id, "row", "column", reason, record, by_comparison) FROM STDIN (FORMAT csv, NULL \'NULL\')'
)

Told = Callable[[int, int, str], None]  # how much of how much


class TooManyRefused(ValueError):
    """So much of the file is wrong that the rest is better not taken either."""


def staged(job: ImportJob) -> str:
    """The name of an import's table."""
    return f"campaigns_staged_{int(job.pk)}"


def stage(job: ImportJob, *, source: BinaryIO, sort: Sort, on: date, hold: Hold, told: Told) -> None:
    """Every row of the file is staged or refused; goes on where an interrupted reading stood. Raises SheetRefused."""
    records = Records(source)
    header = header_of(records, sort=sort)
    cleaner = Cleaner(header, sort=sort, on=on)
    if not is_whole(job):
        begin(job, header=header, sort=sort, hold=hold)
    for block in blocks(records, width=len(header.cells)):
        if block.end > job.read_rows:
            take(job, block, cleaner=cleaner, position=records.source.tell(), hold=hold)
            told(job.read_bytes, job.size_bytes, "bytes read")
            fault("import.after_row_block")
    if not job.rows:
        raise SheetRefused("No data rows found under the header.")
    with transaction.atomic(), connection.cursor() as cursor:
        be_patient(cursor)
        cursor.execute(f"CREATE UNIQUE INDEX IF NOT EXISTS {staged(job)}_row ON {staged(job)} (row)")
        cursor.execute(f"ANALYZE {staged(job)}")


def be_patient(cursor: Any) -> None:
    """Until this transaction ends its statements may take as long as a large file needs."""
    for name, value in PATIENCE.items():
        cursor.execute(f"SET LOCAL {name} = '{value}'")


def header_of(records: Records, *, sort: Sort) -> Header:
    for cells in records:
        if cells is None:
            raise SheetRefused(f"Row {records.number}: {records.broken}")
        if any(cell.strip() for cell in cells):
            return read_header([cell.replace("\x00", "").encode("utf-8", "replace").decode() for cell in cells], columns=sort.named)
    raise SheetRefused("The file is empty.")


def is_whole(job: ImportJob) -> bool:
    """All that was staged so far is still there."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass(%s) IS NOT NULL", [staged(job)])
        if not cursor.fetchone()[0]:
            return False
        cursor.execute(f"SELECT count(*) FROM {staged(job)}")
        return bool(cursor.fetchone()[0] == job.staged)


@transaction.atomic
def begin(job: ImportJob, *, header: Header, sort: Sort, hold: Hold) -> None:
    job.header, job.ignored_columns = header.cells, header.ignored
    job.read_rows = job.read_bytes = job.staged = job.rows = job.refused = 0
    job.doubts = []
    keep(job, "header", "ignored_columns", "doubts", hold=hold)
    ImportRefusal.objects.filter(job=job).delete()
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE IF EXISTS {staged(job)}")
        cursor.execute(f"CREATE UNLOGGED TABLE {staged(job)} (row bigint NOT NULL, {sort.staged})")


@transaction.atomic
def take(job: ImportJob, block: Block, *, cleaner: Cleaner, position: int, hold: Hold) -> None:
    """One block is in, with the progress that says so."""
    cleaned = cleaner.clean(block)
    copy_rows(job, cleaned, sort=cleaner.sort)
    copy_refused(job, cleaned.refused)
    job.read_rows, job.read_bytes = block.end, position
    job.staged += len(cleaned.rows)
    job.refused += len(cleaned.refused)
    job.rows = job.staged + job.refused
    job.doubts = [*job.doubts, *cleaned.doubts][:MOST_DOUBTS]
    keep(job, "doubts", hold=hold)
    if job.refused > MOST_REFUSED:
        first = ImportRefusal.objects.filter(job=job).order_by("row").values_list("reason", flat=True)[0]
        raise TooManyRefused(f"More than {MOST_REFUSED:,} rows are refused, the first one: {first} Nothing was imported.")


def keep(job: ImportJob, *more: str, hold: Hold) -> None:
    hold.keep(**{name: getattr(job, name) for name in ("read_rows", "read_bytes", "staged", "rows", "refused", *more)})


def copy_rows(job: ImportJob, cleaned: Cleaned, *, sort: Sort) -> None:
    texts = f", FORCE_NOT_NULL ({', '.join(sort.texts)})" if sort.texts else ""
    rows = ((row, *written) for row, written in zip(cleaned.rows, cleaned.written, strict=True))
    copy(COPY_ROWS.format(staged=staged(job), texts=texts), rows)


def copy_refused(job: ImportJob, refused: Sequence[Refused]) -> None:
    if refused:
        rows = ((job.pk, one.row, one.column, one.reason, rf"\x{one.record.hex()}", "f") for one in refused)
        copy(COPY_REFUSED, rows)


def copy(sql: str, rows: Iterable[Sequence[Any]]) -> None:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    with connection.cursor() as cursor, cursor.copy(sql) as stream:
        stream.write(text.getvalue())


def drop(job: ImportJob) -> None:
    """Its table is gone, once this transaction is committed."""
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE IF EXISTS {staged(job)}")
