"""Whoever says what is there to be taken away: what an assessor is told, what it answers, and the two ways of not answering.

Refused: an answer came, and it is no assessment; a person has to look. Unavailable: nothing was assessed; later it may work.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from portal.quotes.assessment import Assessment

LONGEST_RAW = 64_000  # characters of an answer that are kept
LONGEST_REASON = 280  # characters
LONGEST_MODEL = 100  # characters of a model's name


class AssessmentRefused(Exception):
    """An answer came that is no assessment; asking again by itself would cost again and change little. `reason` is a sentence for staff."""

    def __init__(
        self,
        reason: str,
        *,
        raw: str = "",
        model: str = "",
        prompt_tokens: int = 0,
        completion_tokens: int = 0,
        cost: Decimal = Decimal(0),
    ) -> None:
        super().__init__(shortened(reason))
        self.reason, self.raw, self.model = shortened(reason), raw[:LONGEST_RAW], model[:LONGEST_MODEL]
        self.prompt_tokens, self.completion_tokens, self.cost = prompt_tokens, completion_tokens, cost


class InstructionsRepeated(AssessmentRefused):
    """The answer carries what only our own instructions say: somebody may be steering the assessor. Worth an alarm."""


class AiUnavailable(Exception):
    """Nothing was assessed, and later it may work. `reason` is a sentence for staff; `may_cost`: the work may have been done unseen."""

    def __init__(self, reason: str, *, retry_after_seconds: float | None = None, may_cost: bool = False) -> None:
        super().__init__(shortened(reason))
        self.reason, self.retry_after_seconds, self.may_cost = shortened(reason), retry_after_seconds, may_cost


@dataclass(frozen=True, kw_only=True)
class Picture:
    content: bytes
    media_type: str  # image/jpeg or image/png


@dataclass(frozen=True, kw_only=True)
class Request:
    """All that an assessor is told: nothing that names or reaches the customer."""

    description: str
    city: str
    images: tuple[Picture, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Reading:
    """An assessment, and what it took to get it. `cost` is in USD with six places; `raw` is what was said."""

    assessment: Assessment
    model: str
    prompt_version: str
    prompt_tokens: int
    completion_tokens: int
    cost: Decimal
    raw: str


class Assessor(Protocol):
    """An AI or the estimator."""

    @property
    def kind(self) -> str:
        """`model` or `estimator`."""

    def most_cost(self, request: Request) -> Decimal:
        """What `assess` can cost at most, in USD; nothing is asked and nothing spent."""

    def assess(self, request: Request) -> Reading:
        """Says what is there. Raises AssessmentRefused or AiUnavailable."""


def storable(text: str) -> str:
    """The text as a database takes it and a page shows it: no NUL, no lone surrogate, no control character but line breaks and tabs."""
    return "".join(c if c.isprintable() or c in "\n\t" else " " for c in text[:LONGEST_RAW])


def shortened(reason: str) -> str:
    return reason if len(reason) <= LONGEST_REASON else reason[: LONGEST_REASON - 1] + "…"
