"""A run proved: the schedule is as the run left it, but for what the portal's own doors have done since.

Each chunk kept the sum over its contacts' rows, and the number of the transaction that wrote them. What was handed over, stopped, followed
or planned anew since is counted as it was before that; then the sum is the same, or somebody has edited the schedule past the portal.
Such a row gives itself away: the transaction that wrote it last came after the chunk's.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from django.db import connection

from campaigns import counts, loading, writing
from campaigns.chunks import contacts_in
from campaigns.models import RunChunk, RunStatus, SchedulerRun, Status
from campaigns.run_totals import CHECKSUM_BITS

NAMED = 100  # rows of one chunk
XIDS = 2**32
SINCE = "age(mail.xmin) < age(%(written_by)s::text::xid)"
BY_DOOR = f"""CASE
    WHEN mail.parent_id IS NOT NULL THEN 'its follow-up was planned'
    WHEN mail.status = '{Status.SCHEDULED}' AND message.created_at > %(begun)s THEN 'handed over'
    WHEN mail.metadata ? 'stopped' AND mail.status = '{Status.CANCELLED}' THEN 'stopped by a person'
    WHEN mail.metadata ? 'stopped_by' AND mail.status IN ('{Status.CANCELLED}', '{Status.SKIPPED}') THEN 'stopped at hand-over'
    ELSE '' END"""
UNCLEAR = "(CASE WHEN mail.parent_id IS NULL THEN mail.moved_from IS NOT NULL ELSE mail.created_at <= %(ended)s END)"
MAIL = "campaigns_emailschedule AS mail LEFT JOIN messaging_message AS message ON message.id = mail.message_id"
HASHED = (
    "contact_id, email_type, send_on, send_time, status, skip_reason, priority, event_on, moved_from, window_end, catch_up, over_cap,"
    " metadata, campaign_instance_id, parent_id, message_id, run_id"
)
AS_IT_WAS = f"""
    SELECT coalesce(sum(hash_record_extended(ROW(contact_id, email_type::text, send_on, send_time,
        CASE WHEN moved_on THEN '{Status.PRE_SCHEDULED}' ELSE status::text END, CASE WHEN moved_on THEN '' ELSE skip_reason::text END,
        priority, event_on, moved_from, CASE WHEN moved_on THEN NULL ELSE window_end END, catch_up, over_cap,
        CASE WHEN moved_on THEN nullif(metadata - 'stopped' - 'stopped_by', '{{}}') ELSE metadata END,
        campaign_instance_id, parent_id, CASE WHEN moved_on THEN NULL ELSE message_id END), 0)), 0)
    FROM (
        SELECT {", ".join(f"mail.{name.strip()}" for name in HASHED.split(","))}, {SINCE} AND {BY_DOOR} <> '' AS moved_on
        FROM {MAIL} WHERE {{some}} AND coalesce(mail.run_id, 0) <= %(run)s
        UNION ALL
        SELECT {HASHED}, false FROM (
            SELECT DISTINCT ON (mail.id) mail.* FROM campaigns_replacedschedule AS mail
            WHERE {{some}} AND mail.replaced_in > %(run)s ORDER BY mail.id, mail.replaced_in
        ) AS before_later_runs
        WHERE coalesce(run_id, 0) <= %(run)s
    ) AS stood
    WHERE NOT (moved_on AND parent_id IS NOT NULL)
"""
CHANGED = f"""
    SELECT mail.id, mail.contact_id, mail.email_type, mail.send_on::text, mail.status, {BY_DOOR} AS why,
        bool_or({BY_DOOR} <> '' AND {UNCLEAR}) OVER () AS some_unclear
    FROM {MAIL} WHERE {{some}} AND coalesce(mail.run_id, 0) <= %(run)s AND {SINCE}
    ORDER BY ({BY_DOOR}) <> '', NOT {UNCLEAR}, mail.id LIMIT {NAMED}
"""
COLUMNS = ("id", "contact_id", "email_type", "send_on", "status", "why", "some_unclear")
EDITED = "edited past the portal"
SUMMED = ("invalid", "scheduled", "skipped", "added", "changed", "removed", "unchanged")
SUMS = {"contacts_checksum": "contacts_checksum", "before_checksum": "before", "after_checksum": "after"}


class ProofRefused(Exception):
    """There is nothing to prove of this run now; the sentence says why."""


@dataclass(kw_only=True)
class Difference:
    """What does not agree with the run, in words; of a chunk with its contacts and the rows that are known."""

    says: str
    chunk: int | None = None
    first_id: int | None = None
    last_id: int | None = None
    rows: list[dict[str, Any]] = field(default_factory=list)


@dataclass(kw_only=True)
class Proof:
    differences: list[Difference] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)  # what has gone on by the portal's doors
    chunks: int = 0
    now: int = 0  # the sum over what stands

    @property
    def holds(self) -> bool:
        return not self.differences

    @property
    def checksum(self) -> str:
        return f"{self.now % CHECKSUM_BITS:016x}"


def nobody(_done: int, _of: int) -> None:
    """Is told nothing."""


def prove(run: SchedulerRun, *, tell: Callable[[int, int], None] = nobody) -> Proof:
    """Chunks, counts and rows as the run left them, or what differs. `tell` is given chunks done and all. Raises ProofRefused."""
    if run.status not in (RunStatus.COMPLETED, RunStatus.FAILED):
        raise ProofRefused(f"Run {run.pk} is {run.get_status_display().lower()}: what it wrote is proved once it is over, and stands.")
    proof, every = Proof(), list(run.chunks.order_by("number"))
    proof.differences += [*missing_chunks(run, every), *(wrong_counts(run, every) if run.status == RunStatus.COMPLETED else [])]
    for number, chunk in enumerate(every, start=1):
        if chunk.done_at and chunk.undone is None:
            prove_chunk(run, chunk, proof)
        tell(number, len(every))
    return proof


def missing_chunks(run: SchedulerRun, every: list[RunChunk]) -> Iterator[Difference]:
    """The chunks are numbered without a gap and follow upon each other."""
    there = {chunk.number for chunk in every}
    for number in sorted(set(range(1, run.chunk_count + 1)) - there):
        before = max((chunk.last_id for chunk in every if chunk.number < number), default=None)
        after = min((chunk.first_id for chunk in every if chunk.number > number), default=None)
        where = " and ".join([f"after {before}"] * (before is not None) + [f"before {after}"] * (after is not None))
        yield Difference(says=f"Chunk {number} is missing{f': contacts {where}' if where else ''}.", chunk=number)
    for one, following in pairwise(every):
        if following.first_id <= one.last_id:
            yield Difference(says=f"Chunks {one.number} and {following.number} overlap.", chunk=following.number)
    if run.status == RunStatus.COMPLETED:
        yield from (Difference(says=f"Chunk {one.number} was never written.", chunk=one.number) for one in every if not one.done_at)


def wrong_counts(run: SchedulerRun, every: list[RunChunk]) -> Iterator[Difference]:
    """What the run tells is the sum of what its chunks tell."""
    told = counts.summed(chunk.counts for chunk in every)
    found = {name: told.get(name, 0) for name in SUMMED} | {"contacts": sum(chunk.contacts for chunk in every)}
    for name, number in found.items():
        if number != getattr(run, name):
            yield Difference(says=f"The run tells {getattr(run, name):,} {name}, its chunks {number:,}.")
    for name, of_chunks in SUMS.items():
        number = f"{told.get(of_chunks, 0) % CHECKSUM_BITS:016x}"
        if number != getattr(run, name):
            yield Difference(says=f"The run's {name.replace('_', ' ')} is {getattr(run, name)}, the sum of its chunks {number}.")


def prove_chunk(run: SchedulerRun, chunk: RunChunk, proof: Proof) -> None:
    some = contacts_in(chunk)
    stands, then = writing.checksum(some), chunk.counts["after"]
    proof.chunks += 1
    proof.now += stands
    if (stands - then) % CHECKSUM_BITS == 0:
        return
    these, told = loading.chosen(some, column="mail.contact_id")
    told |= {"run": run.pk, "written_by": (chunk.written_by or 0) % XIDS, "begun": run.started_at, "ended": chunk.done_at}
    with connection.cursor() as cursor:
        cursor.execute(AS_IT_WAS.replace("{some}", these), told)
        was = int(cursor.fetchone()[0])
        cursor.execute(CHANGED.replace("{some}", these), told)
        rows = [dict(zip(COLUMNS, row, strict=True)) for row in cursor.fetchall()]
    judge(chunk, rows, proof, is_same=(was - then) % CHECKSUM_BITS == 0, was_undone=was_undone_later(chunk))


def was_undone_later(chunk: RunChunk) -> bool:
    """Whether a later run over contacts of this chunk was undone: that wrote rows anew which are as this run left them."""
    later = RunChunk.objects.filter(run__gt=chunk.run_id, undone__isnull=False)
    return later.filter(first_id__lte=chunk.last_id, last_id__gte=chunk.first_id).exists()


def judge(chunk: RunChunk, rows: list[dict[str, Any]], proof: Proof, *, is_same: bool, was_undone: bool) -> None:
    """The chunk's sum is another now: what that means, by the rows that were written since."""
    where = f"Chunk {chunk.number} (contacts {chunk.first_id} to {chunk.last_id})"
    unclear = any(row["some_unclear"] for row in rows)
    edited = [{name: row[name] for name in COLUMNS[:-2]} | {"why": EDITED} for row in rows if not row["why"]]
    if is_same:
        proof.notes.append(f"{where} has moved on by the portal's own doors; otherwise it is as the run left it.")
    elif unclear and was_undone:
        proof.notes.append(f"{where} cannot be proved any more: a later run over it was undone, and mails of it went out since.")
    elif edited:
        some = "" if len(edited) < NAMED else "at least "
        says = f"{where}: {some}{len(edited)} row{'s' * (len(edited) != 1)} edited past the portal."
        proof.differences.append(Difference(says=says, chunk=chunk.number, first_id=chunk.first_id, last_id=chunk.last_id, rows=edited))
    elif unclear:
        proof.notes.append(f"{where} cannot be proved any more: mails of it went out on another day, or follow-ups were planned otherwise.")
    else:
        says = f"{where}: rows are gone, or one that was handed over was edited."
        proof.differences.append(Difference(says=says, chunk=chunk.number, first_id=chunk.first_id, last_id=chunk.last_id))
