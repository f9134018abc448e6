"""The log as CSV or JSON, line by line: memory stays flat however long it is, and no cell is taken for a formula."""

import csv
import io
import json
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db.models import QuerySet

from messaging.models import LogRow, SessionRow

FORMS = ("json", "csv")
AT_ONCE = 2_000  # rows fetched at a time
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
HEADS = ("Message Logs", "Session Summaries")
FIELDS = ["id", "timestamp", "user_id", "session_id", "channel", "template_id", "template_name"]
FIELDS += ["recipient_email", "recipient_name", "recipient_phone", "recipient_company", "message_status", "message_id"]
FIELDS += ["error_message", "sent_at", "delivered_at", "read_at", "content_preview", "metadata"]
SESSION_FIELDS = ["session_id", "user_id", "start_time", "end_time", "channel", "template_used", "total_messages"]
SESSION_FIELDS += ["successful_messages", "failed_messages", "pending_messages", "cancelled_messages", "success_rate"]
MESSAGE_HEAD = ["Timestamp", "Channel", "Template", "Recipient", "Company", "Status", "Error", "Sent At"]
SESSION_HEAD = ["Session ID", "Start", "End", "Channel", "Template", "Total", "Successful", "Failed", "Success Rate"]


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
    since = at - timedelta(days=days)
    rows, sessions = LogRow.objects.filter(timestamp__gte=since), SessionRow.objects.filter(start_time__gte=since)
    if user_id is not None:
        rows, sessions = rows.filter(user_id=user_id), sessions.filter(user_id=user_id)
    facts = {"export_date": at.isoformat(), "user_id": user_id or "everybody", "days_exported": days}
    return stream(rows, sessions, form=form, facts=facts)


def stream(rows: QuerySet, sessions: QuerySet, *, form: str, facts: dict[str, Any]) -> Iterator[str]:
    """These messages and sessions, in pieces of text. `facts` head a JSON export."""
    refuse_unknown(form)
    lines = rows.order_by("-timestamp").values_list(*FIELDS).iterator(chunk_size=AT_ONCE)
    runs = sessions.order_by("-start_time").values_list(*SESSION_FIELDS).iterator(chunk_size=AT_ONCE)
    told = (dict(zip(FIELDS, line, strict=True)) for line in lines)
    told_sessions = (dict(zip(SESSION_FIELDS, line, strict=True)) for line in runs)
    return _json(told, told_sessions, facts) if form == "json" else _csv(told, told_sessions)


def cell(value: Any) -> str:
    """As a spreadsheet may be given it: never a formula, never a line break at its head."""
    text = "" if value is None else value.isoformat(sep=" ", timespec="seconds") if isinstance(value, datetime) else str(value)
    return f"'{text}" if text.startswith(FORMULA) else text


def _json(rows: Iterable[dict[str, Any]], sessions: Iterable[dict[str, Any]], facts: dict[str, Any]) -> Iterator[str]:
    yield "{" + "".join(f"{json.dumps(name)}: {json.dumps(value)}, " for name, value in facts.items()) + '"messages": ['
    yield from _items(rows)
    yield '], "sessions": ['
    yield from _items(sessions)
    yield "]}\n"


def _items(rows: Iterable[dict[str, Any]]) -> Iterator[str]:
    for number, row in enumerate(rows):
        yield (",\n" if number else "\n") + json.dumps(row, cls=DjangoJSONEncoder)


def _csv(rows: Iterable[dict[str, Any]], sessions: Iterable[dict[str, Any]]) -> Iterator[str]:
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
