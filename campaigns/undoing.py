"""A run undone: the schedule says again what it said before, but for what has left the scheduler's hands meanwhile.

Chunk by chunk as the run was written, each in one transaction, by any number of workers; whatever is killed, the next one goes on.
Only the newest run that wrote anything can be undone; undo that, and the one before it can be. What the run had covered of changes of
campaigns stays covered: nothing is planned anew before the next run over everybody.
"""

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.db import IntegrityError, InterfaceError, OperationalError, connection, transaction
from django.db.models import Q
from django.db.models.functions import Now

from campaigns import chunks, loading, replaced_rows, runs, writing
from campaigns.models import EmailSchedule, ReplacedSchedule, RunChunk, RunStatus, RunUndo, SchedulerRun, Status
from campaigns.outages import Outage
from campaigns.replaced_rows import PutBack
from campaigns.run_totals import CHECKSUM_BITS
from messaging import journal
from messaging.faults import fault
from messaging.models import Level

KEPT = timedelta(days=7)  # what a run replaced
LONGEST_OVERDUE = timedelta(days=60)  # a mail that a run plans is not older
LONGEST_REASON = 500
LISTED = 1_000  # rows that are named
WROTE = Q(counts__added__gt=0) | Q(counts__changed__gt=0) | Q(counts__removed__gt=0)


class UndoRefused(Exception):
    """This run cannot be undone; the sentence says why, and what to do instead."""


def undo(run_id: int, *, reason: str, by: Any = None, stop: Callable[[], bool] = runs.never) -> SchedulerRun:
    """From the beginning to the end, by this process alone. Raises UndoRefused or RunFailed."""
    begun = begin(run_id, reason=reason, by=by)
    work(begun.pk, stop=stop)
    begun.refresh_from_db()
    return begun


@transaction.atomic
def begin(run_id: int, *, reason: str, by: Any = None) -> SchedulerRun:
    """The run waits for workers that undo it; it is so noted. One that is undone, or being undone, stays so. Raises UndoRefused."""
    runs.give_up_silent()
    run = SchedulerRun.objects.select_for_update().filter(pk=run_id).first()
    if run is not None and run.status in (RunStatus.UNDOING, RunStatus.UNDONE):
        return run
    if why := refusal(run, run_id=run_id):
        raise UndoRefused(why)
    if not reason.strip():
        raise UndoRefused("Say why it is undone: the next person must be able to see it.")
    assert run is not None
    try:
        with transaction.atomic():
            SchedulerRun.objects.filter(pk=run_id).move(RunStatus.UNDOING, heartbeat_at=Now(), error="")
    except IntegrityError:
        raise UndoRefused("Another run is under way. Wait for its end; then undo that one first, if need be.") from None
    RunChunk.objects.filter(run=run).update(tries=0, lease=None, leased_until=None)
    _, is_new = RunUndo.objects.get_or_create(run=run, defaults={"by": by, "reason": reason.strip()[:LONGEST_REASON]})
    journal.record(
        Level.WARNING, "scheduler", f"Run {run_id} is {'' if is_new else 'still '}being undone: {reason.strip()}", by_id=by and by.pk
    )
    run.refresh_from_db()
    return run


def refusal(run: SchedulerRun | None, *, run_id: int) -> str:
    """Why this run cannot be undone now; empty where it can."""
    if run is None:
        return f"There is no run {run_id}. `run_history` lists those there are."
    if run.status == RunStatus.RUNNING:
        return f"Run {run_id} is under way. Wait for its end, or stop it, before it is undone."
    if not run.keeps_replaced:
        return f"What stood before run {run_id} is kept for {KEPT.days} days, and they are over. A backup has it: `restore_backup`."
    later = wrote_later(run)
    return f"Run {later} came after run {run_id} and changed the schedule: undo that one first." if later else ""


def is_begun(run: SchedulerRun) -> bool:
    """Whether somebody has begun to undo it."""
    return RunUndo.objects.filter(run=run).exists()


def wrote_later(run: SchedulerRun) -> int | None:
    """The newest of the runs after this one that have changed the schedule, and still do."""
    later = RunChunk.objects.filter(run__gt=run.pk, done_at__isnull=False, undone__isnull=True).filter(WROTE)
    return later.order_by("-run_id").values_list("run_id", flat=True).first()


def work(run_id: int, *, stop: Callable[[], bool] = runs.never) -> None:
    """The run is undone, or this was told to stop, when this returns. Waits for the database if it is away. Raises RunFailed."""
    outage = Outage(run_id)
    while not stop():
        try:
            run = once(run_id)
        except (OperationalError, InterfaceError) as trouble:
            if not connection.in_atomic_block:
                connection.close()
            if connection.in_atomic_block or outage.is_endless():
                raise runs.RunFailed(f"The database is away: {trouble}. Go on later: undo_run {run_id}.") from trouble
            outage.wait(trouble)
            continue
        outage.end()
        if run.status == RunStatus.FAILED:
            raise runs.RunFailed(f"Run {run_id} could not be undone: {run.error} Try it again: undo_run {run_id}.")
        if run.status != RunStatus.UNDOING:
            return


def once(run_id: int) -> SchedulerRun:
    """One chunk, or the end; else a moment's wait. The run as it stood before."""
    run = SchedulerRun.objects.get(pk=run_id)
    if run.status != RunStatus.UNDOING:
        return run
    taken = RunChunk.objects.filter(run=run, undone__isnull=True).order_by("number").free().claim(lease=runs.LEASE, limit=1)
    if taken:
        undo_chunk(run, taken[0])
    elif not end(run_id):
        time.sleep(runs.WAIT_SECONDS)
    return run


def undo_chunk(run: SchedulerRun, chunk: RunChunk) -> None:
    """What the chunk found stands again, and the chunk says so in the same transaction; or it has one try less."""
    some = chunks.contacts_in(chunk)
    try:
        with transaction.atomic():
            found = replaced_rows.put_back(loading.chosen(some, column="mail.contact_id"), run_id=run.pk, chunk=chunk.number)
            told = found.as_dict() | {"checksum": writing.checksum(some)}
            fault("undo.before_chunk_commit")
            ours = RunChunk.objects.filter(pk=chunk.pk, lease=chunk.lease, undone__isnull=True)
            if not ours.update(undone=told, tries=0, lease=None, leased_until=None):
                transaction.set_rollback(True)  # somebody else has done it, since we took too long
                return
            SchedulerRun.objects.filter(pk=run.pk).update(heartbeat_at=Now())
        fault("undo.after_chunk_commit")
    except (OperationalError, InterfaceError):
        runs.hand_back(chunk)
        raise
    except Exception as trouble:  # whatever it was, it is told on the run and tried again
        runs.missed_step(run, chunk, trouble)


@transaction.atomic
def end(run_id: int) -> bool:
    """If every chunk is undone, so is the run, and it says what came of it."""
    run = SchedulerRun.objects.select_for_update(skip_locked=True).filter(pk=run_id, status=RunStatus.UNDOING).first()
    if run is None or RunChunk.objects.filter(run=run, undone__isnull=True).exists():
        return False
    every = list(run.chunks.order_by("number").values_list("undone", "counts"))
    found = total(told for told, _ in every)
    is_exact = all(is_as_before(told, counts) for told, counts in every)
    RunUndo.objects.filter(run=run).update(ended_at=Now(), is_exact=is_exact, **found.as_dict())
    fault("undo.before_end_commit")
    SchedulerRun.objects.filter(pk=run_id).move(RunStatus.UNDONE, heartbeat_at=Now())
    journal.record(Level.WARNING, "scheduler", f"Run {run_id} is undone. {in_words(found)}", detail=found.as_dict())
    return True


def total(told: Any) -> PutBack:
    """The sum over some chunks of what was, or would be, put back."""
    every = list(told)
    return PutBack(**{name: sum(one[name] for one in every) for name in PutBack().as_dict()})


def is_as_before(told: dict[str, int], counts: dict[str, Any]) -> bool:
    """Whether the schedule of the chunk's contacts has the checksum it had before the run; a chunk that was never written has none."""
    return "before" not in counts or (told["checksum"] - counts["before"]) % CHECKSUM_BITS == 0


def in_words(found: PutBack) -> str:
    parts = [f"{found.put_back:,} rows are as they were before", f"{found.taken_away:,} that it had added are gone"]
    parts += [f"{found.left_alone:,} stay, since they have left the scheduler's hands"] * bool(found.left_alone)
    parts += [f"{found.not_put_back:,} stay away, since their place is taken"] * bool(found.not_put_back)
    return f"{'; '.join(parts)}."


def preview(run: SchedulerRun) -> PutBack:
    """What undoing the run would do at this moment. The rare mail whose place is taken by another is not told apart."""
    old, stays = kept(run), gone_on(run)
    stays_of_old = stays.filter(pk__in=old.values("id")).count()
    written = run.chunks.filter(undone__isnull=True, done_at__isnull=False).values_list("counts", flat=True)
    added = sum(counts.get("added", 0) for counts in written)
    left = stays.count()
    return PutBack(put_back=old.count() - stays_of_old, taken_away=max(0, added - left + stays_of_old), left_alone=left)


def kept(run: SchedulerRun) -> Any:
    """The rows that the run replaced, as they were; of a run that is undone, those that were not put back."""
    return ReplacedSchedule.objects.filter(replaced_in=run.pk)


def gone_on(run: SchedulerRun) -> Any:
    """The run's rows that have left the scheduler's hands since; an index leads to them."""
    since = run.day - LONGEST_OVERDUE
    return EmailSchedule.objects.filter(run=run, status__in=[Status.SCHEDULED, Status.CANCELLED], send_on__gte=since)


def left_alone(run: SchedulerRun) -> list[dict[str, Any]]:
    """The run's rows that stay if it is undone, or stayed, each with the reason; the first of many."""
    names = ("id", "contact_id", "email_type", "send_on", "status", "message_id")
    stays = EmailSchedule.objects.filter(run=run) if run.status == RunStatus.UNDONE else gone_on(run)
    return [{**one, "why": why_left(one["status"])} for one in stays.order_by("send_on", "pk").values(*names)[:LISTED]]


def why_left(status: str) -> str:
    if status == Status.SCHEDULED:
        return "handed over"
    return "stopped for good" if status == Status.CANCELLED else "another mail follows it, or has its old place"


def not_put_back(run: SchedulerRun) -> list[dict[str, Any]]:
    """Of a run that is undone: the rows that it removed and that stay away; the first of many."""
    if run.status != RunStatus.UNDONE:
        return []
    names = ("id", "contact_id", "email_type", "send_on", "status")
    away = kept(run).exclude(id__in=EmailSchedule.objects.filter(run=run).values("pk"))
    return [{**one, "why": "another mail has its place, or its contact is gone"} for one in away.order_by("id").values(*names)[:LISTED]]
