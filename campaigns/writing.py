"""The schedule's rows to and from arrays. New rows go in by COPY in binary, straight into the table; only differences are written.

A binary row of COPY has the lengths of its texts and no place for what is NULL, so rows of one shape are written together: they are the
same but for numbers of a fixed width.
"""

import json
from collections.abc import Iterator
from itertools import accumulate
from typing import Any

import numpy as np
from django.db import connection

from campaigns.differences import STANDING, Difference
from campaigns.loading import Some, chosen, days, facts, table
from campaigns.loading_queries import NOTHING, RECENT
from campaigns.models.schedule import SkipReason, Status
from campaigns.rules.email_types import POST_WINDOW
from campaigns.rules.shapes import NO_INSTANCE, REASON_WORDS, STATUS_WORDS, Array, Contacts
from campaigns.rules.states import WINDOW_WORDS, Anchor
from campaigns.settings import SchedulerSettings

SIGNATURE = b"PGCOPY\n\xff\r\n\0" + bytes(8)
END = b"\xff\xff"
EPOCH = np.datetime64("2000-01-01", "D")  # PostgreSQL's
COLUMNS = (
    "contact_id, email_type, send_on, send_time, status, skip_reason, priority, event_on, moved_from, window_end, catch_up, over_cap,"
    " metadata, campaign_instance_id, email_template, sms_template, run_id"
)
MUTABLE = "send_on, send_time, status, skip_reason, priority, event_on, moved_from, window_end, catch_up, over_cap, metadata, run_id"
REASONS = " ".join(f"WHEN '{word or ''}' THEN {code}" for code, word in enumerate(REASON_WORDS))
SMALL = {  # what a standing row says in few bits, all of it in one number: SQL, the bits, and what is added to have nothing negative
    "kind": ("{kind}", 7, 1),
    "status": (f"(mail.status = '{Status.SKIPPED}')::int4", 1, 0),
    "reason": (f"CASE mail.skip_reason {REASONS} ELSE 0 END", 4, 0),
    "priority": ("mail.priority", 16, 2**15),
    "catch_up": ("mail.catch_up::int4", 1, 0),
    "over_cap": ("mail.over_cap::int4", 1, 0),
    "send_time": ("date_part('epoch', mail.send_time)::int4", 17, 0),
}
SHIFTS = dict(zip(SMALL, accumulate((bits for _, bits, _ in SMALL.values()), initial=0), strict=False))
DAYS = (("send_on", "event_on"), ("moved_from", "window_end"))  # two in one number


def pair_of_days(first: str, second: str) -> str:
    """SQL: the one in the upper half, the other in the lower one, counted from NOTHING."""
    numbers = (f"coalesce(mail.{name} - date '1970-01-01', {NOTHING})::int8" for name in (first, second))
    return f"(({next(numbers)} << 32) | ({next(numbers)} - ({NOTHING})))"


SMALL_NUMBERS = [f"((({sql}) + {more})::int8 << {SHIFTS[name]})" for name, (sql, _, more) in SMALL.items()]
STANDS = f"""
    SELECT mail.contact_id, mail.id,
        {" | ".join(SMALL_NUMBERS)},
        {", ".join(pair_of_days(*pair) for pair in DAYS)},
        coalesce(mail.campaign_instance_id, {NO_INSTANCE}),
        CASE WHEN mail.metadata IS NULL THEN 0 ELSE (
            SELECT coalesce(bit_or(1::int8 << (array_position(%(names)s::text[], type) - 1)), 0)
            FROM jsonb_array_elements_text(mail.metadata -> 'skipped_emails') AS type
        ) END
    FROM campaigns_emailschedule AS mail
    WHERE {{some}} AND (mail.status IN ('{Status.PRE_SCHEDULED}', '{Status.SKIPPED}')) IS TRUE AND mail.parent_id IS NULL
        AND {RECENT}
"""
STANDS_DTYPE = "i8,i8,i8,i8,i8,i8,i8"
HASH = """hash_record_extended(ROW(contact_id, email_type::text, send_on, send_time, status::text, skip_reason::text, priority,
        event_on, moved_from, window_end, catch_up, over_cap, metadata, campaign_instance_id, parent_id, message_id), 0)"""
CHECKSUMS = f"""
    SELECT coalesce(sum({HASH}), 0), coalesce(sum({HASH}) FILTER (WHERE run_id = %(run)s AND parent_id IS NULL), 0)
    FROM (
        SELECT * FROM campaigns_emailschedule WHERE {{some}} AND parent_id IS NULL
        UNION ALL SELECT * FROM campaigns_emailschedule WHERE {{some}} AND parent_id IS NOT NULL
    ) AS mail
"""
CHECKSUM_OF_ROWS = f"SELECT coalesce(sum({HASH}), 0) FROM campaigns_emailschedule WHERE id = ANY(%(ids)s::bigint[])"
CONTACTS_CHECKSUM = """
    SELECT count(*),
        coalesce(sum(hash_record_extended(ROW(id, email::text, zip_code::text, state::text, birth_date, effective_date), 0)), 0)
    FROM campaigns_contact WHERE {some}
"""


def standing(some: Some, *, day: Any, settings: SchedulerSettings) -> Array:
    """What stands in the schedule for these contacts and may be written anew, as STANDING, in any order. Follow-ups are not among it."""
    rows = table(STANDS, some, facts(some, day=day, settings=settings), column="mail.contact_id", dtype=STANDS_DTYPE)
    found = np.empty(len(rows), STANDING)
    for name, (_, bits, more) in SMALL.items():
        found[name] = (rows["f2"] >> SHIFTS[name] & (1 << bits) - 1) - more
    for column, (first, second) in (("f3", DAYS[0]), ("f4", DAYS[1])):
        found[first], found[second] = days(rows[column] >> 32), days((rows[column] & 2**32 - 1) + NOTHING)
    for column, name in (("f0", "contact"), ("f1", "id"), ("f5", "instance"), ("f6", "swallowed")):
        found[name] = rows[column]
    return found


def write(found: Difference, *, contacts: Contacts, run_id: int, settings: SchedulerSettings) -> None:
    """The schedule says what the difference leads to. Within the caller's transaction."""
    form = Form(run_id, settings, contacts)
    with connection.cursor() as cursor:
        delete(cursor, found.removed["id"])
        miss(cursor, found.missed["id"], run_id)
        if len(found.changed):
            cursor.execute(f"CREATE TEMP TABLE altered AS SELECT id, {MUTABLE} FROM campaigns_emailschedule WITH NO DATA")
            copy(cursor, f"altered (id, {MUTABLE})", form.changed(found.changed, found.changed_ids))
            columns = ", ".join(f"{name} = altered.{name}" for name in MUTABLE.split(", "))
            cursor.execute(
                f"UPDATE campaigns_emailschedule AS mail SET {columns}, updated_at = now() FROM altered WHERE mail.id = altered.id"
            )
            cursor.execute("DROP TABLE altered")
        if len(found.added):
            copy(cursor, f"campaigns_emailschedule ({COLUMNS})", form.added(found.added))


def delete(cursor: Any, ids: Array) -> None:
    if len(ids):
        cursor.execute("DELETE FROM campaigns_emailschedule WHERE id = ANY(%s)", [ids.tolist()])


def miss(cursor: Any, ids: Array, run_id: int) -> None:
    if len(ids):
        cursor.execute(
            "UPDATE campaigns_emailschedule SET status = %s, skip_reason = %s, run_id = %s, updated_at = now() WHERE id = ANY(%s)",
            [Status.SKIPPED, SkipReason.MISSED, run_id, ids.tolist()],
        )


def copy(cursor: Any, where: str, data: Iterator[bytes]) -> None:
    with connection.wrap_database_errors, cursor.copy(f"COPY {where} FROM STDIN (FORMAT BINARY)") as wire:
        wire.write(SIGNATURE)
        for piece in data:
            wire.write(piece)
        wire.write(END)


def checksum(some: Some) -> int:
    """An order-independent sum of what stands for these contacts: the same rows have the same sum."""
    return checksums(some, run_id=0)[0]


def checksums(some: Some, *, run_id: int) -> tuple[int, int]:
    """The sum of what stands for these contacts, and the part of it that this run has written."""
    whole, part = asked(CHECKSUMS, some, column="contact_id", run=run_id)
    return whole, part


def checksum_of(ids: Array) -> int:
    """The sum of the rows with these ids."""
    with connection.cursor() as cursor:
        cursor.execute(CHECKSUM_OF_ROWS, {"ids": ids.tolist()})
        return int(cursor.fetchone()[0])


def contacts_checksum(some: Some) -> tuple[int, int]:
    """How many contacts there are, and the sum of what the rules know of them."""
    number, total = asked(CONTACTS_CHECKSUM, some, column="id")
    return number, total


def transaction_number(chunk_id: int) -> int:
    """Of the transaction under way, or of its savepoint: every row it writes bears it, as the chunk's own does now."""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE campaigns_runchunk SET number = number WHERE id = %s RETURNING xmin::text::bigint", [chunk_id])
        return int(cursor.fetchone()[0])


def asked(query: str, some: Some, *, column: str, **told: Any) -> list[int]:
    these, chosen_ids = chosen(some, column=column)
    with connection.cursor() as cursor:
        cursor.execute(query.replace("{some}", these), chosen_ids | told)
        return [int(value) for value in cursor.fetchone()]


class Form:
    """ROWs as a binary COPY wants them."""

    def __init__(self, run_id: int, settings: SchedulerSettings, contacts: Contacts) -> None:
        self.names = settings.email_types.names
        self.run_id = run_id
        self.send_time = seconds_of(settings.send_time)
        self.contacts = contacts
        self.by_policy = settings.rules.anchor[contacts.state] == Anchor.EFFECTIVE_DATE

    def added(self, rows: Array) -> Iterator[bytes]:
        for at in self.shapes(rows):
            some = rows[at]
            yield written([("", some["contact"], ">i8"), self.names[some["kind"][0]].encode(), *self.said(some), *self.rest(some)])

    def changed(self, rows: Array, ids: Array) -> Iterator[bytes]:
        for at in self.shapes(rows):
            yield written([("", ids[at], ">i8"), *self.said(rows[at]), ("", self.run_id, ">i8")])

    def shapes(self, rows: Array) -> list[Array]:
        """The positions of the rows of each shape: the same texts, and the same columns NULL."""
        shape = self.of_policy_windows(rows).astype("i8")
        for name in ("event_on", "moved_from", "window_end"):
            shape = shape * 2 + np.isnat(rows[name])
        shape = (((shape * 2 + (rows["instance"] < 0)) * 16 + rows["reason"]) * 16 + rows["status"]) * 256 + rows["kind"]
        order = np.lexsort((rows["swallowed"], shape))
        first = (np.diff(shape[order]) != 0) | (np.diff(rows["swallowed"][order]) != 0)
        return np.split(order, np.flatnonzero(first) + 1) if len(order) else []

    def of_policy_windows(self, rows: Array) -> Array:
        """Whether the contact's windows are counted from the policy's day."""
        return self.by_policy[np.searchsorted(self.contacts.id, rows["contact"])]

    def said(self, rows: Array) -> list[Any]:
        """From the day it is sent on to the metadata: MUTABLE, without the run."""
        first = rows[0]
        return [
            day_field(rows["send_on"]),
            ("", self.send_time * 1_000_000, ">i8"),
            STATUS_WORDS[first["status"]].encode(),
            (REASON_WORDS[first["reason"]] or "").encode(),
            ("", rows["priority"], ">i2"),
            *(day_field(rows[name]) for name in ("event_on", "moved_from", "window_end")),
            ("", rows["catch_up"], "i1"),
            ("", rows["over_cap"], "i1"),
            self.metadata(rows[:1]),
        ]

    def rest(self, rows: Array) -> list[Any]:
        instance = ("", rows["instance"], ">i8") if rows["instance"][0] != NO_INSTANCE else None
        return [instance, b"", b"", ("", self.run_id, ">i8")]

    def metadata(self, row: Array) -> bytes | None:
        """What a post-window mail stands for."""
        if row["kind"][0] != POST_WINDOW:
            return None
        types = [name for code, name in enumerate(self.names) if int(row["swallowed"][0]) >> code & 1]
        window = WINDOW_WORDS[Anchor.EFFECTIVE_DATE if self.of_policy_windows(row)[0] else Anchor.BIRTHDAY]
        return b"\x01" + json.dumps({"skipped_emails": types, "window_type": window}).encode()


def day_field(column: Array) -> Any:
    return None if np.isnat(column[0]) else ("", (column - EPOCH).astype("i8"), ">i4")


def written(fields: list[Any]) -> bytes:
    """Rows of one shape: a field is a text, a number for all or a column of them, or None for NULL."""
    wire: list[Any] = [("columns", ">i2")]
    for number, one in enumerate(fields):
        wire.append((f"size{number}", ">i4"))
        if one is not None:
            wire.append((f"f{number}", f"S{max(1, len(one))}" if isinstance(one, bytes) else one[2]))
    return fill(fields, wire)


def fill(fields: list[Any], wire: list[Any]) -> bytes:
    length = next(len(one[1]) for one in fields if isinstance(one, tuple) and np.ndim(one[1]))
    records = np.zeros(length, np.dtype([part for part in wire if not is_empty_text(part, fields)]))
    records["columns"] = len(fields)
    for number, one in enumerate(fields):
        if one is None:
            records[f"size{number}"] = -1
        elif isinstance(one, bytes):
            records[f"size{number}"] = len(one)
            if one:
                records[f"f{number}"] = one
        else:
            records[f"size{number}"] = np.dtype(one[2]).itemsize
            records[f"f{number}"] = one[1]
    return records.tobytes()


def is_empty_text(part: Any, fields: list[Any]) -> bool:
    return part[0].startswith("f") and fields[int(part[0][1:])] == b""


def seconds_of(time_of_day: str) -> int:
    hours, minutes = time_of_day.split(":")
    return int(hours) * 3600 + int(minutes) * 60
