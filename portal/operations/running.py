"""Start a bulk action, carry it out item by item, stop it. Whatever dies on the way, no item is lost and none is done twice.

claim ─ hold, item's effect and outcome: one commit ─ the next item … ─ done
└ a worker that vanishes lets go when its hold runs out; another one goes on with the next open item
"""

import hashlib
import json
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

from django.db import Error, InterfaceError, OperationalError, transaction
from django.db.models import F, Value
from django.db.models.functions import Coalesce, Greatest, Now

from messaging import journal
from messaging.faults import InjectedFault, fault
from messaging.models import Level
from portal.operations.kinds import Chosen, Kind, ParametersRefused, Result, read, written
from portal.operations.models import Operation, OperationItem, Outcome, Status
from portal.quotes import pricing
from portal.quotes.replies import MailTerms

MOST_ITEMS = 10_000  # in one operation
AT_ONCE = 50  # items read at a time
RING_EVERY = 20  # items
MOST_CLAIMS = 10  # in a row without one item done, before it is given up
LEASE = timedelta(minutes=1)  # from the claim to the first item
NOT_ITS_TURN = "The bulk action ended before its turn."


class NotStarted(ValueError):
    """Nothing was started; the text says why, and what to do."""


class HoldLost(Exception):
    """The operation is somebody else's by now, or over."""


def never() -> bool:
    return False


@dataclass(frozen=True, kw_only=True)
class Terms:
    """How operations run here: what the items are done with, how mail is rung for, when to make room."""

    mail: Callable[[], MailTerms]
    pricing: Callable[[], pricing.Terms]
    ring: Callable[[], None]
    stop: Callable[[], bool] = never


@dataclass(frozen=True, kw_only=True)
class Preview:
    """What would be done now. `seal` is the same as long as it is the same question with the same answer."""

    kind: Kind
    chosen: list[Chosen]

    @property
    def seal(self) -> str:
        told = [self.kind.name, written(self.kind), [one.key for one in self.chosen]]
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


@dataclass(kw_only=True)
class Tally:
    """What one call did."""

    operations: int = 0
    items: int = 0
    ended: int = 0
    left: bool = False  # some are still to run, and nobody is at them

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def preview(kind: str, parameters: Mapping[str, Any]) -> Preview:
    """What a start would do, item by item. Raises ParametersRefused."""
    asked = read(kind, parameters)
    return Preview(kind=asked, chosen=asked.select())


def start(
    kind: str, parameters: Mapping[str, Any], *, by: Any, reason: str = "", key: uuid.UUID | None = None, seen: str = ""
) -> Operation:
    """The operation waits for a worker, its items fixed. The same `key` is the same operation; with `seen` only what was previewed starts.

    Whoever opens the door rings for a worker (`tasks.ring_operations`). Raises ParametersRefused or NotStarted.
    """
    key = key or uuid.uuid4()
    now = preview(kind, parameters)
    if before := Operation.objects.filter(key=key, author=by, kind=kind, parameters=written(now.kind)).first():
        return before
    if seen and seen != now.seal:
        raise NotStarted("What there is to do changed since you looked. Nothing was started: look again, then start.")
    if not 0 < len(now.chosen) <= MOST_ITEMS:
        raise NotStarted(f"There are {len(now.chosen):,} items; an operation has 1 to {MOST_ITEMS:,}. Nothing was started.")
    return _write(now, by=by, reason=reason.strip()[:500], key=key)


@transaction.atomic
def cancel(operation: Operation, *, by: Any) -> bool:
    """It ends after the item in hand, if any; what is done stays, the rest is marked not done. False if it has ended already."""
    held = Operation.objects.select_for_update(of=("self",)).get(pk=operation.pk)
    if not held.is_unfinished or held.cancel_requested_at:
        return False
    row = Operation.objects.filter(pk=held.pk)
    row.update(cancel_requested_at=Now(), cancel_requested_by=by)
    if row.free().exists():
        end(row, to=Status.CANCELLED)
    journal.record(Level.INFO, "operations", f"Cancelled by {by}: {held}", detail={"operation": held.pk}, by_id=by.pk)
    return True


def run_due(terms: Terms, *, seconds: float = 50.0) -> Tally:
    """Carry operations out until none is left, `seconds` have passed, or we are told to stop; any number of workers may do this at once."""
    tally = Tally()
    until = time.monotonic() + seconds

    def is_time() -> bool:
        return terms.stop() or time.monotonic() >= until

    while not is_time() and (operation := claim()):
        tally.operations += 1
        try:
            tally.ended += carry_out(operation, terms=terms, tally=tally, is_time=is_time)
        except HoldLost:
            continue
        except Exception:
            with suppress(Error):  # if the database is away, the hold runs out by itself
                let_go(operation)
            raise
    tally.left = Operation.objects.to_run().exists()
    return tally


def claim() -> Operation | None:
    """Take the operation that waited longest. Committed before this returns."""
    facts = {"started_at": Coalesce("started_at", Now()), "worked_at": Now(), "claims": F("claims") + 1}
    taken = Operation.objects.to_run().claim(lease=LEASE, limit=1, status=Status.RUNNING, **facts)
    fault("operation.after_claim")
    return taken[0] if taken else None


def carry_out(operation: Operation, *, terms: Terms, tally: Tally, is_time: Callable[[], bool]) -> bool:
    """Do the open items in their order; True once the operation has ended, False if its turn did. Raises HoldLost."""
    try:
        kind = read(operation.kind, operation.parameters)
    except ParametersRefused as refusal:
        return give_up(operation, error=str(refusal))
    if operation.claims >= MOST_CLAIMS:
        stuck = operation.items.open().first()
        return give_up(operation, error=f"{MOST_CLAIMS} workers took it up and vanished, each at {stuck}.")
    for item in open_items(operation):
        if is_cancelled(operation):
            return finish(operation, to=Status.CANCELLED, terms=terms)
        if is_time():
            let_go(operation, orderly=True)
            return False
        settle(item, operation=operation, kind=kind, terms=terms)
        tally.items += 1
        if tally.items % RING_EVERY == 1:
            terms.ring()
    return finish(operation, to=Status.DONE, terms=terms)


def open_items(operation: Operation) -> Any:
    """What is left to do, read in small portions: an item that is done is never read again."""
    while items := list(operation.items.open()[:AT_ONCE]):
        yield from items


def settle(item: OperationItem, *, operation: Operation, kind: Kind, terms: Terms) -> None:
    """The item's effect and its outcome are there, both or neither. Where the effect waits for the outside world, it guards itself."""
    early = None
    if not kind.is_quick:
        keep_hold(operation, kind=kind)
        early = attempt(item, operation=operation, kind=kind, terms=terms)
        fault("operation.after_effect")
    with transaction.atomic():
        keep_hold(operation, kind=kind, claims=0)
        result = early or attempt(item, operation=operation, kind=kind, terms=terms)
        item.outcome, item.text, item.done_at = result.outcome[:20], result.text, Now()
        item.save(update_fields=["outcome", "text", "done_at"])
        fault("operation.before_item_commit")
    fault("operation.after_item_commit")


def attempt(item: OperationItem, *, operation: Operation, kind: Kind, terms: Terms) -> Result:
    """Do one item. One that breaks us leaves nothing behind, says so, and does not keep the others waiting."""
    try:
        if not kind.is_quick:
            return kind.do(item, operation=operation, means=terms)
        with transaction.atomic():
            return kind.do(item, operation=operation, means=terms)
    except (OperationalError, InterfaceError, InjectedFault):
        raise  # not the item's fault: it is done when the database is back
    except Exception as trouble:
        text = f"{type(trouble).__name__}: {trouble}"[:2_000]
        journal.count_error("operations", text)
        return Result(outcome=Outcome.BROKEN, text=text)


def keep_hold(operation: Operation, *, kind: Kind, **facts: Any) -> None:
    """It is ours for one more item. In a transaction: nobody else takes or ends it before that is committed."""
    ours = Operation.objects.filter(pk=operation.pk, lease=operation.lease, status=Status.RUNNING)
    if not ours.update(leased_until=Now() + kind.item_takes, **facts):
        raise HoldLost(operation.pk)


def is_cancelled(operation: Operation) -> bool:
    return Operation.objects.filter(pk=operation.pk, cancel_requested_at__isnull=False).exists()


def let_go(operation: Operation, *, orderly: bool = False) -> None:
    """Another worker may go on with it at once. Making room in good order is no sign of trouble."""
    claims = Greatest(F("claims") - 1, Value(0)) if orderly else F("claims")
    Operation.objects.filter(pk=operation.pk, lease=operation.lease).update(lease=None, leased_until=None, claims=claims)


def finish(operation: Operation, *, to: Status, terms: Terms) -> bool:
    """It has ended. Raises HoldLost if it was not ours any more."""
    with transaction.atomic():
        if not end(Operation.objects.filter(pk=operation.pk, lease=operation.lease), to=to):
            raise HoldLost(operation.pk)
    terms.ring()
    return True


@transaction.atomic
def give_up(operation: Operation, *, error: str) -> bool:
    ended = end(Operation.objects.filter(pk=operation.pk, lease=operation.lease), to=Status.FAILED, error=error)
    if ended:
        journal.record(Level.ERROR, "operations", f"Failed: {operation}. {error}", detail={"operation": operation.pk})
    return bool(ended)


def end(row: Any, *, to: Status, **facts: Any) -> int:
    """Whatever of it has not been done is marked so, and it has ended. In the caller's transaction, so that both are true or neither."""
    ours = [operation.pk for operation in row.select_for_update(of=("self",))]
    OperationItem.objects.open().filter(operation__in=ours).update(outcome=Outcome.NOT_DONE, text=NOT_ITS_TURN, done_at=Now())
    return int(row.move(to, ended_at=Now(), lease=None, leased_until=None, **facts))


@transaction.atomic
def _write(found: Preview, *, by: Any, reason: str, key: uuid.UUID) -> Operation:
    facts = {"kind": found.kind.name, "parameters": written(found.kind), "asked": found.kind.asked, "total": len(found.chosen)}
    operation, is_new = Operation.objects.get_or_create(key=key, defaults=facts | {"reason": reason, "author": by})
    if is_new:
        items = [OperationItem(operation=operation, **asdict(one)) for one in found.chosen]
        OperationItem.objects.bulk_create(items, batch_size=1_000)
        journal.record(Level.INFO, "operations", f"Started by {by}: {operation}", detail={"operation": operation.pk}, by_id=by.pk)
    elif operation.author_id != by.pk or operation.parameters != facts["parameters"]:
        raise NotStarted("This form was sent already, with other answers. Nothing was started: look again, then start.")
    return operation
