"""What contacts do: one way to record it, for clicks, for answers to the health questions, and for other programs that tell of either."""

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from campaigns.models import Behaviour, EmailSchedule, EngagementEvent

LONGEST_COUNT = 10  # characters


def record_engagement(
    key: str, *, contact_id: int, kind: Behaviour, at: datetime, message_id: int | None = None, facts: Mapping[str, Any] | None = None
) -> bool:
    """The event is recorded; False if it was before: the same key is the same event. Of an answer `facts` may tell of conditions.

    An answer tells of conditions by `has_medical_conditions`, or by a `main_questions_yes_count` above 0.
    """
    told = dict(facts or {})
    conditions = has_conditions(told) if kind == Behaviour.ANSWERED else None
    event = EngagementEvent(
        key=key, contact_id=contact_id, kind=kind, at=at, message_id=message_id, has_conditions=conditions, metadata=told
    )
    before = EngagementEvent.objects.filter(key=key).exists()
    if not before:
        EngagementEvent.objects.bulk_create([event], ignore_conflicts=True)
    return not before


def has_conditions(told: Mapping[str, Any]) -> bool:
    """Whether an answer to the health questions tells of any; a count may be written as a text."""
    count = told.get("main_questions_yes_count")
    if isinstance(count, str) and len(count) <= LONGEST_COUNT and count.strip().isdecimal():
        count = int(count)
    counted = isinstance(count, int | float) and not isinstance(count, bool) and count > 0
    return told.get("has_medical_conditions") is True or counted


def record_click(schedule_id: int, *, target: str, at: datetime) -> bool:
    """The contact of this mail clicked this link; once however often. False if it was known, or the mail is gone."""
    schedule = EmailSchedule.objects.filter(pk=schedule_id).only("contact_id", "message_id").first()
    if schedule is None:
        return False
    return record_engagement(
        f"click:{schedule_id}:{hashlib.sha256(target.encode()).hexdigest()[:16]}",
        contact_id=schedule.contact_id,
        kind=Behaviour.CLICKED,
        at=at,
        message_id=schedule.message_id,
        facts={"target": target},
    )
