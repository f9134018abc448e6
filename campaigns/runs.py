"""The scheduler's runs: everybody's schedule, or some contacts', planned and written chunk by chunk, by any number of workers on any host.

    BACKUP   all that the run may change, verified, if it is not asked to go without
    PLAN     a chunk's rows by the rules of each contact alone
    ·        which days are crowded, how much of each priority stays there
    SETTLE   the rows that their day does not keep
    ·        where those go
    WRITE    the differences, and the chunk's counts, in one transaction

All that is known between two steps stands in the database: a worker takes a chunk by lease, and whoever comes last does what lies between
the steps. So a run goes on whatever is killed, and its result is the same, row for row, with one worker or many.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from django.db import IntegrityError, InterfaceError, OperationalError, connection, transaction
from django.db.models import F, Q
from django.db.models.functions import Now

from campaigns import chunks, loading, run_totals, safeguard, trials
from campaigns.models import Contact, RunChunk, RunStatus, RunUndo, SchedulerRun, Scope, Step
from campaigns.outages import Outage
from campaigns.settings import SchedulerSettings, SettingsRefused, plain, read
from messaging import journal
from messaging.backup import BackupFailed
from messaging.faults import fault
from messaging.models import Level

LEASE = timedelta(seconds=90)  # many times as long as a chunk takes
SILENT = timedelta(minutes=5)  # a run of which nothing is heard for so long has lost all its workers
MOST_TRIES = 3  # of one step of a chunk
WAIT_SECONDS = 0.2  # for other workers
LONGEST_WORD = 200
NEXT = {Step.PLAN: Step.SETTLE, Step.SETTLE: Step.WRITE, Step.WRITE: Step.DONE}


class RunUnderWay(Exception):
    """Another run is under way, or being undone; `run` is the one."""

    def __init__(self, run: SchedulerRun) -> None:
        under_way = f"is under way since {run.started_at:%H:%M}; join it with --resume {run.pk}."
        super().__init__(f"Run {run.pk} of {run.day} {'is being undone.' if run.status == RunStatus.UNDOING else under_way}")
        self.run = run


class RunFailed(Exception):
    """A run could not be finished; the sentence says what went wrong, and how to go on."""


class RunUnknown(RunFailed):
    """There is no such run."""


@dataclass(frozen=True, kw_only=True)
class Order:
    """What a run is asked for. `contact_ids` None: everybody. `write` False: only what would change.

    It begins from a backup in a folder, or `without_backup` says why not: one of the two.
    """

    day: date
    settings: SchedulerSettings
    versions: dict[str, int]
    by: Any = None
    reason: str = ""
    contact_ids: Sequence[int] | None = None
    write: bool = True
    production: bool = False  # what went out as a test only is planned anew
    backup_to: Path | None = None
    without_backup: str = ""

    def __post_init__(self) -> None:
        if self.write and not (self.backup_to or self.without_backup):
            raise ValueError("A run begins from a backup (backup_to), or says why not (without_backup).")


def never() -> bool:
    return False


def run(order: Order, *, stop: Callable[[], bool] = never) -> SchedulerRun:
    """A run from its start to its end, by this process alone. Raises RunUnderWay or RunFailed."""
    started = start(order)
    work(started.pk, write=order.write, stop=stop)
    started.refresh_from_db()
    return started


@transaction.atomic
def start(order: Order) -> SchedulerRun:
    """A run that waits for workers. Raises RunUnderWay while another one is; one that has lost its workers is given up."""
    give_up_silent()
    ours = SchedulerRun(
        day=order.day,
        scope=Scope.ALL if order.contact_ids is None else Scope.SOME,
        reason=order.reason,
        started_by=order.by,
        settings=plain(order.settings),
        config_versions=order.versions,
        **beginning(order),
    )
    try:
        with transaction.atomic():
            ours.save()
    except IntegrityError:
        raise RunUnderWay(SchedulerRun.objects.at_work().get()) from None
    if order.production and ours.scope == Scope.ALL and (released := trials.release()):
        journal.record(Level.INFO, "scheduler", f"{released:,} mails that went out as tests only are planned anew.")
    parts = RunChunk.objects.bulk_create(chunks_of(ours, order))
    everybody = Contact.objects.count()
    cap = chunks.caps(order.settings, organisation=everybody).daily
    concerned = everybody if order.contact_ids is None else Contact.objects.filter(pk__in=order.contact_ids).count()
    SchedulerRun.objects.filter(pk=ours.pk).update(contacts=concerned, daily_cap=cap, chunk_count=len(parts))
    ours.refresh_from_db()
    return ours


def beginning(order: Order) -> dict[str, Any]:
    """With a backup, or without and why."""
    if order.backup_to and order.write and not order.without_backup:
        return {"step": Step.BACKUP, "backup_to": str(order.backup_to)}
    return {"without_backup": order.without_backup[:LONGEST_WORD] or "Nothing is written: it was asked what would change."}


def give_up_silent() -> None:
    """A run without a sign of life has failed: it can be resumed by hand, and stands in nobody's way."""
    silent = SchedulerRun.objects.at_work().filter(heartbeat_at__lt=Now() - SILENT)
    for lost in silent.select_for_update(skip_locked=True):
        fail(lost.pk, f"Nothing was heard of it for {SILENT.seconds // 60} minutes: its workers are gone. Resume it, or start anew.")


def chunks_of(run: SchedulerRun, order: Order) -> Iterable[RunChunk]:
    size = order.settings.batch_size
    if order.contact_ids is None:
        ranges = loading.ranges(size=size)
        return [RunChunk(run=run, number=n, first_id=one.first_id, last_id=one.last_id) for n, one in enumerate(ranges, start=1)]
    ids = sorted(set(order.contact_ids))
    pieces = [ids[at : at + size] for at in range(0, len(ids), size)]
    return [RunChunk(run=run, number=n, first_id=some[0], last_id=some[-1], ids=some) for n, some in enumerate(pieces, start=1)]


def resume(run_id: int) -> SchedulerRun:
    """A failed run is under way again, from where it stood; one that is under way is joined. Raises RunFailed if it cannot be."""
    try:
        with transaction.atomic():
            give_up_silent()
            failed = SchedulerRun.objects.filter(pk=run_id, status=RunStatus.FAILED, undo=None)
            if failed.move(RunStatus.RUNNING, ended_at=None, error="", heartbeat_at=Now()):  # whoever is at one under way keeps its chunk
                RunChunk.objects.filter(run=run_id).update(tries=0, lease=None, leased_until=None)
    except IntegrityError:
        raise RunFailed("Another run is under way. Wait for it, then resume this one.") from None
    found = SchedulerRun.objects.filter(pk=run_id).first()
    if found is None:
        raise RunUnknown(f"There is no run {run_id}. `run_history` lists those there are.")
    if RunUndo.objects.filter(run=run_id).exists():
        raise RunFailed(f"Run {run_id} is undone in part. Undo it to the end, undo_run {run_id}, then plan anew.")
    if found.status != RunStatus.RUNNING:
        raise RunFailed(f"Run {run_id} is {found.status}: there is nothing to resume.")
    return found


def nothing(run: SchedulerRun) -> None:
    """Tell nobody."""


def work(run_id: int, *, write: bool = True, stop: Callable[[], bool] = never, tell: Callable[[SchedulerRun], None] = nothing) -> None:
    """The run is over, or was told to stop, when this returns. Waits for the database if it is away. Raises RunFailed.

    `tell` is given the run now and then.
    """
    outage = Outage(run_id)
    while not stop():
        try:
            run = once(run_id, write=write)
        except (OperationalError, InterfaceError) as trouble:
            if not connection.in_atomic_block:
                connection.close()
            if connection.in_atomic_block or outage.is_endless():
                raise RunFailed(f"The database is away: {trouble}. Run {run_id} can be resumed: --resume {run_id}.") from trouble
            outage.wait(trouble)
            continue
        outage.end()
        tell(run)
        if run.status == RunStatus.FAILED:
            raise RunFailed(f"Run {run_id} failed: {run.error} Resume it with --resume {run_id}, or start anew.")
        if run.status != RunStatus.RUNNING:
            return
    if not RunChunk.objects.filter(run=run_id).leased().exists():  # nobody else is at it either
        fail(run_id, "It was told to stop.")


def once(run_id: int, *, write: bool) -> SchedulerRun:
    """One step of one chunk, or what lies between two steps; else a moment's wait. The run as it stood before."""
    run = SchedulerRun.objects.get(pk=run_id)
    if run.status != RunStatus.RUNNING:
        return run
    if run.step == Step.BACKUP:
        back_up(run)
        return run
    taken = RunChunk.objects.filter(run=run).at(run.step).free().claim(lease=LEASE, limit=1)
    if taken:
        do(run, taken[0], write=write)
    elif not between(run):
        time.sleep(WAIT_SECONDS)
    return run


def back_up(run: SchedulerRun) -> None:
    """The run has its backup, or has failed and says why: it changes nothing without one."""
    try:
        safeguard.back_up(run)
    except BackupFailed as trouble:
        fail(run.pk, f"{trouble}. Nothing was planned or changed. Put that right and resume it, or resume it without a backup and say why.")


def between(run: SchedulerRun) -> bool:
    """What lies behind the step is done, or the run is told why not: nobody waits for a run that cannot go on."""
    try:
        return go_on(run.pk)
    except (OperationalError, InterfaceError):
        raise
    except Exception as trouble:  # no worker could do better
        fail(run.pk, f"After the step “{run.get_step_display()}”, where all chunks are put together: {trouble!r}")
        return True


def do(run: SchedulerRun, chunk: RunChunk, *, write: bool) -> None:
    """The chunk has taken its step, and says so in the same transaction; or it has one try less."""
    try:
        settings = read(run.settings, whole=True)
        with transaction.atomic():
            without_parallel_workers()
            facts = chunks.STEPS[Step(run.step)](run, chunk, settings, write)
            fault("run.before_chunk_commit")
            ours = RunChunk.objects.filter(pk=chunk.pk, lease=chunk.lease, step=run.step)
            if not ours.update(step=NEXT[Step(run.step)], tries=0, lease=None, leased_until=None, **facts):
                transaction.set_rollback(True)  # somebody else has done it, since we took too long
                return
            done = facts.get("contacts", 0) if run.step == Step.WRITE else 0
            SchedulerRun.objects.filter(pk=run.pk).update(heartbeat_at=Now(), contacts_done=F("contacts_done") + done)
        fault("run.after_chunk_commit")
    except (OperationalError, InterfaceError):
        hand_back(chunk)
        raise
    except SettingsRefused as refusal:  # no try would be another
        fail(run.pk, f"The settings it was given cannot be read any more: {refusal} Start anew.")
    except Exception as trouble:  # whatever it was, it is told on the run and tried again
        missed_step(run, chunk, trouble)


def without_parallel_workers() -> None:
    """For this transaction: a run's own workers share the cores, and a query split among more processes costs all of them time."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL max_parallel_workers_per_gather = 0")


def hand_back(chunk: RunChunk) -> None:
    """The chunk is free at once if the database can be told so; else when its lease has run out."""
    if not connection.in_atomic_block:
        connection.close()
        with suppress(OperationalError, InterfaceError):
            RunChunk.objects.filter(pk=chunk.pk, lease=chunk.lease).update(lease=None, leased_until=None)


def missed_step(run: SchedulerRun, chunk: RunChunk, trouble: Exception) -> None:
    tries = chunk.tries + 1
    text = f"Chunk {chunk.number} (contacts {chunk.first_id} to {chunk.last_id}), {run.step}, try {tries}: {trouble!r}"
    journal.record(Level.WARNING, "scheduler", text)
    RunChunk.objects.filter(pk=chunk.pk, lease=chunk.lease).update(tries=tries, leased_until=Now() + timedelta(seconds=2**tries))
    if tries >= MOST_TRIES:
        fail(run.pk, text)


def fail(run_id: int, error: str) -> None:
    if SchedulerRun.objects.filter(pk=run_id).move(RunStatus.FAILED, ended_at=Now(), error=error):
        journal.record(Level.ALARM, "scheduler", f"Run {run_id} failed. {error}")


@transaction.atomic
def go_on(run_id: int) -> bool:
    """If every chunk has taken the step, what lies behind it is done and the run takes the next one."""
    run = SchedulerRun.objects.select_for_update(skip_locked=True).filter(pk=run_id).running().first()
    if run is None or RunChunk.objects.filter(run=run).at(run.step).exists():
        return False
    step, facts = run_totals.BETWEEN[Step(run.step)](run, read(run.settings, whole=True))
    fault("run.before_step_commit")
    SchedulerRun.objects.filter(pk=run_id).update(step=step, heartbeat_at=Now(), **facts)
    if step == Step.SETTLE or step == Step.WRITE:
        RunChunk.objects.filter(run=run).filter(~Q(step=step)).update(step=step)
    return True
