"""What must be true of the record, asked of the database."""

from typing import Any

from django.core.management.base import CommandParser

from messaging import invariants
from portal import wiring
from portal.management.command import DONE, NEEDS_ATTENTION, PortalCommand, Report


class Command(PortalCommand):
    help = "Proves that the record holds what it promises. Exit code 3 when any row does not; each broken promise is named with examples."

    def options(self, parser: CommandParser) -> None:
        parser.add_argument("--fast", action="store_true", help="leave out what has to read every row")
        parser.add_argument("--drained", action="store_true", help="ask too what must hold once nothing is due")

    def work(self, *, fast: bool, drained: bool, **told: Any) -> Report:
        ours = wiring.invariants()
        checked = len(invariants.chosen(*ours, fast=fast, drained=drained))
        wrong = invariants.verify(*ours, fast=fast, drained=drained)
        lines = [f"{one.name}: {one.rows} rows break this: {one.sentence} For example {', '.join(map(str, one.ids))}." for one in wrong]
        facts = {
            "checked": checked,
            "violated": {one.name: one.rows for one in wrong},
            "examples": {one.name: {"sentence": one.sentence, "ids": one.ids} for one in wrong},
        }
        text = "\n".join([*lines, f"{checked} checked, {len(wrong)} violated."])
        return Report(facts=facts, text=text, exit_code=NEEDS_ATTENTION if wrong else DONE)
