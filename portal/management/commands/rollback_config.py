"""An old version of a configuration is brought back, as a new one."""

from datetime import datetime
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from portal.config.standing import NoSuchVersion, data_of, number_at, number_before
from portal.management.command import PortalCommand, Report, whole
from portal.management.configuring import add_environment, add_kind, beginning, known_environment, known_kind, moment, put

MOST = 1_000_000


class Command(PortalCommand):
    help = (
        "Brings an old version back: a new version with its data. By default the one before that in force; --to names another, --at "
        "the one that was in force then. Nothing that was in force is ever changed."
    )

    def options(self, parser: CommandParser) -> None:
        add_kind(parser)
        which = parser.add_mutually_exclusive_group()
        which.add_argument("--to", type=whole(0, MOST), metavar="N", help="this version; 0 is what the portal ships")
        which.add_argument("--at", type=moment, metavar="T", help="the version that was in force then")
        parser.add_argument("--from", type=moment, dest="begins", metavar="T", help="when it begins (default: at once)")
        add_environment(parser, words="of that environment's own versions (default: of those for all)")
        parser.add_argument("--note", default="", help="why, for those who come after you")
        parser.add_argument("--dry-run", action="store_true", help="show what would change, in the data and in the plan; store nothing")

    def work(self, *, kind: str, begins: datetime | None, environment: str | None, note: str, dry_run: bool, **which: Any) -> Report:
        known_kind(kind)
        where, when = known_environment(environment), beginning(begins)
        try:
            number = chosen(kind, environment=where, **which)
            data = data_of(kind, number, environment=where)
        except NoSuchVersion as missing:
            raise CommandError(f"{missing} Nothing was stored.") from None
        try:
            report = put(kind, data, begins=when, environment=where, note=note or f"Back to version {number}", dry_run=dry_run)
        except CommandError as refusal:
            raise CommandError(f"Version {number} cannot be brought back. {refusal}") from None
        assert isinstance(report.facts, dict)
        return Report(facts=report.facts | {"restored": number}, text=report.text, exit_code=report.exit_code)


def chosen(kind: str, *, environment: str, to: int | None, at: datetime | None) -> int:
    if to is not None:
        return to
    return number_at(kind, at=at, environment=environment) if at else number_before(kind, at=timezone.now(), environment=environment)
