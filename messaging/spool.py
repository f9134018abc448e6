"""Where facts wait while the database is away: append-only files of JSON lines, one per process, replayed by whoever comes next.

A fact is written with one write(), so a killed process leaves whole lines; `sync` makes it survive a power cut as well. The owner holds
a lock on its file that ends with the process: only files whose owner is gone, or has sealed them, are replayed.
"""

import errno
import fcntl
import json
import logging
import os
import threading
import uuid
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

from messaging.faults import fault

LINE_BYTES = 16_384  # a longer fact is a bug, not a fact
AS_LINE = json.JSONEncoder(separators=(",", ":"), default=str).encode

Fact = dict[str, Any]
Book = Callable[[Path, int], AbstractContextManager[None]]  # is told of a file and its lines; left without an error when all are replayed
log = logging.getLogger(__name__)


class SpoolUnwritable(OSError):
    """The local disk takes no facts: nothing may be sent whose answer could not be kept."""


class FactUnusable(ValueError):
    """A waiting fact can never be saved, whatever state the database is in."""


class Spool:
    """This process's own file in `folder`, made with the first fact."""

    def __init__(self, folder: Path, *, kind: str) -> None:
        self.folder, self.kind = folder, kind
        self._file: int | None = None
        self._path = folder
        self._owner = 0

    def append(self, fact: Fact, *, sync: bool) -> None:
        """Write one fact. Returning means it survives the death of this process; with `sync`, a power cut too."""
        line = AS_LINE(fact).encode() + b"\n"
        assert len(line) <= LINE_BYTES, f"a fact of {len(line)} bytes"
        try:
            file = self._open()
            self._write(file, line)
            if sync:
                os.fdatasync(file)
        except OSError as trouble:
            raise SpoolUnwritable(f"{self.folder} takes no facts: {trouble}") from trouble
        fault("spool.after_append")

    def forget(self) -> None:
        """Everything written so far has reached the database."""
        if self._file is not None and self._owner == os.getpid():
            os.ftruncate(self._file, 0)

    def close(self) -> None:
        """Give the file up. What is still in it waits for `drain`; an empty one disappears."""
        if self._file is None or self._owner != os.getpid():
            return
        if os.fstat(self._file).st_size == 0:
            self._path.unlink(missing_ok=True)
        os.close(self._file)
        self._file = None

    @staticmethod
    def _write(file: int, line: bytes) -> None:
        """All of the line or none of it: half a line would spoil the next one too."""
        if (written := os.write(file, line)) < len(line):
            os.ftruncate(file, os.fstat(file).st_size - written)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _open(self) -> int:
        while self._file is None or self._owner != os.getpid():  # a fork must never write into its parent's file
            self.folder.mkdir(parents=True, exist_ok=True)
            self._path = self.folder / f"{self.kind}-{uuid.uuid4().hex}.jsonl"
            file = os.open(self._path, os.O_CREAT | os.O_RDWR | os.O_APPEND | os.O_CLOEXEC, 0o600)
            fcntl.flock(file, fcntl.LOCK_EX)
            if os.fstat(file).st_nlink:
                self._file, self._owner = file, os.getpid()
            else:  # somebody drained and removed it before the lock was ours
                os.close(file)
        return self._file

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class SharedSpool:
    """One file for all threads of this process, held only while a line is written: whenever nobody writes, anybody may drain it."""

    def __init__(self, folder: Path, *, kind: str) -> None:
        self.folder, self.kind = folder, kind
        self._guard = threading.Lock()
        self._file: int | None = None
        self._owner = 0

    def append(self, fact: Fact) -> None:
        """Write one fact and force it to disk. Returning means that it survives a power cut."""
        with self._guard:
            try:
                self._append(AS_LINE(fact).encode() + b"\n")
            except OSError as trouble:
                raise SpoolUnwritable(f"{self.folder} takes no facts: {trouble}") from trouble
        fault("spool.after_append")

    def _append(self, line: bytes) -> None:
        if len(line) > LINE_BYTES:
            raise OSError(errno.EMSGSIZE, f"a fact of {len(line)} bytes")
        file = self._held()
        try:
            Spool._write(file, line)
            os.fdatasync(file)
        finally:
            fcntl.flock(file, fcntl.LOCK_UN)

    def _held(self) -> int:
        """Our file, locked. One that is being drained, or was, is left behind for a new one; a fork never writes into its parent's."""
        if self._file is not None and self._owner == os.getpid() and _hold(self._file):
            return self._file
        if self._file is not None:
            os.close(self._file)
            self._file = None
        while self._file is None:
            self.folder.mkdir(parents=True, exist_ok=True)
            path = self.folder / f"{self.kind}-{uuid.uuid4().hex}.jsonl"
            file = os.open(path, os.O_CREAT | os.O_RDWR | os.O_APPEND | os.O_CLOEXEC, 0o600)
            if _hold(file):
                self._file, self._owner = file, os.getpid()
            else:
                os.close(file)
        _sync_folder(self.folder)
        return self._file


_last_moment = datetime.min.replace(tzinfo=UTC)
_moment_guard = threading.Lock()


def moment() -> datetime:
    """This host's clock, for a fact that may never meet the database's; no two of one process are equal, and none goes back."""
    global _last_moment
    with _moment_guard:
        _last_moment = max(datetime.now(UTC), _last_moment + timedelta(microseconds=1))
        return _last_moment


def unbooked(path: Path, lines: int) -> AbstractContextManager[None]:
    return nullcontext()


def drain(folder: Path, *, kind: str, save: Callable[[Fact], None], book: Book = unbooked) -> int:
    """Give every waiting fact of this kind to `save`, oldest file first, then forget them; return how many.

    `save` must be idempotent: a death half-way replays the file from its start. Files whose owner lives are left alone. A file with a
    fact that nobody can use is kept under another name, so that it never holds up the others.
    """
    drained = 0
    for path in sorted(folder.glob(f"{kind}-*.jsonl"), key=_age):
        file = _take(path)
        if file is not None:
            try:
                lines = _whole_lines(file)
                with book(path, len(lines)):
                    unusable = _replay(lines, save)
                drained += len(lines) - unusable
                if unusable:
                    log.error("%s unusable facts are kept in %s", unusable, path.rename(path.with_suffix(".unusable")))
                else:
                    path.unlink(missing_ok=True)
            finally:
                os.close(file)
    return drained


def depth(folder: Path) -> int:
    """How many facts wait, of all kinds; those of living owners count too."""
    return sum(_lines(path) for path in folder.glob("*.jsonl"))


def _age(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _lines(path: Path) -> int:
    try:
        return path.read_bytes().count(b"\n")
    except FileNotFoundError:
        return 0


def _take(path: Path) -> int | None:
    """The file, ours alone, or None while its owner lives or another process drains it."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(file)
        return None
    return file


def _hold(file: int) -> bool:
    """Whether the file is locked by us now, and still has its name."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return os.fstat(file).st_nlink > 0


def _sync_folder(folder: Path) -> None:
    """The name of a new file survives a power cut as well."""
    place = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(place)
    finally:
        os.close(place)


def _whole_lines(file: int) -> list[bytes]:
    with os.fdopen(os.dup(file), "rb") as lines:
        return [line for line in lines if line.endswith(b"\n")]  # a torn last line was never acknowledged


def _replay(lines: list[bytes], save: Callable[[Fact], None]) -> int:
    """Every fact is saved but those that cannot be; returns how many these are."""
    unusable = 0
    for line in lines:
        try:
            save(json.loads(line))
        except ValueError as trouble:
            unusable += 1
            log.error("a waiting fact cannot be used: %s", trouble)
        fault("spool.mid_replay")
    return unusable
