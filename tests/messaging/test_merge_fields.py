from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from messaging import rendering
from messaging.merge_fields import EXAMPLE, FIELDS, Sender, values_for

SENDER = Sender(name="Sam Reyes", office_name="Office", office_phone="555-0100", office_address="1 Main Street")


@dataclass
class File:
    pid: str = "12"
    pv: str = "900"
    patient_name: str = "Ana Ruiz"
    injured_on: date | None = None
    firm: str = "Firm"
    attorney_name: str = ""
    attorney_email: str = "a@firm.example"
    attorney_phone: str = "555-0101"
    balance: Decimal | None = Decimal("1234.50")
    status: str = "active"


def test_every_field_has_a_value_and_a_description():
    values = values_for(File(), sender=SENDER, today=date(2026, 11, 22))

    assert list(values) == list(FIELDS)
    assert all(FIELDS.values())
    full = values_for(File(injured_on=date(2025, 3, 1), attorney_name="Lee Moss"), sender=SENDER, today=date(2026, 11, 22))
    assert {name: type(value) for name, value in EXAMPLE.items()} == {name: type(value) for name, value in full.items()}
    assert all(EXAMPLE.values())


def test_a_template_that_uses_every_field_renders_for_a_full_case():
    source = rendering.TemplateSource(subject="x", text=" ".join(f"{{{{ {name} }}}}" for name in FIELDS))
    full = File(injured_on=date(2025, 3, 1), attorney_name="Lee Moss")

    assert rendering.check(source, example=EXAMPLE) == []
    assert rendering.render(source, values=values_for(full, sender=SENDER, today=date(2026, 11, 22))).text == (
        "Ana Ruiz 12 900 March 1, 2025 Firm Lee Moss a@firm.example 555-0101 1234.50 active"
        " Sam Reyes Office 555-0100 1 Main Street November 22, 2026"
    )
