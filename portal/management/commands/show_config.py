"""What the portal is told at a moment, and by which version."""

from datetime import datetime
from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone

from portal.config import states
from portal.config.kinds import KINDS
from portal.config.standing import standing
from portal.config.states import StateRow
from portal.management.command import PortalCommand, Report
from portal.management.configuring import (
    add_environment,
    add_kind,
    facts_of_standing,
    in_words,
    known_environment,
    known_kind,
    moment,
    this_environment,
)

WIDTHS = "{:<5} {:<58} {:<36} {:<52} {:<10} {:>10}"


class Command(PortalCommand):
    help = (
        "Shows a kind of configuration as it holds at a moment: its version, since when, until when, and the data. Without KIND, all kinds."
    )

    def options(self, parser: CommandParser) -> None:
        add_kind(parser, is_optional=True)
        parser.add_argument("--at", type=moment, metavar="T", help="the moment, such as 2026-03-01T08:30 (default: now)")
        add_environment(parser, words="where it holds (default: this deployment's CONFIG_ENVIRONMENT; '' for the general versions alone)")

    def work(self, *, kind: str | None, at: datetime | None, environment: str | None, **told: Any) -> Report:
        where, when = known_environment(environment, default=this_environment()), at or timezone.now()
        if kind is None:
            return everything(when, where)
        now = standing(known_kind(kind), at=when, environment=where)
        facts, text = facts_of_standing(now, where), in_words(now, environment=where or "every environment")
        return with_states(facts, text, at=when, environment=where) if kind == states.KIND else Report(facts=facts, text=text)


def everything(at: datetime, environment: str) -> Report:
    found = {kind: facts_of_standing(standing(kind, at=at, environment=environment), environment) for kind in KINDS}
    lines = [f"{kind:<16} " + (f"version {facts['version']}" if facts["version"] else "as shipped") for kind, facts in found.items()]
    return Report(facts=list(found.values()), text="\n".join(lines))


def with_states(facts: dict[str, Any], text: str, *, at: datetime, environment: str) -> Report:
    """The rules as the States page has them."""
    table = states.state_table(at=at, environment=environment)
    head = WIDTHS.format("state", "rule", "window", "source (status)", "since", "contacts") + "  next change"
    lines = [text.partition("\n")[0], "", head, *map(line, table.rows), *table.departures]
    return Report(facts=facts | {"states": [row.facts() for row in table.rows]}, text="\n".join(map(str.rstrip, lines)))


def line(row: StateRow) -> str:
    change = row.next_change
    told = f"  {change.rule} from {timezone.localtime(change.begins):%Y-%m-%d %H:%M}, version {change.version}" if change else ""
    return WIDTHS.format(row.state, row.rule, row.window, f"{row.source} ({row.status})", row.since, row.contacts) + told
