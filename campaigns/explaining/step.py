"""One rule's answer about one contact, with its inputs, its numbers and where it comes from."""

from dataclasses import dataclass, field
from typing import Any

from campaigns.explaining.facts import Facts

SEED = "seed 4; business_logic.md"
SHIPPED = 0  # the version of what the portal ships


@dataclass(frozen=True, kw_only=True)
class Step:
    """One rule's answer. `version` is that of the configuration `kind`; None where the rule is not configured."""

    rule: str
    title: str
    answer: str
    inputs: dict[str, Any]
    numbers: dict[str, Any] = field(default_factory=dict)
    kind: str = ""
    version: int | None = None
    source: str = SEED


def configured(facts: Facts, kind: str, *names: str) -> dict[str, Any]:
    """The part of a step that tells its numbers and where they stand."""
    return {
        "numbers": {name: getattr(facts.settings, name) for name in names},
        "kind": kind,
        "version": facts.versions.get(kind, SHIPPED),
    }
