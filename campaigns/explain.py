"""Why is this contact written to, or not? The scheduler's own rules, told for one contact in words."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from campaigns.explaining.exclusion import Verdict, day_kinds, verdict_on
from campaigns.explaining.facts import Facts, facts_of
from campaigns.explaining.mails import mails
from campaigns.explaining.step import SHIPPED, Step
from campaigns.explaining.steps import steps
from campaigns.explaining.stored import Difference, changed_since, differences
from campaigns.explaining.words import iso
from campaigns.settings import SchedulerSettings


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """All that can be told of one contact; `days` has the days from this month's first on, and what each is by the state's rule."""

    facts: Facts
    verdict: Verdict
    steps: list[Step]
    mails: list[dict[str, Any]]
    differences: list[Difference]
    since_then: list[str]  # what has happened since the last run, where there are differences
    days: dict[Any, str]

    @property
    def story(self) -> list[str]:
        """Where the stored schedule says something else, and why; empty where it does not."""
        if self.differences and not len(self.facts.standing):
            return ["The schedule has no mail of this contact yet.", *self.since_then]
        return [*(one.sentence for one in self.differences), *self.since_then]

    @property
    def on_that_day(self) -> list[dict[str, Any]]:
        """The mails of the day that was asked about."""
        return [mail for mail in self.mails if mail["date"] == iso(self.verdict.on)]


def explain(contact_id: int, *, on: Any, day: Any, settings: SchedulerSettings, versions: Mapping[str, int]) -> Explanation:
    """What the rules say on `day`, which is today, of mails to this contact, and whether it may be written to on `on`.

    Raises Contact.DoesNotExist.
    """
    facts = facts_of(contact_id, day=day, settings=settings, versions=versions)
    found = differences(facts)
    return Explanation(
        facts=facts,
        verdict=verdict_on(facts, on),
        steps=steps(facts),
        mails=mails(facts),
        differences=found,
        since_then=changed_since(facts) if found else [],
        days=day_kinds(facts, facts.first_day, facts.until),
    )


def as_json(told: Explanation) -> dict[str, Any]:
    verdict, run = told.verdict, told.facts.last_run
    return {
        "id": told.facts.contact.pk,
        "today": iso(told.facts.day),
        "on": iso(verdict.on),
        "flags": told.facts.flags,
        "verdict": {
            "may_be_written_to": verdict.may,
            "reasons": verdict.reasons,
            "sentence": verdict.sentence,
            "window_end": iso(verdict.window_end),
            "changes_on": iso(verdict.changes_on),
        },
        "changes_on": iso(verdict.changes_on),
        "rules": [vars(step) for step in told.steps],
        "mails": told.mails,
        "last_run": run.pk if run else None,
        "differences": [vars(one) for one in told.differences],
        "changed_since_last_run": told.since_then,
    }


def as_text(told: Explanation) -> str:
    """The same for people at a terminal."""
    lines = [f"{told.facts.contact}, as of {iso(told.facts.day)}", "", told.verdict.sentence]
    lines += [f"That day's mail: {mail['sentence']}" for mail in told.on_that_day]
    lines += ["", "Mails of the coming 13 months"]
    lines += [f"  {mail['date']}  {mail['email_type']}: {mail['sentence']}" for mail in told.mails] or ["  None."]
    lines += ["", "Each rule in order"]
    for number, step in enumerate(told.steps, start=1):
        lines += [f"  {number}. {step.title}: {step.answer}", f"     {origin(step)}"]
    if told.story:
        lines += ["", "The stored schedule says something else", *(f"  {line}" for line in told.story)]
    return "\n".join(lines)


def origin(step: Step) -> str:
    """Where a rule and its numbers come from."""
    shipped = ", as shipped" if step.version == SHIPPED else ""
    version = f"configuration {step.kind.replace('_', ' ')}, version {step.version}{shipped}; " if step.kind else ""
    return f"{version}source: {step.source}"
