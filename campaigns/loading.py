"""Contacts and what is known of them, from PostgreSQL into the arrays of the rules: column by column, so that a row costs no object."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from django.db import connection

from campaigns.models.schedule import PROGRESS, SkipReason, Status
from campaigns.rules.shapes import EVENT, HISTORY, NO_DAY, NO_INSTANCE, STATUS_WORDS, TARGET, Array, Contacts, filled
from campaigns.rules.states import STATES
from campaigns.scheduler import Chunk
from campaigns.settings import SchedulerSettings

HEADER = 21  # bytes before the first column of a binary COPY of one row
ARRAY_HEADER = 20  # bytes before the first element
NOTHING = -(2**31)  # stands for NULL
PAST_DAYS = 400  # what is older concerns no rule
RECENT = "(mail.send_on >= %(since)s OR coalesce(mail.event_on, 'infinity') >= %(since)s)"  # without an event it is never over
SENT_DAY = "(message.sent_at AT TIME ZONE %(zone)s)::date"

CONTACTS = """
    SELECT id, (coalesce(array_position(%(states)s::text[], state::text), %(other)s) - 1)::int4,
        coalesce(birth_date - date '1970-01-01', %(nothing)s), coalesce(effective_date - date '1970-01-01', %(nothing)s)
    FROM campaigns_contact WHERE {some} AND zip_code <> '' AND email LIKE '%%_@_%%' ORDER BY id
"""
TARGETS = """
    SELECT target.contact_id, target.instance_id, (array_position(%(names)s::text[], 'campaign_' || type.name) - 1)::int4,
        coalesce(target.trigger_on - date '1970-01-01', %(nothing)s), coalesce(instance.active_from - date '1970-01-01', %(nothing)s),
        coalesce(instance.active_until - date '1970-01-01', %(nothing)s)
    FROM campaigns_contactcampaign AS target
    JOIN campaigns_campaigninstance AS instance ON instance.id = target.instance_id
    JOIN campaigns_campaigntype AS type ON type.id = instance.campaign_type_id
    WHERE {some} AND (instance.active_until IS NULL OR instance.active_until >= %(since)s)
        AND coalesce(target.trigger_on, 'infinity') >= %(since)s AND 'campaign_' || type.name = ANY(%(names)s)
    ORDER BY target.contact_id, target.id
"""
FOR_ALL = """
    SELECT instance.id, (array_position(%(names)s::text[], 'campaign_' || type.name) - 1)::int4,
        coalesce(instance.active_from - date '1970-01-01', %(nothing)s), coalesce(instance.active_until - date '1970-01-01', %(nothing)s)
    FROM campaigns_campaigninstance AS instance JOIN campaigns_campaigntype AS type ON type.id = instance.campaign_type_id
    WHERE 'campaign_' || type.name = ANY(%(for_all)s) AND (instance.active_until IS NULL OR instance.active_until >= %(day)s)
    ORDER BY instance.id
"""
MAILS = f"""
    SELECT mail.contact_id, mail.id, {{kind}}, coalesce({SENT_DAY}, mail.send_on) - date '1970-01-01',
        coalesce(mail.event_on - date '1970-01-01', %(nothing)s),
        (CASE {{statuses}} END)::int4, coalesce(mail.campaign_instance_id, {NO_INSTANCE}),
        coalesce(mail.moved_from - date '1970-01-01', %(nothing)s), coalesce(mail.parent_id, {NO_INSTANCE})
    FROM campaigns_emailschedule AS mail
    LEFT JOIN LATERAL (SELECT status, sent_at FROM messaging_message WHERE id = mail.message_id OFFSET 0) AS message ON true
    WHERE {{some}} AND {RECENT} AND mail.email_type = ANY(%(names)s)
"""  # OFFSET 0: a mail's message is looked up, and not all messages read for each chunk
SENDABLE = f"{MAILS} AND mail.status <> '{Status.SKIPPED}'"  # it and the next one have each their index by contact
WITHHELD = f"""
    {MAILS} AND (mail.status = '{Status.SKIPPED}') IS TRUE AND mail.skip_reason = '{SkipReason.EXCLUSION_WINDOW}' AND mail.parent_id IS NULL
"""  # skipped follow-ups concern no rule
# No index answers `(...) IS TRUE`. When a first run begins, PostgreSQL believes that next to nothing is planned: asked by status or day, it
# would read for each chunk what the run has planned so far for everybody, instead of the rows of the chunk's contacts.
AHEAD = f"""
    mail.status = '{Status.PRE_SCHEDULED}' AND mail.send_on >= %(day)s
        AND coalesce(mail.event_on >= %(day)s::date + %(longest_lead)s, false)
"""  # planned, and its own day is ahead too: the rules find it again without being told
HISTORIES = f"{SENDABLE} UNION ALL {WITHHELD} ORDER BY 1, 2"
WITHHELD_SO_FAR = f"{WITHHELD} AND (mail.send_on <= %(day)s) IS TRUE"  # on its last day too
OF_CONCERN = f"{SENDABLE} AND NOT ({AHEAD}) UNION ALL {WITHHELD_SO_FAR} ORDER BY 1, 2"
HELD = f"{SENDABLE} AND (mail.status <> '{Status.PRE_SCHEDULED}' OR mail.send_on < %(day)s) ORDER BY 1, 2"
EVENTS = """
    SELECT contact_id, (kind = 'eligibility_answered')::int4, coalesce(has_conditions, false)::int4,
        (at AT TIME ZONE %(zone)s)::date - date '1970-01-01'
    FROM campaigns_engagementevent WHERE {some} AND at >= %(since)s ORDER BY contact_id, id
"""


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
    return history_of(table(query, some, told, column="mail.contact_id", dtype="i8,i8,i4,i4,i4,i4,i8,i4,i8"), places)


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
    return query.replace("{some}", these).replace("{statuses}", STATUSES).replace("{kind}", kind_cases(len(told.get("names", ()))))


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


def status_cases() -> str:
    """SQL: the rules' number for how far a row has come, its message included."""
    of_message = "".join(f" WHEN message.status = '{state}' THEN {STATUS_WORDS.index(word)}" for state, word in PROGRESS.items())
    own = "".join(f" WHEN mail.status = '{state}' THEN {STATUS_WORDS.index(state)}" for state in Status.values)
    return of_message + own


def kind_cases(types: int) -> str:
    """SQL: the code of a mail's type; -1 for one that there is no more."""
    return f"(CASE mail.email_type {' '.join(f'WHEN %(kind_{code})s THEN {code}' for code in range(types))} ELSE -1 END)::int4"


STATUSES = status_cases()
