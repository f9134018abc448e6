"""Leads a file from its arrival to its end. Whatever dies on the way, nothing of it is half applied, and it goes on where it stood.

reading ─ (ready: a person looks at the preview) ─ merging ─ applied
"""

import hashlib
import io
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from django.db import Error, transaction
from django.db.models.functions import Now

from campaigns.importing import contacts, targets
from campaigns.importing.holds import LEASE, Cancelled, Hold, HoldLost
from campaigns.importing.kinds import Sort
from campaigns.importing.merging import compare, merge
from campaigns.importing.reading import Pieces
from campaigns.importing.refusals import AlreadyImported, refuse_known_file
from campaigns.importing.staging import TooManyRefused, drop, stage
from campaigns.models import ImportJob, ImportKind, ImportPiece, ImportRefusal, ImportStatus
from messaging.sheets import SheetRefused

PIECE = 1024 * 1024  # bytes
MOST_BYTES = 500 * 1024 * 1024  # of an upload
KEPT = timedelta(days=1)  # a preview that nobody confirmed
SORTS: dict[str, Callable[[], Sort]] = {ImportKind.CONTACTS: contacts.sort, ImportKind.TARGETS: targets.sort}
Unfit = (SheetRefused, TooManyRefused, AlreadyImported)  # what ends an import; the text says why


class UnderWay(ValueError):
    """Another worker has the same file in hand."""


class MakesRoom(Exception):
    """We were told to stop; somebody else goes on with it."""


def never() -> bool:
    return False


def silent(done: int, of: int, what: str) -> None:
    """Nobody is told."""


@dataclass(frozen=True, kw_only=True)
class Terms:
    """The day for "in the future", when to make room, and whom to tell how far it is."""

    on: date
    stop: Callable[[], bool] = never
    told: Callable[[int, int, str], None] = silent


@dataclass(kw_only=True)
class Tally:
    """What one call did."""

    imports: int = 0
    previewed: int = 0
    applied: int = 0
    failed: int = 0
    abandoned: int = 0
    left: bool = False


@dataclass(kw_only=True)
class Task:
    """An import in our hands, and where its bytes are."""

    job: ImportJob
    terms: Terms
    open_file: Callable[[], BinaryIO]
    sort: Sort = field(init=False)
    hold: Hold = field(init=False)

    def __post_init__(self) -> None:
        self.sort, self.hold = SORTS[self.job.kind](), Hold(self.job)

    def told(self, done: int, of: int, what: str) -> None:
        """So far it is. Raises MakesRoom where the work is to stop between two blocks."""
        self.terms.told(done, of, what)
        if self.terms.stop():
            raise MakesRoom


# from a file of this machine


def import_file(path: Path, *, kind: str, terms: Terms, resume: bool = False) -> ImportJob:
    """The file's good rows are in, all of them; nothing is, where this raises one of `Unfit`, or UnderWay."""
    task = taken_up(path, kind=kind, terms=terms, resume=resume)
    try:
        if task.job.status == ImportStatus.READING:
            read(task)
            task.hold.row.move(ImportStatus.MERGING)
        apply(task)
    except Unfit as why:
        end(task.hold.row, to=ImportStatus.FAILED, error=str(why))
        raise
    except BaseException:
        with suppress(Error):  # a database that is away: the hold runs out by itself
            let_go(task)
        raise
    return task.job


@transaction.atomic
def dry_run(path: Path, *, kind: str, terms: Terms) -> tuple[ImportJob, list[str]]:
    """What `import_file` would do, and the sentences of the first refused rows; nothing of it stays."""
    task = Task(job=new_job(path, kind=kind), terms=terms, open_file=lambda: path.open("rb"))
    refuse_known_file(task.job)
    read(task)
    for name, count in compare(task.job, sort=task.sort, open_file=task.open_file).items():
        setattr(task.job, name, count)
    sentences = first_refusals(task.job)
    transaction.set_rollback(True)
    return task.job, sentences


def first_refusals(job: ImportJob, *, limit: int = 100) -> list[str]:
    return list(ImportRefusal.objects.filter(job=job).order_by("row").values_list("reason", flat=True)[:limit])


def taken_up(path: Path, *, kind: str, terms: Terms, resume: bool) -> Task:
    """The interrupted import of this file where it is to go on, else a new one."""
    job = new_job(path, kind=kind, saved=False)
    refuse_known_file(job)
    before = ImportJob.objects.unfinished().filter(kind=kind, sha256=job.sha256, is_stored=False).order_by("-pk")
    if before.leased().exists():
        raise UnderWay(f"Another process is importing {path.name}, or was killed within the last {LEASE.seconds} seconds.")
    if not (resume and (claimed := before.claim(lease=LEASE, limit=1))):
        for old in before:
            end(ImportJob.objects.filter(pk=old.pk).free(), to=ImportStatus.CANCELLED)
        job.save()
        claimed = [job]
    return Task(job=claimed[0], terms=terms, open_file=lambda: path.open("rb"))


def new_job(path: Path, *, kind: str, saved: bool = True) -> ImportJob:
    with path.open("rb") as source:
        sha256, size = hashlib.file_digest(source, "sha256").hexdigest(), source.tell()
    job = ImportJob(kind=kind, file_name=path.name[:255], sha256=sha256, size_bytes=size, lease=uuid.uuid4(), leased_until=Now() + LEASE)
    if saved:
        job.save()
    return job


# from an upload, by whichever worker comes


@transaction.atomic
def receive(chunks: Iterable[bytes], *, kind: str, name: str, by: Any) -> ImportJob:
    """The file is in the database and waits for a worker. Raises AlreadyImported, UnderWay or SheetRefused; then it is not."""
    digest, size = hashlib.sha256(), 0
    job = ImportJob.objects.create(kind=kind, file_name=name[:255], sha256="", size_bytes=0, started_by=by, is_stored=True)
    for number, piece in enumerate(in_pieces(chunks)):
        digest.update(piece)
        size += len(piece)
        if size > MOST_BYTES:
            raise SheetRefused(f"At most {MOST_BYTES // 1024**2} MB in the browser. Split the file, or use the command import_{kind}.")
        ImportPiece.objects.create(job=job, number=number, data=piece)
    if not size:
        raise SheetRefused("The file is empty.")
    job.sha256, job.size_bytes = digest.hexdigest(), size
    refuse_known_file(job)
    if other := ImportJob.objects.unfinished().filter(kind=kind, sha256=job.sha256).first():
        raise UnderWay(f"This very file is under way already, as import {other.pk}.")
    job.save(update_fields=["sha256", "size_bytes"])
    return job


def in_pieces(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes in pieces of one size, which an upload's chunks need not have."""
    waiting = bytearray()
    for chunk in chunks:
        waiting += chunk
        while len(waiting) >= PIECE:
            yield bytes(waiting[:PIECE])
            del waiting[:PIECE]
    if waiting:
        yield bytes(waiting)


def confirm(job: ImportJob) -> bool:
    """What the preview showed is to be imported; False if that is not open any more."""
    return bool(ImportJob.objects.filter(pk=job.pk, status=ImportStatus.READY).move(ImportStatus.MERGING, done_rows=0))


@transaction.atomic
def cancel(job: ImportJob) -> bool:
    """It ends, with nothing imported; at once, or as soon as its worker sees it. False if it has ended already."""
    held = ImportJob.objects.select_for_update(of=("self",)).get(pk=job.pk)
    if not held.is_unfinished or held.cancel_asked_at:
        return False
    row = ImportJob.objects.filter(pk=job.pk)
    row.update(cancel_asked_at=Now())
    end(row.free(), to=ImportStatus.CANCELLED)
    return True


def run_due(terms: Terms, *, seconds: float = 50.0) -> Tally:
    """Work on uploaded files until none waits for a worker, or it is time; any number of workers may do this at once."""
    tally, until = Tally(), time.monotonic() + seconds
    old: Any = ImportJob.objects.filter(status=ImportStatus.READY, started_at__lt=Now() - KEPT)
    tally.abandoned = sum(end(ImportJob.objects.filter(pk=job.pk), to=ImportStatus.CANCELLED) for job in old)
    while not terms.stop() and time.monotonic() < until and (claimed := ImportJob.objects.to_run().claim(lease=LEASE, limit=1)):
        tally.imports += 1
        outcome = work(Task(job=claimed[0], terms=terms, open_file=partial(stored, claimed[0])))
        tally.previewed += outcome == ImportStatus.READY
        tally.applied += outcome == ImportStatus.APPLIED
        tally.failed += outcome == ImportStatus.FAILED
    tally.left = ImportJob.objects.to_run().exists()
    return tally


def stored(job: ImportJob) -> BinaryIO:
    """The bytes of an upload, a piece at a time."""
    numbers = range(-(-job.size_bytes // PIECE))
    pieces = (bytes(ImportPiece.objects.values_list("data", flat=True).get(job=job, number=number)) for number in numbers)
    return io.BufferedReader(Pieces(pieces), PIECE)


def work(task: Task) -> str:
    """One step: the preview is there, or the import is over. Returns the status it leaves the import in."""
    try:
        if task.job.cancel_asked_at:
            raise Cancelled(task.job.pk)
        if task.job.status == ImportStatus.READING:
            read(task)
            preview(task)
        else:
            apply(task)
    except Unfit as why:
        end(task.hold.row, to=ImportStatus.FAILED, error=str(why))
    except Cancelled:
        end(task.hold.row, to=ImportStatus.CANCELLED)
    except HoldLost:
        pass
    except MakesRoom:
        let_go(task)
    except BaseException:
        with suppress(Error):
            let_go(task)
        raise
    return str(ImportJob.objects.values_list("status", flat=True).get(pk=task.job.pk))


# the steps


def read(task: Task) -> None:
    """Every row is staged or refused."""
    with task.open_file() as source:
        stage(task.job, source=source, sort=task.sort, on=task.terms.on, hold=task.hold, told=task.told)


def preview(task: Task) -> None:
    """What a merge would do now is on record, and a person decides."""
    with task.hold.beating(), transaction.atomic():
        counts = compare(task.job, sort=task.sort, open_file=task.open_file)
        task.hold.check()
        if not task.hold.row.move(ImportStatus.READY, lease=None, leased_until=None, **counts):
            raise HoldLost(task.job.pk)


def apply(task: Task) -> None:
    """All is merged and the import is over, in one transaction."""
    with task.hold.beating(), transaction.atomic():
        counts = merge(task.job, sort=task.sort, open_file=task.open_file, hold=task.hold, told=task.told)
        if not end(task.hold.row, to=ImportStatus.APPLIED, **counts):
            raise HoldLost(task.job.pk)
    task.job.refresh_from_db()


@transaction.atomic
def end(row: Any, *, to: str, **facts: Any) -> int:
    """It has ended, and what was kept for it alone is gone: the file and the staged rows."""
    jobs = list(row.may_become(to).select_for_update(of=("self",)))
    for job in jobs:
        drop(job)
        ImportPiece.objects.filter(job=job).delete()
    return int(row.move(to, ended_at=Now(), lease=None, leased_until=None, **facts))


def let_go(task: Task) -> None:
    """Another worker may go on with it at once."""
    task.hold.row.update(lease=None, leased_until=None)
