"""The mails of quotes that did not go out are tried once more, now."""

from typing import Any

from django.core.management.base import CommandParser

from portal import shutdown, wiring
from portal.management.command import DONE, FAILED, NEEDS_ATTENTION, PortalCommand, Report, whole, wrong_usage
from portal.quotes import retries
from portal.quotes.legs import LEGS
from portal.quotes.models import Quote
from portal.quotes.models.quote import MOST_ATTEMPTS


class Command(PortalCommand):
    help = (
        "Tries the e-mails of priced quotes once more that have not gone out, oldest first: those never tried, and those that failed fewer "
        "than --max-attempts times. What is in doubt, held or given up is left to a person. "
        "Exit code 3 when a mail failed again, is in doubt, or still waits."
    )
    finishes_first = True

    def options(self, parser: CommandParser) -> None:
        parser.add_argument("--quote-id", type=whole(1, 2**62), help="only this quote's mails, however often tried; held ones too")
        parser.add_argument("--type", choices=(*LEGS, "both"), default="both", help="which of a quote's two mails (default both)")
        parser.add_argument("--limit", type=whole(1), default=50, help="try at most so many e-mails (default 50)")
        parser.add_argument(
            "--max-attempts", type=whole(1, MOST_ATTEMPTS), default=3, help=f"leave mails tried so often, 1 to {MOST_ATTEMPTS} (default 3)"
        )
        parser.add_argument("--pause", type=whole(0, 600), default=int(retries.PAUSE_SECONDS), help="seconds between two mails (default 2)")

    def work(self, *, quote_id: int | None, type: str, limit: int, max_attempts: int, pause: int, **told: Any) -> Report:
        if quote_id is not None and not Quote.objects.filter(pk=quote_id).exists():
            raise wrong_usage(f"There is no quote {quote_id}. --quote-id takes the number at the end of the quote's address in the portal.")
        tally = retries.retry(
            wiring.retry_terms(pause_seconds=pause),
            leg_type=type,
            limit=limit,
            max_attempts=max_attempts,
            quote_id=quote_id,
            tell=lambda done, of: self.progress(done, of, "mails tried"),
        )
        if tally.already_running:
            return Report(facts=tally.as_dict(), text="Another retry_failed_emails is at work; it does this one's too.")
        self.tell(tally.told)
        attention = tally.failed or tally.in_doubt or tally.waiting
        exit_code = FAILED if shutdown.told() else NEEDS_ATTENTION if attention else DONE
        return Report(facts=tally.as_dict(), text=sentence(tally), exit_code=exit_code)


def sentence(tally: retries.Tally) -> str:
    if not tally.selected:
        return "No mail of a quote needs another try."
    text = "{selected} chosen: {sent} sent, {failed} failed, {in_doubt} in doubt, {skipped} skipped, {waiting} waiting."
    down = wiring.mail_servers_down() if tally.waiting else ""
    return text.format(**tally.as_dict()) + (f" No mail server can be used: {down}" if down else "")
