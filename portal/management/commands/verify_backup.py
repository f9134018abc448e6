"""Can this backup be read, and is it the one that was written?"""

import time
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from messaging import backup
from portal.management.command import PortalCommand, Report, wrong_usage
from portal.management.files import path_option


class Command(PortalCommand):
    help = "Reads a backup to its end and compares its digest with the one on record; without FILE, the newest backup."

    def options(self, parser: CommandParser) -> None:
        parser.add_argument("file", nargs="?", type=path_option, metavar="FILE")

    def work(self, *, file: Path | None, **told: Any) -> Report:
        began = time.monotonic()
        try:
            found = backup.verify(chosen(file)) | {"seconds": round(time.monotonic() - began, 3)}
        except backup.BackupFailed as trouble:
            raise CommandError(str(trouble)) from trouble
        known = "as it was written" if found["on_record"] else "readable; this database has no record of it"
        return Report(facts=found, text=f"{found['path']}: {found['size_bytes']:,} bytes, {known}")


def chosen(file: Path | None) -> Path:
    """The file that was named, or the newest verified one."""
    newest = backup.newest()
    if file is None and newest is None:
        raise wrong_usage("There is no backup yet: run `manage.py backup_database`, or name a file.")
    return file.resolve() if file else Path(newest.path if newest else "")
