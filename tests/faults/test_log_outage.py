"""The log while PostgreSQL is really stopped and started: the fifteen topics of the first seed, and the storm of its promise P9."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection, connections

from messaging import analytics, spool
from messaging.message_log import MessageLog
from messaging.models import BackupHistory, LoggedMessage, LoggedSession, SystemEvent
from tests.faults.pgctl import Cluster, cluster

HOUSE = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def house(django_db_blocker) -> Iterator[Cluster]:
    """A server of our own, migrated, which this process uses as its only one; the tests stop and start it."""
    with cluster() as ours, django_db_blocker.unblock():
        before = dict(connections.settings["default"])
        connections.close_all()
        connections.settings["default"].update(dict(zip(("HOST", "PORT", "USER", "NAME"), ours.address.values(), strict=True)))
        del connections["default"]
        try:
            call_command("migrate", verbosity=0)
            yield ours
        finally:
            connections.close_all()
            connections.settings["default"].update(before)
            del connections["default"]


@pytest.fixture
def server(house: Cluster) -> Iterator[Cluster]:
    """Up at the beginning and at the end, with nothing logged."""
    connection.close()
    house.start()
    house.ask("TRUNCATE messaging_loggedmessage, messaging_loggedsession, messaging_systemevent, messaging_snapshot, messaging_spoolfile")
    yield house
    house.start()
    connection.close()


@pytest.fixture
def log(tmp_path: Path) -> MessageLog:
    return MessageLog("test_user", spool_dir=tmp_path / "spool", backup_dir=tmp_path / "backups", sleep=lambda seconds: None)


@contextmanager
def away(server: Cluster, log: MessageLog, mode: str = "fast") -> Iterator[None]:
    """PostgreSQL is stopped; afterwards it runs again, and what waited was brought in."""
    server.stop(mode)
    try:
        yield
    finally:
        server.start()
        log._left_alone_until = 0.0
    assert log.drain()


def test_01_initialisation(server, log):
    assert (log.available, log.current_session, log.is_safe) == (True, None, True)
    with away(server, log):
        assert log.available is False
        assert MessageLog("another", spool_dir=log.spool_dir, backup_dir=log.backup_dir).available is False
    assert log.available is True


def test_02_sessions_outlive_an_outage(server, log):
    with away(server, log):
        session_id = log.start_session("email")
        assert log.current_session == session_id
        assert log.end_session() == {"session_id": session_id}
    row = LoggedSession.objects.get()
    assert (row.session_id, row.ended_at is not None) == (session_id, True)


def test_03_messages_told_before_during_and_after_an_outage_are_one_story(server, log):
    log_id = log.log_message(recipient_email="anna@firm.example")
    with away(server, log, "immediate"):
        log.update_message_status(log_id, status="sent", message_id="msg_123")
        during = log.log_message(recipient_email="ben@firm.example")
    log.update_message_status(log_id, status="delivered")
    log.update_message_status(during, status="sent")

    first, second = LoggedMessage.objects.order_by("logged_at")
    assert (first.status, first.provider_id, second.status) == ("delivered", "msg_123", "sent")
    assert first.logged_at < first.sent_at < first.delivered_at


def test_04_error_recovery_needs_no_word_from_the_caller(server, log):
    with away(server, log):
        ids = [log.log_message() for _ in range(5)]
        assert log.is_safe
    ids.append(log.log_message())
    assert set(LoggedMessage.objects.values_list("log_id", flat=True)) == set(ids)


def test_05_concurrency_while_the_server_goes_and_comes(server, log):
    ids: list[str] = []

    def work() -> None:
        for _ in range(30):
            ids.append(log.log_message())
            time.sleep(0.02)
        connection.close()

    threads = [threading.Thread(target=work) for _ in range(5)]
    for thread in threads:
        thread.start()
    with away(server, log):
        time.sleep(0.3)
    for thread in threads:
        thread.join()
    log.drain()

    assert len(set(ids)) == LoggedMessage.objects.count() == 150


def test_06_health_says_what_is_away_and_what_waits(server, log):
    with away(server, log):
        log.log_message()
        health = log.get_database_health()
        assert (health["database_available"], health["spool_depth"], len(health["errors"])) == (False, 2, 1)
    health = log.get_database_health()
    assert (health["database_available"], health["spool_depth"], health["errors"]) == (True, 0, [])


def test_07_backup(server, log):
    log.log_message()
    assert log.backup_database().stat().st_size > 0
    with away(server, log):
        log.log_message()
        assert log.backup_database() is None
    assert BackupHistory.objects.verified().first().rows["messaging_loggedmessage"] == 1


def test_08_repair_brings_in_what_waits(server, log):
    with away(server, log):
        log.log_message()
        assert log.repair_database() is False
    log.log_message()
    assert (log.repair_database(), spool.depth(log.spool_dir), LoggedMessage.objects.count()) == (True, 0, 2)


def test_09_system_log(server, log):
    with away(server, log):
        log.log_system_event("ERROR", "program", "it burns")
    event = SystemEvent.objects.get()
    assert (event.level, event.component, event.text) == ("error", "program", "it burns")


def test_10_analytics_of_what_came_late(server, log):
    with away(server, log):
        for status in ("sent", "failed"):
            log.update_message_status(log.log_message(), status=status)
        assert "success_rate_30_days" not in log.get_quick_stats()
    assert log.get_quick_stats()["success_rate_30_days"] == 50.0
    assert analytics.report(days=30, at=spool.moment(), zone="UTC", fresh=True)["messages_in_period"] == 2


def test_11_export(server, log):
    with away(server, log):
        log.log_message(recipient_email="anna@firm.example")
        assert log.export_data("json") == ""
    assert [row["recipient_email"] for row in json.loads(log.export_data("json"))["messages"]] == ["anna@firm.example"]


def test_12_cleanup(server, log):
    log_id = log.log_message()
    server.ask("UPDATE messaging_loggedmessage SET logged_at = now() - interval '100 d'")
    with away(server, log):
        log.start_session()
        assert log.delete_old_data(90) == 0
    assert (log.delete_old_data(90), LoggedMessage.objects.filter(log_id=log_id).count()) == (1, 0)


def test_13_context_manager(server, log):
    with away(server, log), log as inside:
        inside.start_session()
        inside.log_message()
    assert LoggedSession.objects.get().ended_at is not None


def test_14_invalid_path(server, tmp_path):
    (tmp_path / "file").touch()
    log = MessageLog("test_user", spool_dir=tmp_path / "file" / "no", backup_dir=tmp_path / "file" / "no", sleep=lambda seconds: None)
    assert log.log_message()
    assert (log.is_safe, log.backup_database()) == (True, None)
    server.stop("fast")
    assert (bool(log.log_message()), log.is_safe) == (True, False)


def test_15_init_retry(server, log):
    waits: list[float] = []
    log._sleep = waits.append
    server.stop("fast")
    log.start_session()
    assert waits == [0.1, 0.2]
    waits.clear()
    log._left_alone_until = 0.0
    log._sleep = lambda seconds: server.start()
    log.log_message()
    assert LoggedMessage.objects.count() == 1  # the second try of that message found the server again


def environment(server: Cluster, folder: Path, **more: str) -> dict[str, str]:
    told = {"DATABASE_URL": server.url, "SPOOL_DIR": str(folder / "spool"), "SECRET_KEY": "x" * 60, "DEBUG": "1"}
    return {"PATH": os.environ["PATH"], "PYTHONPATH": str(HOUSE)} | told | more


def start(server: Cluster, folder: Path, *command: str, **more: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *command],
        cwd=HOUSE,
        env=environment(server, folder, **more),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def outage(server: Cluster, folder: Path, *, away_seconds: float, per_second: float) -> dict[str, Any]:
    """Two processes of eight threads record events while the server is stopped; two drains are killed in the middle, the third ends."""
    seconds = str(away_seconds + 8)
    writers = [start(server, folder, "tests/faults/log_writer.py", name, "8", str(per_second / 2), seconds) for name in ("a", "b")]
    wait_for(lambda: server.ask("SELECT count(*) FROM messaging_systemevent") > [(20,)], within=30)
    server.stop("immediate")
    time.sleep(away_seconds)
    server.start()
    said = [json.loads(writer.communicate(timeout=away_seconds + 60)[0]) for writer in writers]
    waiting = spool.depth(folder / "spool")
    for lines in (waiting // 4, waiting // 2):
        killed = start(server, folder, "manage.py", "drain_spool", PORTAL_FAULTS=f"spool.mid_replay=kill@{max(1, lines)}")
        killed.communicate(timeout=300)
        assert killed.returncode == -signal.SIGKILL
    last = start(server, folder, "manage.py", "drain_spool", "--json")
    drained = json.loads(last.communicate(timeout=300)[0])
    return {
        "told": {name: number for one in said for name, number in one["told"].items()},
        "waiting": waiting,
        "drained": drained,
        "said": said,
    }


def wait_for(happened: Any, *, within: float) -> None:
    ends_at = time.monotonic() + within
    while not happened():
        assert time.monotonic() < ends_at, "it did not happen"
        time.sleep(0.1)


def judge(server: Cluster, found: dict[str, Any], capsys: Any) -> None:
    numbers: dict[str, list[int]] = {}
    for name, number in server.ask(
        "SELECT detail->>'of', (detail->>'number')::int FROM messaging_systemevent WHERE component = 'storm' ORDER BY at, id"
    ):
        numbers.setdefault(name, []).append(number)
    with capsys.disabled():
        speed = {key: round(max(one[key] for one in found["said"]), 2) for key in ("median_ms", "p99_ms", "longest_ms")}
        sys.stdout.write(f"\n{sum(found['told'].values()):,} events, {found['waiting']:,} of them by the spool; {speed}\n")

    assert found["waiting"] > 0
    assert found["drained"]["left"] == 0
    assert {name: list(range(1, number + 1)) for name, number in found["told"].items()} == numbers  # once each, and in order
    assert server.ask("SELECT count(*) FROM messaging_spoolfile WHERE replayed_at IS NULL") == [(0,)]


def test_every_event_of_an_outage_arrives_once_and_in_order(server, capsys):
    with tempfile.TemporaryDirectory() as folder:
        judge(server, outage(server, Path(folder), away_seconds=4, per_second=200), capsys)


@pytest.mark.storm
def test_every_event_of_a_minute_s_outage_arrives_once_and_in_order(server, capsys):
    with tempfile.TemporaryDirectory() as folder:
        judge(server, outage(server, Path(folder), away_seconds=60, per_second=200), capsys)
