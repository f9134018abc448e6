"""Room in a cluster: how many of its workers one kind of work may take, so that one is always free to answer the watchdog.

A mail server may need ten minutes for one answer. A cluster whose workers all wait for such a server would look as silent as one that
hangs, and be killed in the middle of its mails.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from portal.doorbell import OWN_KEY


@contextmanager
def slot(folder: Path, *, kind: str, of: int) -> Iterator[bool]:
    """True while one of the `of` places for this kind of work on this host is ours; False when all are taken.

    The kernel frees the place of a process that dies. Only the workers of a watched cluster are counted.
    """
    if OWN_KEY not in os.environ:
        yield True
        return
    folder.mkdir(parents=True, exist_ok=True)
    place = next((file for number in range(of) if (file := _take(folder / f"{kind}-{number}.lock")) is not None), None)
    try:
        yield place is not None
    finally:
        if place is not None:
            os.close(place)


def _take(path: Path) -> int | None:
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(file)
        return None
    return file
