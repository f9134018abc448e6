"""What programs tell the log, by the vectors of the first seed: nothing is lost, nothing raises, nothing waits long."""

import itertools
import json
import threading
import time
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import DatabaseError, OperationalError, connection
from hypothesis import given, settings
from hypothesis import strategies as st

from messaging import export, logged, replay, spool
from messaging.message_log import LEFT_ALONE_SECONDS, MessageLog, plain
from messaging.models import BackupHistory, LoggedMessage, LoggedSession, SpoolFile
from tests.vectors import expected, of_kind

pytestmark = pytest.mark.django_db


@pytest.fixture
def log(tmp_path) -> MessageLog:
    return MessageLog("test_user", spool_dir=tmp_path / "spool", backup_dir=tmp_path / "backups")


def away(fact):
    raise OperationalError("the server is gone")


@pytest.fixture
def cut_off(tmp_path) -> MessageLog:
    """A log whose database is away; it does not really sleep between its tries."""
    return MessageLog("test_user", spool_dir=tmp_path / "spool", backup_dir=tmp_path, save=away, sleep=lambda seconds: None)


def test_s1_001_the_four_tables_are_there_to_be_read():
    with connection.cursor() as cursor:
        for table in expected("S1-001")["tables"]:
            cursor.execute(f"SELECT count(*) FROM {table}")
            assert cursor.fetchone() == (0,)


@pytest.mark.parametrize("act", ["INSERT INTO {} SELECT * FROM {}", "DELETE FROM {}"])
@pytest.mark.parametrize("table", ["message_logs", "session_summaries", "analytics_cache", "system_logs"])
def test_nobody_writes_into_the_four_tables(log, table, act):
    log.log_message(status="sent")

    with pytest.raises(DatabaseError, match=r"cannot (insert into|delete from) view"), connection.cursor() as cursor:
        cursor.execute(act.format(table, table))


def test_s1_002_a_session_begins_and_ends(log):
    session_id = log.start_session("email")

    summary = log.end_session()

    assert (bool(session_id), summary["session_id"] == session_id, log.current_session) == tuple(expected("S1-002").values())


def test_s1_003_a_message_is_sent(log):
    log_id = log.log_message(recipient_email="anna@firm.example", content="Hello " * 50)

    assert log.update_message_status(log_id, status="sent", message_id="msg_123")

    row = LoggedMessage.objects.get(log_id=log_id)
    wanted = expected("S1-003")
    assert (row.status, row.provider_id, row.sent_at is not None) == (wanted["message_status"], wanted["message_id"], wanted["sent_at_set"])
    assert len(row.preview) == 100


def test_s1_004_with_the_database_away_ids_are_still_given_and_nothing_is_lost(cut_off):
    session_id = cut_off.start_session("email")
    log_id = cut_off.log_message(recipient_email="anna@firm.example")
    assert cut_off.update_message_status(log_id, status="sent")
    cut_off.end_session()

    assert session_id
    assert log_id.startswith(expected("S1-004")["log_id_prefix"])
    assert (cut_off.is_safe, spool.depth(cut_off.spool_dir), LoggedMessage.objects.count()) == (True, 4, 0)
    assert replay.drain(cut_off.spool_dir) == {"answers": 0, "logged": 4, "events": 0}
    assert replay.drain(cut_off.spool_dir) == {"answers": 0, "logged": 0, "events": 0}
    assert LoggedMessage.objects.get().status == "sent"
    assert LoggedSession.objects.get().ended_at is not None
    assert SpoolFile.objects.get().replayed_at is not None


@pytest.mark.django_db(transaction=True)
def test_s1_005_many_threads_log_at_once(log):
    ((_, told, wanted),) = of_kind("concurrency")
    log.start_session("email")
    ids, errors = [], []

    def work():
        try:
            ids.extend(log.log_message(recipient_email="a@firm.example") for _ in range(told["messages_each"]))
        except Exception as trouble:
            errors.append(trouble)
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(told["threads"])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert {"errors": len(errors), "ids": len(ids), "unique_ids": len(set(ids)), "rows": LoggedMessage.objects.count()} == wanted


def test_s1_006_health(log):
    health, wanted = log.get_database_health(), expected("S1-006")

    assert (health["database_available"], health["database_exists"], health["size"] > 0, len(health["errors"])) == (True, True, True, 0)
    assert set(wanted["tables_include"]) <= set(health["tables"])


@pytest.mark.django_db(transaction=True)
def test_s1_007_a_backup_is_verified_and_holds_the_rows(log):
    log.log_message(status="sent")

    path = log.backup_database()

    assert path is not None
    assert path.stat().st_size > 0
    row = BackupHistory.objects.get()
    assert (row.status, row.path, row.rows["messaging_loggedmessage"]) == ("verified", str(path), 1)


@pytest.mark.django_db(transaction=True)
def test_s1_008_repair_leaves_nothing_wrong(log):
    assert log.repair_database() is expected("S1-008")["result"]
    assert len(log.get_database_health()["errors"]) == expected("S1-008")["health_errors"]


@pytest.mark.parametrize(("name", "told", "wanted"), of_kind("stats"), ids=lambda value: value if isinstance(value, str) else "")
def test_stats(log, name, told, wanted):
    log.start_session("email")
    for status in told["messages"]:
        log.update_message_status(log.log_message(), status=status)

    stats, summary = log.get_quick_stats(), wanted.pop("summary", {})
    ended = log.end_session()

    assert {key: stats[key] for key in wanted} == wanted
    assert {key: ended[key] for key in summary} == summary


@pytest.mark.parametrize(("name", "told", "wanted"), of_kind("export"), ids=lambda value: value if isinstance(value, str) else "")
def test_export(log, name, told, wanted):
    log.log_message(status="sent", recipient_email="=cmd@firm.example", template_name="+1")
    log.end_session()

    if "error" in wanted:
        with pytest.raises(export.ExportRefused, match=wanted["error"]):
            log.export_data(told["format"])
        return
    text = log.export_data(told["format"], days=told["days"])
    if told["format"] == "json":
        data = json.loads(text)
        assert set(wanted["has_keys"]) <= set(data)
        assert [row["recipient_email"] for row in data["messages"]] == ["=cmd@firm.example"]
        assert [row["total_messages"] for row in data["sessions"]] == [1]
    else:
        assert all(heading in text for heading in wanted["contains"])
        assert "'=cmd@firm.example" in text
        assert "100.0%" in text


@pytest.mark.parametrize(("name", "told", "wanted"), of_kind("retention"), ids=lambda value: value if isinstance(value, str) else "")
def test_retention(log, name, told, wanted):
    log_id = log.log_message()
    LoggedMessage.objects.filter(log_id=log_id).update(logged_at=spool.moment() - timedelta(days=told["row_age_days"]))

    deleted = log.delete_old_data(told["delete_older_than_days"])

    assert deleted == wanted.get("deleted", wanted.get("deleted_at_least"))
    assert LoggedMessage.objects.count() == wanted["remaining"]


def test_s1_017_the_log_as_a_context_manager_ends_its_session(log):
    with log as inside:
        assert inside.available
        assert inside.start_session("whatsapp")
        inside.log_message(recipient_phone="+1 555")

    assert (LoggedSession.objects.get().channel, LoggedMessage.objects.get().channel) == ("whatsapp", "whatsapp")
    assert LoggedSession.objects.get().ended_at is not None


def test_s1_018_a_place_that_cannot_be_written_raises_nothing_and_is_told(tmp_path):
    (tmp_path / "file").touch()
    log = MessageLog("test_user", spool_dir=tmp_path / "file" / "invalid", backup_dir=tmp_path, save=away, sleep=lambda seconds: None)

    assert bool(log.start_session()) is expected("S1-018")["session_id_returned"]
    assert log.is_safe is False  # neither database nor disk: a program that needs its record does not send now
    assert log.update_message_status(log.log_message(), status="sent") is False


def test_s1_018_where_the_database_cannot_be_reached_nothing_is_available(cut_off, monkeypatch):
    monkeypatch.setattr(connection, "ensure_connection", lambda: away(None))

    assert cut_off.available is expected("S1-018")["available"]
    assert cut_off.get_quick_stats() == {"current_session_active": False, "database_available": False}


def test_s1_019_three_tries_and_two_waits_then_nobody_waits_again(tmp_path):
    waits, tries = [], []
    log = MessageLog("u", spool_dir=tmp_path, backup_dir=tmp_path, sleep=waits.append, save=lambda fact: tries.append(fact) or away(fact))

    log.start_session()
    assert {"sleeps_s": waits, "attempts": len(tries)} == expected("S1-019")
    log.log_message()
    assert len(tries) == 3  # it has just failed three times
    log._left_alone_until = time.monotonic() - LEFT_ALONE_SECONDS
    log.log_message()
    assert len(tries) == 6


def test_what_the_database_refuses_for_good_is_no_trouble_of_the_caller(tmp_path, log):
    assert log.log_message(recipient_email="x" * 10_000 + "\x00", status="strange", channel="pigeon", content="\x00", odd="kept")

    row = LoggedMessage.objects.get()
    assert (row.status, row.channel, row.detail, len(row.recipient_email)) == ("pending", "email", {"odd": "kept"}, 254)
    assert log.update_message_status("no such id", status="strange") is False


def test_a_system_event_reaches_the_system_log(log):
    log.log_system_event("CRITICAL", "program", "it burns", detail={"where": "kitchen"})

    with connection.cursor() as cursor:
        cursor.execute("SELECT level, component, message, details->>'where' FROM system_logs")
        assert cursor.fetchall() == [("alarm", "program", "it burns", "kitchen")]


STATUSES = ["pending", "sending", "sent", "delivered", "read", "failed", "cancelled"]
ORDER = STATUSES[:5]


@given(words=st.lists(st.sampled_from(STATUSES), max_size=6))
@settings(max_examples=40, deadline=None)
def test_a_status_never_goes_backwards(words):
    LoggedMessage.objects.all().delete()
    log = MessageLog("u", spool_dir=Path("/nowhere"), backup_dir=Path("/nowhere"))
    log_id, seen = log.log_message(), ["pending"]
    for word in words:
        log.update_message_status(log_id, status=word)
        seen.append(LoggedMessage.objects.get(log_id=log_id).status)

    for before, after in itertools.pairwise(seen):
        assert before == after or (before in ORDER and (after not in ORDER or ORDER.index(after) > ORDER.index(before)))


def test_a_word_of_a_message_that_is_still_on_its_way_from_another_host_is_kept(log):
    place = {"user_id": "u", "session_id": "s", "channel": "email"}
    message = {"act": "message", "at": "2026-01-31T12:00:00+00:00", "log_id": "u_1", "status": "pending", "preview": "Hello", **place}
    status = {"act": "status", "at": "2026-01-31T12:00:01+00:00", "log_id": "u_1", "status": "sent", **place}

    logged.save(status)
    logged.save(message)
    logged.save(message)
    logged.save(status)

    row = LoggedMessage.objects.get()
    assert (row.status, row.preview, row.is_stub, row.logged_at.isoformat()) == ("sent", "Hello", False, "2026-01-31T12:00:00+00:00")


def test_a_fact_that_is_too_long_or_contains_itself_is_kept_without_its_detail():
    knot: dict = {}
    knot["knot"] = knot

    assert "left_out" in plain({"act": "message", "detail": knot})["detail"]
    assert "left_out" in plain({"act": "message", "detail": {"long": "x" * 50_000}})["detail"]
