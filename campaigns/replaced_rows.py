"""What a run replaces is kept, and what a chunk of it replaced is put back: both in one transaction, by statements over sets of rows.

Rows that have left the scheduler's hands meanwhile stay as they are: handed over, stopped by a person, followed by another mail. So does
a row, or the lack of one, whose place is taken by such a mail.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from django.db import connection

from campaigns.models import EmailSchedule, SchedulerRun, Status
from campaigns.rules.shapes import Array

COLUMNS = ", ".join(str(field.column) for field in EmailSchedule._meta.concrete_fields)
FORGOTTEN_AT_ONCE = 20_000  # rows in one transaction
KEEP = f"""
    INSERT INTO campaigns_replacedschedule (replaced_in, chunk, {COLUMNS})
    SELECT %(run)s, %(chunk)s, {COLUMNS} FROM campaigns_emailschedule WHERE id = ANY(%(ids)s)
"""
OURS = """
    FROM campaigns_emailschedule AS mail
    WHERE {some} AND mail.parent_id IS NULL AND (mail.run_id = %(run)s OR EXISTS (
        SELECT FROM campaigns_replacedschedule AS old WHERE old.replaced_in = %(run)s AND old.chunk = %(chunk)s AND old.id = mail.id))
"""  # what the run wrote, and what it replaced and stands still
FREE = f"""
    mail.status IN ('{Status.PRE_SCHEDULED}', '{Status.SKIPPED}')
    AND NOT EXISTS (SELECT FROM campaigns_emailschedule AS child WHERE child.parent_id = mail.id)
"""
GOING = f"CREATE TEMP TABLE going ON COMMIT DROP AS SELECT mail.id {OURS} AND {FREE}"
COMING = """
    CREATE TEMP TABLE coming ON COMMIT DROP AS
    SELECT old.* FROM campaigns_replacedschedule AS old
    WHERE old.replaced_in = %(run)s AND old.chunk = %(chunk)s
        AND EXISTS (SELECT FROM campaigns_contact AS contact WHERE contact.id = old.contact_id)
        AND (old.campaign_instance_id IS NULL
            OR EXISTS (SELECT FROM campaigns_campaigninstance AS instance WHERE instance.id = old.campaign_instance_id))
        AND NOT EXISTS (SELECT FROM campaigns_emailschedule AS mail
            WHERE mail.id = old.id AND NOT EXISTS (SELECT FROM going WHERE going.id = mail.id))
"""
WITHOUT_CLASHES = f"""
    WITH clash AS (
        DELETE FROM coming USING campaigns_emailschedule AS mail
        WHERE mail.contact_id = coming.contact_id AND mail.id <> coming.id AND mail.email_type = coming.email_type
            AND mail.campaign_instance_id IS NOT DISTINCT FROM coming.campaign_instance_id
            AND NOT EXISTS (SELECT FROM going WHERE going.id = mail.id)
            AND ((mail.parent_id IS NULL AND mail.event_on IS NOT DISTINCT FROM coming.event_on)
                OR (mail.send_on = coming.send_on AND '{Status.SKIPPED}' NOT IN (mail.status, coming.status)))
        RETURNING coming.id
    ), staying AS (DELETE FROM going USING clash WHERE going.id = clash.id)
    SELECT count(*) FROM clash
"""
COUNTS = f"""
    SELECT (SELECT count(*) FROM coming), (SELECT count(*) FROM going WHERE NOT EXISTS (SELECT FROM coming WHERE coming.id = going.id)),
        (SELECT count(*) {OURS} AND NOT EXISTS (SELECT FROM going WHERE going.id = mail.id)),
        (SELECT count(*) FROM campaigns_replacedschedule AS old WHERE old.replaced_in = %(run)s AND old.chunk = %(chunk)s
            AND NOT EXISTS (SELECT FROM coming WHERE coming.id = old.id)
            AND NOT EXISTS (SELECT FROM campaigns_emailschedule AS mail WHERE mail.id = old.id))
"""
PUT = [
    "DELETE FROM campaigns_emailschedule AS mail USING going WHERE mail.id = going.id",
    f"INSERT INTO campaigns_emailschedule ({COLUMNS}) SELECT {COLUMNS} FROM coming",
    """DELETE FROM campaigns_replacedschedule AS old USING coming
        WHERE old.replaced_in = %(run)s AND old.chunk = %(chunk)s AND old.id = coming.id""",
]
FORGET = """
    DELETE FROM campaigns_replacedschedule WHERE ctid = ANY(ARRAY(
        SELECT ctid FROM campaigns_replacedschedule WHERE replaced_in = %(run)s LIMIT %(limit)s))
"""


@dataclass(frozen=True, kw_only=True)
class PutBack:
    """Rows of one chunk, or of a whole run."""

    put_back: int = 0  # say again what they said before, or are there again
    taken_away: int = 0  # the run had added them
    left_alone: int = 0  # of the run, and stay
    not_put_back: int = 0  # removed, and stay away

    def as_dict(self) -> dict[str, int]:
        return asdict(self)


def keep(ids: Array, *, run_id: int, chunk: int) -> None:
    """These rows as they stand are kept, before this chunk of the run replaces them. Within the caller's transaction."""
    if len(ids):
        with connection.cursor() as cursor:
            cursor.execute(KEEP, {"run": run_id, "chunk": chunk, "ids": ids.tolist()})


def put_back(some: tuple[str, dict[str, Any]], *, run_id: int, chunk: int) -> PutBack:
    """What this chunk of the run found stands again; `some` is SQL that names its contacts. Within the caller's transaction."""
    told = some[1] | {"run": run_id, "chunk": chunk}
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT mail.id {OURS.replace('{some}', some[0])} ORDER BY mail.id FOR UPDATE OF mail", told)  # hand-over passes by
        found = sort_out(cursor, some[0], told)
        for statement in PUT:
            cursor.execute(statement, told)
        cursor.execute("DROP TABLE going, coming")
    return found


def sort_out(cursor: Any, these: str, told: dict[str, Any]) -> PutBack:
    """Tables `going` and `coming` hold what the schedule loses and gets; a place that stays taken is given to nobody."""
    cursor.execute(GOING.replace("{some}", these), told)
    cursor.execute("CREATE UNIQUE INDEX ON going (id)")
    cursor.execute(COMING, told)
    cursor.execute("CREATE UNIQUE INDEX ON coming (id); ANALYZE going; ANALYZE coming")
    while True:  # one that stays may have the place of the next
        cursor.execute(WITHOUT_CLASHES)
        if not cursor.fetchone()[0]:
            break
    cursor.execute(COUNTS.replace("{some}", these), told)
    back, gone, left, away = cursor.fetchone()
    return PutBack(put_back=back, taken_away=gone, left_alone=left, not_put_back=away)


def forget(*, before: datetime) -> Iterator[int]:
    """What runs replaced that were over before then is kept no longer, so they cannot be undone; how many rows each step took away."""
    old = SchedulerRun.objects.filter(ended_at__lt=before, keeps_replaced=True).exclude(pk__in=SchedulerRun.objects.at_work().values("pk"))
    for run_id in list(old.values_list("pk", flat=True)):
        if not SchedulerRun.objects.filter(pk=run_id, keeps_replaced=True).update(keeps_replaced=False):
            continue
        yield from emptied(run_id)


def emptied(run_id: int) -> Iterator[int]:
    with connection.cursor() as cursor:
        while True:
            cursor.execute(FORGET, {"run": run_id, "limit": FORGOTTEN_AT_ONCE})
            if not cursor.rowcount:
                return
            yield cursor.rowcount
