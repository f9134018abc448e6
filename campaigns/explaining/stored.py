"""Where the stored schedule says something else than the rules say now, and what may have happened between."""

from dataclasses import dataclass, fields
from typing import Any

from campaigns.explaining.facts import Facts
from campaigns.explaining.words import capital, iso, listed, mail_name, said
from campaigns.models import EmailSchedule
from campaigns.models import Status as Stored
from campaigns.rules.email_types import FIXED_NAMES, FOLLOW_UPS
from campaigns.rules.shapes import REASON_WORDS, STATUS_WORDS

FOLLOW_UP_NAMES = tuple(FIXED_NAMES[code] for code in FOLLOW_UPS)
PLAIN = (int, float, str, bool)


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One mail on which the schedule and the rules do not agree."""

    email_type: str
    stored: str
    rules: str
    sentence: str


def differences(facts: Facts) -> list[Difference]:
    """Mails from today on that the last run left otherwise than the rules would now."""
    stored = {key_of_stored(row): row for row in facts.stored if row.status in (Stored.PRE_SCHEDULED, Stored.SKIPPED)}
    settled = {key_of_stored(row) for row in facts.stored if row.status not in (Stored.PRE_SCHEDULED, Stored.SKIPPED)}
    told = []
    for row in facts.plan.rows:
        about = key_of(facts, row)
        before, now = stored.pop(about, None), said_by(row)
        if about not in settled and said_of(before) != now:
            told.append(difference(facts.settings.email_types.names[row["kind"]], said_of(before), now))
    gone = [row for row in stored.values() if row.send_on >= facts.day.item()]
    return told + [difference(row.email_type, said_of(row), "") for row in gone]


def difference(email_type: str, before: str, now: str) -> Difference:
    name = capital(mail_name(email_type))
    if not before:
        return Difference(email_type=email_type, stored="", rules=now, sentence=f"{name}: not in the schedule yet; by the rules now {now}.")
    told = now or "none is planned"
    return Difference(
        email_type=email_type, stored=before, rules=now, sentence=f"{name}: in the schedule {before}; by the rules now {told}."
    )


def key_of_stored(row: EmailSchedule) -> tuple[Any, ...]:
    return key(row.email_type, row.event_on.isoformat() if row.event_on else None, row.campaign_instance_id)


def key_of(facts: Facts, row: Any) -> tuple[Any, ...]:
    instance = int(row["instance"])
    return key(facts.settings.email_types.names[row["kind"]], iso(row["event_on"]), None if instance < 0 else instance)


def key(email_type: str, event_on: str | None, instance: int | None) -> tuple[Any, ...]:
    """What a mail is about. A follow-up is about its parent's day: its type may still change."""
    return ("follow-up", event_on, None) if email_type in FOLLOW_UP_NAMES else (email_type, event_on, instance)


def said_of(row: EmailSchedule | None) -> str:
    if row is None:
        return ""
    return f"{row.status} on {said(row.send_on)}" + (f" ({row.skip_reason.replace('_', ' ')})" if row.skip_reason else "")


def said_by(row: Any) -> str:
    reason = REASON_WORDS[row["reason"]]
    return f"{STATUS_WORDS[row['status']]} on {said(row['send_on'])}" + (f" ({reason.replace('_', ' ')})" if reason else "")


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
    """Single numbers alone: what a table of rules says is told by its version."""
    told = []
    for one in fields(facts.settings):
        now = getattr(facts.settings, one.name)
        if one.name != "organisation_contacts" and isinstance(now, PLAIN) and before.get(one.name, now) != now:
            told.append(f"{one.name} from {before[one.name]} to {now}")
    return told
