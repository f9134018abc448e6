"""The proof that a backup is one: restored into a scratch database, and compared row count by row count."""

from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from messaging import backup
from portal.management.command import PortalCommand, Report
from portal.management.commands.verify_backup import chosen


class Command(PortalCommand):
    help = "Restores a backup into a scratch database, compares it with what was backed up, and drops the scratch database."

    def options(self, parser: CommandParser) -> None:
        parser.add_argument("file", nargs="?", type=Path, metavar="FILE", help="default: the newest backup")

    def work(self, *, file: Path | None, **told: Any) -> Report:
        try:
            found = backup.drill(chosen(file))
        except backup.BackupFailed as trouble:
            raise CommandError(str(trouble)) from trouble
        return Report(facts=found | {"integrity_verified": True}, text=f"{found['path']} restores: {found['rows']:,} rows as they were.")
