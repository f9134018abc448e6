"""A new version of a configuration from the shell."""

from datetime import datetime
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from portal.config import kinds
from portal.config.json_text import from_json
from portal.management.command import PortalCommand, Report
from portal.management.configuring import add_environment, add_kind, beginning, known_environment, known_kind, moment, put
from portal.management.files import contents, standard_input

STDIN = "-"


class Command(PortalCommand):
    help = (
        "Puts the data of a JSON file into force as a new version; the version before ends there. Every field that is wrong is named, and "
        "then nothing is stored. A field that the file does not name stays as it is. The same data again stores nothing."
    )

    def options(self, parser: CommandParser) -> None:
        add_kind(parser)
        parser.add_argument("--file", required=True, metavar="FILE", help="a JSON file, or - for standard input")
        parser.add_argument("--from", type=moment, dest="begins", metavar="T", help="when it begins (default: at once)")
        add_environment(parser, words="only there; the file then holds what differs (default: everywhere)")
        parser.add_argument("--note", default="", help="why, for those who come after you")
        parser.add_argument("--dry-run", action="store_true", help="show what would change, in the data and in the plan; store nothing")

    def work(self, *, kind: str, file: str, begins: datetime | None, environment: str | None, note: str, dry_run: bool) -> Report:
        where, when = known_environment(environment), beginning(begins)
        source = "standard input" if file == STDIN else Path(file).name
        data = read(file)
        if not where:
            data = with_what_stays(known_kind(kind), data, at=when)
        return put(known_kind(kind), data, begins=when, environment=where, note=note or f"Set from {source}", dry_run=dry_run)


def with_what_stays(kind: str, data: Any, *, at: datetime) -> Any:
    """The data with those fields of the kind that it does not name, as they will hold then."""
    now, named = kinds.data_in_force(kind, at=at)[1], kinds.kind_named(kind).shipped
    return {name: now[name] for name in named if name not in data} | data if isinstance(data, dict) else data


def read(file: str) -> Any:
    data = standard_input() if file == STDIN else contents(Path(file))
    try:
        return from_json(data.decode("utf-8-sig"))
    except UnicodeDecodeError as trouble:
        raise CommandError(f"{file} is not UTF-8 at byte {trouble.start}. Nothing was stored.") from None
    except ValueError as trouble:
        raise CommandError(f"{file}: {trouble}. Nothing was stored.") from None
