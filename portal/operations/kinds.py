"""Which bulk actions there are. Each is a class: its fields are what may be asked, and it knows what to choose and how one item is done."""

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from datetime import timedelta
from typing import Any, ClassVar, Protocol

from portal.operations.models import Operation, OperationItem, Outcome
from portal.quotes import legs, pricing
from portal.quotes.models import Quote
from portal.quotes.models import Status as QuoteStatus
from portal.quotes.models.quote import MOST_ATTEMPTS
from portal.quotes.replies import MailTerms

MOST_AT_ONCE = 1_000  # items that one question may ask for


class ParametersRefused(ValueError):
    """What was asked for cannot be meant; the text says what may be."""


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """One item before it is a row."""

    key: str
    quote_id: int | None = None
    leg: str = ""
    round: int | None = None


@dataclass(frozen=True, kw_only=True)
class Result:
    outcome: str
    text: str = ""


class Means(Protocol):
    """What the items are done with. Asked for when it is needed: an AI that is set up wrong keeps no mail from going."""

    @property
    def mail(self) -> Callable[[], MailTerms]: ...
    @property
    def pricing(self) -> Callable[[], pricing.Terms]: ...


class Kind(Protocol):
    name: ClassVar[str]
    permission: ClassVar[str]
    is_quick: ClassVar[bool]  # database work alone: an item's effect and its outcome are one transaction
    item_takes: ClassVar[timedelta]  # at most; a worker that is silent for longer has vanished

    @property
    def asked(self) -> str: ...
    def select(self) -> list[Chosen]: ...
    def do(self, item: OperationItem, *, operation: Operation, means: Means) -> Result: ...


@dataclass(frozen=True, kw_only=True)
class RetryQuoteMails:
    """The unsent mails of priced quotes are tried again, each in a new round."""

    name: ClassVar[str] = "retry_quote_mails"
    permission: ClassVar[str] = "portal.send_quote"
    is_quick: ClassVar[bool] = True
    item_takes: ClassVar[timedelta] = timedelta(minutes=1)
    TYPES: ClassVar[Mapping[str, str]] = {"both": "Customer and admin mails", "customer": "Customer mails", "admin": "Admin mails"}

    type: str = "both"
    max_attempts: int = 3
    limit: int = 100

    def __post_init__(self) -> None:
        if self.type not in self.TYPES:
            raise ParametersRefused(f"The type of mail is customer, admin or both, not {self.type!r}.")
        whole(self.max_attempts, name="The attempt limit", most=MOST_ATTEMPTS)
        whole(self.limit, name="The number of e-mails", most=MOST_AT_ONCE)

    @property
    def asked(self) -> str:
        tries = f"{self.max_attempts} attempt{'' if self.max_attempts == 1 else 's'}"
        return f"Try again: {self.TYPES[self.type].lower()} with fewer than {tries}, at most {self.limit:,}"

    def select(self) -> list[Chosen]:
        found = legs.select(leg_type=self.type, max_attempts=self.max_attempts, limit=self.limit)
        return [Chosen(key=f"{leg.quote_id}:{leg.leg}", quote_id=leg.quote_id, leg=leg.leg, round=leg.round) for leg in found]

    def do(self, item: OperationItem, *, operation: Operation, means: Means) -> Result:
        assert item.quote_id is not None
        tried = legs.try_again(
            legs.Leg(quote_id=item.quote_id, leg=item.leg, round=item.round),
            by=operation.author,
            reason=operation.reason or operation.asked,
            source=f"bulk action {operation.pk}",
            terms=means.mail(),
        )
        return Result(outcome=tried.outcome, text=tried.text)


@dataclass(frozen=True, kw_only=True)
class ProcessQuotes:
    """Quotes that wait for a price are priced now. Each under its own lock, so one that is priced twice is priced once."""

    name: ClassVar[str] = "process_quotes"
    permission: ClassVar[str] = "portal.process_quote"
    is_quick: ClassVar[bool] = False
    item_takes: ClassVar[timedelta] = timedelta(minutes=10)

    limit: int = 20

    def __post_init__(self) -> None:
        whole(self.limit, name="The number of quotes", most=MOST_AT_ONCE)

    @property
    def asked(self) -> str:
        return f"Price quotes now: the oldest that wait, at most {self.limit:,}"

    def select(self) -> list[Chosen]:
        waiting = Quote.objects.pending().filter(ai_processed_at=None).order_by("created_at", "pk")
        return [Chosen(key=str(pk), quote_id=pk) for pk in waiting.values_list("pk", flat=True)[: self.limit]]

    def do(self, item: OperationItem, *, operation: Operation, means: Means) -> Result:
        assert item.quote_id is not None
        terms = means.pricing()
        pricing.process(terms, limit=1, quote_id=item.quote_id, by_id=operation.author_id)
        time.sleep(terms.pause_seconds)
        return state_of(Quote.objects.get(pk=item.quote_id))


KINDS: Mapping[str, type[RetryQuoteMails] | type[ProcessQuotes]] = {kind.name: kind for kind in (RetryQuoteMails, ProcessQuotes)}


def read(kind: str, parameters: Mapping[str, Any]) -> Kind:
    """The question as its own type. Raises ParametersRefused with a sentence for whoever asked."""
    if kind not in KINDS:
        raise ParametersRefused(f"There is no bulk action {kind!r}; there are {' and '.join(KINDS)}.")
    known = [field.name for field in fields(KINDS[kind])]
    if unknown := sorted(set(parameters) - set(known)):
        raise ParametersRefused(f"{kind} has no {unknown[0]!r}; it is told {', '.join(known)}.")
    return KINDS[kind](**parameters)


def written(kind: Kind) -> dict[str, Any]:
    """The question as it is kept."""
    return asdict(kind)  # type: ignore[call-overload]


def whole(value: Any, *, name: str, most: int) -> None:
    if type(value) is not int or not 1 <= value <= most:
        raise ParametersRefused(f"{name} is a whole number from 1 to {most:,}, not {value!r}.")


def state_of(quote: Quote) -> Result:
    """What became of a quote that was to be priced: told by its own row, so also of one that was priced just before a worker vanished."""
    match quote.status:
        case QuoteStatus.PENDING:
            return Result(outcome=Outcome.SKIPPED, text="It could not be taken now; it is priced at the next turn.")
        case QuoteStatus.AI_PROCESSING:
            return Result(outcome=Outcome.SKIPPED, text="Another run has it.")
        case QuoteStatus.AI_ERROR if quote.review_reason:
            return Result(outcome=Outcome.REVIEW, text=quote.review_reason)
        case QuoteStatus.AI_ERROR:
            return Result(outcome=Outcome.UNAVAILABLE, text=quote.ai_error_message)
    return Result(outcome=Outcome.PRICED, text=f"${quote.quote_amount:,.2f} (CAD)")
