"""How a planned mail is told in lists and pages: how far it is, what it is about, why it is as it is."""

from datetime import date
from typing import Any

from django.db.models import QuerySet
from django.utils.formats import date_format
from django.utils.safestring import SafeString

from campaigns.models import EmailSchedule, SkipReason, Status
from campaigns.models.schedule import PROGRESS
from messaging.models import Status as MessageStatus
from portal.admin import cells

CAMPAIGN = "campaign_"
TONES = {
    "pre-scheduled": "blue",
    "skipped": "grey",
    "scheduled": "blue",
    "processing": "amber",
    "sent": "green",
    "failed": "red",
    "cancelled": "grey",
}
LABELS = {"pre-scheduled": "Planned", "scheduled": "Handed over", "processing": "Being sent"}
MAIL_BODY = ("message__text", "message__html", "message__headers")


def told(schedules: QuerySet[EmailSchedule]) -> QuerySet[EmailSchedule]:
    """With what the cells need beyond the row itself, in one query."""
    return schedules.select_related("contact", "campaign_instance__campaign_type", "message").defer(*MAIL_BODY)


def progress(mail: EmailSchedule) -> str:
    """The seed's word for how far it is; of a mail that was handed over its message says it."""
    return PROGRESS[MessageStatus(mail.message.status)] if mail.message else mail.status


def state(mail: EmailSchedule) -> SafeString:
    word = progress(mail)
    return cells.badge(LABELS.get(word, word.capitalize()), TONES[word])


def kind(email_type: str) -> str:
    """birthday, AEP, rate increase, …"""
    plain = email_type.removeprefix(CAMPAIGN).replace("_", " ")
    return plain.upper() if plain == "aep" else plain


def about(mail: EmailSchedule) -> str:
    return mail.campaign_instance.name if mail.campaign_instance else ""


def day(on: date | None) -> Any:
    return cells.unbroken(date_format(on, "M j, Y")) if on else cells.NOTHING


def yes_or_no(value: bool | None) -> Any:
    return cells.NOTHING if value is None else ("yes" if value else "no")


def why(mail: EmailSchedule) -> Any:
    """Why it is skipped, or what is special about its day."""
    if mail.status == Status.SKIPPED:
        return cells.words(skipped_because(mail))
    if mail.status == Status.CANCELLED:
        return cells.words(stopped_because(mail))
    marks = [
        cells.badge("Over the cap", "red", title="No later day had room") if mail.over_cap else "",
        cells.badge("Catch-up", "violet", title="Its own day was over when it was planned") if mail.catch_up else "",
        cells.badge("Moved", "grey", title=f"From {date_format(mail.moved_from, 'M j, Y')}, for load") if mail.moved_from else "",
    ]
    shown = [SafeString(mark) for mark in marks if mark]
    return cells.together(*shown) if shown else cells.NOTHING


def skipped_because(mail: EmailSchedule) -> str:
    until = f", until {date_format(mail.window_end, 'M j, Y')}" if mail.window_end else ""
    return f"{SkipReason(mail.skip_reason).label}{until}"


def stopped_because(mail: EmailSchedule) -> str:
    stopped = mail.metadata.get("stopped", {}) if isinstance(mail.metadata, dict) else {}
    return f"Stopped by {stopped.get('by', 'somebody')}: {stopped.get('reason', '')}" if stopped else "Stopped"
