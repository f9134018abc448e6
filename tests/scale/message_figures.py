"""What `tests.scale.messages` measures, part by part, on one scratch database."""

import time
from collections.abc import Callable, Sequence

from django.db import connection

from portal.rehearsal.scratch import scratch_database
from tests.scale import machine, message_log, message_pages, message_rows, message_upkeep
from tests.scale.message_pages import GOAL_MS, REPEATS, say


def measure(messages: int, *, parts: Sequence[str]) -> None:
    measured: dict[str, Callable[[str], None]] = {
        "pages": pages,
        "export": message_upkeep.exports,
        "retention": message_upkeep.retention_of_a_million,
        "log": message_log.calls,
    }
    with scratch_database(keep=False) as name:
        began = time.monotonic()
        message_rows.plant(messages)
        say(f"{messages:,} messages and what belongs to them ({size()}) planted in {time.monotonic() - began:.0f} s,")
        say(f"on {machine.cores()} cores of {machine.processor()}.")
        for part in parts:
            measured[part](name)


def pages(name: str) -> None:
    say(f"\nPages, server side: the median of {REPEATS} by the clock, then milliseconds computed here + in PostgreSQL.")
    measured = list(message_pages.timed(message_pages.a_client()))
    slow = [page.name for page in measured if page.milliseconds >= GOAL_MS]
    worst = max(measured, key=lambda page: page.computed)
    say(f"{len(measured)} pages; {len(slow)} took {GOAL_MS} ms or more by the clock" + (f": {'; '.join(slow)}." if slow else "."))
    say(f"The most was computed for: {worst.name}, {worst.computed:.0f} ms.")


def size() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_size_pretty(pg_database_size(current_database()))")
        return str(cursor.fetchone()[0])
