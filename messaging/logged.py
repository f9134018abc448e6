"""Apply what other programs tell the log: idempotent, in any order, never backwards. A fact is one thing told, as JSON holds it."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from django.db import DataError, IntegrityError, connection, transaction
from django.db.models import DateTimeField, F, Value
from django.db.models.functions import Coalesce

from messaging import spool
from messaging.models import LoggedMessage, LoggedSession, LogStatus
from messaging.models.logged import REACHED_FROM, SUCCESSES

KIND = "logged"
LEFT_TO_THE_SERVER = {"id", "created_at"}
STAMPED = {  # which times a status implies
    LogStatus.SENT: ["sent_at"],
    LogStatus.DELIVERED: ["sent_at", "delivered_at"],
    LogStatus.READ: ["sent_at", "delivered_at", "read_at"],
}


def drain(spool_dir: Path, *, book: spool.Book = spool.unbooked) -> int:
    """Bring what waited into the database; return how many facts there were."""
    return spool.drain(spool_dir, kind=KIND, save=save_late, book=book)


def save_late(fact: spool.Fact) -> None:
    """Apply one fact that waited; FactUnusable where it can never be applied."""
    try:
        save(fact)
    except (TypeError, KeyError, ValueError, DataError, IntegrityError) as trouble:
        raise spool.FactUnusable(f"{trouble}: {fact}") from trouble


def save(fact: spool.Fact) -> None:
    """What was told is on record; told twice, it is there once."""
    with transaction.atomic():
        APPLY[fact["act"]](fact, datetime.fromisoformat(fact["at"]))


def _start_session(fact: spool.Fact, at: datetime) -> None:
    told = {name: fact[name] for name in ("user_id", "channel", "template", "detail")}
    LoggedSession.objects.get_or_create(session_id=fact["session_id"], defaults=told | {"started_at": at})


def _end_session(fact: spool.Fact, at: datetime) -> None:
    LoggedSession.objects.filter(session_id=fact["session_id"], ended_at=None).update(ended_at=at, updated_at=at)


def _message(fact: spool.Fact, at: datetime) -> None:
    told = {name: value for name, value in fact.items() if name not in ("act", "at", "status")}
    stamps = dict.fromkeys(STAMPED.get(LogStatus(fact["status"]), []), at)
    if _is_new(LoggedMessage(**told, status=fact["status"], logged_at=at, is_stub=False, **stamps)):
        return
    row = LoggedMessage.objects.get(log_id=told.pop("log_id"))
    if row.is_stub:
        LoggedMessage.objects.filter(pk=row.pk).update(**told, logged_at=at, is_stub=False)
    _set_status(row.pk, fact["status"], at)


def _is_new(row: LoggedMessage) -> bool:
    """Whether this stored it: one statement, which is all that a caller waits for in nearly every case."""
    fields = [field for field in LoggedMessage._meta.concrete_fields if field.name not in LEFT_TO_THE_SERVER]
    columns, places = ", ".join(str(field.column) for field in fields), ", ".join(["%s"] * len(fields))
    values = [field.get_db_prep_save(field.pre_save(row, add=True), connection) for field in fields]
    with connection.cursor() as cursor:
        cursor.execute(f"INSERT INTO messaging_loggedmessage ({columns}) VALUES ({places}) ON CONFLICT (log_id) DO NOTHING", values)
        return cursor.rowcount == 1


def _status(fact: spool.Fact, at: datetime) -> None:
    stub = {name: fact[name] for name in ("user_id", "session_id", "channel")}
    first = {"status": LogStatus.PENDING, "logged_at": at, "is_stub": True}
    row, _ = LoggedMessage.objects.get_or_create(log_id=fact["log_id"], defaults=stub | first)
    told = {name: fact[name] for name in ("provider_id", "error") if fact.get(name)}
    if told:
        LoggedMessage.objects.filter(pk=row.pk).update(**told)
    _set_status(row.pk, fact["status"], at)


def _set_status(pk: int, status: str, at: datetime) -> None:
    """The status is reached if it may be, and the times it implies are stamped once."""
    rows = LoggedMessage.objects.filter(pk=pk)
    rows.filter(status__in=REACHED_FROM[status]).update(status=status, updated_at=at)
    stamps = STAMPED.get(LogStatus(status), [])
    if stamps:
        now = Value(at, output_field=DateTimeField())
        rows.filter(status__in=SUCCESSES).update(**{name: Coalesce(F(name), now) for name in stamps})


APPLY: dict[str, Callable[[dict[str, Any], datetime], None]] = {
    "start_session": _start_session,
    "end_session": _end_session,
    "message": _message,
    "status": _status,
}
