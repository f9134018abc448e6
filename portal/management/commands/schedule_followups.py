"""The mail after a mail, planned by what the contact did."""

from typing import Any

from django.core.management.base import CommandParser

from campaigns.ranges import MOST_DAYS
from portal import tasks
from portal.management.command import PortalCommand, Report, day_option, whole


class Command(PortalCommand):
    help = (
        "Plans a follow-up for every campaign e-mail that was sent lately and has none, of the type that fits what its contact did; those "
        "that are planned already are chosen anew. A second run changes nothing."
    )

    def options(self, parser: CommandParser) -> None:
        parser.add_argument("--today", type=day_option, metavar="D", help="the day to plan on, such as 2026-01-31 (default: today)")
        parser.add_argument("--lookback", type=whole(1, MOST_DAYS), help="look at e-mails of so many days (default: the setting, 35)")

    def work(self, *, today: str | None, lookback: int | None, **told: Any) -> Report:
        facts = tasks.schedule_follow_ups(day=today or "", lookback=lookback)
        if facts.get("already_running"):
            return Report(facts=facts, text="Another one is at this work already.")
        text = "{parents} e-mails are owed a follow-up: {scheduled} newly planned, {skipped} newly skipped, {changed} planned otherwise."
        return Report(facts=facts, text=text.format(**facts))
