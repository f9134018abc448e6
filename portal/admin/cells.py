"""What a cell of a list looks like: badges, two lines, links, times."""

from datetime import UTC, datetime
from typing import Any

from django.db.models import Model
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.timesince import timesince

from messaging.models import CmsNote, Level, Message, NoteStatus, Status

NOTHING = SafeString('<span class="quiet">–</span>')

STATUS_TONES = {
    Status.QUEUED: "blue",
    Status.CLAIMED: "blue",
    Status.TRANSMITTING: "blue",
    Status.SENT: "green",
    Status.FAILED: "red",
    Status.IN_DOUBT: "amber",
    Status.HELD: "amber",
    Status.CANCELLED: "grey",
}
NOTE_TONES = {NoteStatus.PENDING: "amber", NoteStatus.POSTING: "blue", NoteStatus.UNKNOWN: "amber", NoteStatus.PROCESSED: "green"}
LEVEL_TONES = {Level.INFO: "blue", Level.WARNING: "amber", Level.ERROR: "red", Level.ALARM: "red"}


def badge(text: str, tone: str = "grey", *, title: str = "") -> SafeString:
    return format_html('<span class="badge badge-{}" title="{}">{}</span>', tone, title, text)


def status_badge(message: Message) -> SafeString:
    return badge(message.get_status_display(), STATUS_TONES[Status(message.status)])


def note_badge(note: CmsNote) -> SafeString:
    return badge(note.get_status_display().partition(":")[0], NOTE_TONES[NoteStatus(note.status)], title=note.get_status_display())


def level_badge(level: str) -> SafeString:
    return badge(str(Level(level).label).partition(":")[0], LEVEL_TONES[Level(level)])


def test_badge(is_test: bool) -> SafeString:
    return badge("TEST", "violet", title="A test: it goes to the test recipient") if is_test else SafeString("")


def two_lines(first: Any, second: Any = "") -> SafeString:
    return format_html('<div class="cell"><div>{}</div><div class="quiet">{}</div></div>', first, second)


def together(*parts: SafeString) -> SafeString:
    """Badges beside each other."""
    return format_html('<div class="together">{}</div>', format_html_join("", "{}", ((part,) for part in parts)))


def leg(state: SafeString, tries: str, said: Any = "") -> SafeString:
    """One mail of several: how it stands, how often it was tried, and what was said."""
    return format_html('<div class="cell leg"><div>{} <span class="quiet">{}</span></div>{}</div>', state, tries, said)


def unbroken(text: str) -> SafeString:
    return format_html('<span class="unbroken">{}</span>', text)


def address(mail: str) -> SafeString:
    """An e-mail address that may break before its host, and nowhere else."""
    local, at, host = mail.partition("@")
    return format_html("{}<wbr>{}", local + at, host)


def words(text: str, *, tone: str = "") -> SafeString:
    """A sentence in a cell: two lines of it, the whole on hover."""
    return format_html('<div class="words {}" title="{}">{}</div>', tone, text, text) if text else NOTHING


def link(row: Model | None, text: Any = None) -> SafeString:
    """A link to a row's page."""
    if row is None:
        return NOTHING
    url = reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])
    return format_html('<a class="go" href="{}">{}</a>', url, text or row)


def listed(model: type[Model], text: Any, **parameters: Any) -> SafeString:
    return format_html('<a class="go" href="{}">{}</a>', list_url(model, **parameters), text)


def list_url(model: type[Model], **parameters: Any) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist", query=parameters or None)


def when(at: datetime | None) -> SafeString:
    """Local time, with UTC on hover; the year only where it is not this one."""
    if at is None:
        return NOTHING
    local = timezone.localtime(at)
    shape = "M j, H:i" if local.year == timezone.localtime().year else "M j, Y, H:i"
    utc = f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    return format_html('<time datetime="{}" title="{}">{}</time>', at.isoformat(), utc, date_format(local, shape))


def age(at: datetime) -> SafeString:
    return format_html('<span title="{}">{}</span>', date_format(timezone.localtime(at), "M j, Y, H:i"), timesince(at, depth=1))
