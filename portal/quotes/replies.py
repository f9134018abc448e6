"""The mails of a quote: the offer to its customer, the report to the office, and the notice that there is a new request.

What a customer typed is text and nothing else: escaped in HTML, one line in a subject. A price is named in full, or there is no mail.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from django.template.loader import render_to_string
from django.utils import timezone
from pydantic import ValidationError

from messaging import outbox
from messaging.models import Lane
from messaging.outbox import Draft
from messaging.text_input import printable
from portal.quotes.amounts import Amounts, lines
from portal.quotes.answers import link
from portal.quotes.assessment import Assessment
from portal.quotes.models import Answer, Quote, TimeSlot
from portal.quotes.promises import ADMIN_MAIL, CUSTOMER_MAIL

REQUEST_MAIL = "quote_request"
NOTICE_TRIES = 3  # a notice is no leg of a quote: nobody tries it again by a button, so it tries for itself
SHOWN = 80  # characters of a name in a subject
BY_A_PROGRAM = {"Auto-Submitted": "auto-generated"}

Facts = list[tuple[str, str]]


@dataclass(frozen=True, kw_only=True)
class MailTerms:
    """Who writes to whom: `sender` tries once per round, `office` signs, `admins` are told."""

    sender: outbox.Sender
    site_url: str
    office: dict[str, str]
    admins: tuple[str, ...]


class Body(NamedTuple):
    text: str
    html: str


class TotalMissing(ValueError):
    """There is no price that a mail could name; the text says what is wrong with it."""


def offer(quote: Quote, *, terms: MailTerms) -> Draft:
    """The mail that tells the customer the price and asks for an answer. Raises TotalMissing."""
    told = priced(quote) | common(quote, terms) | {"details": service(quote)}
    told["answers"] = [(str(answer.label), link(quote, answer, site_url=terms.site_url)) for answer in Answer]
    body = written("offer", told)
    return Draft(
        key=f"quote:{quote.pk}:customer",
        kind=CUSTOMER_MAIL,
        recipient=quote.email,
        subject=f"Your quote {quote.number}: {told['total']}",
        headers=BY_A_PROGRAM,
        lane=Lane.SYSTEM,
        expires_at=end_of(quote.valid_until),
        text=body.text,
        html=body.html,
    )


def end_of(day: date | None) -> datetime | None:
    """The moment after that day of the office."""
    return timezone.make_aware(datetime.combine(day + timedelta(days=1), time.min)) if day else None


def report(quote: Quote, *, terms: MailTerms) -> Draft:
    """The mail that tells the office what was offered to whom, and what comes next. Raises TotalMissing."""
    told = (
        priced(quote) | common(quote, terms) | {"details": [*customer(quote), *service(quote)], "valid_until": spelled(quote.valid_until)}
    )
    told["confidence"] = "" if quote.confidence is None else f"{quote.confidence:.0%}"
    body = written("report", told)
    return Draft(
        key=f"quote:{quote.pk}:admin",
        kind=ADMIN_MAIL,
        recipient=terms.admins[0],
        subject=f"Quote {quote.number}, {told['total']}, for {one_line(quote.name)[:SHOWN]}",
        headers=BY_A_PROGRAM,
        lane=Lane.SYSTEM,
        text=body.text,
        html=body.html,
    )


def announce(quote: Quote, *, terms: MailTerms) -> None:
    """Every admin address has the notice of this request queued, in the caller's transaction; twice is once."""
    told = common(quote, terms) | {"details": [*customer(quote), *wish(quote)], "pictures": quote.images.count()}
    body = written("request", told)
    drafts = [
        Draft(
            key=f"quote:{quote.pk}:request" + (f":{number}" if number > 1 else ""),
            kind=REQUEST_MAIL,
            recipient=admin,
            subject=f"New request {quote.number} from {one_line(quote.name)[:SHOWN]}",
            headers=BY_A_PROGRAM,
            lane=Lane.SYSTEM,
            text=body.text,
            html=body.html,
        )
        for number, admin in enumerate(terms.admins, start=1)
    ]
    outbox.queue(drafts, sender=replace(terms.sender, max_attempts=NOTICE_TRIES))


def written(name: str, told: dict[str, Any]) -> Body:
    text, html = (render_to_string(f"quotes/mail_{name}.{ending}", told) for ending in ("txt", "html"))
    return Body(text.strip() + "\n", html.strip() + "\n")


def priced(quote: Quote) -> dict[str, Any]:
    amounts = amounts_of(quote)
    return {"total": dollars(amounts.total), "lines": [(label, dollars(amount)) for label, amount in lines(amounts) if amount]}


def amounts_of(quote: Quote) -> Amounts:
    """The price, line by line. Raises TotalMissing unless there is one above zero whose lines add up to it."""
    try:
        amounts = Amounts.from_json(quote.generated_quote or {})
        total, amount = amounts.total, Decimal(quote.quote_amount or 0)
        is_positive = total > 0 and amount > 0
    except (TypeError, KeyError, AttributeError, ValueError, ArithmeticError) as gap:
        raise TotalMissing(f"Quote {quote.number} has no price that can be read, so no mail names one: correct its lines.") from gap
    if not is_positive:
        raise TotalMissing(f"Quote {quote.number} has no total above zero, so no mail names one: correct its lines.")
    if total != amount:
        raise TotalMissing(
            f"Quote {quote.number}: the lines come to {dollars(total)}, the total says {dollars(amount)}. Correct its lines."
        )
    return amounts


def common(quote: Quote, terms: MailTerms) -> dict[str, Any]:
    """What every mail of a quote shows."""
    return {
        "number": quote.number,
        "name": one_line(quote.name),
        "phone": one_line(quote.phone),
        "description": quote.description.strip(),
        "valid_until": spelled(quote.valid_until),
        "office": terms.office,
        "desk": f"{terms.site_url}/admin/portal/quote/{quote.pk}/change/",
    }


def customer(quote: Quote) -> Facts:
    told = (("Name", quote.name), ("E-mail", quote.email), ("Phone", quote.phone))
    return [(label, one_line(text)) for label, text in told if text]


def service(quote: Quote) -> Facts:
    """Where, when, and what is taken away: never the words of a text or of an AI, only what was understood."""
    return [*wish(quote), *understood(quote)]


def wish(quote: Quote) -> Iterator[tuple[str, str]]:
    yield "Where", one_line(f"{quote.address}, {quote.city}")
    slot = str(TimeSlot(quote.preferred_time).label) if quote.preferred_time in TimeSlot else ""
    if when := ", ".join(filter(None, [spelled(quote.preferred_date), slot])):
        yield "Preferred time", when


def understood(quote: Quote) -> Iterator[tuple[str, str]]:
    try:
        seen = Assessment.model_validate(quote.waste_assessment or {})
    except ValidationError:
        return
    yield "Kind of waste", ", ".join(category.value for category in seen.waste_types)
    volumes = [f"{seen.bags} bag{'s' * (seen.bags != 1)}"] if seen.bags else []
    volumes += [f"{seen.cubic_yards.normalize():f} cubic yards"] if seen.cubic_yards else []
    yield "Volume", ", ".join(volumes)


def dollars(amount: Decimal) -> str:
    return f"{'-' * (amount < 0)}${abs(amount):,.2f}"


def spelled(day: date | None) -> str:
    return f"{day:%B} {day.day}, {day.year}" if day else ""


def one_line(text: str) -> str:
    """Without line breaks, and without marks that nobody sees."""
    return " ".join(printable(text).split())
