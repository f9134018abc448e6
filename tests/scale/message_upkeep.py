"""Exports of three sizes, each in a process of its own; and a million old rows deleted while somebody else queues and claims mail."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from django.conf import settings
from django.db import connection
from django.utils import timezone

from messaging import retention
from messaging.models import Message
from tests.scale.commands import run_to_its_end
from tests.scale.message_pages import say
from tests.scale.message_rows import DAYS

SHARES = (0.01, 0.1, 1.0)  # of all messages, the newest
ROWS = 1_000_000  # that go
PER_MESSAGE = 2.6  # rows that go with a mail, itself included
GOING = 0.59  # of the mails: those that belong to no case and were sent


def exports(name: str) -> None:
    say("\nExports by `export_messages`, each in a process of its own:")
    with TemporaryDirectory() as folder:
        for share in SHARES:
            for form in ("csv", "json") if share < 1 else ("csv",):
                exported(name, days=max(round(DAYS * share), 1), form=form, out=Path(folder) / "log")


def exported(name: str, *, days: int, form: str, out: Path) -> None:
    command = [sys.executable, "manage.py", "export_messages", "--days", str(days), "--format", form, "--out", str(out)]
    took = run_to_its_end(command, environment(name))
    size = out.stat().st_size / 1_000_000
    say(f"  the last {days} days as {form}: {size:,.1f} MB in {took.seconds:.0f} s, peak memory {took.peak_mb:.0f} MB")


def retention_of_a_million(name: str) -> None:
    """Old mails with their attempts and events go, so many that a million rows go in all; or as many as there are."""
    before, counted = older_than(ROWS / PER_MESSAGE / GOING), rows_of_all()
    locks = Locks()
    with probing(name) as probe, connection.execute_wrapper(locks):
        began = time.monotonic()
        deleted = retention.delete_old(before=before)
        spent = time.monotonic() - began
    told = probe.stdout.read() if probe.stdout else ""
    say(f"\nRetention: {deleted['messages']:,} mails, {counted - rows_of_all():,} rows in all, in {spent:.0f} s.")
    if locks.held:
        longest, middle = 1000 * max(locks.held), 1000 * median(locks.held)
        say(f"  {len(locks.held):,} batches of {retention.BATCH:,}; their locks were held {middle:.0f} ms, the longest {longest:.0f} ms.")
    say(f"  Meanwhile, in another process: {told.strip()}")


class Locks:
    """How long each transaction held what it had locked: from its first statement to the first one after its end."""

    def __init__(self) -> None:
        self.held: list[float] = []
        self.since: float | None = None

    def __call__(self, execute: Any, statement: str, values: Any, many: bool, context: Any) -> Any:
        began, is_alone = time.monotonic(), not connection.in_atomic_block
        if is_alone and self.since is not None:
            self.held.append(began - self.since)
        self.since = None if is_alone else self.since or began
        answer = execute(statement, values, many, context)
        if is_alone and statement.startswith("DELETE"):
            self.held.append(time.monotonic() - began)
        return answer


def older_than(messages: float) -> datetime:
    """A time before which there are about so many messages."""
    first = Message.objects.order_by("pk").values_list("pk", flat=True)[0]
    at = Message.objects.filter(pk__gte=first + int(messages)).order_by("pk").values_list("created_at", flat=True).first()
    return at or timezone.now() - timedelta(days=1)


def rows_of_all() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_force_next_flush()")
        time.sleep(1.2)  # the server's own count is a second late
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute("SELECT sum(n_tup_ins - n_tup_del)::bigint FROM pg_stat_user_tables WHERE schemaname = 'public'")
        return int(cursor.fetchone()[0])


@contextmanager
def probing(name: str) -> Iterator["subprocess.Popen[str]"]:
    """Somebody who queues and claims a mail again and again until the end, and then says how long that took."""
    command = [sys.executable, "-m", "tests.scale.message_probe"]
    ends = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    probe = subprocess.Popen(command, env=environment(name), text=True, cwd=settings.BASE_DIR, **ends)
    assert probe.stdout is not None
    assert probe.stdout.readline() == "ready\n", "the other process did not start"
    try:
        yield probe
    finally:
        if probe.stdin:
            probe.stdin.close()
        probe.wait(timeout=60)


def environment(name: str) -> dict[str, str]:
    told = {"DJANGO_SETTINGS_MODULE": "tests.scale.ours_settings", "SCALE_DATABASE": name, "SECRET_KEY": settings.SECRET_KEY}
    return os.environ | told | {"DEBUG": "0"}
