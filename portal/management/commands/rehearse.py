"""A whole day, to see that everything works together."""

import logging
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from django.core.management.base import CommandError, CommandParser

from portal import rehearsal
from portal.management.command import DONE, FAILED, PortalCommand, Report, whole
from portal.rehearsal.campaigns import CONTACTS
from portal.rehearsal.ledger import as_table


class Command(PortalCommand):
    help = (
        "Rehearses a day in a database of its own, beside the configured one: takes the sample cases and a file of contacts in, plans "
        "campaign mails and hands them over, sends 200 status requests and those over real SMTP, clicks and unsubscribes, adds the notes "
        "over real HTTP, then has 20 requests for quotes looked at by an AI, prices them and sends their mails, and the daily summary, all "
        "with servers started for it. Nothing of it reaches anybody, and nothing is left. "
        "Exit code 0 only when every mail and quote ended as it had to, and every sent status request has exactly one note in the CMS."
    )

    def options(self, parser: CommandParser) -> None:
        parser.add_argument("--faults", action="store_true", help="let the servers fail in scripted ways, whose results are known before")
        parser.add_argument("--keep", action="store_true", help="keep the database, and say its name")
        told = f"contacts in the file, beside the 2,000 of the sample (default {CONTACTS})"
        parser.add_argument("--contacts", type=whole(0, 10_000_000), default=CONTACTS, metavar="N", help=told)

    def work(self, *, faults: bool, keep: bool, contacts: int, **told: Any) -> Report:
        logging.getLogger("messaging").setLevel(logging.CRITICAL + 1)  # every fault is expected, and counted in the ledger
        try:
            with rehearsal.scratch_database(keep=keep) as name, TemporaryDirectory(prefix="portal-rehearsal-") as folder:
                facts = rehearsal.rehearse(folder=Path(folder), with_faults=faults, contacts=contacts, tell=self.progress)
        except (rehearsal.NoScratch, rehearsal.DayStuck) as trouble:
            raise CommandError(str(trouble)) from trouble
        facts |= {"faults": faults, "database": name if keep else None}
        text = as_table(facts) + (f"\nThe database is kept as {name}." if keep else "")
        return Report(facts=facts, text=text, exit_code=DONE if facts["balanced"] else FAILED)
