"""The sample data keeps what it promises: invented, reserved, clean, and something in every category whatever the day."""

from collections import Counter
from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.core.management import call_command
from django.utils.text import slugify

from campaigns import contact_fields
from campaigns.contact_fields import is_about_contacts
from campaigns.rules.email_types import CAMPAIGN, FIRST_CAMPAIGN_TYPES, FIXED_NAMES
from messaging import invariants, merge_fields, rendering, text_input
from portal import sample_data, wiring
from portal.quotes import importing
from portal.quotes.models import Quote, QuoteImage
from portal.sample_data import quotes

TODAY = date(2026, 11, 22)
ROWS = sample_data.case_rows(today=TODAY)
HEADER = [
    "CMS",
    "PV",
    "Status",
    "Patient",
    "DOI",
    "Law Firm",
    "Attorney",
    "Attorney Email",
    "Attorney Phone",
    "Balance",
    "Last Sent",
    "Last Reply",
]
FULL_VALUES: dict[str, merge_fields.Value] = dict.fromkeys(merge_fields.FIELDS, "x") | {"balance": Decimal("1234.5")}


def test_there_are_120_cases_of_15_firms_under_the_spreadsheets_header():
    assert list(ROWS[0]) == HEADER
    assert len(ROWS) == 120
    assert len({row["Law Firm"] for row in ROWS}) == 15
    assert len({row["Patient"] for row in ROWS}) == 120


def test_every_cell_is_clean_and_reserved():
    for row in ROWS:
        assert text_input.digits(row["CMS"], field="CMS", required=False) == row["CMS"]
        assert text_input.digits(row["PV"], field="PV") == row["PV"]
        assert text_input.one_line(row["Patient"], field="Patient") == row["Patient"]
        assert text_input.email_address(row["Attorney Email"], field="E-mail") == row["Attorney Email"]
        assert row["Attorney Email"].endswith(".example")
        assert row["Attorney Phone"][3:10] == "-555-01"
        assert text_input.amount(row["Balance"], field="Balance", least=Decimal(1))
        assert text_input.calendar_date(row["DOI"], field="DOI")


def test_pid_and_pv_are_numbers_of_their_own():
    pids = [row["CMS"] for row in ROWS if row["CMS"]]
    pvs = [row["PV"] for row in ROWS]

    assert (len(pids), len(pvs)) == (118, 120)
    assert len({*pids, *pvs}) == 238


def test_one_pid_begins_with_another_so_that_only_an_exact_match_tells_them_apart():
    assert {"40112", "401123"} <= {row["CMS"] for row in ROWS}


def days_since_contact(row):
    days = [(TODAY - date.fromisoformat(row[column])).days for column in ("Last Sent", "Last Reply") if row[column]]
    return min(days, default=None)


def test_every_category_has_active_cases():
    active = [row for row in ROWS if row["Status"] == "active"]
    days = [days_since_contact(row) for row in active]
    two_years_ago = (TODAY - timedelta(days=731)).isoformat()
    size = Counter(
        never=sum(one is None for one in days),
        critical=sum(one is not None and one >= 90 for one in days),
        high_priority=sum(one is not None and 60 <= one <= 89 for one in days),
        needs_follow_up=sum(one is not None and 30 <= one <= 59 for one in days),
        recently_sent=sum(one is not None and one < 30 for one in days),
        no_response=sum(bool(row["Last Sent"]) and not row["Last Reply"] for row in active),
        missing_doi=sum(row["DOI"].startswith("2099") for row in active),
        old=sum(row["DOI"] < two_years_ago for row in active),
        without_pid=sum(not row["CMS"] for row in active),
    )

    assert len(active) == 99
    assert size["without_pid"] == 2
    assert min(size.values()) >= 2, size
    assert {30, 60, 90, None} <= set(days)
    assert {row["Status"] for row in ROWS} == {"active", "settled", "litigation", "closed", "inactive"}


@pytest.mark.parametrize("today", [date(2026, 11, 22), date(2031, 3, 1)])
def test_no_date_lies_ahead_and_nothing_was_sent_before_the_injury(today):
    for row in sample_data.case_rows(today=today):
        contacts = [row[column] for column in ("Last Sent", "Last Reply") if row[column]]
        injury = [] if row["DOI"].startswith("2099") else [row["DOI"]]
        assert all(day <= today.isoformat() for day in contacts + injury)
        assert all(injury[0] < day for day in contacts if injury)


ABOUT_CASES = [template for template in sample_data.templates() if not is_about_contacts(template.kind)]
ABOUT_CONTACTS = [template for template in sample_data.templates() if is_about_contacts(template.kind)]
OCCASION = contact_fields.Occasion(event_on=date(2026, 3, 16), campaign="Spring", skipped=["birthday", "aep"])
CONTACTS = [
    {"first_name": "Ada", "last_name": "B", "zip_code": "75001", "state": "TX", "carrier": "Acme", "effective_date": date(2020, 4, 1)},
    {"first_name": "", "last_name": "", "zip_code": "00901", "state": "other", "carrier": "", "effective_date": None},
]


@pytest.mark.parametrize("template", ABOUT_CONTACTS, ids=lambda template: template.name)
@pytest.mark.parametrize("contact", CONTACTS)
def test_each_campaign_template_is_fit_and_needs_nothing_of_a_contact_but_its_event(template, contact):
    assert rendering.check(template.source, example=contact_fields.EXAMPLE) == []
    sender = merge_fields.Sender(name="Elm", office_name="Elm", office_phone="", office_address="1 Elm Street")

    values = contact_fields.values_for(contact, occasion=OCCASION, sender=sender, plans_url="https://plans.example", today=date(2026, 3, 2))
    rendered = rendering.render(template.source, values=values)

    assert "https://plans.example" in rendered.text
    assert "https://plans.example" in rendered.html
    assert "unsubscribe" not in rendered.text.lower()  # the frame says that


def test_the_example_that_templates_are_tried_by_says_everything_a_mail_to_a_contact_can():
    sender = merge_fields.Sender(name="Elm", office_name="Elm", office_phone="555", office_address="1 Elm Street")

    values = contact_fields.values_for(CONTACTS[0], occasion=OCCASION, sender=sender, plans_url="https://x.example", today=date(2026, 3, 2))
    assert {name: type(value) for name, value in contact_fields.EXAMPLE.items()} == {name: type(value) for name, value in values.items()}
    assert set(rendering.field_names(contact_fields.EXAMPLE)) == set(contact_fields.FIELDS)
    assert all(contact_fields.EXAMPLE.values())


def test_every_fixed_and_built_in_type_has_its_template():
    built_in = [CAMPAIGN + name for name in FIRST_CAMPAIGN_TYPES]

    assert sorted(template.name for template in ABOUT_CONTACTS) == sorted([*FIXED_NAMES, *built_in])
    assert all(slugify(template.name) == template.name == template.kind for template in ABOUT_CONTACTS)


@pytest.mark.parametrize("template", ABOUT_CASES, ids=lambda template: template.name)
@pytest.mark.parametrize("gaps", [{}, {"attorney_name": "", "date_of_injury": None, "pid": ""}])
def test_each_template_is_fit_and_needs_neither_attorney_nor_date_of_injury_nor_pid(template, gaps):
    assert rendering.check(template.source, example=merge_fields.EXAMPLE) == []

    rendered = rendering.render(template.source, values={**FULL_VALUES, **gaps})

    assert "$1,234.50" in rendered.text
    assert "$1,234.50" in rendered.html
    assert ("Dear Counsel," in rendered.text) == bool(gaps)


def test_the_templates_are_of_three_kinds():
    assert [template.kind for template in ABOUT_CASES] == ["bulk_status_request", "follow_up", "general"]


def test_the_sample_quotes_are_a_dozen_invented_people_at_reserved_addresses():
    rows = quotes.rows()

    assert len({row["name"] for row in rows}) == len(rows) == 12
    for row in rows:
        assert row["email"].endswith(".example")
        assert row["phone"][3:9] == "-555-0"
        assert importing.CHECKS["Address"](row["address"]) == row["address"]
        assert importing.CHECKS["Phone"](row["phone"]) == row["phone"]
    assert {"pending", "ai_error", "ai_quoted", "accepted", "talk_to_manager", "completed"} <= {row["status"] for row in rows}


def test_a_sample_picture_is_drawn_the_same_each_time():
    assert quotes.draw("boxes", seed="1") == quotes.draw("boxes", seed="1") != quotes.draw("boxes", seed="2")


@pytest.mark.django_db
def test_the_sample_quotes_are_priced_as_their_words_are_and_break_no_promise():
    call_command("load_sample_data", verbosity=0)

    assert Quote.objects.filter(status="ai_error").exclude(review_reason="").count() == 2
    assert Quote.objects.filter(status="pending").count() == 2
    assert not Quote.objects.exclude(status="pending").filter(quote_amount=None).exists()
    assert QuoteImage.objects.count() == 6
    assert invariants.verify(*wiring.invariants()) == []
