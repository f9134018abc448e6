"""The record as the logs of older installations."""

from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from messaging import cms_logs
from portal.management.command import PortalCommand, Report
from portal.management.files import path_option


class Command(PortalCommand):
    help = "Writes the logs that older installations kept: pending, processed and added notes, sent and test e-mails."

    def options(self, parser: CommandParser) -> None:
        parser.add_argument("--out", type=path_option, required=True, metavar="DIR", help="the folder they are written to")

    def work(self, *, out: Path, **told: Any) -> Report:
        try:
            files = cms_logs.write(out, zone=timezone.get_current_timezone())
        except OSError as trouble:
            raise CommandError(
                f"Cannot write to {trouble.filename or out}: {trouble.strerror}. Choose another folder with --out."
            ) from trouble
        text = "\n".join(f"{out / name}: {lines} lines" for name, lines in files.items())
        return Report(facts={"out": str(out), "files": files}, text=text)
