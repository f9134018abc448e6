"""Back the database up, and prove that the file can be read. What is not verified is no backup (R16).

A backup is one `pg_dump -Fc` file of one snapshot, with the number and the sum of the rows of each table as that snapshot saw them. It
holds the whole database, or the tables that somebody is about to change.
"""

import hashlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.db import connection
from django.db.models import Q
from django.db.models.functions import Now

from messaging import postgres_programs, spool
from messaging.faults import fault
from messaging.models import BackupHistory, BackupStatus

KEPT = timedelta(days=7)  # verified backups stay in their folder …
MOST_KEPT = 30  # … so many at most
SUM_BITS = 2**64
UNFINISHED = ".unfinished"
ONE_AT_A_TIME = 7_105_204_001  # the number of an advisory lock
CHUNK_BYTES = 1 << 20


class BackupFailed(RuntimeError):
    """There is no verified backup, or it could not be restored; the text says why and what to do."""


class BackupRunning(BackupFailed):
    """Another process is backing up at this moment."""


@dataclass(frozen=True, kw_only=True)
class Made:
    """A verified backup."""

    path: Path
    size_bytes: int
    sha256: str
    seconds: float
    history_id: int

    def as_dict(self) -> dict[str, Any]:
        return {
            "path": str(self.path),
            "size_bytes": self.size_bytes,
            "sha256": self.sha256,
            "seconds": round(self.seconds, 3),
            "integrity_verified": True,
        }


def make(
    *,
    folder: Path,
    purpose: str = "",
    tables: Sequence[str] = (),
    keep: int = MOST_KEPT,
    beat: Callable[[], None] = postgres_programs.nobody,
) -> Made:
    """A new verified backup lies in `folder`, of these tables or of all; else BackupFailed.

    Of the verified ones there that hold the same, those of the last seven days stay, `keep` at most. `beat` is called now and then.
    """
    at = spool.moment()
    path = folder / f"{'schedule' if tables else 'message_logs'}_backup_{at:%Y%m%d_%H%M%S_%f}.dump"
    with _snapshot(tables) as (snapshot, rows, sums):
        _give_up_vanished()
        told = {"purpose": purpose[:100], "tables": list(tables), "rows": rows, "checksums": sums}
        history = BackupHistory.objects.create(path=str(path), **told)
        try:
            made = _written(path, snapshot, history, beat=beat)
        except (OSError, BackupFailed, postgres_programs.ProgramFailed) as trouble:
            with suppress(OSError):
                _remove(_unfinished(path))
            history.status, history.error = BackupStatus.FAILED, str(trouble)
            history.save(update_fields=["status", "error"])
            why = trouble.strerror if isinstance(trouble, OSError) else None  # a program that is missing has a sentence of its own
            said = f"{folder}: {why}. Choose another folder." if why else str(trouble)
            raise BackupFailed(f"No backup was made: {said}") from trouble
    _forget_older(folder, tables=list(tables), keep=keep)
    return made


def verify(path: Path) -> dict[str, Any]:
    """The file is whole, can be read to its end, and is the one that was written; else BackupFailed."""
    if not path.is_file():
        raise BackupFailed(f"There is no backup {path}.")
    digest, size = _digest(path), path.stat().st_size
    known = (
        BackupHistory.objects.filter(path=str(path.resolve()), sha256__gt="").first()
        or BackupHistory.objects.filter(path=str(path), sha256__gt="").first()
    )
    if known and known.sha256 != digest:
        raise BackupFailed(f"{path} is not the file that was written: its digest differs. Use another backup.")
    _read_back(path)
    return {"path": str(path), "size_bytes": size, "sha256": digest, "integrity_verified": True, "on_record": known is not None}


def newest() -> BackupHistory | None:
    """The newest verified one of the whole database."""
    return BackupHistory.objects.verified().whole().first()


def newest_of(tables: Sequence[str], *, within: timedelta) -> BackupHistory | None:
    """The newest verified one that holds at least these tables, and is not older than that."""
    holding = BackupHistory.objects.verified().filter(Q(tables=[]) | Q(tables=list(tables)))
    return holding.filter(verified_at__gt=Now() - within).first()


def _written(path: Path, snapshot: str, history: BackupHistory, *, beat: Callable[[], None]) -> Made:
    """Under a temporary name until it has been read back; then its name and its row say that it may be trusted."""
    began = time.monotonic()
    unfinished = _unfinished(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    for left in path.parent.glob(f"*{UNFINISHED}"):  # of a process that was killed; nobody else is at work, the lock is ours
        _remove(left)
    os.close(os.open(unfinished, os.O_CREAT | os.O_WRONLY, 0o600))
    these = [f"--table=public.{name}" for name in history.tables]
    what = ["--format=custom", "--compress=1", "--no-owner", f"--snapshot={snapshot}", f"--file={unfinished}", *these]
    postgres_programs.run("pg_dump", *what, beat=beat)
    fault("backup.after_dump")
    _sync(unfinished)
    _read_back(unfinished, beat)
    fault("backup.after_verify")
    facts: dict[str, Any] = {"size_bytes": unfinished.stat().st_size, "sha256": _digest(unfinished)}
    fault("backup.before_rename")
    unfinished.rename(path)
    _sync(path.parent)
    facts["seconds"] = time.monotonic() - began
    BackupHistory.objects.filter(pk=history.pk).update(status=BackupStatus.VERIFIED, verified_at=Now(), **facts)
    return Made(path=path, history_id=history.pk, **facts)


@contextmanager
def _snapshot(tables: Sequence[str] = ()) -> Iterator[tuple[str, dict[str, int], dict[str, str]]]:
    """One moment of the database, by the name under which pg_dump sees it too, and the rows of each table then. One process at a time."""
    with postgres_programs.line(autocommit=False) as line:
        line.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        line.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        line.execute("SET LOCAL statement_timeout = 0")
        if not line.execute("SELECT pg_try_advisory_xact_lock(%s)", [ONE_AT_A_TIME]).fetchone()[0]:
            raise BackupRunning("Another backup is being made at this moment.")
        yield line.execute("SELECT pg_export_snapshot()").fetchone()[0], *counted(line, tables)


def counted(line: Any, tables: Sequence[str] = ()) -> tuple[dict[str, int], dict[str, str]]:
    """How many rows each table has, and the sum over them, as that line sees it; without names, every table."""
    found = [name for (name,) in line.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")]
    rows, sums = {}, {}
    for name in tables or found:
        table = connection.ops.quote_name(name)
        query = f"SELECT count(*), coalesce(sum(hash_record_extended(one, 0)), 0) FROM {table} AS one"
        rows[name], total = line.execute(query).fetchone()
        sums[name] = f"{int(total) % SUM_BITS:016x}"
    return rows, sums


def _read_back(path: Path, beat: Callable[[], None] = postgres_programs.nobody) -> None:
    """Every block of the archive can be read and unpacked."""
    try:
        postgres_programs.run("pg_restore", "--file=-", str(path), beat=beat)
    except postgres_programs.ProgramFailed as trouble:
        raise BackupFailed(f"{path.name} cannot be read: {trouble}") from trouble


def _give_up_vanished() -> None:
    """A backup that was never finished says so, and its file is gone. Nobody else is at work: the lock is ours."""
    vanished = BackupHistory.objects.filter(status=BackupStatus.STARTED)
    for path in vanished.values_list("path", flat=True):
        _remove(Path(path))
    vanished.update(status=BackupStatus.FAILED, error="The process that made it vanished, or lost the database.")


def _forget_older(folder: Path, *, tables: list[str], keep: int) -> None:
    """Of those that hold the same: the newest stays in any case."""
    old = BackupHistory.objects.filter(started_at__lt=Now() - KEPT).values_list("pk", flat=True)
    ours = [row for row in BackupHistory.objects.verified().filter(tables=tables) if Path(row.path).parent == folder]
    too_old = set(old.filter(pk__in=[row.pk for row in ours]))
    for place, row in enumerate(ours):
        if place >= keep or (place and row.pk in too_old):
            _remove(Path(row.path))
            BackupHistory.objects.filter(pk=row.pk).update(status=BackupStatus.REMOVED)


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)


def _unfinished(path: Path) -> Path:
    return path.with_name(path.name + UNFINISHED)


def _sync(path: Path) -> None:
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def _digest(path: Path) -> str:
    found = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(CHUNK_BYTES):
            found.update(block)
    return found.hexdigest()
