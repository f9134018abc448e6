"""A whole day, to see that everything works together."""

import logging
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from django.core.management.base import CommandError, CommandParser

from portal import rehearsal
from portal.management.command import DONE, FAILED, PortalCommand, Report, whole
from portal.rehearsal.ledger import as_table

NO_CAMPAIGNS = "--contacts: campaigns are not part of the portal yet, so no contacts take part in this rehearsal."


class Command(PortalCommand):
    help = (
        "Rehearses a day in a database of its own, beside the configured one: takes the sample cases in, sends 200 status requests over "
        "real SMTP and adds their notes over real HTTP, then has 20 requests for quotes looked at by an AI, prices them and sends their "
        "mails, all with servers started for it. Nothing of it reaches anybody, and nothing is left. "
        "Exit code 0 only when every mail and quote ended as it had to, and every sent status request has exactly one note in the CMS."
    )

    def options(self, parser: CommandParser) -> None:
        parser.add_argument("--faults", action="store_true", help="let the servers fail in scripted ways, whose results are known before")
        parser.add_argument("--keep", action="store_true", help="keep the database, and say its name")
        parser.add_argument("--contacts", type=whole(0, 10_000_000), metavar="N", help="no effect yet: campaigns are still to come")

    def work(self, *, faults: bool, keep: bool, contacts: int | None, **told: Any) -> Report:
        if contacts is not None:
            self.tell([NO_CAMPAIGNS])
        logging.getLogger("messaging").setLevel(logging.CRITICAL + 1)  # every fault is expected, and counted in the ledger
        try:
            with rehearsal.scratch_database(keep=keep) as name, TemporaryDirectory(prefix="portal-rehearsal-") as folder:
                facts = rehearsal.rehearse(folder=Path(folder), with_faults=faults, tell=self.progress)
        except (rehearsal.NoScratch, rehearsal.DayStuck) as trouble:
            raise CommandError(str(trouble)) from trouble
        facts |= {"faults": faults, "database": name if keep else None}
        text = as_table(facts) + (f"\nThe database is kept as {name}." if keep else "")
        return Report(facts=facts, text=text, exit_code=DONE if facts["balanced"] else FAILED)
