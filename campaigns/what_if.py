"""What would be sent to these contacts? JSON in, JSON out, by the very code the scheduler runs. Reads and writes no contact."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from campaigns import scheduler
from campaigns.contact_json import Asked, chunk_of, instances_of, read
from campaigns.rules.exclusions import anchor_missing, windows, year_round
from campaigns.rules.shapes import REASON_WORDS, STATUS_WORDS, YEAR, Array, Reason
from campaigns.rules.states import STATES, WINDOW_WORDS
from campaigns.scheduler import Chunk
from campaigns.settings import SchedulerSettings

Instances = Sequence[Any] | Mapping[int, Any]  # what each campaign is called, by its number in the rows


@dataclass(frozen=True)
class Answer:
    """One object for each contact, in the order asked; the refused ones without rows, and a sentence on each of them."""

    contacts: list[dict[str, Any]]
    refused: list[str]


def what_if(told: Sequence[Any], *, day: Any, settings: SchedulerSettings, rules_only: bool) -> Answer:
    """The plan for each contact on `day`. `rules_only`: before conflicts, load balancing and frequency limits."""
    asked = read(told, settings=settings)
    good = sorted((one for one in asked if not one.refused), key=lambda one: one.id)
    instances = instances_of(good)
    chunk = scheduler.with_known_events(chunk_of(good, instances), day=day, settings=settings)
    rows: list[list[dict[str, Any]]] = [[] for _ in good]
    for place, row in rows_told(rows_of(chunk, day=day, settings=settings, rules_only=rules_only), settings=settings, instances=instances):
        rows[place].append(row)
    windows: list[list[dict[str, Any]]] = [[] for _ in good]
    for place, window in windows_told(chunk, day=day, settings=settings):
        windows[place].append(window)
    checks: list[dict[str, Any]] = [{} for _ in good]
    for place, date, check in checks_told(chunk, good, settings=settings):
        checks[place][date] = check
    for place in np.flatnonzero(unknown(chunk, day=day, settings=settings)).tolist():
        good[place].flags.append("exclusion_unknown")
    answers = {
        one.id: {"rows": own, "windows": some, "checks": days} for one, own, some, days in zip(good, rows, windows, checks, strict=True)
    }
    return Answer([told_of(one, answers) for one in asked], [one.refused for one in asked if one.refused])


def rows_of(chunk: Chunk, *, day: Any, settings: SchedulerSettings, rules_only: bool) -> Array:
    """ROWs of these contacts: the plan, and the follow-ups behind it."""
    if rules_only:
        plan = scheduler.planned(chunk, day=day, settings=settings)
    else:
        (plan,) = scheduler.schedule([chunk], day=day, settings=settings)
    return np.concatenate([plan, scheduler.follow_ups(chunk, day=day, settings=settings)])


def told_of(asked: Asked, answers: dict[int, dict[str, Any]]) -> dict[str, Any]:
    head = {"id": asked.told_id, "flags": asked.flags}
    if asked.refused:
        return {**head, "refused": asked.refused, "rows": [], "windows": [], "checks": {}}
    return {**head, **answers[asked.id]}


def rows_told(rows: Array, *, settings: SchedulerSettings, instances: Instances) -> Iterable[tuple[int, dict[str, Any]]]:
    names = settings.email_types.names
    days = [days_told(rows[name]) for name in ("send_on", "event_on", "moved_from")]
    for row, date, event_date, moved_from in zip(rows, *days, strict=True):
        yield (
            int(row["place"]),
            {
                "email_type": names[row["kind"]],
                "date": date,
                "event_date": event_date,
                "status": STATUS_WORDS[row["status"]],
                "skip_reason": REASON_WORDS[row["reason"]],
                "priority": int(row["priority"]),
                "campaign_instance": instances[row["instance"]] if row["instance"] >= 0 else None,
                "moved_from": moved_from,
                "catch_up": bool(row["catch_up"]),
                "skipped_emails": named(int(row["swallowed"]), names),
                "over_cap": bool(row["over_cap"]),
            },
        )


def named(types: int, names: Sequence[str]) -> list[str]:
    """The e-mail types whose bits are set."""
    return [name for code, name in enumerate(names) if types >> code & 1] if types else []


def windows_told(chunk: Chunk, *, day: Any, settings: SchedulerSettings) -> Iterable[tuple[int, dict[str, Any]]]:
    """The windows of last, this and next year, of contacts that have some."""
    for year in day.astype(YEAR) + np.arange(-1, 2):
        found = windows(chunk.contacts, year, rules=settings.rules, lead_days=settings.pre_window_exclusion_days)
        places = np.flatnonzero(~np.isnat(found[0]))
        for place, start, statutory, end in zip(places.tolist(), *(days_told(column[places]) for column in found), strict=True):
            kind = WINDOW_WORDS[settings.rules.of(STATES[chunk.contacts.state[place]]).anchor]
            yield place, {"kind": kind, "anchor_year": int(str(year)), "start": start, "statutory_start": statutory, "end": end}


def checks_told(chunk: Chunk, asked: Sequence[Asked], *, settings: SchedulerSettings) -> Iterable[tuple[int, str, dict[str, Any]]]:
    pairs = [(place, day) for place, one in enumerate(asked) for day in one.check_dates]
    places, days = np.array([place for place, _ in pairs], "i8"), np.array([day for _, day in pairs], "M8[D]")
    reasons, ends = scheduler.verdicts(chunk.contacts.take(places), days, settings=settings)
    for place, day, reason, end in zip(places.tolist(), days_told(days), reasons, days_told(ends), strict=True):
        yield place, str(day), {"excluded": bool(reason != Reason.NONE), "reason": REASON_WORDS[reason], "window_end": end}


def unknown(chunk: Chunk, *, day: Any, settings: SchedulerSettings) -> Array:
    """Whether nobody can tell on which days a contact is excluded. Shape: (contacts,)."""
    missing = anchor_missing(chunk.contacts, rules=settings.rules)
    return missing & ~year_round(chunk.contacts, day, rules=settings.rules)


def days_told(days: Array) -> list[str | None]:
    return [None if text == "NaT" else text for text in np.datetime_as_string(days).tolist()]
