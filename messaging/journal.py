"""Record what the system notices: in the database, or in the spool while the database is away. Never in anybody's way."""

import logging
import time
import uuid
from functools import cache
from pathlib import Path
from typing import Any

from django.db import DataError, Error, IntegrityError, InterfaceError, OperationalError, connection, transaction
from django.db.models import F
from django.db.models.functions import Now

from messaging import spool
from messaging.fingerprints import fingerprint, shape
from messaging.models import ErrorGroup, Level, SystemEvent

log = logging.getLogger(__name__)
KIND = "events"
SLOW_SECONDS = 0.25  # a database that takes so long to fail …
LEFT_ALONE_SECONDS = 10.0  # … is not asked again for a while: nobody waits for it once per event
AWAY_SECONDS = 1.0  # likewise one that could not be reached at all, however quickly it said so
LONGEST_TEXT = 4_000
_LEVELS = {Level.INFO: logging.INFO, Level.WARNING: logging.WARNING, Level.ERROR: logging.ERROR, Level.ALARM: logging.CRITICAL}
_left_alone_until = 0.0
_default_folder: Path | None = None


def keep_in(folder: Path) -> None:
    """From now on the events of this process that the database does not take wait there, unless `record` is told of another place."""
    global _default_folder
    _default_folder = folder


def record(
    level: Level, component: str, text: str, *, spool_dir: Path | None = None, detail: dict[str, Any] | None = None, **links: Any
) -> None:
    """One SystemEvent exists afterwards, or waits in the spool; nothing is ever raised. `links`: message_id, by_id."""
    log.log(_LEVELS[level], "[%s] %s", component, text)
    fact = {"event_id": str(uuid.uuid4()), "level": level, "component": component, "text": text[:LONGEST_TEXT], "detail": detail or {}}
    fact |= {"at": spool.moment().isoformat(), **links}
    if trouble := _saved(fact):
        _keep(fact, spool_dir, trouble)


def save(fact: dict[str, Any]) -> None:
    """Write one event; the same event twice is one row."""
    SystemEvent.objects.bulk_create([SystemEvent(**fact)], ignore_conflicts=True)


def save_late(fact: dict[str, Any]) -> None:
    """Write one event that waited; FactUnusable where it can never be written."""
    try:
        save(fact)
    except (TypeError, DataError, IntegrityError) as trouble:
        raise spool.FactUnusable(f"{trouble}: {fact}") from trouble


def drain(spool_dir: Path, *, book: spool.Book = spool.unbooked) -> int:
    """Bring the events that waited into the database; return how many."""
    return spool.drain(spool_dir, kind=KIND, save=save_late, book=book)


def count_error(component: str, text: str, *, message_id: int | None = None) -> None:
    """The group of failures like this one has counted it, and is open again if it had been seen to. Never raises."""
    facts = {"component": component, "shape": shape(text), "sample": text[:4_000], "message_id": message_id}
    try:
        with transaction.atomic():
            known = ErrorGroup.objects.filter(fingerprint=fingerprint(component=component, text=text))
            again = {"sample": facts["sample"], "message_id": message_id, "last_at": Now(), "resolved_at": None}
            if not known.update(count=F("count") + 1, **again):
                ErrorGroup.objects.create(fingerprint=fingerprint(component=component, text=text), **facts)
    except Error as trouble:
        log.warning("[%s] not counted: %s (%s)", component, text, trouble)


def _saved(fact: dict[str, Any]) -> Exception | str:
    """Why the database did not take it; empty if it did."""
    global _left_alone_until
    began = time.monotonic()
    if began < _left_alone_until:
        return "it has not answered lately"
    try:
        with transaction.atomic():
            save(fact)
    except Error as trouble:
        is_away = isinstance(trouble, OperationalError | InterfaceError) and not connection.in_atomic_block
        slow = time.monotonic() - began > SLOW_SECONDS
        _left_alone_until = time.monotonic() + (LEFT_ALONE_SECONDS if slow else AWAY_SECONDS if is_away else 0.0)
        if not connection.in_atomic_block:  # a broken line would stay broken; a new one is made when the database is back
            connection.close()
        return trouble
    return ""


def _keep(fact: dict[str, Any], spool_dir: Path | None, trouble: Exception | str) -> None:
    spool_dir = spool_dir or _default_folder
    if spool_dir is None:
        log.warning("[%s] only in this log, the database is away: %s", fact["component"], trouble)
        return
    try:
        waiting(spool_dir, KIND).append(fact)
    except spool.SpoolUnwritable as full:
        log.error("[%s] only in this log, database and spool are away: %s; %s", fact["component"], trouble, full)


@cache
def waiting(folder: Path, kind: str) -> spool.SharedSpool:
    """This process's spool of that kind in that folder."""
    return spool.SharedSpool(folder, kind=kind)
