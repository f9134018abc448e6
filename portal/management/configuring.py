"""What the commands of the configuration share: their options, how a version is put into force, how it is told."""

from argparse import ArgumentTypeError
from datetime import datetime
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from portal.config import kinds
from portal.config.data import ConfigRefused, Difference, differences, shown
from portal.config.json_text import as_json
from portal.config.kinds import KINDS
from portal.config.models import ConfigVersion
from portal.config.standing import Standing, data_of, number_at, standing
from portal.management.command import Report, wrong_usage
from portal.wiring import impact_of

LATEST_YEAR = 2200
SHOWN = 40  # differences, or days of an impact, that are told in words


def moment(text: str) -> datetime:
    """An option that is a moment; without a zone it is the office's, without a time the day's beginning."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError(f"must be a moment such as 2026-03-01 or 2026-03-01T08:30; got {text[:80]!r}") from None
    if not 2000 <= at.year <= LATEST_YEAR:
        raise ArgumentTypeError(f"must lie in the years 2000 to {LATEST_YEAR}; got {text[:80]!r}")
    return at if at.tzinfo else timezone.make_aware(at)


def add_kind(parser: CommandParser, *, is_optional: bool = False) -> None:
    parser.add_argument("kind", metavar="KIND", help=f"one of {', '.join(KINDS)}", nargs="?" if is_optional else None)


def add_environment(parser: CommandParser, *, words: str) -> None:
    parser.add_argument("--environment", metavar="E", help=words)


def known_kind(kind: str) -> str:
    try:
        kinds.kind_named(kind)
    except kinds.UnknownKind as unknown:
        raise wrong_usage(str(unknown)) from None
    return kind


def known_environment(told: str | None, *, default: str = "") -> str:
    name = default if told is None else told
    if name and (len(name) > 40 or not name.replace("-", "").replace("_", "").isalnum() or not name.isascii()):
        raise wrong_usage(f"--environment is a name of letters, digits, - and _, at most 40; got {shown(name)!r}.")
    return name


def beginning(told: datetime | None) -> datetime:
    """When a new version begins: as told, else now."""
    now = timezone.now()
    if told and told < now:
        raise wrong_usage(f"--from {told:%Y-%m-%d %H:%M %Z} has passed: name a later moment, or leave it out to begin at once.")
    return told or now


def put(kind: str, data: Any, *, begins: datetime, environment: str, note: str, dry_run: bool) -> Report:
    """The new version, or that nothing changes; with `dry_run` what would change, and nothing is stored."""
    try:
        kept = kinds.checked(kind, data, valid_from=begins, environment=environment)
        found = differences(data_of(kind, number_at(kind, at=begins, environment=environment), environment=environment), kept)
        if dry_run:
            return preview(kind, kept, found, begins=begins, environment=environment)
        if found:
            version = kinds.put(kind, kept, valid_from=begins, author=None, note=note, environment=environment)
            return Report(facts=facts_of(version) | {"changed": True}, text=told_version(version, found))
    except ConfigRefused as refusal:
        raise CommandError(f"{refusal} Nothing was stored.") from None
    now = standing(kind, at=begins, environment=environment)
    return Report(facts=facts_of_standing(now, environment) | {"changed": False}, text="This is what holds already; nothing was stored.")


def preview(kind: str, kept: Any, found: list[Difference], *, begins: datetime, environment: str) -> Report:
    told = impact_of(kind, kept, at=begins, environment=environment)
    facts = {
        "kind": kind,
        "environment": environment,
        "version": None,
        "valid_from": begins,
        "valid_to": None,
        "data": kept,
        "differences": [one._asdict() for one in found],
        "impact": told.facts() if told else None,
        "dry_run": True,
    }
    lines = [*changes(found), *([told.sentence] if told else []), "This was a dry run: nothing was stored."]
    return Report(facts=facts, text="\n".join(lines))


def changes(found: list[Difference]) -> list[str]:
    lines = [f"{one.path or 'all of it'}: {shown(one.before)} → {shown(one.after)}" for one in found[:SHOWN]]
    more = [f"+{len(found) - SHOWN} more"] if len(found) > SHOWN else []
    return [*lines, *more] or ["Nothing changes."]


def told_version(version: ConfigVersion, found: list[Difference]) -> str:
    at = timezone.localtime(version.valid_from)
    return "\n".join([*changes(found), f"{version} is stored; it is {version.standing(timezone.now())} from {at:%Y-%m-%d %H:%M %Z}."])


def facts_of(version: ConfigVersion) -> dict[str, Any]:
    return {
        "kind": version.series.kind,
        "environment": version.series.environment,
        "version": version.number,
        "valid_from": version.valid_from,
        "valid_to": version.valid_until,
        "data": kinds.kind_named(version.series.kind).in_order(version.data),
        "note": version.note,
    }


def facts_of_standing(now: Standing, environment: str) -> dict[str, Any]:
    return {
        "kind": now.found.kind,
        "environment": environment,
        "version": now.found.number,
        "versions": now.found.numbers,
        "valid_from": now.valid_from,
        "valid_to": now.valid_to,
        "data": now.data,
    }


def in_words(now: Standing, *, environment: str) -> str:
    """What holds, as JSON below a line that says since when."""
    number = "as shipped" if not now.found.number else f"version {now.found.number}"
    since = f", from {timezone.localtime(now.valid_from):%Y-%m-%d %H:%M %Z}" if now.valid_from else ""
    until = f", until {timezone.localtime(now.valid_to):%Y-%m-%d %H:%M %Z}" if now.valid_to else ""
    return f"{kinds.KINDS[now.found.kind].title} in {environment}: {number}{since}{until}\n{as_json(now.data)}"


def this_environment() -> str:
    return str(settings.CONFIG_ENVIRONMENT)
