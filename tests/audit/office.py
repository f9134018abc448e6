"""A made-up office through the years: contacts come, move and are corrected, campaigns begin and end, rules change, nights fail."""

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
Target = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How much happens: of contacts the share that it happens to in a day, of other things the chance in a day."""

    new: float = 1 / 2_000
    corrected: float = 1 / 2_000
    moved: float = 1 / 2_000
    suppressed: float = 1 / 4_000
    behaves: float = 1 / 400
    campaign: float = 1 / 10
    campaign_ends: float = 1 / 60
    rules: float = 1 / 45
    stands: float = 1 / 30
    no_mail_server: float = 1 / 40
    in_the_morning: float = 1 / 5  # of all this, between the night's run and the hand-over


@dataclass
class News:
    """What has happened since it was told last."""

    people: set[int] = field(default_factory=set)
    campaigns: list[Target] = field(default_factory=list)
    targets: list[tuple[int, Target]] = field(default_factory=list)
    ended: dict[int, date] = field(default_factory=dict)
    suppressed: set[int] = field(default_factory=set)
    behaviour: dict[int, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Day:
    """What the machine does that day."""

    plans: bool
    hands_over: bool
    sends: bool


@dataclass
class Office:
    """What is the case now; `days` goes through the years."""

    random: Random
    day: date
    limit: int = 5  # mails to a contact in any 31 days
    pace: Pace = field(default_factory=Pace)
    people: dict[int, dict[str, Any]] = field(default_factory=dict)
    suppressed: set[int] = field(default_factory=set)
    numbers: Numbers = field(default_factory=Numbers)
    config: dict[str, Any] = field(default_factory=dict)
    counted: Counter[str] = field(default_factory=Counter)
    news: News = field(default_factory=News)
    campaigns: dict[int, Target] = field(default_factory=dict)
    quiet_until: date | None = None
    quiet: tuple[bool, bool] = (False, False)  # whether it plans, and hands over, in that time
    is_night: bool = True

    def open(self, contacts: int) -> None:
        """Its first contacts are there, and the numbers the scheduler is told."""
        self.config["max_emails_per_period"] = self.limit
        for _ in range(contacts):
            self.welcome()

    def tells(self) -> News:
        """The news, once."""
        told, self.news = self.news, News()
        return told

    def days(self, count: int) -> Iterator[Day]:
        """Day after day, when the night's news are there; `morning` brings more."""
        for _ in range(count):
            self.counted["nights"] += 1
            self.is_night = True
            self.happens(share=1 - self.pace.in_the_morning)
            yield self.stands()
            self.day += ONE_DAY

    def morning(self) -> None:
        """What comes in between the night's run and the hand-over."""
        self.is_night = False
        self.happens(share=self.pace.in_the_morning)

    def happens(self, *, share: float) -> None:
        pace = self.pace
        for what, much in (
            (self.welcome, pace.new),
            (self.corrects_a_date, pace.corrected),
            (self.moves_somebody, pace.moved),
            (self.suppresses, pace.suppressed),
            (self.somebody_behaves, pace.behaves),
        ):
            for _ in range(self.some(much * share)):
                what()
        for what, chance in (
            (self.campaign_begins, pace.campaign),
            (self.campaign_ends, pace.campaign_ends),
            (self.rule_changes, pace.rules),
        ):
            if self.random.random() < chance * share:
                what()

    def some(self, share: float) -> int:
        """About so many of all contacts."""
        wanted = len(self.people) * share
        return int(wanted) + (self.random.random() < wanted % 1)

    def anybody(self) -> dict[str, Any]:
        return self.people[self.random.randint(1, len(self.people))]

    # What happens to contacts

    def welcome(self) -> None:
        number = len(self.people) + 1
        self.people[number] = {**person(self.random, number=number, day=self.day), "targets": [], "as_it_is_since": self.day}
        self.news.people.add(number)
        self.counted["contacts"] += 1

    def changes(self, one: dict[str, Any], what: str, **facts: Any) -> None:
        one |= facts | {"as_it_is_since": self.day}
        self.news.people.add(one["id"])
        self.counted[what] += 1

    def corrects_a_date(self) -> None:
        other = person(self.random, number=1, day=self.day)
        self.changes(self.anybody(), "dates corrected", **{self.random.choice(["birth_date", "effective_date"]): other["birth_date"]})

    def moves_somebody(self) -> None:
        self.changes(self.anybody(), "moved to another state", state=self.random.choice(STATES))

    def suppresses(self) -> None:
        number = self.anybody()["id"]
        if number not in self.suppressed:
            self.suppressed.add(number)
            self.news.suppressed.add(number)
            self.counted["suppressed"] += 1

    def somebody_behaves(self) -> None:
        self.news.behaviour[self.anybody()["id"]] = self.random.choice(["clicks", "clicks", "ill", "well"])
        self.counted["clicks and answers"] += 1

    # What happens to campaigns

    def campaign_begins(self) -> None:
        """A new campaign about days to come, for every tenth contact; some are to end before their time."""
        kind = self.random.choice(CAMPAIGN_TYPES)
        end = self.random.choice([None, str(near(self.random, self.day, before=-5, after=60))])
        number = len(self.campaigns) + 1
        facts = {"campaign_type": kind, "instance": number, "active_start_date": str(self.day), "active_end_date": end}
        facts["known_since"] = self.day if self.is_night else self.day + ONE_DAY  # by runs
        self.campaigns[number] = facts
        self.news.campaigns.append(facts)
        for one in self.people.values():
            if self.random.random() < 0.1:
                trigger = near(self.random, self.day, before=3, after=20) + LEADS[kind] * ONE_DAY
                self.means(one, facts | {"trigger_date": str(trigger)})
        self.counted["campaigns begun"] += 1

    def means(self, one: dict[str, Any], target: Target) -> None:
        recent = str(self.day - 200 * ONE_DAY)
        one["targets"] = [*(kept for kept in one["targets"] if kept["trigger_date"] > recent), target]
        self.news.targets.append((one["id"], target))

    def campaign_ends(self) -> None:
        """One that runs is ended by hand: yesterday was its last day."""
        yesterday = str(self.day - ONE_DAY)
        running = [one for one in self.campaigns.values() if one["active_start_date"] <= yesterday < (one["active_end_date"] or "9")]
        if not running:
            return
        ended = self.random.choice(running)
        ended["active_end_date"] = yesterday
        self.news.ended[ended["instance"]] = self.day - ONE_DAY
        for one in self.people.values():
            for target in one["targets"]:
                if target["instance"] == ended["instance"]:
                    target["active_end_date"] = yesterday
        self.counted["campaigns ended"] += 1

    # What happens to rules and machines

    def rule_changes(self) -> None:
        """Another configuration is in force: one state has another rule, or all windows another lead."""
        if self.random.random() < 0.3:
            lead = self.random.choice([0, 30, 60, 60])
            self.config["pre_window_exclusion_days"] = lead
            self.numbers = replace(self.numbers, lead=lead)
        else:
            state = self.random.choice([*RULES, "TX", "FL"])
            anchor, before, after = self.random.choice(ANCHORS), self.random.randint(0, 30), self.random.randint(10, 70)
            rule = {
                "anchor": anchor,
                "before": before,
                "after": after,
                "source": "the auditor",
                "status": "made up",
                "since": str(self.day),
            }
            self.config["state_rules"] = {**self.config.get("state_rules", {}), state: rule}
            self.numbers = replace(self.numbers, rules={**self.numbers.rules, state: (anchor, before, after)})
        self.counted["rules changed"] += 1

    def stands(self) -> Day:
        """Once a month there is no run, no hand-over, or neither, for one to nine days; and sometimes no mail server for a day."""
        if self.quiet_until is None and self.random.random() < self.pace.stands:
            self.quiet_until = self.day + self.random.randint(1, 9) * ONE_DAY
            self.quiet = self.random.choice([(False, False), (False, True), (True, False)])
            self.counted["times without a run or a hand-over"] += 1
        if self.quiet_until and self.day >= self.quiet_until:
            self.quiet_until = None
        plans, hands_over = self.quiet if self.quiet_until else (True, True)
        return Day(plans, hands_over, sends=self.random.random() >= self.pace.no_mail_server)
