"""Old data goes in small batches, each its own transaction, so that nobody waits for it. What is owed, in doubt or unproved always stays.

Of the portal's own mails only those go that were sent, belong to no case and are named by nothing else: a note, a quote or a schedule
keeps its mail. Processed notes and their attempts are never deleted.
"""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from messaging.models import (
    Attempt,
    Decision,
    DeliveryEvent,
    LoggedMessage,
    LoggedSession,
    Message,
    Snapshot,
    SpoolFile,
    SystemEvent,
)
from messaging.paging import beyond

BATCH = 200  # rows per transaction: well under a second, also on a busy machine
BY: dict[Any, str] = {  # the time by which rows of a table are old, each with an index where the table grows
    LoggedMessage: "logged_at",
    LoggedSession: "started_at",
    SystemEvent: "at",
    DeliveryEvent: "received_at",
    Snapshot: "made_at",
    SpoolFile: "replayed_at",
}
GOES_ALONG = {Attempt, Decision, SystemEvent, DeliveryEvent}  # what tells of one message goes with it


def delete_old(*, before: datetime, dry_run: bool = False, stop: Callable[[], bool] = lambda: False) -> dict[str, int]:
    """Nothing that may go is older than `before`; returns how many rows of each table went, or would go."""
    deleted = {"messages": _old_messages(before, dry_run=dry_run, stop=stop)}
    for name, rows in _plain(before).items():
        deleted[name] = rows.count() if dry_run else in_batches(rows, by=BY[rows.model], stop=stop)
    return deleted


def delete_logged(*, before: datetime, user_id: str) -> int:
    """What one program's user logged before that is gone; returns how many messages, sessions and reports went."""
    ours = [
        LoggedMessage.objects.filter(user_id=user_id, logged_at__lt=before),
        LoggedSession.objects.filter(user_id=user_id, started_at__lt=before),
        Snapshot.objects.filter(name__startswith=f"{user_id}:", made_at__lt=before),
    ]
    return sum(in_batches(rows, by=BY[rows.model]) for rows in ours)


def in_batches(rows: QuerySet, *, by: str, stop: Callable[[], bool] = lambda: False) -> int:
    """These rows are gone, a batch at a time in that order; returns how many."""
    total = 0
    for keys in _pages(rows, by=by):
        if stop():
            break
        total += rows.model._default_manager.filter(pk__in=keys)._raw_delete(rows.db)
    return total


def _plain(before: datetime) -> dict[str, QuerySet]:
    return {
        "logged_messages": LoggedMessage.objects.filter(logged_at__lt=before),
        "logged_sessions": LoggedSession.objects.filter(started_at__lt=before),
        "events": SystemEvent.objects.filter(at__lt=before, message=None),
        "delivery_events": DeliveryEvent.objects.filter(received_at__lt=before, message=None),
        "snapshots": Snapshot.objects.filter(made_at__lt=before),
        "spool_files": SpoolFile.objects.filter(replayed_at__lt=before),
    }


def _old_messages(before: datetime, *, dry_run: bool, stop: Callable[[], bool]) -> int:
    total = 0
    for keys in _pages(Message.objects.sent().filter(sent_at__lt=before, case=None), by="sent_at"):
        if stop():
            break
        free = Message.objects.filter(pk__in=keys).filter(_named_by_nothing())
        if dry_run:
            total += free.count()
            continue
        with transaction.atomic():
            going = list(free.select_for_update(of=("self",), skip_locked=True).values_list("pk", flat=True))
            for model in GOES_ALONG:
                model._default_manager.filter(message__in=going)._raw_delete("default")
            total += Message.objects.filter(pk__in=going)._raw_delete("default")
    return total


def _pages(rows: QuerySet, *, by: str) -> Iterator[list[int]]:
    """The keys of these rows, oldest first, by the index on that time."""
    ordered, after = rows.order_by(by, "pk").values_list(by, "pk"), Q()
    while page := list(ordered.filter(after)[:BATCH]):
        yield [pk for _, pk in page]
        after = beyond({by: page[-1][0], "pk": page[-1][1]})


def _named_by_nothing() -> Q:
    """No row of any floor points at the message, but those that go along with it. Built from the schema, so that no floor is forgotten."""
    free = Q()
    for link in Message._meta.related_objects:
        model: Any = link.related_model
        if model not in GOES_ALONG:
            free &= ~Q(Exists(model._default_manager.filter(**{link.field.name: OuterRef("pk")})))
    return free
