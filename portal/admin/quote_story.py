"""The story of one quote, oldest first: received, looked at and priced, mailed, answered; and what happens to it next."""

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

from django.contrib.humanize.templatetags.humanize import naturaltime
from django.utils.formats import date_format

from messaging.models import Message
from portal.admin import timeline
from portal.admin.timeline import Moment
from portal.quotes.assessment import Assessment
from portal.quotes.models import AiCall, Kind, Outcome, Quote, Status

RUN_TONES = {
    Outcome.RUNNING: "blue",
    Outcome.APPLIED: "green",
    Outcome.REVIEW: "amber",
    Outcome.REFUSED: "red",
    Outcome.UNAVAILABLE: "red",
    Outcome.OVER_BUDGET: "amber",
    Outcome.FENCED: "amber",
    Outcome.LOST: "amber",
}
ICONS = {Kind.MODEL: "smart_toy", Kind.ESTIMATOR: "calculate", Kind.MANUAL: "how_to_reg"}
LEGS = {"customer": "Customer's mail", "admin": "Admin's mail"}
FINISHED = {
    Status.CONTACTED: "Somebody has spoken with the customer, who may still answer by the links in the mail.",
    Status.QUOTED: "The office has told the customer a price itself; the links in the mail still work.",
    Status.ACCEPTED: "The customer accepts. Agree on a day, then mark it as completed.",
    Status.CONSIDERING: "The customer is thinking about it; nothing happens by itself.",
    Status.REJECTED: "The customer declines. Mark it as completed once nothing is left to do.",
    Status.TALK_TO_MANAGER: "The customer wants to talk to a manager: call back, then say what came of it.",
    Status.COMPLETED: "Nothing is left to do.",
}


def story(quote: Quote, runs: list[AiCall]) -> list[Moment]:
    """Everything that happened to the quote, newest last."""
    moments = [received(quote), *map(run, runs), *mails(quote), *answer(quote)]
    return sorted(moments, key=lambda moment: moment.at)


def what_next(quote: Quote, *, is_stale: bool) -> str:
    """One sentence: what will happen by itself, or what waits for a person."""
    match Status(quote.status):
        case Status.PENDING:
            return "It waits to be priced: the oldest first, within minutes."
        case Status.AI_PROCESSING if is_stale:
            return "Whoever was pricing it has vanished. Its lock is cleared by itself within minutes; then it is pending again."
        case Status.AI_PROCESSING:
            return f"It is being priced; it was begun {naturaltime(quote.ai_processing_started_at or quote.created_at)}."
        case Status.AI_ERROR if quote.review_reason:
            return f"A person must look at it before any mail goes out: {quote.review_reason}"
        case Status.AI_ERROR:
            return f"It could not be priced: {quote.ai_error_message} {when_again(quote)}"
        case Status.AI_QUOTED:
            return mails_next(quote)
        case status:
            return FINISHED[status]


def when_again(quote: Quote) -> str:
    if quote.ai_retry_at is None:
        return "It is not tried again by itself: put it back to pending."
    return f"It is tried again by itself, {naturaltime(quote.ai_retry_at)} (try {quote.ai_tries + 1})."


def mails_next(quote: Quote) -> str:
    unsent = [title.lower() for leg, title in LEGS.items() if not quote.is_sent(leg)]
    if not unsent:
        until = f" until {date_format(quote.valid_until, 'M j, Y')}" if quote.valid_until else ""
        return f"Both mails have gone out; the customer may answer{until}."
    return f"It is priced, but not told yet: the {' and the '.join(unsent)} {'have' if len(unsent) > 1 else 'has'} not gone out."


def received(quote: Quote) -> Moment:
    title = f"Received by {'the form' if quote.source == 'form' else quote.get_source_display()}"
    return Moment(at=quote.created_at, title=title, who=quote.name, icon="inbox", tone="blue")


def run(call: AiCall) -> Moment:
    kind = Kind(call.kind)
    about = [
        call.model,
        f"{call.prompt_tokens + call.completion_tokens:,} tokens" if call.prompt_tokens or call.completion_tokens else "",
        money(call.cost) if call.cost else "",
        f"{call.seconds:.1f} s" if call.seconds is not None else "",
        f"{call.confidence} % sure" if call.confidence is not None else "",
    ]
    said = [call.error, call.raw_answer if kind == Kind.MANUAL else "", ", ".join(filter(None, about))]
    who = f"{kind.label}, by force" if call.was_forced else kind.label
    title = "Approved by hand" if kind == Kind.MANUAL else f"{who}: {call.get_outcome_display()}"
    return Moment(
        at=call.started_at,
        title=title,
        said="\n".join(filter(None, said)),
        who=timeline.name_of(call.by),
        tone=RUN_TONES[Outcome(call.outcome)],
        icon=ICONS[kind],
    )


def mails(quote: Quote) -> Iterator[Moment]:
    for leg, title in LEGS.items():
        message: Message | None = getattr(quote, f"{leg}_message")
        if message is not None:
            for moment in timeline.story(message):
                yield replace(moment, title=f"{title}: {moment.title[0].lower()}{moment.title[1:]}")


def answer(quote: Quote) -> Iterator[Moment]:
    if quote.customer_response_date:
        said = f"The customer's answer: {quote.get_customer_response_display()}"
        yield Moment(at=quote.customer_response_date, title=said, who=quote.name, icon="reply", tone="green")


def money(usd: Decimal) -> str:
    return f"{usd.normalize():f} USD"


def assessment_in_words(told: dict[str, Any] | None) -> list[tuple[str, str]]:
    """What is there to be taken away, as labels and values; nothing where nobody has said so yet."""
    if not told:
        return []
    try:
        seen = Assessment.model_validate(told)
    except ValueError:
        return [("As it was written", str(told)[:2_000])]
    others = ", ".join(kind for kind in seen.waste_types if kind != seen.primary_type)
    yards = f"{seen.cubic_yards.normalize():f} yd³" if seen.cubic_yards else ""
    deducted = f" ({seen.confidence} % before deductions)" if seen.sureness != seen.confidence else ""
    return [
        ("Mostly", f"{seen.primary_type} waste" + (f"; also {others}" if others else "")),
        ("How much", listed(counted(seen.bags, "bag"), yards)),
        ("Items", listed(*seen.items) or "none named"),
        ("Hazards", counted(seen.hazardous_items, "hazardous item") or "none seen"),
        ("Rules", listed(counted(seen.compliance_issues, "compliance issue"), counted(seen.warnings, "warning")) or "no issue"),
        ("Has to be", listed(*(method.replace("_", " ") for method in seen.methods)) or "disposed of as usual"),
        ("Customer", "commercial" if seen.is_commercial else "private"),
        ("How sure", f"{seen.sureness} %{deducted}"),
    ]


def listed(*parts: str) -> str:
    return ", ".join(filter(None, parts))


def counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}" if number else ""
