"""A file of contacts: who a row is about, what it says, and how it becomes a contact.

A row is about the contact of its id, where the file has that column, else about the one of its e-mail. What the file's columns say
replaces what was known; columns that the file lacks are left alone. A date that is none is absent, with a flag; it refuses no row.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from itertools import repeat
from typing import Any

from campaigns.importing.columns import Column
from campaigns.importing.kinds import Sort, Texts, Written
from campaigns.models import Flag
from campaigns.rules.states import OTHER
from campaigns.zip_codes import PLACES, ZipRefused, state_of
from messaging import text_input
from messaging.text_input import EARLIEST, EXCEL_DAMAGE, LATEST, TextRefused, shown

ID_DIGITS = 15
PLAIN_ADDRESS = re.compile(  # the addresses that text_input.email_address leaves as they are, but for rare ones
    r"[A-Za-z0-9](?:[A-Za-z0-9_+-]|\.(?=[A-Za-z0-9_+-])){0,63}@(?:[a-z0-9]{1,31}(?:-[a-z0-9]{1,31})?\.){1,2}(?!local|internal)[a-z]{2,18}"
)
PLAIN_PHONE = re.compile(r"(?:[0-9(+](?:[0-9().+-]| (?! )){0,37}[0-9])?")
PLAIN_NAME = re.compile(r"(?:[A-Za-z](?:[A-Za-z'.-]| (?! )){0,97}[A-Za-z.])?")
PLAIN_ID = re.compile(rf"[1-9][0-9]{{0,{ID_DIGITS - 1}}}")

FOREIGN = "xn--"  # how such a domain is written in ASCII
DATES = {"birth_date": Flag.BIRTH_DATE_INVALID, "effective_date": Flag.EFFECTIVE_DATE_INVALID}
TEXTS = ("phone", "carrier", "first_name", "last_name")
FIELDS = ("email", "zip_code", "state", "birth_date", "effective_date", *TEXTS, "flags")


@dataclass(frozen=True)
class NoDate:
    """What a text means that stands where a date should, and is none; `sentence` goes on after "Row 8, "."""

    sentence: str


def columns(on: date) -> Sequence[Column]:
    """The columns of a file that comes in on that day."""
    ends = ("birth_date", EARLIEST, on), ("effective_date", EARLIEST, LATEST)
    cleaned = {name: partial(as_date, name=name, earliest=first, latest=last) for name, first, last in ends}
    return [
        Column(name="id", synonyms=("contact id", "contactid"), clean=as_id, plain=PLAIN_ID),
        Column(name="email", synonyms=("e-mail", "e mail", "email address", "mail"), clean=as_address, plain=PLAIN_ADDRESS, needed=True),
        Column(name="zip_code", synonyms=("zip", "zipcode", "postal code", "postcode"), clean=as_zip, needed=True),
        Column(name="state", synonyms=("state code", "us state"), clean=as_state),
        Column(name="birth_date", synonyms=("birthdate", "birthday", "date of birth", "dob", "born"), clean=cleaned["birth_date"]),
        Column(
            name="effective_date",
            synonyms=("effective", "policy effective date", "policy start", "policy start date", "start date", "effectivedate"),
            clean=cleaned["effective_date"],
        ),
        Column(name="phone", synonyms=("phone number", "telephone", "mobile", "tel"), clean=as_phone, plain=PLAIN_PHONE),
        Column(name="carrier", synonyms=("current carrier", "insurer", "insurance carrier"), clean=partial(as_text, name="carrier")),
        Column(
            name="first_name", synonyms=("first", "firstname", "given name"), clean=partial(as_text, name="first_name"), plain=PLAIN_NAME
        ),
        Column(
            name="last_name",
            synonyms=("last", "lastname", "surname", "family name"),
            clean=partial(as_text, name="last_name"),
            plain=PLAIN_NAME,
        ),
    ]


def as_id(text: str) -> str:
    digits = text_input.digits(text, field="column 'id'", limit=ID_DIGITS)
    if not (number := int(digits)):
        raise TextRefused("column 'id' is a number from 1.")
    return str(number)


def as_address(text: str) -> str:
    return text_input.email_address(text, field="column 'email'")


def as_zip(text: str) -> tuple[str, str]:
    """The ZIP code and the state it lies in."""
    code = text_input.one_line(text, field="column 'zip_code'")
    if re.fullmatch(r"[0-9]{3,4}", code):
        raise TextRefused(f"column 'zip_code': {shown(code)} has {len(code)} digits; a spreadsheet may have dropped a leading 0.")
    try:
        return code, state_of(code)
    except ZipRefused as refusal:
        raise TextRefused(f"column 'zip_code': {refusal}") from None


def as_state(text: str) -> str:
    """The state that the file states. It only tells a doubt: the ZIP code wins."""
    code = text_input.one_line(text, field="column 'state'", required=False).upper()
    if code and code not in PLACES and code != OTHER.upper():
        raise TextRefused(f"column 'state': {shown(text)} is not the code of a US state; write two letters such as CA, or nothing.")
    return "" if code == OTHER.upper() else code


def as_date(text: str, *, name: str, earliest: date, latest: date) -> str | NoDate:
    if not text.strip():
        return ""
    try:
        return text_input.calendar_date(text, field=f"column '{name}'", earliest=earliest, latest=latest).isoformat()
    except TextRefused as refusal:
        return NoDate(refusal.sentence)


def as_phone(text: str) -> str:
    phone = text_input.one_line(text, field="column 'phone'", limit=40, required=False)
    if EXCEL_DAMAGE.fullmatch(phone):
        raise TextRefused(f"column 'phone': {shown(phone)} was changed by Excel; format the column as text and enter the number again.")
    return phone


def as_text(text: str, *, name: str) -> str:
    return text_input.one_line(text, field=f"column '{name}'", limit=100, required=False)


def written(texts: Texts) -> Written:
    """The rows of the staging table, column by column."""
    zips = texts["zip_code"]
    states = [state for _, state in zips]
    flags = flags_of(texts, states=states)
    days = [without_wrong(texts[name]) if name in texts else repeat("") for name in DATES]
    others = [texts.get(name) or repeat("") for name in TEXTS]
    return zip(texts.get("id") or repeat(""), texts["email"], [code for code, _ in zips], states, *days, *others, flags, strict=False)


def flags_of(texts: Texts, *, states: list[str]) -> list[str]:
    """The doubts about each row as PostgreSQL writes an array; nearly all have none."""
    flags: list[str] = ["{}"] * len(states)
    found: dict[int, list[str]] = {}
    for place, flag, _ in doubted(texts):
        if flag:
            found.setdefault(place, []).append(flag.value)
    for place, names in found.items():
        flags[place] = f"{{{','.join(names)}}}"
    return flags


def doubted(texts: Texts) -> Iterator[tuple[int, Flag | None, str]]:
    """Each doubt about a row: the row's place, what is noted on the contact, and a sentence that goes on after "Row 8, "."""
    for place in (place for place, address in enumerate(texts["email"]) if FOREIGN in address):
        domain = texts["email"][place].partition("@")[2]
        yield place, None, f"column 'email': the domain {domain} has letters beyond a-z, which may only look alike. Taken as it is."
    for place, (stated, (code, state)) in enumerate(zip(texts.get("state", ()), texts["zip_code"], strict=False)):
        if stated and stated != state:
            where = "no state" if state == OTHER else state
            yield place, Flag.STATE_ZIP_MISMATCH, f"column 'state' says {stated}, but the ZIP code {code} lies in {where}, which counts."
    for name, flag in DATES.items():
        days = texts.get(name, ())
        for place in (place for place, day in enumerate(days) if type(day) is NoDate) if has_wrong(days) else ():
            yield place, flag, f"{days[place].sentence} Taken without that date."


def has_wrong(days: Sequence[Any]) -> bool:
    return NoDate in set(map(type, days))


def without_wrong(days: list[Any]) -> list[str]:
    return ["" if type(day) is NoDate else day for day in days] if has_wrong(days) else days


def plan(present: frozenset[str]) -> str:
    """SQL for what becomes of each staged row."""
    by_id = "id" in present
    key = "{0}.id" if by_id else "lower({0}.email)"
    mine, theirs = key.format("s"), key.format("c")
    return f"""
        WITH repeated AS (
            SELECT {mine} AS key, min(row) AS first_row, max(row) AS last_row FROM {{staged}} s GROUP BY 1 HAVING count(*) > 1
        ), matched AS (
            SELECT s.row, min(c.id) AS contact_id, count(*) AS contacts
            FROM {{staged}} s JOIN campaigns_contact c ON {theirs} = {mine} GROUP BY 1
        )
        SELECT s.row, matched.contact_id, repeated.first_row, repeated.last_row, CASE
            WHEN repeated.key IS NOT NULL THEN 'repeated' WHEN matched.contacts > 1 THEN 'ambiguous' WHEN c.id IS NULL THEN 'new'
            WHEN ({told("c", present)}) IS DISTINCT FROM ({said(present)}) THEN 'changed' ELSE 'unchanged' END AS kind
        FROM {{staged}} s LEFT JOIN repeated ON repeated.key = {mine}
        LEFT JOIN matched ON matched.row = s.row LEFT JOIN campaigns_contact c ON c.id = matched.contact_id
    """


def merge(present: frozenset[str]) -> Sequence[str]:
    """SQL that adds the new contacts and changes those that differ."""
    names = [*(["id"] if "id" in present else []), *FIELDS]
    return [
        f"""
        INSERT INTO campaigns_contact ({", ".join(names)}) SELECT {", ".join(f"s.{name}" for name in names)}
        FROM {{staged}} s JOIN import_plan p ON p.row = s.row
        WHERE p.kind = 'new' AND p.row BETWEEN %(low)s AND %(high)s ORDER BY p.row
        """,
        f"""
        UPDATE campaigns_contact c SET ({told("", present)}, updated_at) = ROW({said(present)}, statement_timestamp())
        FROM {{staged}} s JOIN import_plan p ON p.row = s.row
        WHERE c.id = p.contact_id AND p.kind = 'changed' AND p.row BETWEEN %(low)s AND %(high)s
        """,
    ]


def replaced(present: frozenset[str]) -> list[str]:
    """The fields that such a file speaks of, but for the flags."""
    spoken = {*present - {"id", "state"}, "state"} - ({"email"} if "id" not in present else set())
    return [name for name in FIELDS if name in spoken]


def told(table: str, present: frozenset[str]) -> str:
    return ", ".join(f"{table}.{name}" if table else name for name in [*replaced(present), "flags"])


def said(present: frozenset[str]) -> str:
    """What those fields become. A doubt about a column that the file lacks stays; one about the state goes with its ZIP code."""
    known = {"state": Flag.STATE_ZIP_MISMATCH, **DATES}
    answered = [flag.value for column, flag in known.items() if column in present]
    new = "s.flags"
    if len(answered) < len(known):
        gone = ", ".join(f"'{flag}'" for flag in ["", *answered])
        stays = f"flag NOT IN ({gone}) AND (flag <> '{Flag.STATE_ZIP_MISMATCH.value}' OR c.zip_code = s.zip_code)"
        old = f"ARRAY(SELECT flag FROM unnest(c.flags) flag WHERE {stays})"
        new = f"CASE WHEN c.flags = '{{{{}}}}' THEN s.flags ELSE s.flags || {old} END"
    return ", ".join([*(f"s.{name}" for name in replaced(present)), new])


SAME = "'Rows ' || p.first_row || ' and ' || (CASE WHEN s.row = p.first_row THEN p.last_row ELSE s.row END) || ' both '"


def sort() -> Sort:
    return Sort(
        columns=columns,
        staged="""
            id bigint, email varchar(254) NOT NULL, zip_code varchar(10) NOT NULL, state varchar(5) NOT NULL,
            birth_date date, effective_date date, phone varchar(40) NOT NULL, carrier varchar(100) NOT NULL,
            first_name varchar(100) NOT NULL, last_name varchar(100) NOT NULL, flags varchar(30)[] NOT NULL
        """,
        texts=TEXTS,
        written=written,
        flagged="flags <> '{}'",
        doubts=lambda texts: ((place, sentence) for place, _, sentence in doubted(texts)),
        locked="campaigns_contact",
        plan=plan,
        sentences={
            "repeated": (
                "CASE WHEN s.id IS NULL THEN 'email' ELSE 'id' END",
                f"{SAME} || CASE WHEN s.id IS NULL THEN 'contain ' || lower(s.email) ELSE 'have the id ' || s.id END || '.'",
            ),
            "ambiguous": (
                "'email'",
                "'Row ' || s.row || ', column ''email'': several contacts have the address ' || lower(s.email)"
                " || '. Add the column id to say which one is meant.'",
            ),
        },
        merge=merge,
        after="SELECT setval(pg_get_serial_sequence('campaigns_contact', 'id'), greatest((SELECT max(id) FROM campaigns_contact), "
        "nextval(pg_get_serial_sequence('campaigns_contact', 'id'))))",
    )
