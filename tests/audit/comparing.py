"""The oracle's answer beside the scheduler's, row by row."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np

from campaigns.settings import read
from campaigns.what_if import what_if
from tests.audit.oracle import Numbers, Row, conflicts, expected

Line = tuple[Any, ...]

NO_LIMITS = {
    "daily_send_percentage_cap": 1.0,
    "organisation_contacts": 1_000_000,
    "ed_daily_soft_limit": 1_000_000,
    "ed_percentage_of_daily_cap": 1.0,
    "max_emails_per_period": 1_000,
}


@dataclass(frozen=True)
class Disagreement:
    contact: Mapping[str, Any]
    only_oracle: list[Line]
    only_scheduler: list[Line]


def scheduler_says(
    contacts: Sequence[Mapping[str, Any]], *, day: date, config: Mapping[str, Any] | None = None, rules_only: bool = True
) -> list[dict[str, Any]]:
    """What `what_if` answers for each contact."""
    told = [dict(one) for one in contacts]
    return what_if(told, day=np.datetime64(day, "D"), settings=read(config or {}), rules_only=rules_only).contacts


def line(row: Row) -> Line:
    days = row.date.isoformat(), row.event_date.isoformat()
    return (row.email_type, row.instance, *days, row.status, row.reason, tuple(sorted(row.skipped_emails)))


def told_line(row: Mapping[str, Any]) -> Line:
    return (
        row["email_type"],
        row["campaign_instance"],
        row["date"],
        row["event_date"],
        row["status"],
        row["skip_reason"],
        tuple(sorted(row["skipped_emails"])),
    )


def disagreements(
    contacts: Sequence[Mapping[str, Any]],
    *,
    day: date,
    config: Mapping[str, Any] | None = None,
    numbers: Numbers | None = None,
    rules_only: bool = True,
) -> Iterator[Disagreement]:
    """Contacts over which they differ. Without `rules_only` campaigns stand against each other; load and frequency know no limit."""
    told = {**({} if rules_only else NO_LIMITS), **(config or {})}
    for contact, answer in zip(contacts, scheduler_says(contacts, day=day, config=told, rules_only=rules_only), strict=True):
        rows = expected(contact, day=day, numbers=numbers)
        ours = {line(row) for row in (rows if rules_only else conflicts(rows, numbers=numbers))}
        theirs = {told_line(row) for row in answer["rows"] if not row["email_type"].startswith("followup_")}
        if ours != theirs:
            yield Disagreement(contact, sorted(ours - theirs, key=str), sorted(theirs - ours, key=str))
