"""Short ways to ask the rules, for tests."""

from typing import Any

import numpy as np

from campaigns import settings as campaigns_settings
from campaigns.rules.shapes import HISTORY, ROW, Array, Contacts, filled
from campaigns.rules.states import code_of
from campaigns.settings import SchedulerSettings
from campaigns.what_if import what_if

TODAY = "2025-01-02"


def day(text: str | None) -> Any:
    return np.datetime64(text or "NaT", "D")


def days(*texts: str | None) -> Array:
    return np.array([day(text) for text in texts], "M8[D]")


def contacts(*told: dict[str, Any]) -> Contacts:
    """Contacts as arrays; those without an id are numbered."""
    return Contacts(
        id=np.array([one.get("id", number) for number, one in enumerate(told, start=1)], "i8"),
        state=np.array([code_of(one.get("state", "other")) for one in told], "i1"),
        birthday=days(*(one.get("birth_date") for one in told)),
        effective_date=days(*(one.get("effective_date") for one in told)),
    )


def settings(**told: Any) -> SchedulerSettings:
    return campaigns_settings.read(told)


def asked(*told: dict[str, Any], today: str = TODAY, rules_only: bool = True, **changed: Any) -> list[dict[str, Any]]:
    """What `what_if` answers about each contact; those without an id are numbered."""
    numbered = [{"id": number, **one} for number, one in enumerate(told, start=1)]
    return what_if(numbered, day=day(today), settings=settings(**changed), rules_only=rules_only).contacts


def plan(told: dict[str, Any], **how: Any) -> list[dict[str, Any]]:
    return asked(told, **how)[0]["rows"]


def of_type(rows: list[dict[str, Any]], email_type: str) -> list[dict[str, Any]]:
    return [row for row in rows if row["email_type"] == email_type]


def rows(**columns: Any) -> Array:
    """ROWs, as many as the longest column."""
    length = max(len(column) for column in columns.values() if np.ndim(column))
    return filled(ROW, length, **columns)


def history(**columns: Any) -> Array:
    length = max(len(column) for column in columns.values() if np.ndim(column))
    return filled(HISTORY, length, **{"id": np.arange(length), **columns})
