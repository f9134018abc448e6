"""The proof that a backup is one: restored into a scratch database, and compared by rows, checksums and promises."""

from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from messaging import backup, invariants, restoring
from portal import wiring
from portal.management.command import DONE, NEEDS_ATTENTION, PortalCommand, Report
from portal.management.commands.verify_backup import chosen
from portal.management.files import path_option


class Command(PortalCommand):
    help = (
        "Restores a backup into a scratch database, compares rows and checksums of every table with what was backed up, asks the promises "
        "there, and drops it again."
    )

    def options(self, parser: CommandParser) -> None:
        parser.add_argument("file", nargs="?", type=path_option, metavar="FILE", help="default: the newest backup")

    def work(self, *, file: Path | None, **told: Any) -> Report:
        try:
            found = restoring.drill(chosen(file), promises=invariants.chosen(*wiring.invariants()))
        except backup.BackupFailed as trouble:
            raise CommandError(str(trouble)) from trouble
        text = f"{found['path']} restores: {found['rows']:,} rows as they were, in {found['seconds']:,.1f} s."
        if found["violated"]:
            text += f" Promises were broken in it already: {', '.join(found['violated'])}. See verify_invariants."
        code = NEEDS_ATTENTION if found["violated"] else DONE
        return Report(facts=found | {"integrity_verified": True}, text=text, exit_code=code)
