"""`make audit`: the long compliance audit. Prints what it counted; exit code 1 where a promise was broken.

One process lives through the nights, another one checks what it did: they share nothing but the office's seed and a pipe.
"""

import os
import subprocess
import sys
import time
from argparse import ArgumentParser, Namespace
from contextlib import ExitStack, suppress
from datetime import date
from pathlib import Path
from random import Random
from typing import Any

import django

SHOWN_EVERY = 30  # nights


def main() -> int:
    asked = ArgumentParser(prog="make audit", description=__doc__)
    asked.add_argument("--contacts", type=int, default=20_000)
    asked.add_argument("--nights", type=int, default=1_096)
    asked.add_argument("--oracle-every", type=int, default=100, help="each night the oracle works out one contact in so many")
    asked.add_argument(
        "--limit", type=int, default=3, help="mails to a contact in any 31 days; 3 is reached more often than the portal's 5"
    )
    asked.add_argument("--seed", type=int, default=int(os.environ.get("AUDIT_SEED", "1")))
    asked.add_argument("--record", type=Path, help="a file in which all that the scheduler did is kept")
    asked.add_argument("--replay", type=Path, help="such a file: its checks are made anew; say the same contacts and seed")
    told = asked.parse_args()
    os.environ |= {"DJANGO_SETTINGS_MODULE": "portal.settings", "DEBUG": "0"}
    django.setup()
    return audited(told)


def audited(told: Namespace) -> int:
    from portal.rehearsal.scratch import scratch_database  # noqa: PLC0415  # needs Django
    from tests.audit.recordings import Replayed  # noqa: PLC0415

    if told.replay:
        with told.replay.open("rb") as source:
            return through_the_years(told, Replayed(source))
    with scratch_database(keep=False):
        return lived_and_checked(told)


def lived_and_checked(told: Namespace) -> int:
    """The exit code of the process that checks what this one does."""
    from tests.audit.in_database import InDatabase  # noqa: PLC0415
    from tests.audit.recordings import Recorded, live  # noqa: PLC0415

    source, into = os.pipe()
    numbers = [f"--{name}={getattr(told, name)}" for name in ("contacts", "nights", "limit", "seed")]
    command = [sys.executable, "-m", "tests.audit", *numbers, f"--oracle-every={told.oracle_every}", f"--replay=/dev/fd/{source}"]
    checker = subprocess.Popen(command, pass_fds=[source])
    os.close(source)
    with suppress(BrokenPipeError), ExitStack() as open_files:  # a checker that has ended says why
        pipe = open_files.enter_context(os.fdopen(into, "wb"))
        machine = Recorded(InDatabase(), open_files.enter_context(told.record.open("wb"))) if told.record else InDatabase()
        live(office_of(told), Recorded(machine, pipe), nights=told.nights)
    return checker.wait()


def office_of(told: Namespace) -> Any:
    """The same for the same seed, with its first contacts."""
    from tests.audit.office import Office  # noqa: PLC0415

    office = Office(Random(told.seed), date(2024, 1, 1), limit=told.limit)
    office.open(told.contacts)
    return office


def through_the_years(told: Namespace, machine: Any) -> int:
    from tests.audit.nights import Auditor  # noqa: PLC0415

    office, began = office_of(told), time.monotonic()
    auditor = Auditor(office, machine, oracle_every=told.oracle_every)
    known: set[str] = set()
    with suppress(EOFError):  # a recording may end early
        for found in auditor.days(told.nights):
            known = show(found, office, known, seconds=time.monotonic() - began)
    sys.stdout.write(f"{auditor.told.report()}\n{time.monotonic() - began:,.0f} seconds, seed {told.seed}\n")
    return 1 if auditor.told.broken else 0


def show(found: Any, office: Any, known: set[str], *, seconds: float) -> set[str]:
    """How far it is, now and then; a promise that is broken for the first time, at once. Those that were broken until now."""
    for promise in found.broken.keys() - known:
        sys.stderr.write(f"BROKEN: {promise}\n    {found.examples[promise][0]}\n")
    if office.counted["nights"] % SHOWN_EVERY == 0:
        so_far = f"{found.counted['mails sent']:,} mails sent, {found.broken.total()} breaches"
        sys.stderr.write(f"{seconds:7,.0f} s  {office.day}: {so_far}\n")
    return set(found.broken)


if __name__ == "__main__":
    sys.exit(main())
