"""The oracle's answer beside the scheduler's, row by row."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any

import numpy as np

from campaigns.settings import read
from campaigns.what_if import what_if
from tests.audit.oracle import Numbers, Row, expected

Line = tuple[Any, ...]


def scheduler_says(
    contacts: Sequence[Mapping[str, Any]], *, day: date, config: Mapping[str, Any] | None = None, rules_only: bool = True
) -> list[dict[str, Any]]:
    """What `what_if` answers for each contact."""
    return what_if([dict(one) for one in contacts], day=np.datetime64(day, "D"), settings=read(config or {}), rules_only=rules_only).contacts


def line(row: Row) -> Line:
    return (row.email_type, row.instance, row.date.isoformat(), row.event_date.isoformat(), row.status, row.reason, tuple(sorted(row.skipped_emails)))


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
    contacts: Sequence[Mapping[str, Any]], *, day: date, config: Mapping[str, Any] | None = None, numbers: Numbers | None = None
) -> Iterable[tuple[Mapping[str, Any], list[Line], list[Line]]]:
    """Contacts over which they differ: what only the oracle expects, what only the scheduler says."""
    for contact, answer in zip(contacts, scheduler_says(contacts, day=day, config=config), strict=True):
        ours = {line(row) for row in expected(contact, day=day, numbers=numbers)}
        theirs = {told_line(row) for row in answer["rows"] if not row["email_type"].startswith("followup_")}
        if ours != theirs:
            yield contact, sorted(ours - theirs, key=str), sorted(theirs - ours, key=str)
