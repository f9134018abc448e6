"""What the figures were measured on."""

import os
import platform
import statistics
import time
from pathlib import Path
from typing import Any

from tests.scale import databases

COMMITS = 200


def describe(*, database: str) -> dict[str, Any]:
    """The processor, the database server and how long one small commit takes it alone, which no durable result can beat."""
    return {
        "cores": cores(),
        "processor": processor(),
        "python": platform.python_version(),
        "load_before": round(os.getloadavg()[0], 1),
        "commit_milliseconds": round(commit_seconds(database) * 1_000, 2),
        **databases.facts(),
    }


def cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def processor() -> str:
    table = Path("/proc/cpuinfo")
    named = [line for line in table.read_text().splitlines() if line.startswith("model name")] if table.exists() else []
    return named[0].partition(":")[2].strip() if named else platform.processor() or platform.machine()


def commit_seconds(database: str) -> float:
    with databases.connect(database) as connection:
        connection.execute("CREATE TABLE scale_commit (at timestamptz)")
        taken = [timed_commit(connection) for _ in range(COMMITS)]
        connection.execute("DROP TABLE scale_commit")
    return statistics.median(taken)


def timed_commit(connection: Any) -> float:
    started = time.perf_counter()
    connection.execute("INSERT INTO scale_commit VALUES (now())")
    return time.perf_counter() - started
