"""Record what the system notices: in the database, or in the spool while the database is away. Never in anybody's way."""

import logging
import uuid
from pathlib import Path
from typing import Any

from django.db import DataError, Error, IntegrityError, transaction
from django.db.models import F
from django.db.models.functions import Now

from messaging import spool
from messaging.fingerprints import fingerprint, shape
from messaging.models import ErrorGroup, Level, SystemEvent

log = logging.getLogger(__name__)
KIND = "events"
_LEVELS = {Level.INFO: logging.INFO, Level.WARNING: logging.WARNING, Level.ERROR: logging.ERROR, Level.ALARM: logging.CRITICAL}


def record(
    level: Level, component: str, text: str, *, spool_dir: Path | None = None, detail: dict[str, Any] | None = None, **links: Any
) -> None:
    """One SystemEvent exists afterwards, or waits in the spool; nothing is ever raised. `links`: message_id, by_id."""
    log.log(_LEVELS[level], "[%s] %s", component, text)
    fact = {"event_id": str(uuid.uuid4()), "level": level, "component": component, "text": text, "detail": detail or {}, **links}
    try:
        with transaction.atomic():
            save(fact)
    except Error as trouble:
        _keep(fact, spool_dir, trouble)


def save(fact: dict[str, Any]) -> None:
    """Write one event; the same event twice is one row."""
    SystemEvent.objects.bulk_create([SystemEvent(**fact)], ignore_conflicts=True)


def drain(spool_dir: Path) -> int:
    """Bring the events that waited into the database; return how many."""
    return spool.drain(spool_dir, kind=KIND, save=save_late)


def save_late(fact: dict[str, Any]) -> None:
    try:
        save(fact)
    except (TypeError, DataError, IntegrityError) as trouble:
        raise spool.FactUnusable(f"{trouble}: {fact}") from trouble


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


def _keep(fact: dict[str, Any], spool_dir: Path | None, trouble: Error) -> None:
    if spool_dir is None:
        log.warning("[%s] only in this log, the database is away: %s", fact["component"], trouble)
        return
    try:
        with spool.Spool(spool_dir, kind=KIND) as waiting:  # given up at once, so that anybody may drain it while we live
            waiting.append(fact, sync=True)
    except spool.SpoolUnwritable as full:
        log.error("[%s] only in this log, database and spool are away: %s; %s", fact["component"], trouble, full)
