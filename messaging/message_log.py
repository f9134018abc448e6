"""MessageLog: the log as other programs use it. Nothing it is told is lost, and none of its calls raises, waits long or stands in the way.

    with MessageLog("anna", spool_dir=…, backup_dir=…) as log:
        log_id = log.log_message(channel="email", recipient_email="a@firm.example")
        log.update_message_status(log_id, status="sent", message_id="<1@firm.example>")

Where the database is away, what is told waits in the spool, and the portal's own sweep brings it in. `is_safe` says whether the last word
was kept anywhere: a program that must not act without a record asks it before it sends.
"""

import json
import logging
import threading
import time
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal, Self

from django.db import Error, InterfaceError, OperationalError, connection
from django.db.models import Count, Q

from messaging import backup, database_health, export, journal, logged, replay, retention, spool
from messaging.models import Channel, LoggedMessage, LoggedSession, LogStatus
from messaging.models.logged import SUCCESSES

log = logging.getLogger(__name__)
TRIES = 3
WAITS_SECONDS = (0.1, 0.2)  # before the second and the third try
LEFT_ALONE_SECONDS = 1.0  # after three failures nobody waits again for so long
PREVIEW = 100  # characters
LONGEST_FACT = 12_000  # bytes
RECIPIENT = ("recipient_email", "recipient_name", "recipient_phone", "recipient_company", "template_id", "template_name")


class MessageLog:
    """One user's face of the log; may be used by many threads at once."""

    def __init__(
        self,
        user_id: str,
        *,
        spool_dir: Path,
        backup_dir: Path,
        save: Callable[[spool.Fact], None] = logged.save,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.user_id, self.spool_dir, self.backup_dir = user_id, spool_dir, backup_dir
        self._save, self._sleep = save, sleep
        self._guard = threading.RLock()
        self._left_alone_until = 0.0
        self.current_session: str | None = None
        self.channel = Channel.EMAIL.value
        self.is_safe = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.current_session:
            self.end_session()

    @property
    def available(self) -> bool:
        """Whether the database answers at this moment."""
        return self._asked(_answers, otherwise=False)

    def start_session(self, channel: str = "email", *, template: str = "", detail: dict[str, Any] | None = None) -> str:
        """A session is open, and what is logged from now on belongs to it."""
        at = spool.moment()
        with self._guard:
            self.channel = _known(channel, Channel, otherwise=Channel.EMAIL)
            session_id = f"{self.user_id}_{self.channel}_{at:%Y%m%d_%H%M%S}_{uuid.uuid4().hex[:8]}"
            self.current_session = session_id
        facts = {"user_id": self.user_id, "channel": self.channel, "template": template[:200], "detail": detail or {}}
        self._tell("start_session", at, session_id=session_id, **facts)
        return session_id

    def log_message(self, *, status: str = "pending", content: str = "", detail: dict[str, Any] | None = None, **recipient: str) -> str:
        """The message is on record, or waits to be; returns the id by which its status is told later.

        `recipient`: recipient_email, recipient_name, recipient_phone, recipient_company, template_id, template_name, channel.
        """
        with self._guard:
            session_id = self.current_session or self.start_session(recipient.get("channel", "email"))
        at = spool.moment()
        log_id = f"{self.user_id}_{at:%Y%m%d_%H%M%S_%f}_{uuid.uuid4().hex[:8]}"
        told = {name: str(recipient[name])[: _room(name)] for name in RECIPIENT if recipient.get(name)}
        self._tell(
            "message",
            at,
            log_id=log_id,
            user_id=self.user_id,
            session_id=session_id,
            channel=_known(recipient.get("channel", self.channel), Channel, otherwise=Channel.EMAIL),
            status=_known(status, LogStatus, otherwise=LogStatus.PENDING),
            preview=content[:PREVIEW],
            detail=(detail or {}) | _unknown(recipient),
            **told,
        )
        return log_id

    def update_message_status(self, log_id: str, *, status: str, message_id: str = "", error: str = "") -> bool:
        """The message has reached that status unless it was further already; False if there is no such status or nobody keeps the word."""
        if status not in LogStatus.values:
            log.error("%s is no status of a message; known are %s", status[:40], ", ".join(LogStatus.values))
            return False
        told = {"provider_id": message_id[:200], "error": error[:4_000], "status": status, "log_id": log_id}
        place = {"user_id": self.user_id, "session_id": self.current_session or "", "channel": self.channel}
        return self._tell("status", spool.moment(), **told, **place)

    def end_session(self) -> dict[str, Any]:
        """The session is over; returns its totals."""
        with self._guard:
            session_id, self.current_session = self.current_session, None
        if session_id is None:
            return {}
        self._tell("end_session", spool.moment(), session_id=session_id)
        return self.session_summary(session_id)

    def session_summary(self, session_id: str) -> dict[str, Any]:
        """What became of the session's messages; totals are missing where the database is away."""
        rows = LoggedMessage.objects.filter(session_id=session_id)
        return {"session_id": session_id} | self._asked(lambda: totals(rows), otherwise={})

    def get_quick_stats(self) -> dict[str, Any]:
        """The last 30 days of this user in a few figures."""
        state = {"current_session_active": self.current_session is not None, "database_available": self.available}
        return self._asked(self._quick, otherwise={}) | state

    def get_database_health(self) -> dict[str, Any]:
        return database_health.state(spool_dir=self.spool_dir)

    def repair_database(self) -> bool:
        """What waited is brought in, and the database is looked over; True if nothing is wrong afterwards."""
        self._left_alone_until = 0.0
        return bool(self._asked(lambda: not database_health.repair(spool_dir=self.spool_dir)["errors"], otherwise=False))

    def backup_database(self) -> Path | None:
        """A verified backup, or None where none could be made; the record of backups says why."""
        made = self._asked(lambda: backup.make(folder=self.backup_dir, purpose=self.user_id), otherwise=None)
        return made.path if made else None

    def export_data(self, form: Literal["json", "csv"] = "json", *, days: int = 30) -> str:
        """This user's messages and sessions. Raises ExportRefused for another form: a program's mistake, not the log's."""
        export.refuse_unknown(form)
        return self._asked(lambda: "".join(export.log_of(self.user_id, form=form, days=days, at=spool.moment())), otherwise="")

    def delete_old_data(self, days: int = 90) -> int:
        """How many of this user's rows older than that are gone."""
        before = spool.moment() - timedelta(days=days)
        return self._asked(lambda: retention.delete_logged(before=before, user_id=self.user_id), otherwise=0)

    def log_system_event(self, level: str, component: str, text: str, *, detail: dict[str, Any] | None = None) -> None:
        journal.record(database_health.level(level), component[:40], text, spool_dir=self.spool_dir, detail=detail)

    def drain(self) -> dict[str, int]:
        """What waited on this host is in the database, if that is back."""
        return self._asked(lambda: replay.drain(self.spool_dir), otherwise={})

    def _quick(self) -> dict[str, Any]:
        since = spool.moment() - timedelta(days=30)
        rows = LoggedMessage.objects.of(self.user_id).filter(logged_at__gte=since)
        found = totals(rows)
        most = rows.order_by().values("channel").annotate(number=Count("pk")).order_by("-number", "channel").first()
        sessions = LoggedSession.objects.filter(user_id=self.user_id, started_at__gte=since).count()
        return {
            "messages_last_30_days": found["total"],
            "success_rate_30_days": found["success_rate"],
            "most_used_channel": most["channel"] if most else None,
            "sessions_last_30_days": sessions,
        }

    def _tell(self, act: str, at: datetime, **facts: Any) -> bool:
        """The database has it, or the spool; False if neither took it."""
        fact = plain({"act": act, "at": at.isoformat(), **facts})
        kept = self._saved(fact) or self._spooled(fact)
        self.is_safe = kept
        return kept

    def _saved(self, fact: spool.Fact) -> bool:
        """Three tries, unless three have just failed. What the database refuses for good is kept in the spool, to be looked at."""
        if time.monotonic() < self._left_alone_until:
            return False
        for number in range(TRIES):
            if number:
                self._sleep(WAITS_SECONDS[number - 1])
            try:
                self._save(fact)
                return True
            except (OperationalError, InterfaceError) as trouble:
                log.warning("the log's database is away (try %s of %s): %s", number + 1, TRIES, trouble)
                if not connection.in_atomic_block:
                    connection.close()
            except Exception as trouble:
                log.error("the log could not be written: %s", trouble)
                return False
        self._left_alone_until = time.monotonic() + LEFT_ALONE_SECONDS
        return False

    def _spooled(self, fact: spool.Fact) -> bool:
        try:
            journal.waiting(self.spool_dir, logged.KIND).append(fact)
        except OSError as full:
            log.error("neither the database nor the spool keeps the log: %s", full)
            return False
        return True

    def _asked(self, question: Callable[[], Any], *, otherwise: Any) -> Any:
        try:
            return question()
        except (Error, OSError, backup.BackupFailed) as trouble:
            log.error("the log cannot answer: %s", trouble)
            if not connection.in_atomic_block:
                connection.close()
            return otherwise


def totals(rows: Any) -> dict[str, Any]:
    """How many messages there are, what became of them, and which share of all succeeded, in percent."""
    counted = rows.aggregate(
        total=Count("pk"),
        successful=Count("pk", filter=Q(status__in=SUCCESSES)),
        failed=Count("pk", filter=Q(status=LogStatus.FAILED)),
        pending=Count("pk", filter=Q(status__in=[LogStatus.PENDING, LogStatus.SENDING])),
        cancelled=Count("pk", filter=Q(status=LogStatus.CANCELLED)),
    )
    share = 100 * counted["successful"] / counted["total"] if counted["total"] else 0.0
    return counted | {"success_rate": round(share, 1)}


def plain(fact: spool.Fact) -> spool.Fact:
    """As JSON holds it and PostgreSQL takes it: no NUL, and no more than a line of the spool has room for."""
    try:
        line = spool.AS_LINE(fact).replace("\\u0000", "")
    except ValueError:  # it contains itself
        line = ""
    if not line or len(line.encode()) > LONGEST_FACT:
        return plain(fact | {"detail": {"left_out": "it was too long, or contained itself"}}) if fact.get("detail") else fact
    told: spool.Fact = json.loads(line)
    return told


def _known(word: str, words: Any, *, otherwise: str) -> str:
    """A log that refuses a strange word would be in the way; it is told and replaced."""
    if word not in words.values:
        log.error("%r is none of %s; logged as %s", str(word)[:40], ", ".join(words.values), otherwise)
        return str(otherwise)
    return str(word)


def _unknown(recipient: dict[str, str]) -> dict[str, str]:
    return {name: str(value)[:500] for name, value in recipient.items() if name not in (*RECIPIENT, "channel")}


def _room(name: str) -> int:
    field: Any = LoggedMessage._meta.get_field(name)
    return int(field.max_length)


def _answers() -> bool:
    connection.ensure_connection()
    if not connection.is_usable() and not connection.in_atomic_block:  # a line to a server that was restarted
        connection.close()
        connection.ensure_connection()
    return connection.is_usable()
