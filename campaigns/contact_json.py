"""Contacts as JSON has them, read into the arrays of the rules. Each that cannot be read is refused in a sentence; the others go on.

A birth or effective date that is no date is treated as missing, and flagged. An e-mail address need not be told, but must be one.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from campaigns import zip_codes
from campaigns.engagement import has_conditions
from campaigns.rules.shapes import EVENT, HISTORY, NO_DAY, NO_INSTANCE, REASON_WORDS, STATUS_WORDS, TARGET, Array, Contacts, Reason, filled
from campaigns.rules.states import CODES, MILITARY, OTHER, TERRITORIES, code_of
from campaigns.scheduler import Chunk
from campaigns.settings import SchedulerSettings
from messaging.text_input import TextRefused, calendar_date, email_address, one_line

HIGHEST_ID = 2**53  # the largest whole number that JSON keeps exactly
MOST_PARTS = 1_000  # targets, past mails, events or dates of one contact
SHOWN = 80  # characters of a refused value
CLICKS = ("click", "clicked", "tracking_click", "tracking_clicks")
ANSWERS = ("eligibility_answered",)


class ContactRefused(ValueError):
    """A contact cannot be taken as it is; the sentence says what is wrong, and where."""


@dataclass
class Asked:
    """One contact as it was asked about."""

    told_id: Any
    id: int = 0
    state: str = OTHER
    birthday: Any = NO_DAY
    effective_date: Any = NO_DAY
    flags: list[str] = field(default_factory=list)
    targets: list[dict[str, Any]] = field(default_factory=list)
    history: list[dict[str, Any]] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    check_dates: list[Any] = field(default_factory=list)
    refused: str = ""


def read(told: Sequence[Any], *, settings: SchedulerSettings) -> list[Asked]:
    """What was asked about each contact, in the order told. Of two contacts with one id the second is refused."""
    seen: set[int] = set()
    asked = []
    for number, one in enumerate(told, start=1):
        asked.append(contact(one, number=number, settings=settings))
        if asked[-1].refused:
            continue
        if asked[-1].id in seen:
            asked[-1] = refused(asked[-1].told_id, f"Contact {number}: the id {asked[-1].id} appears twice.")
        seen.add(asked[-1].id)
    return asked


def refused(told_id: Any, why: str) -> Asked:
    return Asked(told_id=told_id, flags=["invalid_contact"], refused=why)


def contact(told: Any, *, number: int, settings: SchedulerSettings) -> Asked:
    asked = Asked(told_id=told.get("id") if isinstance(told, Mapping) else None)
    try:
        fill(asked, mapping(told, "the contact"), settings=settings)
    except (ContactRefused, TextRefused, zip_codes.ZipRefused) as refusal:
        named = f"Contact {number}" + (f" (id {shown(asked.told_id)})" if asked.told_id is not None else "")
        return refused(asked.told_id, f"{named}: {refusal}")
    return asked


def fill(asked: Asked, told: Mapping[str, Any], *, settings: SchedulerSettings) -> None:
    asked.id = contact_id(told.get("id"))
    if "email" in told:
        email_address(text(told, "email"), field="email")
    asked.state = state(told, asked.flags)
    asked.birthday = date_or_flag(told.get("birth_date"), "birth_date", asked.flags)
    asked.effective_date = date_or_flag(told.get("effective_date"), "effective_date", asked.flags)
    asked.targets = parts(told, "targets", lambda one, where: target(one, where, settings=settings))
    asked.history = parts(told, "history", lambda one, where: past_mail(one, where, settings=settings))
    asked.events = parts(told, "events", lambda one, where: event(one, where, settings=settings))
    asked.check_dates = [day(one, f"check_dates[{at}]") for at, one in enumerate(listed(told, "check_dates"))]


def contact_id(value: Any) -> int:
    number = int(value) if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 17 else value
    if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number <= HIGHEST_ID:
        raise ContactRefused(f"the id must be a whole number from 0; got {shown(value)}.")
    return number


def state(told: Mapping[str, Any], flags: list[str]) -> str:
    """The state by the ZIP where there is one, else as stated. Unknown codes follow `other`, and are flagged."""
    stated, zip_code = text(told, "state").upper(), text(told, "zip_code")
    if not stated and not zip_code:
        raise ContactRefused("it has neither a state nor a zip_code.")
    if zip_code:
        found = zip_codes.state_of(zip_code)
        if stated and stated != found:
            flags.append("state_zip_mismatch")
        return found
    if stated not in {*CODES, OTHER.upper(), *TERRITORIES, *MILITARY}:
        flags.append("state_unknown")
    return OTHER if stated == OTHER.upper() else stated


def text(told: Mapping[str, Any], name: str) -> str:
    value = told.get(name)
    if value is not None and not isinstance(value, str):
        raise ContactRefused(f"{name} must be text; got {shown(value)}.")
    return one_line(value, field=name, required=False)


def date_or_flag(value: Any, name: str, flags: list[str]) -> Any:
    if value is None or value == "":
        return NO_DAY
    try:
        return day(value, name)
    except (ContactRefused, TextRefused):
        flags.append(f"{name}_invalid")
        return NO_DAY


def day(value: Any, where: str) -> Any:
    if not isinstance(value, str):
        raise ContactRefused(f"{where} must be a date such as 2026-01-31; got {shown(value)}.")
    try:
        return known_day(value)
    except TextRefused:
        return calendar_date(value, field=where)  # the same refusal, told about this place


@lru_cache(maxsize=65_536)  # the same days come again and again
def known_day(text: str) -> Any:
    return np.datetime64(calendar_date(text, field="The date"), "D")


def day_or_none(value: Any, where: str) -> Any:
    return NO_DAY if value is None or value == "" else day(value, where)


def listed(told: Mapping[str, Any], name: str) -> Sequence[Any]:
    values = told.get(name)
    if values is None:
        return []
    if not isinstance(values, list) or len(values) > MOST_PARTS:
        raise ContactRefused(f"{name} must be a list of at most {MOST_PARTS}; got {shown(values)}.")
    return values


def parts(told: Mapping[str, Any], name: str, read_one: Callable[[Mapping[str, Any], str], Any]) -> list[dict[str, Any]]:
    read_all = [read_one(mapping(one, f"{name}[{at}]"), f"{name}[{at}]") for at, one in enumerate(listed(told, name))]
    return [one for one in read_all if one is not None]


def target(told: Mapping[str, Any], where: str, *, settings: SchedulerSettings) -> dict[str, Any]:
    name = told.get("campaign_type")
    if not isinstance(name, str) or name not in settings.campaign_types:
        raise ContactRefused(f"{where}.campaign_type must be one of {', '.join(sorted(settings.campaign_types))}; got {shown(name)}.")
    days = {"trigger_on": "trigger_date", "active_from": "active_start_date", "active_until": "active_end_date"}
    return {
        "kind": settings.email_types.codes[f"campaign_{name}"],
        "instance": instance(told.get("instance"), f"{where}.instance"),
        **{ours: day_or_none(told.get(theirs), f"{where}.{theirs}") for ours, theirs in days.items()},
    }


def past_mail(told: Mapping[str, Any], where: str, *, settings: SchedulerSettings) -> dict[str, Any] | None:
    """A mail that went out, waits, or was kept back by a window; one that was skipped for another reason concerns no rule."""
    reason = told.get("skip_reason")
    if reason is not None:
        one_of(reason, f"{where}.skip_reason", [word for word in REASON_WORDS if word])
    facts = {
        "kind": settings.email_types.codes[one_of(told.get("email_type"), f"{where}.email_type", settings.email_types.names)],
        "send_on": day(told.get("date"), f"{where}.date"),
        "status": STATUS_WORDS.index(one_of(told.get("status"), f"{where}.status", STATUS_WORDS)),
        "event_on": day_or_none(told.get("event_date"), f"{where}.event_date"),
        "moved_from": day_or_none(told.get("moved_from"), f"{where}.moved_from"),
        "instance": instance(told.get("campaign_instance"), f"{where}.campaign_instance"),
    }
    return facts if told["status"] != "skipped" or reason in (None, REASON_WORDS[Reason.EXCLUSION_WINDOW]) else None


def event(told: Mapping[str, Any], where: str, *, settings: SchedulerSettings) -> dict[str, Any] | None:
    """A click or an answer; what else happened does not concern the rules."""
    kind = told.get("type")
    metadata = mapping(told.get("metadata") or {}, f"{where}.metadata")
    if kind not in (*CLICKS, *ANSWERS):
        return None
    return {
        "happened_on": local_day(told.get("at"), f"{where}.at", zone=ZoneInfo(settings.time_zone)),
        "answered": kind in ANSWERS,
        "conditions": has_conditions(metadata),
    }


def local_day(value: Any, where: str, *, zone: ZoneInfo) -> Any:
    """The office's day of a date or a time; a time without a zone is the office's."""
    try:
        at = datetime.fromisoformat(value) if isinstance(value, str) and len(value) > len("2026-01-31") else None
    except ValueError:
        raise ContactRefused(f"{where} must be a date or a time such as 2026-01-31T08:30:00; got {shown(value)}.") from None
    if at is None:
        return day(value, where)
    day(at.date().isoformat(), where)  # of a year that is taken
    local: date = (at.astimezone(zone) if at.tzinfo else at).date()
    return np.datetime64(local, "D")


def instance(value: Any, where: str) -> Any:
    fine = value is None or isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= HIGHEST_ID)
    if not fine:
        raise ContactRefused(f"{where} must be a whole number or a name; got {shown(value)}.")
    return value


def one_of(value: Any, where: str, words: Sequence[str]) -> str:
    if not isinstance(value, str) or value not in words:
        raise ContactRefused(f"{where} must be one of {', '.join(words)}; got {shown(value)}.")
    return value


def mapping(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ContactRefused(f"{where} must be an object; got {shown(value)}.")
    return value


def shown(value: Any) -> str:
    return repr(value)[:SHOWN]


def chunk_of(asked: Sequence[Asked], instances: Sequence[Any]) -> Chunk:
    """The contacts, which come by ascending id, as arrays. An instance becomes its position among `instances`."""
    contacts = Contacts(
        id=np.array([one.id for one in asked], "i8"),
        state=np.array([code_of(one.state) for one in asked], "i1"),
        birthday=np.array([one.birthday for one in asked], "M8[D]"),
        effective_date=np.array([one.effective_date for one in asked], "M8[D]"),
    )
    numbers = {name: number for number, name in enumerate(instances)}
    targets, history, events = (
        records([getattr(one, name) for one in asked], dtype, numbers)
        for name, dtype in (("targets", TARGET), ("history", HISTORY), ("events", EVENT))
    )
    history["id"] = np.arange(len(history))
    history["instance"][history["instance"] == numbers.get(None, NO_INSTANCE)] = NO_INSTANCE
    return Chunk(contacts=contacts, targets=targets, history=history, events=events)


def records(by_contact: Sequence[Sequence[dict[str, Any]]], dtype: np.dtype[Any], numbers: Mapping[Any, int]) -> Array:
    """One record for each part of each contact."""
    flat = [{**part, "place": place} for place, several in enumerate(by_contact) for part in several]
    columns = {name: [numbers[one[name]] if name == "instance" else one[name] for one in flat] for name in (flat[0] if flat else ())}
    return filled(dtype, len(flat), **columns)


def instances_of(asked: Sequence[Asked]) -> list[Any]:
    """Every campaign instance that is told: none first, numbers in order, then names."""
    every = {part["instance"] for one in asked for part in (*one.targets, *one.history)}
    return sorted(every, key=lambda value: (value is not None, isinstance(value, str), value if value is not None else 0))
