"""`make audit`: the long compliance audit. Prints what it counted; exit code 1 where a promise was broken."""

import os
import sys
import time
from argparse import ArgumentParser, Namespace
from datetime import date
from random import Random

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
    told = asked.parse_args()
    os.environ |= {"DJANGO_SETTINGS_MODULE": "portal.settings", "DEBUG": "0"}
    django.setup()
    return audited(told)


def audited(told: Namespace) -> int:
    from portal.rehearsal.scratch import scratch_database  # noqa: PLC0415  # needs Django
    from tests.audit.in_database import InDatabase  # noqa: PLC0415
    from tests.audit.nights import Auditor  # noqa: PLC0415
    from tests.audit.office import Office  # noqa: PLC0415

    office = Office(Random(told.seed), date(2024, 1, 1), limit=told.limit)
    office.open(told.contacts)
    before = time.monotonic()
    with scratch_database(keep=False):
        auditor = Auditor(office, InDatabase(), oracle_every=told.oracle_every)
        for found in auditor.days(told.nights):
            if office.counted["nights"] % SHOWN_EVERY == 0:
                so_far = f"{office.day}: {found.counted['mails sent']:,} mails sent, {found.broken.total()} promises broken"
                sys.stderr.write(f"{time.monotonic() - before:7,.0f} s  {so_far}\n")
    found = auditor.told
    sys.stdout.write(f"{found.report()}\n{time.monotonic() - before:,.0f} seconds\n")
    return 1 if found.broken else 0


if __name__ == "__main__":
    sys.exit(main())
