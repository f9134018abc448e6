"""Case files come in: every row checked, the good ones merged by PV in one transaction, the others told row by row and column by column.

The same file again changes nothing. What a file says about a case replaces what was known, except that an empty PID, last mail or
last reply never erases one.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from typing import Any

from django.db import connection, transaction
from django.db.models.functions import Now

from messaging import text_input
from messaging.models import Case, CaseStatus
from messaging.models.case import UNKNOWN_INJURY_YEAR
from messaging.sheets import Columns, Row, Sheet, write_csv
from messaging.text_input import TextRefused, shown

FIELDS = {  # the file's column: the field of Case it fills
    "CMS": "pid",
    "PV": "pv",
    "Status": "status",
    "Patient": "patient_name",
    "DOI": "injured_on",
    "Law Firm": "firm",
    "Attorney": "attorney_name",
    "Attorney Email": "attorney_email",
    "Attorney Phone": "attorney_phone",
    "Balance": "balance",
    "Last Sent": "last_sent_on",
    "Last Reply": "last_reply_on",
}
PROBLEM = "Problem"  # the column we add to the file of refused rows, and pass over when it comes back
COLUMNS = Columns(
    names={name.lower(): name for name in FIELDS}
    | {"pid": "CMS", "patient name": "Patient", "firm": "Law Firm", "email": "Attorney Email"},
    needed=("CMS", "PV", "Status", "Patient", "Law Firm", "Attorney Email"),
    ignored=(PROBLEM,),
)
NEVER_ERASED = ("pid", "last_sent_on", "last_reply_on")
AT_ONCE = 500  # rows per statement

Problem = tuple[str, str]  # column, sentence
Good = tuple[Row, dict[str, Any]]  # a row and the fields it amounts to


@dataclass(frozen=True, kw_only=True)
class Refused:
    """A row that was not taken, as it stood in the file, and everything that is wrong with it."""

    row: Row
    problems: list[Problem]

    @property
    def sentences(self) -> str:
        return " ".join(sentence for _, sentence in self.problems)


@dataclass(kw_only=True)
class Imported:
    """What became of a file. `merged` is False for a dry run, and where one refused row was to stop all."""

    rows: int
    new: int = 0
    changed: int = 0
    unchanged: int = 0
    refused: list[Refused] = field(default_factory=list)
    merged: bool = False


@transaction.atomic
def merge(sheet: Sheet, *, on: date, dry_run: bool = False, all_or_nothing: bool = False) -> Imported:
    """The good rows are in the portal afterwards, and the refused ones in the result; nothing is written in a dry run."""
    good, refused = cleaned_rows(sheet, on=on)
    if not dry_run:
        keep_others_out()
    taken = refuse_taken_pids(good, refused)
    new, changed, unchanged = compared(taken)
    merged = not dry_run and not (all_or_nothing and refused)
    if merged:
        write(new, changed)
    refused.sort(key=lambda one: one.row.number)
    done = Imported(rows=len(sheet.rows), refused=refused, merged=merged)
    if merged or dry_run:
        done.new, done.changed, done.unchanged = len(new), len(changed), unchanged
    return done


def clean(values: Mapping[str, str], *, on: date, row: int | None = None) -> tuple[dict[str, Any], list[Problem]]:
    """The fields of a case that a row's texts, by column, amount to; or everything that is wrong with them. Pure."""
    fields: dict[str, Any] = {}
    problems: list[Problem] = []
    for column, value in values.items():
        where = f"Row {row}, column '{column}'" if row else f"Column '{column}'"
        try:
            fields |= CLEANERS[column](value, column=where, on=on)
        except TextRefused as refusal:
            problems.append((column, refusal.sentence))
    if fields.get("pid") and fields["pid"] == fields.get("pv"):
        where = f"Row {row}: " if row else ""
        problems.append(
            ("CMS", f"{where}PID and PV are both {fields['pid']}; they are different numbers, so one of them is in the wrong place.")
        )
    return ({}, problems) if problems else (fields, [])


def refused_file(sheet: Sheet, refused: list[Refused]) -> str:
    """The refused rows as they were, too short and too long ones too, each behind what is wrong with it: to be corrected and imported."""
    told_before = {place for place, name in enumerate(sheet.header) if name.strip().lower() == PROBLEM.lower()}

    def without(cells: Sequence[str]) -> list[str]:
        return [cell for place, cell in enumerate(cells) if place not in told_before]

    return write_csv([PROBLEM, *without(sheet.header)], [[one.sentences, *without(one.row.cells)] for one in refused])


def cleaned_rows(sheet: Sheet, *, on: date) -> tuple[list[Good], list[Refused]]:
    good, refused = [], []
    for row in sheet.rows:
        fields, problems = ({}, [("", row.problem)]) if row.problem else clean(row.values, on=on, row=row.number)
        if problems:
            refused.append(Refused(row=row, problems=problems))
        else:
            good.append((row, fields))
    for column in ("PV", "CMS"):
        good = refuse_repeats(good, refused, column=column)
    return good, refused


def refuse_repeats(good: list[Good], refused: list[Refused], *, column: str) -> list[Good]:
    """Two rows with one number: nobody can tell which is meant, so neither is taken."""
    name = FIELDS[column]
    rows = defaultdict(list)
    for row, fields in good:
        if fields.get(name):
            rows[fields[name]].append(row.number)
    kept = []
    for row, fields in good:
        twins = rows.get(fields.get(name), [])
        if len(twins) < 2:
            kept.append((row, fields))
            continue
        other = next(number for number in twins if number != row.number)
        places = f"{min(other, row.number)} and {max(other, row.number)}"
        refused.append(Refused(row=row, problems=[(column, f"Rows {places} both contain {name.upper()} {fields[name]}.")]))
    return kept


def keep_others_out() -> None:
    """Nobody else adds or changes cases until this transaction ends, so what is compared now is still true when it is written."""
    with connection.cursor() as cursor:
        cursor.execute(f"LOCK TABLE {Case._meta.db_table} IN SHARE ROW EXCLUSIVE MODE")


def refuse_taken_pids(good: list[Good], refused: list[Refused]) -> list[dict[str, Any]]:
    """The rows whose PID, if any, is not another case's, and whose two numbers do not stand in each other's place."""
    pids = [fields["pid"] for _, fields in good if fields["pid"]]
    owners = dict(Case.objects.filter(pid__in=pids).values_list("pid", "pv"))
    pairs = {(fields["pv"], fields["pid"]) for _, fields in good} | set(Case.objects.filter(pv__in=pids).values_list("pv", "pid"))
    taken = []
    for row, fields in good:
        pv, pid = fields["pv"], fields["pid"]
        if pid and (pid, pv) in pairs:
            sentence = (
                f"Row {row.number}: there is a case or a row with PV {pid} and PID {pv}, so the two numbers of this row look exchanged."
            )
        elif (owner := owners.get(pid, pv)) != pv:
            sentence = f"Row {row.number}: PID {pid} is already the number of the case with PV {owner}; correct one of the two."
        else:
            taken.append(fields)
            continue
        refused.append(Refused(row=row, problems=[("CMS", sentence)]))
    return taken


def compared(rows: list[dict[str, Any]]) -> tuple[list[Case], list[Case], int]:
    """The cases to add, those to change (already changed in memory), and how many are as the file says."""
    known = {case.pv: case for case in Case.objects.filter(pv__in=[fields["pv"] for fields in rows])}
    new, changed = [], []
    for fields in rows:
        case = known.get(fields["pv"])
        if case is None:
            new.append(Case(**fields))
        elif differs(case, fields):
            changed.append(case)
    return new, changed, len(rows) - len(new) - len(changed)


def differs(case: Case, fields: dict[str, Any]) -> bool:
    """Bring the case to what the file says; True if that is news."""
    news = {name: value for name, value in fields.items() if getattr(case, name) != value and (value or name not in NEVER_ERASED)}
    for name, value in news.items():
        setattr(case, name, value)
    return bool(news)


def write(new: list[Case], changed: list[Case]) -> None:
    for case in changed:
        case.updated_at = Now()
    Case.objects.bulk_create(new, batch_size=AT_ONCE)
    Case.objects.bulk_update(changed, [*FIELDS.values(), "status_note", "updated_at"], batch_size=AT_ONCE)


def as_text(value: str, *, column: str, on: date, name: str, limit: int, required: bool = False) -> dict[str, Any]:
    return {name: text_input.one_line(value, field=column, limit=limit, required=required)}


def as_number(value: str, *, column: str, on: date, name: str, required: bool) -> dict[str, Any]:
    return {name: text_input.digits(value, field=column, required=required)}


def as_status(value: str, *, column: str, on: date) -> dict[str, Any]:
    """The first word is the state; whatever follows it is kept as the file's own words."""
    text = text_input.one_line(value, field=column, limit=200)
    word = text.split()[0].strip(",;:-–—.").lower()
    if word not in CaseStatus.values:
        raise TextRefused(f"{column} must begin with one of {', '.join(CaseStatus.values)}; got {shown(text)}.")
    return {"status": word, "status_note": text if text.lower() != word else ""}


def as_address(value: str, *, column: str, on: date) -> dict[str, Any]:
    return {"attorney_email": text_input.email_address(value, field=column, required=False)}


def as_balance(value: str, *, column: str, on: date) -> dict[str, Any]:
    return {"balance": text_input.amount(value, field=column) if value.strip() else None}


def as_day(value: str, *, column: str, on: date, name: str) -> dict[str, Any]:
    """A day that has come; the year 2099 means that nobody knows."""
    day = text_input.calendar_date(value, field=column) if value.strip() else None
    if day and day.year == UNKNOWN_INJURY_YEAR and name == "injured_on":
        day = None
    if day and day > on:
        raise TextRefused(f"{column}: {day} is in the future.")
    return {name: day}


CLEANERS: Mapping[str, Callable[..., dict[str, Any]]] = {
    "CMS": partial(as_number, name="pid", required=False),
    "PV": partial(as_number, name="pv", required=True),
    "Status": as_status,
    "Patient": partial(as_text, name="patient_name", limit=200, required=True),
    "DOI": partial(as_day, name="injured_on"),
    "Law Firm": partial(as_text, name="firm", limit=200, required=True),
    "Attorney": partial(as_text, name="attorney_name", limit=200),
    "Attorney Email": as_address,
    "Attorney Phone": partial(as_text, name="attorney_phone", limit=40),
    "Balance": as_balance,
    "Last Sent": partial(as_day, name="last_sent_on"),
    "Last Reply": partial(as_day, name="last_reply_on"),
}
