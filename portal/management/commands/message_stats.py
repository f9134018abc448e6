"""What became of the messages of the last days: the same figures as on the analytics page."""

from typing import Any

from django.conf import settings
from django.core.management.base import CommandParser
from django.utils import timezone

from messaging import analytics
from messaging.models import MessageSession, SessionRow
from portal.management.command import PortalCommand, Report, whole, wrong_usage


class Command(PortalCommand):
    help = "Counts the messages of the last days: how many succeeded, by channel, template, day, hour and domain, and what went wrong."

    def options(self, parser: CommandParser) -> None:
        parser.add_argument("--days", type=whole(1, analytics.LONGEST_DAYS), default=30, metavar="N", help="default 30")
        parser.add_argument("--session", metavar="S", help="one session instead, by its number or the id its program gave it")
        parser.add_argument("--test", action="store_true", help="count the test mails instead")
        parser.add_argument("--fresh", action="store_true", help="count now, also where figures less than an hour old are kept")

    def work(self, *, days: int, session: str | None, test: bool, fresh: bool, **told: Any) -> Report:
        if session is not None:
            return of_session(session)
        found = analytics.report(days=days, at=timezone.now(), zone=str(settings.TIME_ZONE), test=test, fresh=fresh)
        month = found if days == 30 else analytics.report(days=30, at=timezone.now(), zone=str(settings.TIME_ZONE), test=test)
        seed = {"messages_last_30_days": month["messages_in_period"], "success_rate_30_days": month["success_rate"]}
        return Report(facts=seed | {"days": days, "test": test} | found, text=in_words(found, days=days))


def of_session(name: str) -> Report:
    row = SessionRow.objects.filter(session_id=name).values().first()
    if row is None:
        newest = ", ".join(str(pk) for pk in MessageSession.objects.values_list("pk", flat=True)[:5])
        raise wrong_usage(f"There is no session {name[:80]!r}. The newest ones are: {newest or 'none yet'}.")
    text = f"{row['total_messages']} messages, {row['successful_messages']} successful ({row['success_rate']} %)."
    return Report(facts=dict(row), text=text)


def in_words(found: dict[str, Any], *, days: int) -> str:
    head = f"{found['messages_in_period']:,} messages in {days} days, {found['success_rate']} % successful, {found['failed']:,} failed."
    lines = [f"  {line['name']}: {line['messages']:,}, {line['success_rate']} %" for line in found["by_template"]]
    return "\n".join([head, "By template:" if lines else "", *lines, *found["recommendations"]]).strip()
