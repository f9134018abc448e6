"""What was foretold of each quote, what the database says of it, and what the AI and the mail server saw, side by side."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Q

from messaging import invariants
from messaging.models import Message
from portal.quotes.intake import NewRequest
from portal.quotes.legs import LEGS
from portal.quotes.models import Quote, Status
from portal.quotes.replies import REQUEST_MAIL
from portal.rehearsal.faults import LegEnd, Look
from portal.sandbox import Sandbox

Facts = dict[str, Any]
EXAMPLES = 10
ENDS = ("sent", "failed", "in_doubt")
NO_MAIL = LegEnd(status="", round=0, arrives=False)
UNHARMED = LegEnd(status="sent", round=1, arrives=True)


@dataclass
class Asked:
    """A request, the number it was given, and how it must end. `legs`: what befalls those of its mails that were struck or not."""

    request: NewRequest
    number: str
    look: Look
    legs: dict[str, LegEnd] = field(default_factory=dict)

    def end_of(self, leg: str) -> LegEnd:
        """A quote that is priced owes both mails, whether it has queued them or not; any other owes none."""
        return self.legs.get(leg, UNHARMED) if self.look.is_priced else NO_MAIL


def quote_ledger(sandbox: Sandbox, *, asked: Mapping[int, Asked], office: str, promises: Iterable[invariants.Invariant]) -> Facts:
    """The quotes in figures, expected beside found, and every difference in a sentence. It balances when there is none."""
    quotes = {quote.pk: quote for quote in Quote.objects.filter(pk__in=asked).prefetch_related("ai_calls", "images")}
    wrong = [f"Quote {one.number} is gone" for pk, one in asked.items() if pk not in quotes]
    for pk, quote in quotes.items():
        found = stored(quote) | seen(asked[pk], sandbox.ai_ledger(), sandbox.mail_ledger(), office=office)
        wrong += differences(quote.number, found, foretold(asked[pk]))
    wrong += [*strangers(sandbox, asked.values(), office=office), *private(sandbox, asked.values())]
    wrong += [f"{broken.name} {broken.sentence} {broken.rows} rows" for broken in invariants.verify(*promises, drained=True)]
    return figures(quotes.values()) | expected_figures(asked.values()) | {"differences": wrong[:EXAMPLES]}


def foretold(one: Asked) -> Facts:
    """How everything that `stored` and `seen` tell of this request must be."""
    facts: Facts = {
        "its state": Status.AI_QUOTED if one.look.is_priced else Status.AI_ERROR,
        "waiting for review": not one.look.is_priced,
        "locked": False,
        "runs": one.look.questions,
        "pictures": len(one.request.images),
        "questions to the AI": one.look.questions,
        "pictures shown to the AI": one.look.questions * len(one.request.images),
        "notices to the office": 1,
    }
    for leg in LEGS:
        end = one.end_of(leg)
        facts |= {f"{leg} mail": end.status, f"{leg} tries": end.round, f"{leg} flag": end.status == "sent"}
        facts[f"{leg} mails that arrived"] = int(end.arrives)
    return facts


def stored(quote: Quote) -> Facts:
    facts: Facts = {
        "its state": quote.status,
        "waiting for review": bool(quote.review_reason),
        "locked": quote.processing_lock is not None,
        "runs": len(quote.ai_calls.all()),
        "pictures": len(quote.images.all()),
    }
    for leg in LEGS:
        told = quote.facts_of(leg)
        facts |= {f"{leg} mail": told["state"], f"{leg} tries": told["attempts"], f"{leg} flag": told["sent"]}
    return facts


def seen(one: Asked, questions: list[Facts], mails: list[Facts], *, office: str) -> Facts:
    """What the servers outside have of this request, told apart by its words, its addresses and its number."""
    asked = [line for line in questions if f'"{one.request.description}"' in words(line)]
    to_office = [line["subject"] for line in mails if line["recipient"] == office and one.number in line["subject"]]
    notices = [subject for subject in to_office if subject.startswith("New request")]
    return {
        "questions to the AI": len(asked),
        "pictures shown to the AI": sum(len(line["images"]) for line in asked),
        "notices to the office": len(notices),
        "customer mails that arrived": sum(line["recipient"] == one.request.email for line in mails),
        "admin mails that arrived": len(to_office) - len(notices),
    }


def differences(number: str, found: Facts, expected: Facts) -> Iterable[str]:
    for name in found.keys() | expected.keys():
        if found.get(name) != expected.get(name):
            yield f"Quote {number}, {name}: {found.get(name)!s}, and was to be {expected.get(name)!s}"


def strangers(sandbox: Sandbox, asked: Iterable[Asked], *, office: str) -> Iterable[str]:
    """Mails that went to somebody who asked for nothing, or wait for ever."""
    known = {one.request.email for one in asked} | {office}
    others = set(Message.objects.filter(Q(needs_note=True) | Q(schedules__isnull=False)).values_list("message_id", flat=True))
    astray = [line for line in sandbox.mail_ledger() if line["message_id"] not in others and line["recipient"] not in known]
    yield from (f"{line['recipient']} got {line['subject']!r} and had asked for nothing" for line in astray)
    yield from (f"{left.key} is {left.status} and nobody sends it" for left in Message.objects.unfinished().filter(needs_note=False))


def private(sandbox: Sandbox, asked: Iterable[Asked]) -> Iterable[str]:
    """The AI is told nothing that names or reaches a customer."""
    told = "\n".join(words(line) for line in sandbox.ai_ledger())
    for one in asked:
        for word in (one.request.name, one.request.email, one.request.phone, one.request.address):
            if word in told:
                yield f"The AI was told {word!r}, and that is the customer's own"


def words(question: Facts) -> str:
    """What the AI was told, without the pictures."""
    parts = (message["content"] for message in question["body"]["messages"])
    return "\n".join(part if isinstance(part, str) else "\n".join(str(piece.get("text", "")) for piece in part) for part in parts)


def figures(quotes: Iterable[Quote]) -> Facts:
    quotes = list(quotes)
    mails = Message.objects.filter(pk__in=[getattr(quote, f"{leg}_message_id") for quote in quotes for leg in LEGS])
    ended = Counter(mails.values_list("status", flat=True))
    return {
        "asked": len(quotes),
        "quoted": sum(quote.status == Status.AI_QUOTED for quote in quotes),
        "review": sum(bool(quote.review_reason) for quote in quotes),
        "ai_calls": sum(len(quote.ai_calls.all()) for quote in quotes),
        "notices_sent": Message.objects.sent().filter(kind=REQUEST_MAIL).count(),
        **{f"mails_{end}": ended[end] for end in ENDS},
        "rounds_opened": sum(number - 1 for number in mails.values_list("round", flat=True)),
    }


def expected_figures(asked: Iterable[Asked]) -> Facts:
    asked = list(asked)
    legs = [end for one in asked for leg in LEGS if (end := one.end_of(leg)) != NO_MAIL]
    ended = Counter(end.status for end in legs)
    return {
        "expected_asked": len(asked),
        "expected_quoted": sum(one.look.is_priced for one in asked),
        "expected_review": sum(not one.look.is_priced for one in asked),
        "expected_ai_calls": sum(one.look.questions for one in asked),
        "expected_notices_sent": len(asked),
        **{f"expected_mails_{end}": ended[end] for end in ENDS},
        "expected_rounds_opened": sum(end.round - 1 for end in legs),
    }
