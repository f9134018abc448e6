"""Price the quotes that wait for it."""

from typing import Any

from django.core.management.base import CommandError, CommandParser

from messaging.models import Provider
from portal import shutdown, tasks, wiring
from portal.management.command import DONE, FAILED, NEEDS_ATTENTION, PortalCommand, Report, whole, wrong_usage
from portal.quotes import pricing
from portal.quotes.models import Quote

BY_DEFAULT = 10


class Command(PortalCommand):
    help = (
        "Has the AI, or the built-in estimator, look at the quotes that are pending, oldest first, prices them by the price book "
        "and queues their mails. Exit code 3 when one ended in an error or needs a person's review."
    )
    finishes_first = True

    def options(self, parser: CommandParser) -> None:
        parser.add_argument("--limit", type=whole(0), default=BY_DEFAULT, help=f"process at most so many quotes (default {BY_DEFAULT})")
        parser.add_argument(
            "--force",
            action="store_true",
            help="take quotes over that somebody is at, and those processed before; it is recorded. With --limit=0: only clear stale locks",
        )
        parser.add_argument("--quote-id", type=whole(1, 2**63 - 1), metavar="N", help="process this quote alone")

    def work(self, *, limit: int, force: bool, quote_id: int | None, **told: Any) -> Report:
        if quote_id and not Quote.objects.filter(pk=quote_id).exists():
            raise wrong_usage(f"There is no quote {quote_id}: the list of quotes in the admin shows the ids.")
        tally = pricing.process(self.terms(), limit=limit, force=force, quote_id=quote_id)
        if tally.quoted:
            tasks.ring()
        text = (
            "{processed} processed: {quoted} quoted, {errors} in error, {review} for review, {late} too late. "
            "{skipped} skipped, {locks_cleared} stale locks cleared."
        ).format(**tally.as_dict())
        if tally.waiting:
            text += f" {tally.waiting} wait: {Provider.objects.filter(name=pricing.AI).values_list('reason', flat=True).first()}"
        if quote_id and tally.skipped:
            text += f" Quote {quote_id} is {Quote.objects.get(pk=quote_id).get_status_display()}: {self.what_helps(force)}"
        attention = NEEDS_ATTENTION if tally.errors or tally.review or tally.waiting else DONE
        return Report(facts=tally.as_dict(), text=text, exit_code=FAILED if shutdown.told() else attention)

    def terms(self) -> pricing.Terms:
        try:
            return wiring.pricing_terms()
        except ValueError as trouble:
            raise CommandError(f"Nothing was processed: {trouble}. The README says of each AI_ setting what it may be.") from trouble

    def what_helps(self, force: bool) -> str:
        if force:
            return "it is neither pending nor being processed. After an error, put it back to pending in the admin first."
        return "it is not waiting to be processed; --force takes it over from whoever is at it."
