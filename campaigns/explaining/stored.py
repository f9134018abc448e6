"""Where the stored schedule says something else than the rules say now: what a run of this contact would write, and what came between."""

from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from campaigns import writing
from campaigns.differences import difference, events, held_events
from campaigns.explaining.facts import Facts
from campaigns.explaining.words import capital, listed, mail_name, said
from campaigns.models import Status as Stored
from campaigns.rules.shapes import REASON_WORDS, STATUS_WORDS, Array, first_match
from campaigns.settings import plain

PLAIN = (int, float, str, bool)


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One mail on which the schedule and the rules do not agree."""

    email_type: str
    stored: str
    rules: str
    sentence: str


def differences(facts: Facts) -> list[Difference]:
    """What the next run would write for this contact, by the very function that a run asks."""
    rows, standing = as_full(facts), facts.standing
    history = facts.plan.chunk.history
    found = difference(
        rows,
        standing,
        held_events(history, facts.contacts.id),
        day=facts.day,
        overdue_days=facts.settings.overdue_days,
        send_time=writing.seconds_of(facts.settings.send_time),
    )
    new = np.concatenate([found.added, found.changed])
    before = first_match(events(new), events(standing))
    told = [told_of(facts, standing[at] if at >= 0 else None, row) for row, at in zip(new, before, strict=True)]
    gone = found.removed[first_match(events(found.removed), events(new)) < 0]
    return told + [told_of(facts, row, None) for row in [*gone, *found.missed]] + of_follow_ups(facts)


def as_full(facts: Facts) -> Array:
    """The rows of the plan; what found no room in the last run is so marked, as long as it stays on its day."""
    rows, standing = facts.plan.limited.copy(), facts.standing
    at = first_match((*events(rows), rows["send_on"]), (*events(standing), standing["send_on"]))
    known = at >= 0
    rows["over_cap"][known] = standing["over_cap"][at[known]]
    return rows


def of_follow_ups(facts: Facts) -> list[Difference]:
    """A contact has one follow-up at a time that is not out yet."""
    waiting = [row for row in facts.follow_ups if row.status in (Stored.PRE_SCHEDULED, Stored.SKIPPED) and row.send_on >= facts.day.item()]
    before = [(row.email_type, f"{row.status} on {said(row.send_on)}" + reason_words(row.skip_reason)) for row in waiting]
    names = facts.settings.email_types.names
    now = [(names[row["kind"]], said_by(row)) for row in facts.plan.follow_ups]
    if before == now:
        return []
    return [sentence(name, text, "") for name, text in before] + [sentence(name, "", text) for name, text in now]


def told_of(facts: Facts, before: Any, now: Any) -> Difference:
    row = before if now is None else now
    name = facts.settings.email_types.names[row["kind"]]
    return sentence(name, "" if before is None else said_by(before), "" if now is None else said_by(now))


def sentence(email_type: str, before: str, now: str) -> Difference:
    name = capital(mail_name(email_type))
    if not before:
        words = f"{name}: not in the schedule yet; by the rules now {now}."
    elif before == now:
        words = f"{name}: {now}, as in the schedule; something else about it has changed."
    else:
        words = f"{name}: in the schedule {before}; by the rules now {now or 'none is planned'}."
    return Difference(email_type=email_type, stored=before, rules=now, sentence=words)


def said_by(row: Any) -> str:
    return f"{STATUS_WORDS[row['status']]} on {said(row['send_on'])}" + reason_words(REASON_WORDS[row["reason"]])


def reason_words(reason: str | None) -> str:
    return f" ({reason.replace('_', ' ')})" if reason else ""


def changed_since(facts: Facts) -> list[str]:
    """What has happened since the last run over all contacts, a sentence each."""
    run = facts.last_run
    if run is None:
        return ["No run over all contacts has been completed yet."]
    told = []
    newer = [kind for kind, version in facts.versions.items() if run.config_versions.get(kind, version) != version]
    if newer:
        told.append(f"The configuration has changed since run {run.pk}: {listed(newer)}.")
    if changed := changed_settings(facts, run.settings):
        told.append(f"Settings have changed since run {run.pk}: {listed(changed)}.")
    if facts.contact.updated_at > run.started_at:
        told.append(f"The contact was changed after run {run.pk} began.")
    if facts.day.item() != run.day:
        told.append(f"Run {run.pk} planned on {said(run.day)}; the days since then count.")
    return told


def changed_settings(facts: Facts, before: dict[str, Any]) -> list[str]:
    """Numbers with what they were; of a table of rules only that it has changed."""
    told, now = [], plain(facts.settings)
    for name in (one.name for one in fields(facts.settings) if one.name != "organisation_contacts"):
        if name in before and before[name] != now[name]:
            told.append(f"{name} from {before[name]} to {now[name]}" if isinstance(now[name], PLAIN) else name)
    return told
