"""How far an operation has come, counted from its items; and what became since of the mails it is about."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Case, CharField, Count, F, When

from portal.operations.models import Operation, OperationItem, Outcome, told

TONES = {  # whatever is not named needs a person's eye: amber
    **dict.fromkeys([Outcome.QUEUED, Outcome.PRICED], "green"),
    **dict.fromkeys([Outcome.ALREADY_QUEUED, Outcome.SENT, Outcome.SKIPPED, Outcome.NOT_DONE], "grey"),
    **dict.fromkeys([Outcome.REFUSED, Outcome.BROKEN], "red"),
}
BARS = {"green": "sent", "grey": "cancelled", "red": "failed", "amber": "in_doubt"}  # the bar's parts, as the style sheet calls them
MAILS: dict[str, tuple[str, list[str]]] = {  # name: the words for it, the states of a message
    "sent": ("Sent", ["sent"]),
    "waiting": ("Waiting", ["queued", "claimed", "transmitting"]),
    "failed": ("Failed", ["failed"]),
    "in_doubt": ("In doubt", ["in_doubt"]),
    "held": ("Held", ["held"]),
    "cancelled": ("Given up", ["cancelled"]),
    "none": ("Not written", [""]),
}


@dataclass(frozen=True, kw_only=True)
class Part:
    """The items with one outcome; `start` and `width` are its place in the bar, in per cent."""

    outcome: str
    label: str
    tone: str
    count: int
    start: float = 0.0
    width: float = 0.0

    @property
    def bar(self) -> str:
        return BARS[self.tone]


@dataclass(frozen=True, kw_only=True)
class Progress:
    total: int
    by_outcome: dict[str, int] = field(default_factory=dict)

    @property
    def left(self) -> int:
        return self.by_outcome.get("", 0)

    @property
    def done(self) -> int:
        """Items that had their turn."""
        return self.total - self.left - self.by_outcome.get(Outcome.NOT_DONE, 0)

    def parts(self) -> list[Part]:
        """What the bar is made of, left to right: each outcome that occurs; the known ones in their own order, then the others."""
        known = [str(outcome) for outcome in Outcome]
        occurring = sorted(
            (outcome for outcome in self.by_outcome if outcome), key=lambda one: (known.index(one) if one in known else len(known), one)
        )
        parts, start = [], 0.0
        for outcome in occurring:
            count = self.by_outcome[outcome]
            width = 100 * count / self.total
            parts.append(
                Part(outcome=outcome, label=told(outcome), tone=tone_of(outcome), count=count, start=round(start, 3), width=round(width, 3))
            )
            start += width
        return parts


def tone_of(outcome: str) -> str:
    return {str(known): tone for known, tone in TONES.items()}.get(outcome, "amber")


def of_all(operations: Sequence[Operation]) -> dict[int, Progress]:
    """The progress of each, in one query."""
    counts: dict[int, dict[str, int]] = {operation.pk: {} for operation in operations}
    rows = OperationItem.objects.filter(operation__in=counts).order_by().values_list("operation", "outcome").annotate(Count("pk"))
    for pk, outcome, count in rows:
        counts[pk][outcome] = count
    return {operation.pk: Progress(total=operation.total, by_outcome=counts[operation.pk]) for operation in operations}


def of(operation: Operation) -> Progress:
    return of_all([operation])[operation.pk]


def mails(operation: Operation) -> dict[str, int]:
    """By name from MAILS: how many of its mails whose turn has come are there now. Empty where it is not about mails."""
    state = Case(
        When(leg="customer", then=F("quote__customer_email_state")), default=F("quote__admin_email_state"), output_field=CharField()
    )
    had_a_turn = operation.items.exclude(leg="").exclude(outcome__in=["", Outcome.NOT_DONE]).order_by()
    counted: dict[Any, int] = dict(had_a_turn.annotate(state=state).values_list("state").annotate(Count("pk")))
    found = {name: sum(counted.get(state, 0) for state in states) for name, (_, states) in MAILS.items()}
    return {name: count for name, count in found.items() if count}
