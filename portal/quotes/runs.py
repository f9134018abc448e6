"""A run over a quote: taken under a new token, ended by whoever still has it, and kept with its answer and its cost either way."""

import uuid
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Self

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Coalesce, Now

from messaging import journal
from messaging.faults import fault
from messaging.models import Level
from portal.quotes import legs
from portal.quotes.amounts import Amounts
from portal.quotes.gateways.assessors import AssessmentRefused, Reading
from portal.quotes.models import AiCall, Outcome, Quote, QuoteQuerySet, Status
from portal.quotes.replies import MailTerms

MOST_TRIES = 10  # runs in a row without an answer, or whose worker vanished, before a person must look
VANISHED = "Every worker that began it has vanished: look at its pictures and words, then price it by hand."
LONGEST_ANSWER = 64_000  # characters kept


@dataclass(frozen=True, kw_only=True)
class Run:
    quote: Quote
    call: AiCall


@dataclass(frozen=True, kw_only=True)
class Bill:
    """What an answer was and cost, whether it was of use or not."""

    model: str = ""
    prompt_version: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: Decimal = Decimal(0)
    raw_answer: str = ""

    @classmethod
    def of(cls, answer: Reading | AssessmentRefused) -> Self:
        names = ("model", "prompt_version", "prompt_tokens", "completion_tokens", "cost")
        kept = answer.raw.replace("\x00", "")[:LONGEST_ANSWER]
        return cls(raw_answer=kept, **{name: getattr(answer, name) for name in names if hasattr(answer, name)})


@dataclass(frozen=True, kw_only=True)
class Ending:
    """How a run ended. With amounts and no reason for a review, the quote is priced."""

    outcome: Outcome
    review: str = ""
    error: str = ""
    retry_in: timedelta | None = None
    may_cost: bool = False
    bill: Bill = field(default_factory=Bill)
    reading: Reading | None = None
    amounts: Amounts | None = None
    price_book: int | None = None
    valid_until: date | None = None


@transaction.atomic
def claim(quotes: QuoteQuerySet, *, lock: timedelta, kind: str, forced: bool, by_id: int | None = None) -> Run | None:
    """Take the first of `quotes` that nobody is looking at; None if there is none. Whoever had it cannot change it any more."""
    quote = quotes.select_for_update(skip_locked=True, of=("self",)).first()
    if quote is None:
        return None
    was_taken = quote.processing_lock is not None
    close_open_runs(quote, outcome=Outcome.FENCED if forced else Outcome.LOST)
    token = uuid.uuid4()
    facts = {"processing_lock": str(token), "ai_processing_started_at": Now(), "ai_processed_at": None}
    Quote.objects.filter(pk=quote.pk).update(status=Status.AI_PROCESSING, ai_tries=F("ai_tries") + int(was_taken and not forced), **facts)
    call = AiCall.objects.create(quote=quote, token=token, kind=kind, was_forced=forced, by_id=by_id)
    if forced:
        told = "taken over from another run" if was_taken else "processed by force"
        journal.record(Level.WARNING, "quotes", f"Quote {quote.number} was {told}.", by_id=by_id)
    fault("quote.before_claim_commit")
    return Run(quote=quote, call=call)


@transaction.atomic
def give_back(quotes: QuoteQuerySet) -> int:
    """The runs that had these quotes are lost. They are pending again, or wait for a person if it was the last try; returns how many."""
    rows = list(quotes.select_for_update(skip_locked=True, of=("self",)))
    for quote in rows:
        close_open_runs(quote, outcome=Outcome.LOST)
    held = Quote.objects.filter(pk__in=[quote.pk for quote in rows])
    spent = held.filter(ai_tries__gte=MOST_TRIES - 1).move(
        Status.AI_ERROR, processing_lock=None, ai_tries=0, review_reason=VANISHED, ai_error_message=VANISHED
    )
    return spent + held.filter(status=Status.AI_PROCESSING).move(Status.PENDING, processing_lock=None, ai_tries=F("ai_tries") + 1)


def close_open_runs(quote: Quote, *, outcome: Outcome) -> None:
    AiCall.objects.filter(quote=quote, outcome=Outcome.RUNNING).update(outcome=outcome, ended_at=Now())


@transaction.atomic
def end(run: Run, ending: Ending, *, seconds: float, terms: MailTerms, lock: timedelta) -> Outcome:
    """The run's result stands on the quote, and both mails are owed if it was priced; or, where the lock was lost, only on the run."""
    known = AiCall.objects.filter(token=run.call.token)
    facts = billed(ending, seconds=seconds)
    held = Quote.objects.filter(pk=run.quote.pk, processing_lock=str(run.call.token), ai_processing_started_at__gt=Now() - lock)
    if not held.update(processing_lock=None, **outcome_on(run.quote, ending)):
        late = known.filter(outcome__in=[Outcome.RUNNING, Outcome.LOST, Outcome.FENCED])
        if not late.update(outcome=Outcome.FENCED, ended_at=Coalesce("ended_at", Now()), **facts):
            return Outcome(known.get().outcome)  # recorded before, by us: only the answer to our commit was lost
        journal.record(
            Level.WARNING, "quotes", f"An answer on quote {run.quote.number} came after its lock was lost; it is kept, not applied."
        )
        return Outcome.FENCED
    known.update(outcome=ending.outcome, ended_at=Now(), **facts)
    if ending.outcome == Outcome.APPLIED:
        legs.queue_mails(Quote.objects.get(pk=run.quote.pk), terms=terms)
    return ending.outcome


def billed(ending: Ending, *, seconds: float) -> dict[str, Any]:
    """The run's own facts. What may be charged without a bill stays set aside."""
    assessment = ending.reading.assessment if ending.reading else None
    return vars(ending.bill) | {
        "seconds": round(seconds, 3),
        "error": ending.error,
        "assessment": assessment.model_dump(mode="json") if assessment else None,
        "confidence": assessment.sureness if assessment else None,
        "reserved_cost": F("reserved_cost") if ending.may_cost else Decimal(0),
    }


def outcome_on(quote: Quote, ending: Ending) -> dict[str, Any]:
    """What the run makes of the quote's own columns."""
    facts: dict[str, Any] = {"ai_tries": 0, "ai_retry_at": None, "ai_error_message": ending.error or ending.review, "review_reason": ""}
    if ending.reading and ending.amounts:
        facts |= looked_at(ending.reading, ending.amounts) | {"price_book": ending.price_book, "valid_until": ending.valid_until}
    if ending.outcome == Outcome.APPLIED:
        return facts | {"status": Status.AI_QUOTED, "ai_processed_at": Now()}
    if ending.retry_in and quote.ai_tries + 1 < MOST_TRIES:
        return facts | {"status": Status.AI_ERROR, "ai_tries": F("ai_tries") + 1, "ai_retry_at": Now() + ending.retry_in}
    return facts | {"status": Status.AI_ERROR, "review_reason": (ending.review or ending.error)[:300]}


def looked_at(reading: Reading, amounts: Amounts) -> dict[str, Any]:
    assessment = reading.assessment
    return {
        "waste_assessment": assessment.model_dump(mode="json"),
        "ai_analysis": {"model": reading.model, "prompt_version": reading.prompt_version, "stated": assessment.confidence},
        "confidence": Decimal(assessment.sureness) / 100,
        "generated_quote": amounts.as_json(),
        "quote_amount": amounts.total,
    }
