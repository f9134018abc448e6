"""What the daily summaries are told: the settings, and what the dashboard knows to need a person."""

from dataclasses import replace

from django.conf import settings

from portal import wiring
from portal.dashboard import needs
from portal.summaries import daily
from portal.summaries.contents import Desk, Pending


def summary_terms() -> daily.Terms:
    """How this deployment tells its staff of the day before: one try per round, as for quotes; `daily` says when there is another."""
    return daily.Terms(sender=replace(wiring.sender(), max_attempts=1), desk=summary_desk, spool_dir=settings.SPOOL_DIR)


def summary_desk() -> Desk:
    return Desk(
        pending=lambda: [Pending(need=need, permission=need.seen_with) for need in needs.all_of_them()],
        site_url=settings.SITE_URL,
        office_name=settings.OFFICE_NAME,
    )
