"""What a call of the log costs its caller: with the database there, and with it away."""

import time
from collections.abc import Callable
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from typing import Any

from django.db import OperationalError

from messaging import journal, spool
from messaging.message_log import MessageLog
from messaging.models import Level
from tests.scale import machine
from tests.scale.message_pages import say

CALLS = 1_000
GOAL_MS = 2


def calls(database: str) -> None:
    commit = 1000 * machine.commit_seconds(database)
    say(f"\nThe log, {CALLS:,} calls each (goal: at most {GOAL_MS} ms; the smallest commit takes {commit:.2f} ms here):")
    with TemporaryDirectory() as folder:
        place = Path(folder)
        log = MessageLog("bench", spool_dir=place, backup_dir=place)
        away = MessageLog("bench", spool_dir=place, backup_dir=place, save=unreachable, sleep=lambda _: None)
        told(log, "log_message, database there", lambda: log.log_message(recipient_email="a@client.example"))
        told(log, "journal.record, database there", lambda: journal.record(Level.INFO, "bench", "An event", spool_dir=place))
        told(away, "log_message, database away: into the spool", lambda: away.log_message(recipient_email="a@client.example"))


def unreachable(fact: spool.Fact) -> None:
    raise OperationalError("the database is away")


def told(log: MessageLog, name: str, call: Callable[[], Any]) -> None:
    call()  # opens what is opened once
    began = time.process_time()
    spent = [milliseconds(call) for _ in range(CALLS)]
    computed = 1000 * (time.process_time() - began) / CALLS
    worst = quantiles(spent, n=100)[98]
    say(f"  {name}: median {median(spent):.2f} ms, 99 of 100 within {worst:.2f} ms; computed here {computed:.2f} ms")
    assert log.is_safe, "a call of the log was not kept"


def milliseconds(call: Callable[[], Any]) -> float:
    began = time.perf_counter()
    call()
    return 1000 * (time.perf_counter() - began)
