"""Staged rows are compared with what is known, in sets; and merged: all of them in one transaction, or none."""

from collections.abc import Callable
from typing import BinaryIO

from django.db import connection

from campaigns.importing import refusals
from campaigns.importing.columns import read_header
from campaigns.importing.holds import Hold
from campaigns.importing.kinds import Sort
from campaigns.importing.staging import Told, be_patient, staged
from campaigns.models import ImportJob
from messaging.faults import fault

AT_ONCE = 100_000  # rows in one statement
MANY = 10_000  # rows after which statistics are not left to autovacuum
TAKEN = ("new", "changed", "unchanged")


def compare(job: ImportJob, *, sort: Sort, open_file: Callable[[], BinaryIO]) -> dict[str, int]:
    """What a merge would do now, as counts; rows that cannot be merged are refused. In the caller's transaction."""
    present = frozenset(filter(None, read_header(job.header, columns=sort.named).names))
    with connection.cursor() as cursor:
        be_patient(cursor)
        cursor.execute("DROP TABLE IF EXISTS pg_temp.import_plan")
        cursor.execute(f"CREATE TEMP TABLE import_plan ON COMMIT DROP AS {sort.plan(present).format(staged=staged(job))}")
        cursor.execute("CREATE INDEX ON import_plan (row)")
        cursor.execute("ANALYZE import_plan")
        cursor.execute("SELECT kind, count(*) FROM import_plan GROUP BY 1")
        kinds: dict[str, int] = dict(cursor.fetchall())
    refused = sum(count for kind, count in kinds.items() if kind not in TAKEN)
    refusals.refuse_by_plan(job, sort=sort, count=refused, open_file=open_file)
    counts = {kind: kinds.get(kind, 0) for kind in TAKEN}
    return counts | {"refused": job.rows - job.staged + refused, "flagged": count_flagged(job, sort=sort)}


def merge(job: ImportJob, *, sort: Sort, open_file: Callable[[], BinaryIO], hold: Hold, told: Told) -> dict[str, int]:
    """The rows are in, and their counts told. In the caller's transaction, which others who write the same table wait for."""
    with connection.cursor() as cursor:
        be_patient(cursor)
        cursor.execute(f"LOCK TABLE {sort.locked} IN SHARE ROW EXCLUSIVE MODE")
    refusals.refuse_known_file(job)
    counts = compare(job, sort=sort, open_file=open_file)
    present = frozenset(filter(None, read_header(job.header, columns=sort.named).names))
    statements = [sql.format(staged=staged(job)) for sql in sort.merge(present)]
    for low in range(1, job.read_rows + 1, AT_ONCE):
        hold.check()
        with connection.cursor() as cursor:
            for sql in statements:
                cursor.execute(sql, {"low": low, "high": low + AT_ONCE - 1})
        hold.done_rows = min(low + AT_ONCE - 1, job.read_rows)
        told(hold.done_rows, job.read_rows, "rows merged")
    with connection.cursor() as cursor:
        if sort.after:
            cursor.execute(sort.after)
        if counts["new"] + counts["changed"] >= MANY:  # else whoever reads these rows next is planned as if they were not there
            cursor.execute(f"ANALYZE {sort.locked}")
    fault("import.before_final")
    return counts


def count_flagged(job: ImportJob, *, sort: Sort) -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT count(*) FROM {staged(job)} s JOIN import_plan p USING (row) WHERE {sort.flagged} AND p.kind = ANY(%s)", [list(TAKEN)]
        )
        return int(cursor.fetchone()[0])
