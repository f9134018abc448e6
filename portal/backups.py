"""Backups in the background: one a night, and its restore tried. What goes wrong is an alarm."""

from pathlib import Path
from typing import Any

from django.conf import settings

from messaging import backup, invariants, journal, restoring
from messaging.models import Level
from portal import wiring

Summary = dict[str, Any]


def back_up() -> Summary:
    """A verified backup more of the whole database; nothing while another one is being made."""
    try:
        return backup.make(folder=settings.BACKUP_DIR, purpose="nightly").as_dict()
    except backup.BackupRunning:
        return {"already_running": True}
    except backup.BackupFailed as trouble:
        return failed(trouble)


def drill() -> Summary:
    """The newest backup was restored into a scratch database and compared, and the promises asked there."""
    newest = backup.newest()
    if newest is None:
        return {"backups": 0}
    try:
        found = restoring.drill(Path(newest.path), promises=invariants.chosen(*wiring.invariants()))
    except backup.BackupFailed as trouble:
        return failed(trouble)
    if found["violated"]:
        alarm(f"In the newest backup promises are broken: {', '.join(found['violated'])}.")
    return found


def failed(trouble: backup.BackupFailed) -> Summary:
    alarm(str(trouble))
    return {"failed": str(trouble)}


def alarm(text: str) -> None:
    journal.record(Level.ALARM, "backup", text, spool_dir=settings.SPOOL_DIR)
