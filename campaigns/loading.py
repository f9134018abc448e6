"""Contacts and what is known of them, from PostgreSQL into the arrays of the rules: column by column, so that a row costs no object."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from django.db import connection

from campaigns.loading_queries import CONTACTS, EVENTS, FOR_ALL, HELD, HISTORIES, MESSAGES, NO_MESSAGE, NOTHING, OF_CONCERN, TARGETS
from campaigns.rules.shapes import EVENT, HISTORY, NO_DAY, TARGET, Array, Contacts, filled
from campaigns.rules.states import STATES
from campaigns.scheduler import Chunk
from campaigns.settings import SchedulerSettings

HEADER = 21  # bytes before the first column of a binary COPY of one row
ARRAY_HEADER = 20  # bytes before the first element
PAST_DAYS = 400  # what is older concerns no rule


@dataclass(frozen=True, kw_only=True)
class Range:
    """Contacts from `first_id` to `last_id`, both included."""

    first_id: int
    last_id: int


Some = Range | Sequence[int]  # contacts in a row, or these ids


def chunk(some: Some, *, day: Any, settings: SchedulerSettings, whole: bool = True) -> Chunk:
    """These contacts by ascending id, with their targets, past and planned mails, and what they did. Invalid contacts are left out.

    Unless `whole`, without the mails that no run needs to know: those whose own day is still ahead.
    """
    told = facts(some, day=day, settings=settings)
    contacts = contacts_of(table(CONTACTS, some, told, column="id", dtype="i8,i4,i4,i4"))
    places = Places(contacts.id)
    targets = targets_of(table(TARGETS, some, told, column="target.contact_id", dtype="i8,i8,i4,i4,i4,i4"), places)
    return Chunk(
        contacts=contacts,
        targets=np.concatenate([targets, targets_of_all(targets, contacts=len(contacts), told=told)]),
        history=mails_of(some, told, places, query=HISTORIES if whole else OF_CONCERN),
        events=events_of(table(EVENTS, some, told, column="contact_id", dtype="i8,i4,i4,i4"), places),
    )


def held(some: Some, contacts: Contacts, *, day: Any, settings: SchedulerSettings) -> Array:
    """HISTORY of these contacts that has left the scheduler's hands, or should have."""
    return mails_of(some, facts(some, day=day, settings=settings), Places(contacts.id), query=HELD)


def mails_of(some: Some, told: dict[str, Any], places: "Places", *, query: str) -> Array:
    rows = table(query, some, told, column="mail.contact_id", dtype="i8,i8,i4,i4,i4,i4,i8,i4,i8,i8")
    return history_of(with_messages(rows, told), places)


def with_messages(rows: Array, told: dict[str, Any]) -> Array:
    """Mails as far as their messages have brought them: how far, and the day they were sent on."""
    handed_over = np.flatnonzero(rows["f9"] != NO_MESSAGE)
    if not len(handed_over):
        return rows
    wanted = np.unique(rows["f9"][handed_over])
    messages = table(MESSAGES, None, told | {"messages": f"{{{','.join(map(str, wanted.tolist()))}}}"}, dtype="i8,i4,i4")
    at = np.searchsorted(messages["f0"], rows["f9"][handed_over])
    sent_on = messages["f1"][at]
    rows["f3"][handed_over] = np.where(sent_on == NOTHING, rows["f3"][handed_over], sent_on)
    rows["f5"][handed_over] = messages["f2"][at]
    return rows


def ids(some: Some) -> Array:
    """Which of these contacts there are."""
    told = chosen(some)[1]
    return table("SELECT id FROM campaigns_contact WHERE {some}", some, told, column="id", dtype="i8,")["f0"].astype("i8")


def ranges(*, size: int) -> Iterator[Range]:
    """All contacts there are, `size` at a time, by ascending id."""
    after = -(2**63)
    with connection.cursor() as cursor:
        while True:
            cursor.execute(
                "SELECT min(id), max(id) FROM (SELECT id FROM campaigns_contact WHERE id > %s ORDER BY id LIMIT %s) AS batch", [after, size]
            )
            first, last = cursor.fetchone()
            if first is None:
                return
            yield Range(first_id=first, last_id=last)
            after = last


def facts(some: Some, *, day: Any, settings: SchedulerSettings) -> dict[str, Any]:
    """What the queries are told."""
    names = settings.email_types.names
    for_all = [f"campaign_{name}" for name, one in settings.campaign_types.items() if one.target_all_contacts and one.active]
    return chosen(some)[1] | {
        "states": list(STATES),
        "other": len(STATES),
        "nothing": NOTHING,
        "names": list(names),
        **{f"kind_{code}": name for code, name in enumerate(names)},
        "longest_lead": max(0, int(settings.email_types.lead.max().astype("i8"))),
        "for_all": for_all,
        "day": str(day),
        "since": str(day - np.timedelta64(PAST_DAYS, "D")),
        "zone": settings.time_zone,
    }


def chosen(some: Some, *, column: str = "") -> tuple[str, dict[str, Any]]:
    """SQL that says that a column is one of these contacts, and its values."""
    if isinstance(some, Range):
        return f"{column} BETWEEN %(first)s AND %(last)s", {"first": some.first_id, "last": some.last_id}
    return f"{column} = ANY(%(ids)s)", {"ids": list(some)}


def table(query: str, some: Some | None, told: dict[str, Any], *, column: str = "", dtype: str) -> Array:
    """The rows of a query as records, in its order; its columns are whole numbers, none of them NULL."""
    columns = np.dtype(dtype)
    names = columns.names or ()
    arrays = ", ".join(f"array_send(array_agg({name}))" for name in names)
    whole = filled_in(query, some, told, column=column)
    # psycopg's own cursor: the one that Django wraps around it where DEBUG is on takes no parameters here
    copied = f"COPY (SELECT {arrays} FROM ({whole}) AS told ({', '.join(names)})) TO STDOUT (FORMAT BINARY)"
    with connection.wrap_database_errors, connection.cursor() as cursor, cursor.cursor.copy(copied, told) as copy:
        return records(fields(b"".join(copy), number=len(names)), columns)


def filled_in(query: str, some: Some | None, told: dict[str, Any], *, column: str = "") -> str:
    """The query with its contacts, and the rules' numbers for types and states, in place."""
    these = chosen(some, column=column)[0] if some is not None else ""
    return query.replace("{some}", these).replace("{kind}", kind_cases(len(told.get("names", ()))))


def fields(data: bytes, *, number: int) -> Iterator[memoryview | None]:
    """The columns of the one row in a binary COPY; None is NULL."""
    at, view = HEADER, memoryview(data)
    for _ in range(number):
        length = int.from_bytes(view[at : at + 4], "big", signed=True)
        at += 4
        yield view[at : at + length] if length >= 0 else None
        at += max(0, length)


def records(arrays: Iterable[memoryview | None], columns: np.dtype[Any]) -> Array:
    """What PostgreSQL's arrays of whole numbers say in binary, an array for each column: each element its size, and itself."""
    read = [elements(data, columns[name]) for name, data in zip(columns.names or (), arrays, strict=True)]
    rows = np.empty(len(read[0]), columns)
    for name, values in zip(columns.names or (), read, strict=True):
        rows[name] = values
    return rows


def elements(data: memoryview | None, dtype: np.dtype[Any]) -> Array:
    if data is None:
        return np.zeros(0, dtype)
    wire = np.frombuffer(data, [("size", ">i4"), ("value", dtype.newbyteorder(">"))], offset=ARRAY_HEADER)
    assert not len(wire) or (wire["size"] == dtype.itemsize).all(), "a column of another width, or NULL"
    return wire["value"]


def days(numbers: Array) -> Array:
    return np.where(numbers == NOTHING, NO_DAY, numbers.astype("M8[D]"))


def contacts_of(rows: Array) -> Contacts:
    return Contacts(id=rows["f0"].astype("i8"), state=rows["f1"].astype("i1"), birthday=days(rows["f2"]), effective_date=days(rows["f3"]))


class Places:
    """Where each contact stands among some that come by ascending id."""

    def __init__(self, ids: Array) -> None:
        self.ids = ids

    def of(self, contact_ids: Array) -> tuple[Array, Array]:
        """The place of each, and which of them are there at all: one may have come since."""
        at = np.searchsorted(self.ids, contact_ids)
        known = at < len(self.ids)
        known[known] = self.ids[at[known]] == contact_ids[known]
        return at, known


def targets_of(rows: Array, places: Places) -> Array:
    at, known = places.of(rows["f0"].astype("i8"))
    rows, at = rows[known], at[known]
    return filled(
        TARGET,
        len(rows),
        place=at,
        kind=rows["f2"],
        instance=rows["f1"],
        trigger_on=days(rows["f3"]),
        active_from=days(rows["f4"]),
        active_until=days(rows["f5"]),
    )


def targets_of_all(targets: Array, *, contacts: int, told: dict[str, Any]) -> Array:
    """A TARGET without a trigger for every contact that a campaign for all does not name itself."""
    found = [filled(TARGET, 0)]
    for row in table(FOR_ALL, None, told, dtype="i8,i4,i4,i4") if told["for_all"] else ():
        named = targets["place"][targets["instance"] == row["f0"]]
        rest = np.setdiff1d(np.arange(contacts), named)
        begins, ends = days(row["f2"]), days(row["f3"])
        found.append(filled(TARGET, len(rest), place=rest, kind=row["f1"], instance=row["f0"], active_from=begins, active_until=ends))
    return np.concatenate(found)


def history_of(rows: Array, places: Places) -> Array:
    at, known = places.of(rows["f0"].astype("i8"))
    rows, at = rows[known], at[known]
    return filled(
        HISTORY,
        len(rows),
        id=rows["f1"],
        place=at,
        kind=rows["f2"],
        send_on=days(rows["f3"]),
        event_on=days(rows["f4"]),
        status=rows["f5"],
        instance=rows["f6"],
        moved_from=days(rows["f7"]),
        parent=rows["f8"],
    )


def events_of(rows: Array, places: Places) -> Array:
    at, known = places.of(rows["f0"].astype("i8"))
    rows, at = rows[known], at[known]
    return filled(EVENT, len(rows), place=at, answered=rows["f1"] != 0, conditions=rows["f2"] != 0, happened_on=days(rows["f3"]))


def kind_cases(types: int) -> str:
    """SQL: the code of a mail's type; -1 for one that there is no more."""
    return f"(CASE mail.email_type {' '.join(f'WHEN %(kind_{code})s THEN {code}' for code in range(types))} ELSE -1 END)::int4"
