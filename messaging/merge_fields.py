"""The fields that a template about a case may use, and what they hold for one case. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Protocol

Value = str | int | Decimal | date | None | list[dict[str, str | int | Decimal | date | None]]

FIELDS = {  # name: what staff read beside it, in the order they look for it
    "patient_name": "The patient's full name",
    "pid": "Our case number in the CMS (PID)",
    "pv": "The imaging practice's own file number (PV)",
    "date_of_injury": "The day of the injury; empty where it is unknown",
    "law_firm": "The law firm's name",
    "attorney_name": "The attorney's name; empty where we know only the firm",
    "attorney_email": "The address the e-mail goes to",
    "attorney_phone": "The attorney's telephone number",
    "balance": "What is owed; write {{ balance|money }} for $1,234.50",
    "case_status": "The case's status with us",
    "sender_name": "Your name",
    "office_name": "Our office's name",
    "office_phone": "Our office's telephone number",
    "office_address": "Our office's postal address",
    "today": "The day the e-mail is written",
}


EXAMPLE: Mapping[str, Value] = {  # a case that says everything, by which templates are tried before they are kept
    "patient_name": "Ana Ruiz",
    "pid": "120034",
    "pv": "73812",
    "date_of_injury": date(2025, 3, 1),
    "law_firm": "Hill Law",
    "attorney_name": "Lee Moss",
    "attorney_email": "lee.moss@hill.example",
    "attorney_phone": "555-0101",
    "balance": Decimal("1234.50"),
    "case_status": "active",
    "sender_name": "Sam Reyes",
    "office_name": "The Office",
    "office_phone": "555-0100",
    "office_address": "1 Main Street",
    "today": date(2026, 11, 22),
}


@dataclass(frozen=True, kw_only=True)
class Sender:
    """Who signs the e-mail."""

    name: str
    office_name: str
    office_phone: str
    office_address: str


class CaseFile(Protocol):
    """What a case must know about itself to fill the fields."""

    @property
    def pid(self) -> str: ...
    @property
    def pv(self) -> str: ...
    @property
    def patient_name(self) -> str: ...
    @property
    def injured_on(self) -> date | None: ...
    @property
    def firm(self) -> str: ...
    @property
    def attorney_name(self) -> str: ...
    @property
    def attorney_email(self) -> str: ...
    @property
    def attorney_phone(self) -> str: ...
    @property
    def balance(self) -> Decimal | None: ...
    @property
    def status(self) -> str: ...


def values_for(case: CaseFile, *, sender: Sender, today: date) -> dict[str, Value]:
    """A value for every name in `FIELDS`; None or the empty text where the case does not say."""
    return {
        "patient_name": case.patient_name,
        "pid": case.pid,
        "pv": case.pv,
        "date_of_injury": case.injured_on,
        "law_firm": case.firm,
        "attorney_name": case.attorney_name,
        "attorney_email": case.attorney_email,
        "attorney_phone": case.attorney_phone,
        "balance": case.balance,
        "case_status": str(case.status),  # a case made a moment ago holds the enum
        "sender_name": sender.name,
        "office_name": sender.office_name,
        "office_phone": sender.office_phone,
        "office_address": sender.office_address,
        "today": today,
    }
