"""Rows that are refused only beside others: found by the plan, told in sentences, kept as they stood in the file."""

import csv
import io
from collections.abc import Callable, Iterator
from typing import BinaryIO

from django.db import connection

from campaigns.importing.columns import PROBLEM
from campaigns.importing.kinds import Sort
from campaigns.importing.reading import Records, as_record
from campaigns.importing.staging import MOST_REFUSED, TooManyRefused, staged
from campaigns.models import ImportJob, ImportRefusal
from messaging.sheets import spelled

AT_ONCE = 1_000


class AlreadyImported(ValueError):
    """The very same file was imported before; `job` is that import."""

    def __init__(self, job: ImportJob) -> None:
        by = f" by {job.started_by}" if job.started_by else ""
        when = f"{job.ended_at:%Y-%m-%d}" if job.ended_at else ""
        super().__init__(f"This file was already imported on {when}{by} (import {job.pk}, {job.file_name}). Nothing was changed.")
        self.job = job


def refuse_known_file(job: ImportJob) -> None:
    """Raises AlreadyImported if the same bytes were imported before."""
    known = ImportJob.objects.applied().filter(kind=job.kind, sha256=job.sha256).select_related("started_by").first()
    if known:
        raise AlreadyImported(known)


def refuse_by_plan(job: ImportJob, *, sort: Sort, count: int, open_file: Callable[[], BinaryIO]) -> None:
    """The refusals of the last comparison are replaced by those of this plan."""
    ImportRefusal.objects.filter(job=job, by_comparison=True).delete()
    if not count:
        return
    columns = " ".join(f"WHEN '{kind}' THEN {column}" for kind, (column, _) in sort.sentences.items())
    reasons = " ".join(f"WHEN '{kind}' THEN {sentence}" for kind, (_, sentence) in sort.sentences.items())
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            INSERT INTO campaigns_importrefusal (job_id, row, "column", reason, record, by_comparison)
            SELECT %s, s.row, CASE p.kind {columns} END, CASE p.kind {reasons} END, '', true
            FROM {staged(job)} s JOIN import_plan p USING (row) WHERE p.kind = ANY(%s) ORDER BY s.row LIMIT {MOST_REFUSED + 1}
            """,
            [job.pk, list(sort.sentences)],
        )
    found = ImportRefusal.objects.filter(job=job, by_comparison=True).order_by("row")
    if job.rows - job.staged + count > MOST_REFUSED:
        raise TooManyRefused(f"More than {MOST_REFUSED:,} rows are refused, the first one: {found[0].reason} Nothing was imported.")
    with open_file() as source:
        fill_in(job, set(found.values_list("row", flat=True)), records=Records(source))


def fill_in(job: ImportJob, rows: set[int], *, records: Records) -> None:
    """Those rows as they stand in the file."""
    portion: list[tuple[int, bytes]] = []
    for cells in records:
        if records.number in rows and cells is not None:
            portion.append((records.number, as_record(cells)))
        if len(portion) == AT_ONCE:
            write(job, portion)
            portion = []
    write(job, portion)


def write(job: ImportJob, portion: list[tuple[int, bytes]]) -> None:
    sql = """
        UPDATE campaigns_importrefusal refusal SET record = told.record FROM unnest(%s::bigint[], %s::bytea[]) AS told (row, record)
        WHERE refusal.job_id = %s AND refusal.row = told.row
    """
    with connection.cursor() as cursor:
        cursor.execute(sql, [[row for row, _ in portion], [record for _, record in portion], job.pk])


def refused_file(job: ImportJob) -> Iterator[bytes]:
    """The refused rows as they were, each with its problem before it: correct it and import it again."""
    keep = [place for place, name in enumerate(job.header) if spelled(name) != spelled(PROBLEM)]
    yield as_record([PROBLEM, *(job.header[place] for place in keep)]) + b"\n"
    rows = ImportRefusal.objects.filter(job=job).order_by("row").values_list("reason", "column", "record")
    for reason, column, record in rows.iterator(chunk_size=AT_ONCE):
        yield refused_line(reason, bytes(record), keep=keep, is_whole=bool(column), width=len(job.header)) + b"\n"


def refused_line(reason: str, record: bytes, *, keep: list[int], is_whole: bool, width: int) -> bytes:
    """One row. What is broken in its shape stays as it was, behind the problem."""
    if not is_whole and len(keep) == width:
        return as_record([reason]) + b"," + record
    cells = next(csv.reader(io.StringIO(record.decode("utf-8", "surrogateescape"), newline="")), [])
    if not is_whole:
        return as_record([reason, *(cell for place, cell in enumerate(cells) if place in keep or place >= width)])
    return as_record([reason, *(cells[place] for place in keep)])
