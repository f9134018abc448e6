"""Long readings in short pieces: nothing is read twice, nothing is left out, whatever rows share a moment."""

import json
from datetime import timedelta

import pytest
from django.utils import timezone

from messaging import export, retention
from messaging.models import LoggedMessage, Message, SystemEvent
from tests.factories import make_message

pytestmark = pytest.mark.django_db
NOW = timezone.now()
AGES = [0, 1, 1, 1, 1, 2, 3]  # hours; four share a moment


@pytest.fixture
def several() -> list[str]:
    """Messages of which some were queued at one moment; their keys, newest first."""
    rows = [(NOW - timedelta(hours=age), make_message()) for age in AGES]
    for at, message in rows:
        Message.objects.filter(pk=message.pk).update(created_at=at)
    return [message.key for _, message in sorted(rows, key=lambda row: (row[0], row[1].pk), reverse=True)]


@pytest.mark.parametrize("at_once", [1, 2, 3, 7, 100])
def test_a_list_is_exported_whole_and_in_its_order(several, monkeypatch, at_once):
    monkeypatch.setattr(export, "AT_ONCE", at_once)

    text = "".join(export.messages(Message.objects.all(), order=["-created_at", "-pk"], form="json", facts={}))

    assert [row["id"] for row in json.loads(text)["messages"]] == several


@pytest.mark.parametrize("at_once", [1, 2, 3, 7, 100])
def test_the_log_is_exported_whole_newest_first(several, monkeypatch, at_once):
    monkeypatch.setattr(export, "AT_ONCE", at_once)
    facts = {"user_id": "anna", "session_id": "s", "channel": "email", "status": "sent"}
    LoggedMessage.objects.bulk_create(LoggedMessage(log_id=f"log{age}", logged_at=NOW - timedelta(hours=age), **facts) for age in range(4))

    rows = json.loads("".join(export.log_of(None, form="json", days=1, at=NOW)))["messages"]

    assert sorted(row["id"] for row in rows) == sorted([*several, "log0", "log1", "log2", "log3"])
    assert [row["timestamp"] for row in rows] == sorted((row["timestamp"] for row in rows), reverse=True)


@pytest.mark.parametrize("at_once", [1, 2, 3, 100])
def test_old_rows_go_and_no_others(monkeypatch, at_once):
    monkeypatch.setattr(retention, "BATCH", at_once)
    SystemEvent.objects.bulk_create(SystemEvent(level="info", component="c", text=str(age), at=NOW - timedelta(hours=age)) for age in AGES)

    assert retention.delete_old(before=NOW - timedelta(minutes=30))["events"] == 6
    assert [event.text for event in SystemEvent.objects.all()] == ["0"]
