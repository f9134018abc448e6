"""The log as CSV or JSON, line by line: memory stays flat however long it is, and no cell is taken for a formula.

It is read in short pieces, each by an index. One query for all of it would be sorted whole by the server before its first row came.
"""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db.models import Q, QuerySet

from messaging.models import LoggedMessage, LoggedSession, LogRow, Message, MessageSession, SessionRow
from messaging.paging import beyond

FORMS = ("json", "csv")
AT_ONCE = 2_000  # messages fetched at a time
SESSIONS_AT_ONCE = 100  # their messages are counted
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
HEADS = ("Message Logs", "Session Summaries")
FIELDS = ["id", "timestamp", "user_id", "session_id", "channel", "template_id", "template_name"]
FIELDS += ["recipient_email", "recipient_name", "recipient_phone", "recipient_company", "message_status", "message_id"]
FIELDS += ["error_message", "sent_at", "delivered_at", "read_at", "content_preview", "metadata"]
SESSION_FIELDS = ["session_id", "user_id", "start_time", "end_time", "channel", "template_used", "total_messages"]
SESSION_FIELDS += ["successful_messages", "failed_messages", "pending_messages", "cancelled_messages", "success_rate"]
MESSAGE_HEAD = ["Timestamp", "Channel", "Template", "Recipient", "Company", "Status", "Error", "Sent At"]
SESSION_HEAD = ["Session ID", "Start", "End", "Channel", "Template", "Total", "Successful", "Failed", "Success Rate"]
Line = dict[str, Any]


class ExportRefused(ValueError):
    """The log is not written in that form."""


def refuse_unknown(form: str) -> None:
    if form not in FORMS:
        raise ExportRefused(f"unsupported format {form[:40]!r}: the log is written as {' or '.join(FORMS)}")


def counts(piece: str) -> int:
    """How many rows a piece of an export has: one, unless it belongs to the frame around them."""
    return int(not piece.startswith(('{"export', "]")) and not any(head in piece.splitlines() for head in HEADS))


def log_of(user_id: str | None, *, form: str, days: int, at: datetime) -> Iterator[str]:
    """The last days of one user, or of everybody."""
    refuse_unknown(form)
    since = at - timedelta(days=days)
    facts = {"export_date": at.isoformat(), "user_id": user_id or "everybody", "days_exported": days}
    return _written(_rows_since(since, user_id), _sessions_since(since, user_id), form=form, facts=facts)


def messages(chosen: QuerySet[Message], *, order: Sequence[str], form: str, facts: dict[str, Any]) -> Iterator[str]:
    """These messages, the last of `order` first, and the sessions they belong to. `facts` head a JSON export."""
    refuse_unknown(form)
    sessions: set[int] = set()
    return _written(_rows_of(chosen, order, seen=sessions), _sessions_of(sessions), form=form, facts=facts)


def cell(value: Any) -> str:
    """As a spreadsheet may be given it: never a formula, never a line break at its head."""
    text = "" if value is None else value.isoformat(sep=" ", timespec="seconds") if isinstance(value, datetime) else str(value)
    return f"'{text}" if text.startswith(FORMULA) else text


def _rows_since(since: datetime, user_id: str | None) -> Iterator[Line]:
    rows = LogRow.objects.filter(user_id=user_id) if user_id is not None else LogRow.objects.all()
    for first, until in _spans([(Message, "created_at"), (LoggedMessage, "logged_at")], since=since, at_once=AT_ONCE):
        span = rows.filter(timestamp__gte=first, **({"timestamp__lt": until} if until else {}))
        yield from _told(span.order_by("-timestamp", "id"), FIELDS)


def _sessions_since(since: datetime, user_id: str | None) -> Iterator[Line]:
    rows = SessionRow.objects.filter(user_id=user_id) if user_id is not None else SessionRow.objects.all()
    for first, until in _spans([(MessageSession, "started_at"), (LoggedSession, "started_at")], since=since, at_once=SESSIONS_AT_ONCE):
        span = rows.filter(start_time__gte=first, **({"start_time__lt": until} if until else {}))
        yield from _told(span.order_by("-start_time", "session_id"), SESSION_FIELDS)


def _spans(sources: list[tuple[Any, str]], *, since: datetime, at_once: int) -> Iterator[tuple[datetime, datetime | None]]:
    """The time since then in pieces, the newest first, with about so many rows each; rows of one moment are never parted."""
    until: datetime | None = None
    while until is None or until > since:
        begins = [since]
        for model, name in sources:
            rows = model._default_manager.filter(**{f"{name}__gte": since}, **({f"{name}__lt": until} if until else {}))
            begins += rows.order_by(f"-{name}", "-pk").values_list(name, flat=True)[at_once - 1 : at_once]
        yield max(begins), until
        until = max(begins)


def _rows_of(chosen: QuerySet[Message], order: Sequence[str], *, seen: set[int]) -> Iterator[Line]:
    names = [name.removeprefix("-") for name in order]
    shown, after = chosen.order_by(*order).values_list("key", "session_id", *names), Q()
    while page := list(shown.filter(after)[:AT_ONCE]):
        seen.update(session for _, session, *_ in page if session)
        lines = {line["id"]: line for line in _told(LogRow.objects.filter(pk__in=[key for key, *_ in page]), FIELDS)}
        yield from (lines[key] for key, *_ in page if key in lines)
        after = beyond(dict(zip(names, page[-1][2:], strict=True)), falling=True)


def _sessions_of(seen: set[int]) -> Iterator[Line]:
    """Read when all messages have been: only then it is known which sessions they belong to."""
    numbers = sorted(seen, reverse=True)
    for first in range(0, len(numbers), SESSIONS_AT_ONCE):
        page = numbers[first : first + SESSIONS_AT_ONCE]
        times = list(MessageSession.objects.filter(pk__in=page).values_list("started_at", flat=True))
        among = SessionRow.objects.filter(start_time__gte=min(times), start_time__lte=max(times)) if times else SessionRow.objects.none()
        yield from _told(among.filter(pk__in=[str(number) for number in page]).order_by("-start_time", "session_id"), SESSION_FIELDS)


def _told(rows: QuerySet, fields: list[str]) -> Iterator[Line]:
    return (dict(zip(fields, line, strict=True)) for line in rows.values_list(*fields).iterator(chunk_size=AT_ONCE))


def _written(rows: Iterable[Line], sessions: Iterable[Line], *, form: str, facts: dict[str, Any]) -> Iterator[str]:
    return _json(rows, sessions, facts) if form == "json" else _csv(rows, sessions)


def _json(rows: Iterable[Line], sessions: Iterable[Line], facts: dict[str, Any]) -> Iterator[str]:
    yield "{" + "".join(f"{json.dumps(name)}: {json.dumps(value)}, " for name, value in facts.items()) + '"messages": ['
    yield from _items(rows)
    yield '], "sessions": ['
    yield from _items(sessions)
    yield "]}\n"


def _items(rows: Iterable[Line]) -> Iterator[str]:
    for number, row in enumerate(rows):
        yield (",\n" if number else "\n") + json.dumps(row, cls=DjangoJSONEncoder)


def _csv(rows: Iterable[Line], sessions: Iterable[Line]) -> Iterator[str]:
    yield _line(["Message Logs"]) + _line(MESSAGE_HEAD)
    names = ["timestamp", "channel", "template_name", "recipient_email", "recipient_company", "message_status", "error_message", "sent_at"]
    for row in rows:
        yield _line([row[name] for name in names])
    yield "\r\n" + _line(["Session Summaries"]) + _line(SESSION_HEAD)
    names = ["session_id", "start_time", "end_time", "channel", "template_used"]
    names += ["total_messages", "successful_messages", "failed_messages"]
    for row in sessions:
        yield _line([*(row[name] for name in names), f"{row['success_rate']:.1f}%"])


def _line(values: list[Any]) -> str:
    text = io.StringIO()
    csv.writer(text).writerow([cell(value) for value in values])
    return text.getvalue()
