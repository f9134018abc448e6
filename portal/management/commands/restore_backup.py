"""A backup becomes a new database; nothing that exists is touched."""

import time
from argparse import ArgumentTypeError
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db import connection

from messaging import backup, restoring
from portal.management.command import PortalCommand, Report, wrong_usage
from portal.management.commands.verify_backup import chosen
from portal.management.files import path_option


def database_name(text: str) -> str:
    """A name that is nothing else: PostgreSQL's programs take `dbname=… host=…` as well."""
    if not restoring.NAME.fullmatch(text):
        raise ArgumentTypeError(f"must be a name of letters, digits, _ and -, at most 63, the first no digit; got {text[:80]!r}")
    return text


class Command(PortalCommand):
    help = "Restores a backup into a new database, which DATABASE_URL may then name. Never into one that exists."

    def options(self, parser: CommandParser) -> None:
        parser.add_argument("file", nargs="?", type=path_option, metavar="FILE", help="default: the newest backup")
        parser.add_argument("--to", type=database_name, required=True, metavar="NAME", help="the name of the new database")

    def work(self, *, file: Path | None, to: str, **told: Any) -> Report:
        if to == connection.settings_dict["NAME"]:
            raise wrong_usage(f"Refusing to overwrite '{to}', which the portal uses: name a new database.")
        began, path = time.monotonic(), chosen(file)
        try:
            rows = restoring.restore(path, into=to)
        except backup.BackupFailed as trouble:
            raise CommandError(str(trouble)) from trouble
        facts = {"path": str(path), "database": to, "tables": len(rows), "rows": sum(rows.values())}
        facts |= {"seconds": round(time.monotonic() - began, 3), "integrity_verified": True, "size_bytes": path.stat().st_size}
        return Report(facts=facts, text=f"{to}: {facts['rows']:,} rows in {facts['tables']} tables. Name it in DATABASE_URL to use it.")
