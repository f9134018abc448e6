"""Bring everything that waited in the spool into the database, file by file, and keep the book of it."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from django.db import Error, connection
from django.db.models.functions import Now

from messaging import answers, journal, logged, spool
from messaging.models import SpoolFile


def drain(spool_dir: Path) -> dict[str, int]:
    """What waited on this host is in the database; returns how many facts of each kind were. Twice is once, and killed half-way too.

    Answers come first: a doubt that they settle never arises.
    """
    return {
        "answers": answers.drain(spool_dir, book=booked),
        "logged": logged.drain(spool_dir, book=booked),
        "events": journal.drain(spool_dir, book=booked),
    }


def depth(spool_dir: Path) -> int:
    """How many facts wait here, those that living workers hold included."""
    return spool.depth(spool_dir)


@contextmanager
def booked(path: Path, lines: int) -> Iterator[None]:
    """The file is on record before its first line is replayed, and as replayed only after its last one.

    In between nobody waits for the server's disk: the commit that says "replayed" makes all before it as safe as itself.
    """
    facts = {"host": socket.gethostname(), "lines": lines, "replayed_at": None}
    SpoolFile.objects.update_or_create(name=path.name, defaults=facts)
    with connection.cursor() as cursor:
        cursor.execute("SET synchronous_commit = off")
        try:
            yield
        finally:
            with suppress(Error):  # of a line that is gone, nothing is left to be put right
                cursor.execute("RESET synchronous_commit")
    SpoolFile.objects.filter(name=path.name).update(replayed_at=Now())
