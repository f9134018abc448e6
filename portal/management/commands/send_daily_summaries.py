"""Everybody whose time has come has the summary of the day before queued, once."""

import re
from argparse import ArgumentTypeError
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import CommandError, CommandParser
from django.db.models import Q
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from messaging.text_input import EARLIEST, LATEST
from portal import tasks
from portal.management.command import DONE, NEEDS_ATTENTION, PortalCommand, Report, wrong_usage
from portal.summaries.daily import AWAY
from portal.summaries.models import SummaryPreference

WRITTEN = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}", re.ASCII)


def moment(text: str) -> datetime:
    """A time as ISO 8601 writes it; without an offset it is the office's."""
    try:
        told = parse_datetime(text) if WRITTEN.match(text) else None
    except ValueError:
        told = None
    if told is None or not EARLIEST <= told.date() <= LATEST:
        raise ArgumentTypeError(f"must be a date and time such as 2026-11-26T09:00 or 2026-11-26T15:00Z; got {text[:80]!r}")
    return told if told.tzinfo else timezone.make_aware(told)


class Command(PortalCommand):
    help = (
        "Queues the daily summary of everybody whose time has come and whose day has none yet, and tries failed ones again whose "
        "wait is over. However often it runs, each person has one summary per day. Exit code 3 when one failed."
    )

    def options(self, parser: CommandParser) -> None:
        parser.add_argument("--user", metavar="U", help="only this person: a username, an e-mail address or a number")
        parser.add_argument("--now", type=moment, metavar="T", help="as if it were this time (default: the database's clock)")
        parser.add_argument("--force", action="store_true", help="also before the time, and failed ones however often they were tried")

    def work(self, *, user: str | None, now: datetime | None, force: bool, **told: Any) -> Report:
        person = self.named(user) if user is not None else None
        tally = tasks.send_daily_summaries(now=now, user_id=person.pk if person else None, force=force)
        if "database" in tally:
            raise CommandError(AWAY)
        text = "{due} due: {queued} queued, {already} had theirs already, {failed} failed. {checked} people want one.".format(**tally)
        return Report(facts=tally, text=text, exit_code=NEEDS_ATTENTION if tally["failed"] else DONE)

    def named(self, name: str) -> User:
        """The person of that name, who wants a summary."""
        if not name.strip():
            raise wrong_usage("--user names nobody: give a username, an e-mail address or a number.")
        found = Q(username=name) | Q(email__iexact=name)
        if name.isascii() and name.isdecimal() and len(name) < 10:
            found |= Q(pk=int(name))
        people = list(User.objects.filter(found)[:2])
        if len(people) != 1:
            who = "Several people are" if people else "Nobody is"
            raise wrong_usage(f"{who} called {name[:80]!r}: give the username as the list of staff shows it.")
        if not SummaryPreference.objects.enabled().filter(user=people[0]).exists():
            raise wrong_usage(f"{people[0]} gets no daily summary: switch it on first, under Daily summaries.")
        return people[0]
