"""Price what customers asked for: one quote at a time, under a lock with a token.

The assessor says what is there, the price book what it costs.

A quote that is priced owes both its mails in the same transaction. A worker that comes back after its lock was lost, or ran out,
leaves its answer and what it cost with its run, and changes nothing else.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import repeat

from django.db import DataError, InterfaceError, OperationalError, connection
from django.db.models.functions import Now

from messaging import journal
from messaging.faults import fault
from messaging.models import Level, Provider, Purpose
from messaging.outbox import NotADraft
from portal.quotes import budget, runs
from portal.quotes.doubts import why_review
from portal.quotes.gateways.assessors import (
    AiUnavailable,
    AssessmentRefused,
    Assessor,
    InstructionsRepeated,
    Picture,
    Reading,
    Request,
)
from portal.quotes.models import Kind, Outcome, Quote, QuoteQuerySet
from portal.quotes.places import place_of
from portal.quotes.price_book import PriceBook, price
from portal.quotes.replies import MailTerms, TotalMissing

FIRST_WAIT, LONGEST_WAIT = timedelta(minutes=1), timedelta(hours=1)  # while the AI is not available
WAITS_SECONDS = (1, 2, 4, 8, 16)  # for a database that is away
MOST_COUNTED = 1_000  # waiting quotes that are counted
MOST_LOOKS = 1_000_000  # at what is pending, in one call
PROBE_FOR = timedelta(minutes=5)
AI = "ai"  # its name among the providers


def never() -> bool:
    return False


@dataclass(frozen=True, kw_only=True)
class Terms:
    """How quotes are priced here, told by the door. `book` gives the price book in force, with its version."""

    assessor: Assessor
    book: Callable[[], tuple[int, PriceBook]]
    mail: MailTerms
    lock: timedelta
    today: date
    day_start: datetime
    daily_budget: Decimal
    quote_budget: Decimal
    pause_seconds: float = 0.0
    stop: Callable[[], bool] = never


@dataclass(kw_only=True)
class Tally:
    """What one call did, in quotes: `late` lost their lock meanwhile, `waiting` are left because the AI is away,
    `skipped` were asked for by name but could not be taken."""

    processed: int = 0
    quoted: int = 0
    errors: int = 0
    review: int = 0
    late: int = 0
    waiting: int = 0
    skipped: int = 0
    locks_cleared: int = 0

    def as_dict(self) -> dict[str, int]:
        return asdict(self)

    def count(self, outcome: Outcome) -> None:
        self.processed += 1
        self.quoted += outcome == Outcome.APPLIED
        self.errors += outcome == Outcome.UNAVAILABLE
        self.late += outcome == Outcome.FENCED
        self.review += outcome in (Outcome.REVIEW, Outcome.REFUSED, Outcome.OVER_BUDGET)


def process(
    terms: Terms, *, limit: int, force: bool = False, quote_id: int | None = None, by_id: int | None = None, seconds: float = float("inf")
) -> Tally:
    """Clear stale locks, then price up to `limit` quotes, oldest first, beginning none after `seconds`.

    Any number of workers may do so at once. `force` takes quotes over that are processed or that somebody is at (D-18).
    """
    tally = Tally(locks_cleared=clear_stale(lock=terms.lock))
    if not limit:
        return tally
    back_to_pending()
    ai = Provider.objects.get_or_create(name=AI, defaults={"purpose": Purpose.AI})[0]
    until = time.monotonic() + seconds
    for chosen in wanted(terms, force=force, quote_id=quote_id, limit=limit):
        if time.monotonic() >= until or terms.stop() or not chosen.exists():
            break
        if is_outside(terms.assessor) and not ai.may_try(probe_for=PROBE_FOR):
            tally.waiting = chosen.order_by()[:MOST_COUNTED].count()
            break
        run = runs.claim(chosen, lock=terms.lock, kind=terms.assessor.kind, forced=force, by_id=by_id)
        if run is None and not force:
            break  # others are at all that is left
        if run is None:
            continue
        tally.count(one(run, terms=terms, ai=ai))
        if tally.processed >= limit:
            break
        time.sleep(terms.pause_seconds)
    if quote_id is not None:
        tally.skipped = 1 - min(1, tally.processed + tally.waiting)
    return tally


def wanted(terms: Terms, *, force: bool, quote_id: int | None, limit: int) -> Iterator[QuoteQuerySet]:
    """What to choose the next quote from. By force they are fixed beforehand: two that force at once would else take from each other."""
    quotes = Quote.objects.to_force() if force else Quote.objects.to_process(lock=terms.lock)
    if quote_id is not None:
        quotes = quotes.filter(pk=quote_id)
    if not force:
        yield from repeat(quotes, MOST_LOOKS)
        return
    for pk, token in list(quotes.values_list("pk", "processing_lock")[:limit]):
        untouched = quotes.filter(pk=pk, processing_lock=token) if token else quotes.filter(pk=pk, processing_lock=None)
        if untouched.exists():
            yield untouched


def is_outside(assessor: Assessor) -> bool:
    """It is asked over the network, and may be away."""
    return assessor.kind == Kind.MODEL


def clear_stale(*, lock: timedelta) -> int:
    """The quotes whose worker has vanished are pending again, or in review where that goes on; returns how many."""
    return runs.give_back(Quote.objects.stale(lock=lock))


def back_to_pending() -> int:
    """What could not be assessed because the AI was away is pending again once its wait is over."""
    return Quote.objects.to_try_again().move("pending", ai_retry_at=None)


def one(run: runs.Run, *, terms: Terms, ai: Provider) -> Outcome:
    """Assess, price and record one quote that is ours."""
    began = time.monotonic()
    ending = answered(run, terms=terms, failures=ai.failures_in_row)
    fault("quote.before_result_commit")
    seconds = time.monotonic() - began
    try:
        outcome = recorded(run, ending, seconds=seconds, terms=terms)
    except (NotADraft, TotalMissing, DataError) as trouble:
        unsendable = replace(ending, outcome=Outcome.REVIEW, review=f"No mail can be written: {trouble}"[:300])
        outcome = recorded(run, unsendable, seconds=seconds, terms=terms)
    if is_outside(terms.assessor):
        tell(ai, ending)
    return outcome


def tell(ai: Provider, ending: runs.Ending) -> None:
    """What this run learned of the AI. A probe that asked nothing is handed to the next quote."""
    if ending.outcome == Outcome.UNAVAILABLE and ending.retry_in:
        ai.pause(reason=ending.error, span=ending.retry_in)
    elif ending.bill.model:
        ai.works()
    else:
        Provider.objects.filter(pk=ai.pk).down().update(paused_until=Now())


def answered(run: runs.Run, *, terms: Terms, failures: int) -> runs.Ending:
    """How the run ends. Once the assessor was asked, nothing here needs the database: the answer has been paid for."""
    try:
        return assessed(run, terms=terms)
    except AiUnavailable as away:
        span = wait_after(failures, asked=away.retry_after_seconds)
        return runs.Ending(outcome=Outcome.UNAVAILABLE, error=away.reason, retry_in=span, may_cost=away.may_cost)
    except (OperationalError, InterfaceError):
        raise  # nobody was asked yet: its lock runs out, and another worker begins anew
    except Exception as trouble:  # one quote that breaks us must not keep the others waiting
        journal.count_error("quotes", f"{type(trouble).__name__}: {trouble}")
        journal.record(Level.ERROR, "quotes", f"Quote {run.quote.number} could not be priced: {type(trouble).__name__}: {trouble}"[:2_000])
        return runs.Ending(
            outcome=Outcome.REFUSED, review="The portal itself failed on it: see the error groups.", error=repr(trouble)[:2_000]
        )


def recorded(run: runs.Run, ending: runs.Ending, *, seconds: float, terms: Terms) -> Outcome:
    """The run has ended. A database that is away is waited for: the answer has been paid for."""
    for wait in WAITS_SECONDS:
        try:
            return runs.end(run, ending, seconds=seconds, terms=terms.mail, lock=terms.lock)
        except (OperationalError, InterfaceError) as away:
            journal.log.warning("[quotes] quote %s is not recorded yet, the database is away: %s", run.quote.number, away)
            connection.close()
            time.sleep(wait)
    return runs.end(run, ending, seconds=seconds, terms=terms.mail, lock=terms.lock)


def assessed(run: runs.Run, *, terms: Terms) -> runs.Ending:
    """What the assessor saw and what that costs, or why a person has to look. Raises AiUnavailable."""
    request, in_force = request_for(run.quote), terms.book()
    most = terms.assessor.most_cost(request)
    over = budget.reserve(run.call, most=most, daily=terms.daily_budget, per_quote=terms.quote_budget, day_start=terms.day_start)
    if over:
        return runs.Ending(outcome=Outcome.OVER_BUDGET, review=over)
    fault("quote.before_call")
    try:
        reading = terms.assessor.assess(request)
    except AssessmentRefused as refusal:
        if isinstance(refusal, InstructionsRepeated):
            journal.record(Level.ALARM, "quotes", f"Quote {run.quote.number}: {refusal.reason}")
        return runs.Ending(outcome=Outcome.REFUSED, review=refusal.reason, error=refusal.reason, bill=runs.Bill.of(refusal))
    fault("quote.after_call")
    return priced(run.quote, request, reading, in_force=in_force, today=terms.today)


def priced(quote: Quote, request: Request, reading: Reading, *, in_force: tuple[int, PriceBook], today: date) -> runs.Ending:
    """The price of what is there, by the price book alone."""
    version, book = in_force
    amounts = price(reading.assessment, book=book, place=place_of(quote.address, quote.city), month=today.month)
    review = why_review(reading.assessment, amounts, book=book, request=request)
    return runs.Ending(
        outcome=Outcome.REVIEW if review else Outcome.APPLIED,
        review=review,
        bill=runs.Bill.of(reading),
        reading=reading,
        amounts=amounts,
        price_book=version,
        valid_until=today + timedelta(days=book.valid_days),
    )


def request_for(quote: Quote) -> Request:
    pictures = tuple(Picture(content=bytes(image.content), media_type=image.media_type) for image in quote.images.all())
    return Request(description=quote.description, city=quote.city, images=pictures)


def wait_after(failures: int, *, asked: float | None) -> timedelta:
    """How long the AI is left alone: as it asked, else longer after each failure."""
    wait = timedelta(seconds=asked) if asked else FIRST_WAIT * 2 ** min(failures, 10)
    return min(max(wait, FIRST_WAIT), LONGEST_WAIT)
