"""What really happened, as JSON lines: each line is in the file before the other side hears of it."""

import json
import os
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

Line = dict[str, Any]


class Ledger:
    """A file that is only ever appended to. Every line carries the time and the nonce of the start that wrote it."""

    def __init__(self, path: Path, *, nonce: str) -> None:
        self.path, self.nonce = path, nonce
        self.lock = threading.Lock()
        path.parent.mkdir(parents=True, exist_ok=True)
        self.file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        self.end_a_torn_line()

    def append(self, line: Line) -> Line:
        """Write one line in one piece; returning means that a process which reads the file now sees it."""
        whole = line | {"at": datetime.now(UTC).isoformat(timespec="milliseconds"), "nonce": self.nonce}
        with self.lock:
            os.write(self.file, json.dumps(whole).encode() + b"\n")
        return whole

    def end_a_torn_line(self) -> None:
        size = os.fstat(self.file).st_size
        if size and os.pread(self.file, 1, size - 1) != b"\n":
            os.write(self.file, b"\n")

    def close(self) -> None:
        """Write no more: a later `append` raises OSError, and cannot hit a file that got our number."""
        with self.lock:
            os.close(self.file)
            self.file = -1


def read(path: Path) -> list[Line]:
    """Every whole line of a ledger, oldest first; none when there is no such file yet."""
    return list(lines(path))


def lines(path: Path, *, last_bytes: int | None = None) -> Iterator[Line]:
    """The lines of a ledger, or those in its `last_bytes`."""
    if not path.exists():
        return
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - last_bytes) if last_bytes else 0)
        for raw in file:
            try:
                yield json.loads(raw)
            except ValueError:  # a process died in the middle of this line, or we began to read there
                continue
