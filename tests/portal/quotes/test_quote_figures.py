"""The figures of quotes: each counts exactly its rows, and the list behind it shows as many."""

import uuid
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from portal.dashboard import quote_figures, quotes_section
from portal.quotes.models import AiCall, Quote, Status
from tests.portal.desk_rows import staff, superuser
from tests.portal.quotes.rows import make_quote
from tests.vectors import of_kind

pytestmark = pytest.mark.django_db
LOCK = timedelta(minutes=30)
LIST = "/admin/portal/quote/"


@pytest.mark.parametrize(("name", "given", "answer"), of_kind("dashboard_counts"))
def test_how_many_mails_were_sent_failed_and_need_a_retry(name, given, answer):
    for row in given["quotes"]:
        make_quote(
            status=given["status_all"],
            email_sent_to_customer=row["cs"],
            customer_email_attempts=row["ca"],
            email_sent_to_admin=row["as"],
            admin_email_attempts=row["aa"],
        )

    seen = quote_figures.overview()

    assert given["max_attempts"] == quote_figures.MOST_TRIES
    assert {
        "customer_sent": seen.customer.sent,
        "customer_failed": seen.customer.failed,
        "admin_sent": seen.admin.sent,
        "admin_failed": seen.admin.failed,
        "need_retry": seen.need_retry,
    } == answer


def plant():
    """Something under every figure, and no two figures equal by chance."""
    sent, test, failed = {"state": "sent", "is_sent": True, "tries": 1}, {"state": "sent", "tries": 1}, {"state": "failed", "tries": 1}
    for count, customer, admin in [(5, sent, sent), (2, failed, sent), (3, test, failed), (1, {"state": "queued"}, sent | {"tries": 3})]:
        for _ in range(count):
            make_quote(**of("customer", **customer), **of("admin", **admin))
    make_quote(**of("customer", **failed | {"tries": 4}), **of("admin", **sent))
    for number in range(4):
        make_quote(status="pending", ai_processed_at=None, generated_quote=None, quote_amount=None, number=f"GC-20260101-PEND{number:02}")
    for minutes in (1, 31, 30):
        at = Now() - timedelta(minutes=minutes)
        make_quote(status="ai_processing", processing_lock=uuid.uuid4(), ai_processing_started_at=at, ai_processed_at=None)
    for _ in range(2):
        make_quote(status="ai_error", review_reason="Total 12.00 is outside the band.")
    make_quote(status="ai_error", ai_error_message="no answer")
    for status, count in [("accepted", 3), ("talk_to_manager", 1), ("considering", 2), ("completed", 1)]:
        for _ in range(count):
            make_quote(status=status, customer_response="accepted", customer_response_date=timezone.now())


def of(leg, *, state="", tries=0, is_sent=False):
    return {f"{leg}_email_state": state, f"{leg}_email_attempts": tries, f"email_sent_to_{leg}": is_sent}


FIGURES = {
    "customer-sent": 5,
    "customer-failed": 3,
    "customer-test": 3,
    "admin-sent": 9,
    "admin-failed": 3,
    "need-retry": 6,
    "stage-pending": 4,
    "stage-ai_processing": 3,
    "stage-stale": 2,
    "stage-away": 1,
    "stage-review": 2,
    "stage-ai_quoted": 12,
}


def shown():
    section = quotes_section.moving()
    return [figure for _, figures in section["mails"] for figure in figures] + [section["retry"], *section["stages"]]


def test_each_figure_counts_exactly_its_rows():
    plant()

    assert {figure.name: figure.count for figure in shown()} == FIGURES


@pytest.mark.parametrize("name", FIGURES)
def test_the_list_behind_a_figure_shows_as_many_rows(name):
    plant()
    (figure,) = [one for one in shown() if one.name == name]

    found = superuser().get(figure.href)

    assert found.context["cl"].result_count == FIGURES[name]


def test_of_the_mails_tried_more_than_once_the_share_that_was_sent():
    assert quote_figures.overview().saved_percent is None

    plant()

    seen = quote_figures.overview()
    assert (seen.tried_again, seen.saved_percent) == (2, 50)


def test_the_ai_spend_of_today_is_told_with_what_running_calls_may_cost():
    quote, midnight = make_quote(), timezone.now() - timedelta(hours=3)
    for at, cost, reserved in [(0, "0.25", "0"), (1, "0.10", "0.40"), (4, "9", "0")]:
        AiCall.objects.create(
            quote=quote,
            token=uuid.uuid4(),
            kind="model",
            outcome="review",
            started_at=timezone.now() - timedelta(hours=at),
            ended_at=timezone.now(),
            cost=Decimal(cost),
            reserved_cost=Decimal(reserved),
        )

    spend = quote_figures.spend(day_start=midnight, daily_budget=Decimal(1))

    assert (spend.usd, spend.percent, spend.is_used_up) == (Decimal("0.65"), 65, False)
    assert quote_figures.spend(day_start=midnight, daily_budget=Decimal("0.65")).is_used_up


def test_the_section_is_for_those_who_may_see_quotes():
    plant()

    assert "stage-review" not in staff(name="stranger").get("/admin/").content.decode()
    assert "stage-review" in staff("portal.view_quote", name="reader").get("/admin/").content.decode()


def test_the_retry_button_leads_to_the_bulk_form_and_is_shown_to_those_who_may_send():
    plant()

    assert 'id="act-quotes_owing_mail"' not in staff("portal.view_quote", name="reader").get("/admin/").content.decode()
    page = staff("portal.view_quote", "portal.send_quote", name="sender").get("/admin/").content.decode()
    assert 'id="act-quotes_owing_mail" class="op-button" href="/admin/quotes/retry/"' in page


def test_the_section_asks_the_same_number_of_questions_for_few_quotes_and_for_many():
    spent = []
    for _ in range(2):
        plant() if not spent else [make_quote() for _ in range(9)]
        with CaptureQueriesContext(connection) as asked:
            quotes_section.moving()
        spent.append(len(asked))

    assert spent[0] == spent[1] <= 5


def many(cursor):
    cursor.execute(
        "INSERT INTO portal_quote (number, key, fingerprint, source, name, email, phone, address, city, description, preferred_time,"
        " status, admin_notes, ai_error_message, ai_tries, review_reason, customer_response, email_sent_to_customer, email_sent_to_admin,"
        " customer_email_state, admin_email_state, customer_email_attempts, admin_email_attempts, customer_email_error, admin_email_error)"
        " SELECT 'GC-20250101-'||n, 'many:'||n, '', 'form', 'Name '||n, 'many'||n||'@client.example', '4165550100', 'Elm Street 12',"
        " 'Toronto', repeat('x', 900), '', 'completed', '', '', 0, '', '', true, true,"
        " 'sent', 'sent', 1, 1, '', '' FROM generate_series(1, 20000) n"
    )
    cursor.execute("ANALYZE portal_quote")


PLANS = [
    ("?q=GC-20250101-7777", "portal_quote_number"),
    ("?q=many7777@", "quote_email"),
    ("?q=name 7777", "quote_name"),
    ("?state=pending", "quote_"),
    ("?state=follow_up", "quote_"),
    ("?state=review", "quote_"),
    ("", "portal_quote_pkey"),
]


def test_the_list_of_quotes_is_read_by_an_index():
    make_quote()
    with connection.cursor() as cursor:
        many(cursor)
    boss = superuser()

    for query, index in PLANS:
        plan = boss.get(LIST + query).context["cl"].queryset[:26].explain()
        assert index in plan, f"{query}: {plan}"
        assert "Seq Scan on portal_quote " not in plan, f"{query}: {plan}"


def test_the_counts_of_both_mails_are_read_from_one_index():
    with connection.cursor() as cursor:
        many(cursor)
        cursor.execute("SET LOCAL enable_seqscan = off")

    plan = Quote.objects.order_by().values("status").annotate(**quote_figures.COUNTS).explain()

    assert "Index Only Scan using quote_legs" in plan, plan


def test_every_state_is_a_filter_of_the_list():
    boss = superuser()

    for status in Status.values:
        assert boss.get(f"{LIST}?state={status}").status_code == 200
