"""A made-up office through the years: contacts come, move and are corrected, campaigns begin and end, a rule changes, nights fail."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import date
from random import Random
from typing import Any

from tests.audit.oracle import Numbers
from tests.audit.people import CAMPAIGN_TYPES, LEADS, STATES, near, person
from tests.audit.windows import ONE_DAY, RULES

ANCHORS = ["birthday", "birth_month", "effective_date"]


@dataclass
class Office:
    """What is the case today; `happens` is the next day's news."""

    random: Random
    day: date
    people: dict[int, dict[str, Any]] = field(default_factory=dict)
    suppressed: set[int] = field(default_factory=set)
    numbers: Numbers = field(default_factory=Numbers)
    config: dict[str, Any] = field(default_factory=dict)
    counted: Counter[str] = field(default_factory=Counter)
    limit: int = 5  # mails to a contact in any 31 days
    instances: int = 0
    quiet_until: date | None = None

    def open(self, contacts: int) -> None:
        """Its first contacts are there, and the numbers the scheduler is told."""
        self.config["max_emails_per_period"] = self.limit
        for _ in range(contacts):
            self.welcome()

    def welcome(self) -> None:
        number = len(self.people) + 1
        self.people[number] = {**person(self.random, number=number, day=self.day), "targets": []}

    def happens(self) -> bool:
        """What the day brings; whether the scheduler runs in its night."""
        for _ in range(self.some(1 / 2_000)):
            self.welcome()
            self.counted["new contacts"] += 1
        for _ in range(self.some(1 / 1_000)):
            self.corrects_a_date()
            self.moves_somebody()
        for _ in range(self.some(1 / 4_000)):
            self.suppressed.add(self.anybody()["id"])
            self.counted["suppressed"] += 1
        if self.random.random() < 1 / 10:
            self.campaign_begins()
        if self.random.random() < 1 / 45:
            self.rule_changes()
        return self.stands()

    def some(self, share: float) -> int:
        """About so many of all contacts."""
        wanted = len(self.people) * share
        return int(wanted) + (self.random.random() < wanted % 1)

    def anybody(self) -> dict[str, Any]:
        return self.people[self.random.randint(1, len(self.people))]

    def corrects_a_date(self) -> None:
        one, other = self.anybody(), person(self.random, number=1, day=self.day)
        one[self.random.choice(["birth_date", "effective_date"])] = other["birth_date"]
        self.counted["dates corrected"] += 1

    def moves_somebody(self) -> None:
        self.anybody()["state"] = self.random.choice(STATES)
        self.counted["moved to another state"] += 1

    def campaign_begins(self) -> None:
        """A new campaign about days to come, for every tenth contact; it ends sometimes before its time."""
        self.instances += 1
        kind = self.random.choice(CAMPAIGN_TYPES)
        end = self.random.choice([None, str(near(self.random, self.day, before=-5, after=60))])
        for one in self.people.values():
            one["targets"] = [target for target in one["targets"] if target["trigger_date"] > str(self.day - 200 * ONE_DAY)]
            if self.random.random() < 0.1:
                trigger = near(self.random, self.day, before=3, after=20) + LEADS[kind] * ONE_DAY
                one["targets"].append(
                    {
                        "campaign_type": kind,
                        "instance": self.instances,
                        "trigger_date": str(trigger),
                        "active_start_date": str(self.day),
                        "active_end_date": end,
                    }
                )
        self.counted["campaigns begun"] += 1

    def rule_changes(self) -> None:
        """From tonight on another configuration is in force: one state has another rule, or all windows another lead."""
        if self.random.random() < 0.3:
            lead = self.random.choice([0, 30, 60, 60])
            self.config["pre_window_exclusion_days"] = lead
            self.numbers = replace(self.numbers, lead=lead)
        else:
            state = self.random.choice([*RULES, "TX", "FL"])
            anchor, before, after = self.random.choice(ANCHORS), self.random.randint(0, 30), self.random.randint(10, 70)
            rule = {"anchor": anchor, "before": before, "after": after, "source": "the auditor"}
            self.config["state_rules"] = {**self.config.get("state_rules", {}), state: rule}
            self.numbers = replace(self.numbers, rules={**self.numbers.rules, state: (anchor, before, after)})
        self.counted["rules changed"] += 1

    def stands(self) -> bool:
        """Once a month the machine stands still for one to nine days."""
        if self.quiet_until is None and self.random.random() < 1 / 30:
            self.quiet_until = self.day + self.random.randint(1, 9) * ONE_DAY
            self.counted["times without a run"] += 1
        if self.quiet_until and self.day < self.quiet_until:
            return False
        self.quiet_until = None
        return True

    def nights(self, count: int) -> Iterator[bool]:
        """Night after night: whether there was a run."""
        for _ in range(count):
            self.counted["nights"] += 1
            yield self.happens()
            self.day += ONE_DAY
