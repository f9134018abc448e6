"""Days, states and mails in plain English."""

from collections.abc import Sequence
from datetime import date
from typing import Any

from campaigns.rules.email_types import CAMPAIGN
from campaigns.rules.shapes import Array
from campaigns.rules.states import OTHER, Anchor
from campaigns.state_table import NAMES

STATE_NAMES = {code: name for code, name in NAMES.items() if code != OTHER}
MAILS = {
    "birthday": "birthday mail",
    "effective_date": "policy anniversary mail",
    "aep": "AEP mail",
    "post_window": "post-window mail",
    "followup_1_cold": "follow-up to a mail without a click",
    "followup_2_clicked_no_hq": "follow-up to a click without answers",
    "followup_3_hq_no_yes": "follow-up to answers without a condition",
    "followup_4_hq_with_yes": "follow-up to answers with a condition",
}
ANCHORS = {Anchor.BIRTHDAY: "birth date", Anchor.BIRTH_MONTH: "birth date", Anchor.EFFECTIVE_DATE: "effective date"}


def as_date(day: Any) -> date | None:
    """A day of the rules as Python has it; None for NaT."""
    return None if day is None else day.astype("M8[D]").item()


def iso(day: Any) -> str | None:
    """As JSON has it."""
    found = as_date(day)
    return found.isoformat() if found else None


def said(day: Any, *, year: bool = True) -> str:
    """10 July 2026."""
    found = day if isinstance(day, date) else as_date(day)
    assert found is not None, "there is no day to tell"
    return f"{found.day} {found:%B}" + (f" {found.year}" if year else "")


def span(first: Any, last: Any) -> str:
    """11 April to 8 September 2026."""
    same = first.astype("M8[Y]") == last.astype("M8[Y]")
    return f"{said(first, year=not same)} to {said(last)}"


def count(number: int, noun: str) -> str:
    """1 day, 2 days."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def listed(words: Sequence[str]) -> str:
    """a, b and c."""
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))


def mail_name(email_type: str) -> str:
    """What staff call a mail of this type."""
    return MAILS.get(email_type) or f"{email_type.removeprefix(CAMPAIGN).replace('_', ' ')} mail"


def capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def before_or_after(lead: Array) -> str:
    """How a mail's day lies to its event: 14 days before, on, 3 days after."""
    days = int(lead.astype(int))
    return "on" if not days else f"{count(abs(days), 'day')} {'before' if days > 0 else 'after'}"
