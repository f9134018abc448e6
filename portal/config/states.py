"""The states as they stand: each with its rule in words, who says so, whom it concerns, what changes next. For page and shell."""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count

from campaigns.models import Contact
from campaigns.rules.states import STATES, Window
from campaigns.state_table import NAMES, departures, rule_words, window_words
from portal.config import kinds
from portal.config.models import ConfigVersion
from portal.config.scheduler_kinds import StateRules

KIND = "state_rules"
MOST_PLANNED = 20  # versions that are looked at


@dataclass(frozen=True, kw_only=True)
class NextChange:
    """A planned version gives the state another rule."""

    begins: datetime
    version: int
    rule: str


@dataclass(frozen=True, kw_only=True)
class StateRow:
    state: str
    name: str
    anchor: str
    rule: str
    window: str
    source: str
    status: str
    since: str
    contacts: int
    next_change: NextChange | None

    @property
    def is_free(self) -> bool:
        return self.anchor == "none" and self.rule == "free"

    def facts(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class StateTable:
    """All states, by series the number of the version that says so, and what is not as required."""

    numbers: dict[str, int]
    departures: list[str]
    rows: list[StateRow]


def state_table(*, at: datetime, environment: str) -> StateTable:
    """Raises ConfigRefused if the version in force cannot be used any more."""
    found = kinds.all_in_force((KIND, "timing"), at=at, environment=environment)
    rules, lead_days = found[KIND].typed().windows, found["timing"].typed().pre_window_exclusion_days
    counts = dict(Contact.objects.order_by().values_list("state").annotate(Count("pk")))
    changes = next_changes(rules, at=at, environment=environment)
    rows = []
    for state, rule in rules.items():
        rows.append(
            StateRow(
                state=state,
                name=NAMES[state],
                anchor=rule.anchor.name.lower(),
                rule=rule_words(rule),
                window=window_words(rule, lead_days=lead_days),
                source=rule.source,
                status=rule.status,
                since=rule.since,
                contacts=counts.get(state, 0),
                next_change=changes.get(state),
            )
        )
    return StateTable(numbers=found[KIND].numbers, departures=departures(rules), rows=sorted(rows, key=lambda row: STATES.index(row.state)))


def next_changes(now: Any, *, at: datetime, environment: str) -> dict[str, NextChange]:
    """By state the first planned version after which its rule is another one."""
    planned = ConfigVersion.objects.of(KIND).filter(series__environment__in={"", environment}).beginning_after(at)
    changes: dict[str, NextChange] = {}
    for version in planned[:MOST_PLANNED]:
        for state, rule in rules_at(version.in_force.lower, environment=environment).items():
            if state not in changes and rule != now.get(state):
                changes[state] = NextChange(begins=version.in_force.lower, version=version.number, rule=change_words(now.get(state), rule))
    return changes


def rules_at(at: datetime, *, environment: str) -> dict[str, Window]:
    told: StateRules = kinds.read(KIND, at=at, environment=environment)
    return told.windows


def change_words(old: Window | None, new: Window) -> str:
    """The new rule; what else changes where the rule itself does not."""
    words = rule_words(new)
    if old is None or rule_words(old) != words:
        return words
    return f"source: {new.source}" if old.source != new.source else f"status: {new.status}" if old.status != new.status else words
