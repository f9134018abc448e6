"""A process that records events from several threads at a steady pace, and says which it was told were recorded.

Usage: log_writer.py NAME THREADS PER_SECOND SECONDS; the database and the spool come from the environment.
"""

import json
import os
import sys
import threading
import time

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
django.setup()

from django.conf import settings  # noqa: E402

from messaging import journal  # noqa: E402
from messaging.models import Level  # noqa: E402


def write(name: str, *, gap: float, ends_at: float, took: list[float]) -> None:
    number = 0
    while time.monotonic() < ends_at:
        number += 1
        began = time.perf_counter()
        journal.record(Level.INFO, "storm", "an event", spool_dir=settings.SPOOL_DIR, detail={"of": name, "number": number})
        took.append(time.perf_counter() - began)
        time.sleep(max(0.0, gap - took[-1]))
    told[name] = number


told: dict[str, int] = {}
process, threads, per_second, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4])
took: list[float] = []
plan = {"gap": threads / per_second, "ends_at": time.monotonic() + seconds, "took": took}
hands = [threading.Thread(target=write, args=(f"{process}-{number}",), kwargs=plan) for number in range(threads)]
for hand in hands:
    hand.start()
for hand in hands:
    hand.join()
took.sort()
slow = {"median_ms": took[len(took) // 2] * 1000, "p99_ms": took[int(len(took) * 0.99)] * 1000, "longest_ms": took[-1] * 1000}
sys.stdout.write(json.dumps({"told": told, **slow}))
