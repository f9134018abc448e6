"""Planned mails whose day has come become messages."""

from typing import Any

from django.core.management.base import CommandError, CommandParser

from campaigns.hand_over import NoPostalAddress
from portal import shutdown, tasks
from portal.management.command import DONE, FAILED, NEEDS_ATTENTION, PortalCommand, Report, day_option, whole

HOURS = 12 * 60 * 60  # seconds: by hand it goes on to the end


class Command(PortalCommand):
    help = (
        "Queues the campaign e-mails that are due, each re-checked against rules, suppressions and caps of this moment, once per event. "
        "They leave from the time of sending on. Exit code 3 when a template or a value is missing: those mails stay planned."
    )
    finishes_first = True

    def options(self, parser: CommandParser) -> None:
        parser.add_argument("--today", type=day_option, metavar="D", help="the day to hand over, such as 2026-01-31 (default: today)")
        parser.add_argument("--limit", type=whole(1, 1_000_000), help="hand over at most so many e-mails")

    def work(self, *, today: str | None, limit: int | None, **told: Any) -> Report:
        try:
            facts = tasks.hand_over_due(day=today or "", limit=limit, seconds=HOURS, early=True)
        except NoPostalAddress as missing:
            raise CommandError(str(missing)) from None
        self.tell([f"{count} e-mails stay planned. {sentence}" for sentence, count in facts["attention"].items()])
        if facts["already_running"]:
            return Report(facts=facts, text=f"{facts['handed_over']} handed over; another one is at this work already.")
        stopped = ", ".join(f"{count} {why}" for why, count in facts["stopped_by"].items()) or "none"
        text = f"{facts['handed_over']} handed over. Stopped: {stopped}."
        return Report(facts=facts, text=text, exit_code=FAILED if shutdown.told() else NEEDS_ATTENTION if facts["attention"] else DONE)
