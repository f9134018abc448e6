"""The log as staff and cron see it: analytics, exports, health, retention, by page and by command, with the same figures."""

import json
import os
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.core.management import CommandError, call_command
from django.utils import timezone

from messaging import analytics, retention
from messaging.message_log import MessageLog
from messaging.models import CmsNote, LoggedMessage, Message, Snapshot, SystemEvent
from portal import structured_logs
from tests.factories import make_message, make_note

pytestmark = pytest.mark.django_db


@pytest.fixture
def boss(client) -> Any:
    client.force_login(User.objects.create_superuser("boss"))
    return client


@pytest.fixture
def log(tmp_path) -> MessageLog:
    return MessageLog("anna", spool_dir=tmp_path, backup_dir=tmp_path)


def told(command: str, *options: str) -> tuple[Any, int]:
    """What a command answers with --json, and its exit code."""
    out = StringIO()
    try:
        call_command(command, *options, "--json", stdout=out, stderr=StringIO())
    except SystemExit as end:
        return json.loads(out.getvalue()), int(end.code or 0)
    return json.loads(out.getvalue()), 0


def age(message: Message, days: int) -> None:
    Message.objects.filter(pk=message.pk).update(created_at=timezone.now() - timedelta(days=days))


def test_the_page_and_the_command_show_the_same_figures(boss, log):
    make_note()
    make_message()
    log.update_message_status(log.log_message(recipient_email="b@other.example", template_name="Reminder"), status="failed")

    page = boss.get("/admin/analytics/?mails=production").content.decode()
    found, _ = told("message_stats")

    assert (found["messages_last_30_days"], found["success_rate_30_days"], found["failed"]) == (3, 33.3, 1)
    assert {line["name"]: (line["messages"], line["success_rate"]) for line in found["by_domain"]} == {
        "firm.example": (2, 50.0),
        "other.example": (1, 0.0),
    }
    assert "33.3 %" in page
    assert "Reminder" in page


@pytest.mark.parametrize(("mode", "shown"), [("test", "Test mails"), ("production", "Production")])
def test_the_page_begins_with_the_mails_of_its_mode(boss, settings, mode, shown):
    settings.MAIL_MODE = mode

    page = boss.get("/admin/analytics/").content.decode()

    assert f'mails={mode}" aria-current="true">{shown}<' in page


def test_figures_are_kept_for_an_hour_and_counted_anew_after_it(log):
    now = timezone.now()
    assert analytics.report(days=30, at=now, zone="UTC")["messages_in_period"] == 0
    log.log_message()

    assert analytics.report(days=30, at=now + timedelta(minutes=59), zone="UTC")["messages_in_period"] == 0
    assert analytics.report(days=30, at=now + timedelta(minutes=61), zone="UTC")["messages_in_period"] == 1
    assert Snapshot.objects.count() == 1


def test_a_bounce_is_no_success_unless_the_mail_was_delivered_too():
    note = make_note()
    Message.objects.update(bounced_at=timezone.now())
    assert told("message_stats", "--fresh")[0]["success_rate"] == 0.0
    Message.objects.filter(pk=note.message_id).update(delivered_at=timezone.now())
    assert told("message_stats", "--fresh")[0]["success_rate"] == 100.0


def test_the_stats_of_one_session(log):
    session = log.start_session()
    log.update_message_status(log.log_message(), status="sent")
    log.end_session()

    assert told("message_stats", "--session", session)[0]["successful_messages"] == 1
    with pytest.raises(CommandError, match="There is no session 'x'"):
        call_command("message_stats", "--session", "x")


def test_the_list_is_exported_as_it_is_filtered(boss):
    make_note(recipient="=anna@firm.example")
    make_message(recipient="ben@firm.example")

    sent = b"".join(boss.get("/admin/messaging/message/export/csv/?state=sent").streaming_content).decode()
    every = json.loads(b"".join(boss.get("/admin/messaging/message/export/json/").streaming_content))

    assert ("'=anna@firm.example" in sent, "ben@firm.example" in sent) == (True, False)
    assert len(every["messages"]) == 2
    assert boss.get("/admin/messaging/message/export/xml/").status_code == 404
    assert "Export what this list shows" in boss.get("/admin/messaging/message/").content.decode()


def test_nobody_exports_what_they_may_not_see(client):
    staff = User.objects.create_user("staff", is_staff=True)
    client.force_login(staff)
    assert client.get("/admin/messaging/message/export/csv/").status_code == 403
    assert client.get("/admin/analytics/").status_code == 403
    staff.user_permissions.add(Permission.objects.get(codename="view_message"))
    assert client.get("/admin/messaging/message/export/csv/").status_code == 200


@pytest.mark.parametrize("page", ["deliveryevent", "backuphistory"])
def test_the_new_desks_open(boss, page):
    assert boss.get(f"/admin/messaging/{page}/").status_code == 200


def test_the_command_exports_to_a_file_whole_or_not_at_all(log, tmp_path):
    log.log_message(recipient_email="a@firm.example")
    target = tmp_path / "log.csv"

    found, _ = told("export_messages", "--out", str(target))

    assert (found["rows"], found["bytes"]) == (2, target.stat().st_size)  # the message, and its session
    with pytest.raises(CommandError, match="Cannot write"):
        call_command("export_messages", "--out", str(tmp_path / "no" / "log.csv"))


def test_an_export_goes_where_it_is_told_and_replaces_no_device_and_no_link(tmp_path, capsys):
    real, link, pipe = tmp_path / "real.csv", tmp_path / "link.csv", tmp_path / "pipe"
    link.symlink_to(real)
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)

    call_command("export_messages", "--out", str(link))
    call_command("export_messages", "--out", str(pipe))

    assert (link.is_symlink(), real.stat().st_size > 100, pipe.is_fifo()) == (True, True, True)
    assert os.read(reader, 100_000) == real.read_bytes()
    os.close(reader)
    for folder, said in {"/": "Is a directory", ".": "Is a directory", str(tmp_path): "Is a directory", "": "it is empty"}.items():
        with pytest.raises(CommandError, match=said):
            call_command("export_messages", "--out", folder)
    assert {one.name for one in tmp_path.iterdir()} == {"real.csv", "link.csv", "pipe"}
    with pytest.raises(CommandError, match="name it with --out") as refusal:
        call_command("export_messages", "--json")
    assert refusal.value.returncode == 2
    capsys.readouterr()


def test_health_is_told_with_what_waits(settings, tmp_path):
    settings.SPOOL_DIR = tmp_path
    assert told("database_health")[1] == 0
    (tmp_path / "events-1.jsonl").write_text('{"level": "info", "component": "c", "text": "t"}\n')

    found, code = told("database_health")

    assert (found["spool_depth"], code) == (1, 3)
    assert told("drain_spool") == ({"drained": 1, "left": 0, "by_kind": {"answers": 0, "logged": 0, "events": 1}}, 0)
    assert told("repair_database")[0]["repaired"] is True
    assert told("optimise_database")[1] == 0


def test_retention_takes_what_is_old_and_free_and_leaves_what_is_owed(log):
    free, owed, young = make_note().message, make_note().message, make_note().message
    old = timezone.now() - timedelta(days=100)
    Message.objects.filter(pk__in=[free.pk, owed.pk]).update(sent_at=old)
    log.log_message()
    LoggedMessage.objects.update(logged_at=old)
    SystemEvent.objects.create(level="info", component="c", text="t", at=old)
    before = timezone.now() - timedelta(days=90)
    free_one = make_sent_without_case()
    Message.objects.filter(pk=free_one.pk).update(sent_at=old)

    dry = retention.delete_old(before=before, dry_run=True)
    assert (dry["messages"], dry["logged_messages"], dry["events"]) == (1, 1, 1)
    assert retention.delete_old(before=before) == dry
    assert set(Message.objects.values_list("pk", flat=True)) == {free.pk, owed.pk, young.pk}  # each has its note
    assert CmsNote.objects.count() == 3
    assert sum(retention.delete_old(before=before).values()) == 0


def make_sent_without_case() -> Message:
    message = make_message()
    now = timezone.now()
    Message.objects.filter(pk=message.pk).update(status="claimed", lease="5a0c5a4e-77a5-4fdd-a3c8-3ef0c1d6c0f1", leased_until=now)
    Message.objects.filter(pk=message.pk).update(status="transmitting")
    Message.objects.filter(pk=message.pk).update(status="sent", sent_at=now, lease=None, leased_until=None)
    return message


def test_log_lines_mask_addresses_and_name_their_request(client):
    assert structured_logs.masked("to anna.b+c@firm.example, <ben@x.example>") == "to a***@firm.example, <b***@x.example>"
    assert client.get("/healthz", headers={"x-request-id": "proxy-12345"})["X-Request-ID"] == "proxy-12345"
    assert len(client.get("/healthz", headers={"x-request-id": 'bad"\n'})["X-Request-ID"]) == 32
