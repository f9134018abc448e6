"""A backup restored elsewhere: into a new database to use, or into a scratch one to prove that it can be."""

import re
import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.db import connection
from django.db.models.functions import Now

from messaging import backup, postgres_programs
from messaging.backup import BackupFailed
from messaging.invariants import Invariant
from messaging.models import BackupHistory

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,62}")  # of a database that we make
OF_THE_CLOCK = ("now()", "clock_timestamp()")  # what they ask is not so any more in a copy of yesterday


def restore(path: Path, *, into: str) -> dict[str, int]:
    """The backup's content is the whole content of the new database `into`; returns its rows by table. Nothing existing is touched.

    A backup of some tables comes without what ties them to others.
    """
    if not NAME.fullmatch(into):
        raise BackupFailed(f"Refusing to restore into {into[:80]!r}: that is no name of a database.")
    backup.verify(path)
    _create_database(into)
    known = on_record(path)
    parts = ["--section=pre-data", "--section=data"] if known and known.tables else []
    try:
        postgres_programs.run("pg_restore", "--no-owner", "--no-acl", "--exit-on-error", "--dbname", into, *parts, str(path))
        return content(into)[0]
    except postgres_programs.ProgramFailed as trouble:
        drop_database(into)
        raise BackupFailed(f"pg_restore says: {trouble}") from trouble
    except BaseException:
        drop_database(into)
        raise


def drill(path: Path, *, promises: Sequence[Invariant] = ()) -> dict[str, Any]:
    """The backup was restored into a scratch database and holds exactly what it was made of; the scratch database is gone again.

    Rows and sums of every table are compared. The promises that do not depend on the hour are asked there too; what breaks one is told: it
    was so when the backup was made.
    """
    began = time.monotonic()
    plain = re.sub("[^A-Za-z0-9_-]|^[0-9-]", "_", connection.settings_dict["NAME"])
    into = f"{plain[:48]}_drill_{uuid.uuid4().hex[:8]}"
    restore(path, into=into)
    try:
        rows, sums = content(into)
        known = on_record(path)
        asked = [] if known and known.tables else [one for one in promises if not any(word in one.sql for word in OF_THE_CLOCK)]
        wrong, violated = different(known, rows, sums), broken(asked, into)
    finally:
        drop_database(into)
    if wrong:
        raise BackupFailed(f"{path} restores, but not to what was backed up: {'; '.join(wrong[:20])}.")
    if known:
        BackupHistory.objects.filter(pk=known.pk).update(restore_tested_at=Now())
    told = {"path": str(path), "size_bytes": path.stat().st_size, "tables": len(rows), "rows": sum(rows.values())}
    return told | {"promises": len(asked), "violated": violated, "seconds": round(time.monotonic() - began, 3)}


def different(known: BackupHistory | None, rows: dict[str, int], sums: dict[str, str]) -> list[str]:
    """Which tables are not what they were, in words."""
    if known is None:
        return []
    numbers = [f"{name} has {rows.get(name, 0):,} rows of {count:,}" for name, count in known.rows.items() if rows.get(name) != count]
    changed = [name for name, total in known.checksums.items() if sums.get(name) != total and rows.get(name) == known.rows.get(name)]
    return numbers + [f"{name} has other rows" for name in changed]


def broken(promises: Sequence[Invariant], database: str) -> dict[str, int]:
    """By how many rows these promises are broken there; those that hold are not named."""
    found: dict[str, int] = {}
    with postgres_programs.line(database=database) as line:
        for one in promises:
            rows = line.execute(f"SELECT count(*) FROM ({one.sql}) AS wrong").fetchone()[0]
            found |= {one.name: rows} if rows else {}
    return found


def on_record(path: Path) -> BackupHistory | None:
    return BackupHistory.objects.verified().filter(path__in=[str(path), str(path.resolve())]).first()


def content(database: str) -> tuple[dict[str, int], dict[str, str]]:
    with postgres_programs.line(database=database) as line:
        return backup.counted(line)


def drop_database(name: str) -> None:
    """Not by force: that would take rights over the server's own workers, which step aside by themselves."""
    with postgres_programs.line() as line:
        line.execute(f"DROP DATABASE IF EXISTS {connection.ops.quote_name(name)}")


def _create_database(name: str) -> None:
    with postgres_programs.line() as line:
        if line.execute("SELECT FROM pg_database WHERE datname = %s", [name]).fetchone() is not None:
            raise BackupFailed(f"Refusing to overwrite '{name}': name a database that does not exist yet.")
        line.execute(f"CREATE DATABASE {connection.ops.quote_name(name)} TEMPLATE template0")
