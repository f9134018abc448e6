"""A backup of the whole database, verified before it counts."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser

from messaging import backup
from portal.management.command import PortalCommand, Report
from portal.management.files import path_option


class Command(PortalCommand):
    help = "Backs the database up and reads the file back before it gets its name. Verified backups are kept for 7 days."

    def options(self, parser: CommandParser) -> None:
        parser.add_argument("--to", type=path_option, metavar="DIR", help="the folder; default BACKUP_DIR")

    def work(self, *, to: Path | None, **told: Any) -> Report:
        try:
            made = backup.make(folder=(to or settings.BACKUP_DIR).resolve(), purpose="command")
        except backup.BackupRunning as busy:
            return Report(facts={"already_running": True}, text=str(busy))
        except backup.BackupFailed as trouble:
            raise CommandError(str(trouble)) from trouble
        return Report(facts=made.as_dict(), text=f"{made.path}: {made.size_bytes:,} bytes, verified, {made.seconds:.1f} s")
