"""What the system notices is on record, wherever the record can be kept, and in nobody's way."""

import pytest
from django.db import DatabaseError, connection, transaction

from messaging import journal, spool
from messaging.models import ErrorGroup, Level, SystemEvent
from tests.factories import make_message

pytestmark = pytest.mark.django_db


@pytest.fixture
def away(monkeypatch):
    """The database is away until the test says otherwise."""

    def fail(fact):
        raise DatabaseError("away")

    monkeypatch.setattr(journal, "save", fail)
    return monkeypatch.undo


def test_an_event_has_its_level_its_words_and_its_message():
    message = make_message()

    journal.record(Level.WARNING, "delivery", "primary is paused", detail={"provider": "primary"}, message_id=message.pk)

    event = SystemEvent.objects.get()
    assert (event.level, event.component, event.text, event.detail) == ("warning", "delivery", "primary is paused", {"provider": "primary"})
    assert event.message == message


def test_an_event_waits_in_the_spool_and_anybody_may_bring_it_in_once(away, tmp_path):
    journal.record(Level.ERROR, "delivery", "first", spool_dir=tmp_path)
    journal.record(Level.ERROR, "delivery", "second", spool_dir=tmp_path)
    assert (SystemEvent.objects.count(), spool.depth(tmp_path)) == (0, 2)
    away()

    assert (journal.drain(tmp_path), journal.drain(tmp_path)) == (2, 0)
    assert sorted(SystemEvent.objects.values_list("text", flat=True)) == ["first", "second"]


def test_the_same_event_twice_is_one(tmp_path):
    fact = {"event_id": "5a0c5a4e-77a5-4fdd-a3c8-3ef0c1d6c0f1", "level": "info", "component": "c", "text": "t"}

    journal.save(fact)
    journal.save(fact)

    assert SystemEvent.objects.count() == 1


def test_nothing_is_raised_where_neither_database_nor_spool_takes_it(away, tmp_path):
    (tmp_path / "a file").touch()

    journal.record(Level.ERROR, "delivery", "lost to the log", spool_dir=tmp_path / "a file" / "spool")
    journal.record(Level.ERROR, "delivery", "lost to the log")


@pytest.mark.django_db(transaction=True)
def test_an_event_about_a_message_that_does_not_exist_never_holds_up_the_others(tmp_path):
    journal.record(Level.ERROR, "delivery", "about nothing", spool_dir=tmp_path, message_id=999_999)
    with spool.Spool(tmp_path, kind=journal.KIND) as waiting:
        waiting.append({"event_id": "5a0c5a4e-77a5-4fdd-a3c8-3ef0c1d6c0f1", "level": "info", "component": "c", "text": "good"}, sync=True)

    assert journal.drain(tmp_path) == 1
    assert (SystemEvent.objects.get().text, journal.drain(tmp_path)) == ("good", 0)


def test_a_failure_counts_with_its_like_and_opens_again():
    journal.count_error("delivery", "550 no such user anna@firm.example")
    ErrorGroup.objects.update(resolved_at="2026-01-31 12:00+00")
    message = make_message()
    journal.count_error("delivery", "550 no such user ben@firm.example", message_id=message.pk)
    journal.count_error("delivery", "451 busy")

    groups = ErrorGroup.objects.order_by("-count")
    assert [(group.count, group.shape) for group in groups] == [(2, "550 no such user <address>"), (1, "451 busy")]
    assert (groups[0].sample, groups[0].message, groups[0].resolved_at) == ("550 no such user ben@firm.example", message, None)


def test_counting_never_raises():
    with transaction.atomic():
        with pytest.raises(DatabaseError), connection.cursor() as cursor:
            cursor.execute("SELECT 1 / 0")
        journal.count_error("delivery", "in a broken transaction")
        journal.record(Level.INFO, "delivery", "in a broken transaction")
        transaction.set_rollback(True)
