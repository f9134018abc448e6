"""`make bench`: how fast mail is delivered with a durable result per message, beside two rivals on the same database and mail sink.

Figures are printed and none is asserted. What is checked is that every mail was accepted by the sink and is recorded as sent.
"""

import argparse
import json
import os
import signal
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import psycopg

from portal import embedded_postgres, settings
from portal.embedded_postgres import PostgresUnusable
from tests.scale import machine, table
from tests.scale.bench import Bench, Runs
from tests.scale.contestants import PORTAL, PORTAL_WITH_NOTES, RIVALS
from tests.scale.races import RunBroken
from tests.scale.sinks import SINK_MISSING, SinkBroken, program, sandbox, smtp_sink

SANDBOX_SHARE = 0.125  # of the mails: the sandbox's Python servers are the slower side
MOST_SANDBOX_WORKERS = 2
Results = dict[str, Runs]  # by what they went to


def main() -> int:
    told = options()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # the scratch databases go, however the bench ends
    try:
        measured, results = measure(told)
    except (RunBroken, SinkBroken, PostgresUnusable) as reason:
        return refuse(str(reason))
    except psycopg.Error as reason:
        return refuse(f"PostgreSQL did not let the bench make its scratch databases (the role needs CREATEDB): {reason}")
    except KeyboardInterrupt:
        return refuse("stopped")
    sys.stdout.write(as_json(measured, results) if told.json else as_text(measured, results, told))
    return 0


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.scale", description=__doc__)
    parser.add_argument("--mails", type=int, default=4_000, help="to send in each run (default 4000)")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each contestant and number of workers (default 3)")
    parser.add_argument("--workers", type=int, default=4, help="from one up to this many (default 4)")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON; what happens meanwhile goes to stderr")
    told = parser.parse_args()
    if not (told.mails >= 100 and told.rounds >= 1 and 1 <= told.workers <= 16):
        parser.error("--mails is at least 100, --rounds at least 1, --workers from 1 to 16")
    return told


def measure(told: argparse.Namespace) -> tuple[dict[str, Any], Results]:
    """The machine, and the runs by what they went to."""
    if settings.EMBEDDED_POSTGRES:
        embedded_postgres.hold(settings.VAR_DIR / "postgres")
    settings.VAR_DIR.mkdir(exist_ok=True)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="scale-", dir=settings.VAR_DIR)))
        workers = range(1, told.workers + 1)
        bench = Bench(folder=folder, stack=stack, rounds=told.rounds, workers=workers, say=meanwhile(told))
        measured = machine.describe(database=bench.scratch("commits"))
        bench.say(table.machine_line(measured) + "\n\n")
        return measured, to_smtp_sink(bench, mails=told.mails) | to_sandbox(bench, mails=told.mails)


def to_smtp_sink(bench: Bench, *, mails: int) -> Results:
    if (path := program()) is None:
        bench.say(SINK_MISSING + "\n")
        return {}
    with smtp_sink(path, folder=bench.folder) as sink:
        return {"smtp-sink": bench.deliver([PORTAL, *RIVALS], sink=sink, mails=mails)}


def to_sandbox(bench: Bench, *, mails: int) -> Results:
    few = replace(bench, workers=[count for count in bench.workers if count <= MOST_SANDBOX_WORKERS])
    with sandbox(folder=bench.folder / "sandbox") as sink:
        sent, noted = few.deliver_and_note(PORTAL_WITH_NOTES, sink=sink, mails=round(mails * SANDBOX_SHARE))
    return {"sandbox": sent, "notes": noted}


def meanwhile(told: argparse.Namespace) -> Callable[[str], object]:
    stream = sys.stderr if told.json else sys.stdout

    def say(text: str) -> None:
        stream.write(text)
        stream.flush()

    return say


def as_text(measured: dict[str, Any], results: Results, told: argparse.Namespace) -> str:
    titles = {
        "smtp-sink": f"To a mail sink written in C (Postfix's smtp-sink), {told.mails:,} mails, medians of {told.rounds} runs each:",
        "sandbox": "To the portal's own sandbox (an SMTP server in Python), every mail owing a note:",
        "notes": "Then their notes, to the sandbox's case-management system over HTTP:",
    }
    parts = [f"\n{table.machine_line(measured)}\n"]
    for name, runs in results.items():
        unit = "Notes" if name == "notes" else "Mails"
        parts.append(f"\n{titles[name]}\n\n{table.rendered(runs, ours=next(iter(runs)), unit=unit)}\n")
    return "".join(parts)


def as_json(measured: dict[str, Any], results: Results) -> str:
    told = {
        name: {contestant: table.summary(runs) | {"runs": [asdict(run) for run in runs]} for contestant, runs in each.items()}
        for name, each in results.items()
    }
    return json.dumps({"machine": measured, **told}, indent=2) + "\n"


def refuse(reason: str) -> int:
    sys.stderr.write(f"{reason}{os.linesep}")
    return 1


if __name__ == "__main__":
    sys.exit(main())
