"""Back the database up, prove that the file can be read, and restore it elsewhere. What is not verified is no backup (R16).

A backup is one `pg_dump -Fc` file of one snapshot, with the number of rows of every table as that snapshot saw them.
"""

import hashlib
import os
import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.db import connection
from django.db.models.functions import Now

from messaging import postgres_programs, spool
from messaging.faults import fault
from messaging.models import BackupHistory, BackupStatus

KEPT = 7  # verified backups that stay in a folder
UNFINISHED = ".unfinished"
ONE_AT_A_TIME = 7_105_204_001  # the number of an advisory lock
CHUNK_BYTES = 1 << 20
LONGEST_SECONDS = 4 * 60 * 60


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


def make(*, folder: Path, purpose: str = "", keep: int = KEPT) -> Made:
    """A new verified backup lies in `folder`, and of the older verified ones there the newest `keep - 1`; else BackupFailed."""
    at = spool.moment()
    path = folder / f"message_logs_backup_{at:%Y%m%d_%H%M%S_%f}.dump"
    with _snapshot() as (snapshot, rows):
        _give_up_vanished()
        history = BackupHistory.objects.create(path=str(path), purpose=purpose[:100], rows=rows)
        try:
            made = _written(path, snapshot, history)
        except (OSError, BackupFailed) as trouble:
            with suppress(OSError):
                _remove(_unfinished(path))
            history.status, history.error = BackupStatus.FAILED, str(trouble)
            history.save(update_fields=["status", "error"])
            raise BackupFailed(f"No backup was made: {trouble}") from trouble
    _forget_older(folder, keep=keep)
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


def restore(path: Path, *, into: str) -> dict[str, int]:
    """The backup's content is the whole content of the new database `into`; returns its rows by table. Nothing existing is touched."""
    verify(path)
    _create_database(into)
    try:
        _run("pg_restore", "--no-owner", "--no-acl", "--exit-on-error", "--dbname", into, str(path))
        return _count_in(into)
    except BaseException:
        drop_database(into)
        raise


def drill(path: Path) -> dict[str, Any]:
    """The backup was restored into a scratch database and holds exactly the rows it was made of; the scratch database is gone again."""
    began = time.monotonic()
    into = f"{connection.settings_dict['NAME']}_drill_{uuid.uuid4().hex[:8]}"[-63:]
    found = restore(path, into=into)
    drop_database(into)
    known = BackupHistory.objects.verified().filter(path=str(path)).first()
    wrong = {name: (count, found.get(name)) for name, count in (known.rows if known else {}).items() if found.get(name) != count}
    if wrong:
        raise BackupFailed(f"{path} restores, but these tables have other rows than were backed up: {wrong}")
    if known:
        BackupHistory.objects.filter(pk=known.pk).update(restore_tested_at=Now())
    return {"path": str(path), "tables": len(found), "rows": sum(found.values()), "seconds": round(time.monotonic() - began, 3)}


def newest() -> BackupHistory | None:
    return BackupHistory.objects.verified().first()


def drop_database(name: str) -> None:
    """Not by force: that would take rights over the server's own workers, which step aside by themselves."""
    with _line() as line:
        line.execute(f"DROP DATABASE IF EXISTS {connection.ops.quote_name(name)}")


def _written(path: Path, snapshot: str, history: BackupHistory) -> Made:
    """Under a temporary name until it has been read back; then its name and its row say that it may be trusted."""
    began = time.monotonic()
    unfinished = _unfinished(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    for left in path.parent.glob(f"*{UNFINISHED}"):  # of a process that was killed; nobody else is at work, the lock is ours
        _remove(left)
    os.close(os.open(unfinished, os.O_CREAT | os.O_WRONLY, 0o600))
    _run("pg_dump", "--format=custom", "--no-owner", f"--snapshot={snapshot}", f"--file={unfinished}")
    fault("backup.after_dump")
    _sync(unfinished)
    _read_back(unfinished)
    fault("backup.after_verify")
    facts: dict[str, Any] = {"size_bytes": unfinished.stat().st_size, "sha256": _digest(unfinished)}
    fault("backup.before_rename")
    unfinished.rename(path)
    _sync(path.parent)
    facts["seconds"] = time.monotonic() - began
    BackupHistory.objects.filter(pk=history.pk).update(status=BackupStatus.VERIFIED, verified_at=Now(), **facts)
    return Made(path=path, history_id=history.pk, **facts)


@contextmanager
def _snapshot() -> Iterator[tuple[str, dict[str, int]]]:
    """One moment of the database, by the name under which pg_dump sees it too, and the rows of every table then. One process at a time."""
    with _line(autocommit=False) as line:
        line.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        line.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        line.execute("SET LOCAL statement_timeout = 0")
        if not line.execute("SELECT pg_try_advisory_xact_lock(%s)", [ONE_AT_A_TIME]).fetchone()[0]:
            raise BackupRunning("Another backup is being made at this moment.")
        yield line.execute("SELECT pg_export_snapshot()").fetchone()[0], _counts(line)


@contextmanager
def _line(*, autocommit: bool = True, database: str = "") -> Iterator[Any]:
    """A connection of our own to the server, beside Django's and outside its transaction."""
    told = connection.get_connection_params() | ({"dbname": database} if database else {})
    with connection.wrap_database_errors:
        line: Any = connection.get_new_connection(told)
    try:
        line.autocommit = autocommit
        with connection.wrap_database_errors:
            yield line
    finally:
        line.close()


def _counts(line: Any) -> dict[str, int]:
    names = [name for (name,) in line.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")]
    quote = connection.ops.quote_name
    return {name: line.execute(f"SELECT count(*) FROM {quote(name)}").fetchone()[0] for name in names}


def _count_in(database: str) -> dict[str, int]:
    with _line(database=database) as line:
        return _counts(line)


def _create_database(name: str) -> None:
    with _line() as line:
        if line.execute("SELECT FROM pg_database WHERE datname = %s", [name]).fetchone() is not None:
            raise BackupFailed(f"Refusing to overwrite '{name}': name a database that does not exist yet.")
        line.execute(f"CREATE DATABASE {connection.ops.quote_name(name)} TEMPLATE template0")


def _read_back(path: Path) -> None:
    """Every block of the archive can be read and unpacked."""
    _run("pg_restore", "--file=-", str(path), quiet=True)


def _run(program: str, *arguments: str, quiet: bool = False) -> None:
    command = [str(postgres_programs.find(program)), *arguments]
    done = subprocess.run(
        command,
        env=_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        timeout=LONGEST_SECONDS,
    )
    if done.returncode:
        words = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise BackupFailed(words if quiet else f"{program} says: {words}")


def _environment() -> dict[str, str]:
    """How the programs reach our server; a password stands in no list of processes."""
    told = connection.get_connection_params()
    names = {"host": "PGHOST", "port": "PGPORT", "user": "PGUSER", "password": "PGPASSWORD", "dbname": "PGDATABASE", "sslmode": "PGSSLMODE"}
    kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
    return kept | {name: str(told[key]) for key, name in names.items() if told.get(key)}


def _give_up_vanished() -> None:
    """A backup that was never finished says so. Nobody else is at work: the lock is ours."""
    vanished = BackupHistory.objects.filter(status=BackupStatus.STARTED)
    vanished.update(status=BackupStatus.FAILED, error="The process that made it vanished.")


def _forget_older(folder: Path, *, keep: int) -> None:
    ours = [row for row in BackupHistory.objects.verified() if Path(row.path).parent == folder]
    for row in ours[keep:]:
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
