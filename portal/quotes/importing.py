"""Rows of a file as quotes: cleaned by what the customers' own form takes, and compared with the quotes that are here.

A row is known by its number, else by its key, else by what it says; so a file brought twice makes each quote once. What a file changes
is what the customer said, and only while the quote is pending: prices and mails are never written by a file.
"""

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from messaging import text_input
from messaging.sheets import Columns, Row
from messaging.text_input import TextRefused, shown
from portal.quotes import forms, intake
from portal.quotes.intake import NewRequest
from portal.quotes.models import Quote, Status, TimeSlot

FIELDS = {  # the file's column: the field of Quote it fills
    "Number": "number",
    "Key": "key",
    "Name": "name",
    "E-mail": "email",
    "Phone": "phone",
    "Address": "address",
    "City": "city",
    "Description": "description",
    "Preferred Date": "preferred_date",
    "Preferred Time": "preferred_time",
    "Status": "status",
}
SAID_BY_CUSTOMERS = [name for name in FIELDS.values() if name not in ("number", "key", "status")]
FIGURES = (  # what our own export says beside
    *("Received", "Source", "Amount CAD", "Customer Mail", "Customer Tries", "Admin Mail", "Admin Tries"),
    *("Answer", "Answered", "Notes"),
)
COLUMNS = Columns(
    names={name.lower(): name for name in FIELDS} | {"email": "E-mail"},
    needed=("Name", "E-mail", "Phone", "Address", "City"),
    ignored=(*FIGURES, "Problem"),
)
NUMBER = re.compile(r"GC-\d{8}-[0-9A-Z]{6}", re.ASCII)
MAY_BE_GIVEN = (Status.PENDING, Status.COMPLETED)
LONGEST_KEY = 100  # characters

Problem = tuple[str, str]  # column, sentence


@dataclass(kw_only=True)
class Read:
    """A row and what it amounts to: the quote it is about, if that is here, and the fields it gives."""

    row: Row
    fields: dict[str, Any] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    quote: Quote | None = None


def read(rows: Sequence[Row], *, on: date) -> list[Read]:
    """Every row cleaned, found or named, and compared with the others. Nothing is changed."""
    found = [cleaned(row) for row in rows]
    good = [one for one in found if not one.problems]
    find(good, on=on)
    refuse_twins(good)
    for one in good:
        keep_what_is_decided(one, one.quote) if one.quote else begin(one)
    return found


def cleaned(row: Row) -> Read:
    found = Read(row=row, problems=[("", row.problem)] if row.problem else [])
    for column, check in CHECKS.items():
        try:
            found.fields[FIELDS[column]] = check(row.values.get(column, ""))
        except TextRefused as refusal:
            found.problems.append((column, refusal.sentence))
    return found


def find(good: list[Read], *, on: date) -> None:
    """The quotes these rows are about; those that are new have a number and a key afterwards."""
    for one in good:
        one.fields["key"] = one.fields["key"] or f"import:{one.fields['number'] or mark(one.fields)}"
    numbers, keys = ([one.fields[name] for one in good] for name in ("number", "key"))
    by_number = {quote.number: quote for quote in Quote.objects.filter(number__in=filter(None, numbers))}
    by_key = {quote.key: quote for quote in Quote.objects.filter(key__in=keys)}
    for one in good:
        numbered, keyed = by_number.get(one.fields["number"]), by_key.get(one.fields["key"])
        if numbered and keyed and numbered != keyed:
            one.problems.append(("Key", f"Key {shown(one.fields['key'])} is that of {keyed}, not of {numbered}."))
        one.quote = numbered or keyed
        if one.quote:
            if one.fields["number"] and one.fields["number"] != one.quote.number:
                one.problems.append(("Number", f"{one.quote} is here already under that key; it cannot become {one.fields['number']}."))
            one.fields |= {"number": one.quote.number, "key": one.quote.key}
        else:
            one.fields["number"] = one.fields["number"] or number_for(one.fields["key"], on=on)


def number_for(key: str, *, on: date) -> str:
    """The same for the same key on the same day, so that the preview shows what will be stored."""
    letters = intake.UNAMBIGUOUS
    digest = hashlib.sha256(key.encode()).digest()
    return f"GC-{on:%Y%m%d}-" + "".join(letters[byte % len(letters)] for byte in digest[:6])


def mark(fields: Mapping[str, Any]) -> str:
    return intake.fingerprint(NewRequest(key="", **{name: fields[name] for name in SAID_BY_CUSTOMERS}))


def refuse_twins(good: list[Read]) -> None:
    first: dict[str, int] = {}
    for one in good:
        number = one.fields["number"]
        if number in first:
            one.problems.append(("Number", f"Rows {first[number]} and {one.row.number} are the same quote, {number}."))
        first.setdefault(number, one.row.number)


def keep_what_is_decided(one: Read, quote: Quote) -> None:
    """A quote that is here keeps its status; what its customer said may be changed while nobody has priced it."""
    one.fields["status"] = quote.status
    changed = [column for column, name in FIELDS.items() if name in SAID_BY_CUSTOMERS and one.fields[name] != getattr(quote, name)]
    if changed and quote.status != Status.PENDING:
        told = f"{quote} is {quote.get_status_display()}: a file changes only what is still pending."
        one.problems += [(column, told) for column in changed[:1]]


def begin(one: Read) -> None:
    """A new quote waits to be priced, or is over and done with."""
    given = one.fields["status"] or Status.PENDING
    one.fields["status"] = given
    if given not in MAY_BE_GIVEN:
        one.problems.append(("Status", f"A new quote is Pending or Completed; {Status(given).label} comes about here, not by a file."))


def as_number(value: str) -> str:
    text = text_input.one_line(value, field="Number", limit=40, required=False).upper()
    if text and not NUMBER.fullmatch(text):
        raise TextRefused(f"Number must be written GC-YYYYMMDD-XXXXXX, or be left empty; got {shown(text)}.")
    return text


def as_key(value: str) -> str:
    return text_input.one_line(value, field="Key", limit=LONGEST_KEY, required=False)


def as_date(value: str) -> date | None:
    return text_input.calendar_date(value, field="Preferred Date") if value.strip() else None


def as_slot(value: str) -> str:
    text = text_input.one_line(value, field="Preferred Time", required=False)
    named = {str(label).lower(): slot for slot, label in TimeSlot.choices} | {slot: slot for slot in TimeSlot.values}
    if text and text.lower() not in named:
        raise TextRefused(f"Preferred Time must be one of {', '.join(TimeSlot.values)}; got {shown(text)}.")
    return named[text.lower()] if text else ""


def as_status(value: str) -> str:
    """Any status may stand there, as our own export writes it; whether a new quote may have it is another question."""
    text = text_input.one_line(value, field="Status", required=False).lower()
    known = {str(label).lower(): status for status, label in Status.choices} | {status: status for status in Status.values}
    if text and text not in known:
        raise TextRefused(f"Status must be Pending or Completed; got {shown(text)}.")
    return known[text] if text else ""


CHECKS: dict[str, Callable[[str], Any]] = {
    "Number": as_number,
    "Key": as_key,
    "Name": forms.line("Name", least=2, most=100),
    "E-mail": lambda value: text_input.email_address(value, field="E-mail"),
    "Phone": forms.phone,
    "Address": forms.line("Address", least=10, most=500),
    "City": forms.line("City", most=100),
    "Description": lambda value: text_input.many_lines(value, field="Description", limit=1000, required=False),
    "Preferred Date": as_date,
    "Preferred Time": as_slot,
    "Status": as_status,
}
