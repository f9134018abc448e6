"""Are the state rules in force those that are required?"""

from datetime import datetime
from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone

from campaigns.state_table import coverage, departures
from portal.config import kinds
from portal.config.states import KIND
from portal.management.command import DONE, NEEDS_ATTENTION, PortalCommand, Report
from portal.management.configuring import add_environment, known_environment, moment, this_environment

WORDS = {
    "birthday": "counted from the birthday",
    "effective_date": "counted from the effective date",
    "year_round": "all year",
    "free": "free",
    "missing": "missing",
}


class Command(PortalCommand):
    help = (
        "Proves that every state is covered as required: 8 by the birthday, 1 by the effective date, 4 all year, the rest free. Each "
        "difference is named; exit code 3 then."
    )

    def options(self, parser: CommandParser) -> None:
        parser.add_argument("--at", type=moment, metavar="T", help="the moment (default: now)")
        add_environment(parser, words="where they hold (default: this deployment's CONFIG_ENVIRONMENT)")

    def work(self, *, at: datetime | None, environment: str | None, **told: Any) -> Report:
        where = known_environment(environment, default=this_environment())
        found = kinds.all_in_force([KIND], at=at or timezone.now(), environment=where)[KIND]
        rules = found.typed().windows
        groups, wrong = coverage(rules), departures(rules)
        facts = {"kind": KIND, "version": found.number, "environment": where, "states": len(rules), **groups, "differences": wrong}
        lines = [f"{len(states):>2} {WORDS[name]}: {', '.join(states)}" for name, states in groups.items() if states]
        verdict = f"{len(wrong)} differ from what is required." if wrong else "All as required."
        return Report(facts=facts, text="\n".join([*lines, *wrong, verdict]), exit_code=NEEDS_ATTENTION if wrong else DONE)
