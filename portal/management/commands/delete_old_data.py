"""Old data goes, in small batches; nobody waits for it."""

from datetime import timedelta
from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone

from messaging import retention
from portal import shutdown
from portal.management.command import PortalCommand, Report, whole


class Command(PortalCommand):
    help = "Deletes what is older than some days and no longer needed. Notes, and whatever is open or belongs to a case, always stay."
    finishes_first = True

    def options(self, parser: CommandParser) -> None:
        parser.add_argument("--days", type=whole(1, 36_500), default=90, metavar="N", help="how old; default 90")
        parser.add_argument("--dry-run", action="store_true", help="only count")

    def work(self, *, days: int, dry_run: bool, **told: Any) -> Report:
        deleted = retention.delete_old(before=timezone.now() - timedelta(days=days), dry_run=dry_run, stop=shutdown.told)
        lines = [f"{name.replace('_', ' ')}: {number:,}" for name, number in deleted.items()]
        head = "Would go:" if dry_run else "Gone:"
        return Report(facts={"deleted": deleted, "days": days, "dry_run": dry_run}, text="\n".join([head, *lines]))
