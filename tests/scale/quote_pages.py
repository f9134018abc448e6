"""A hundred thousand quotes planted by SQL, and every page that shows them asked for."""

import sys
import time
from collections.abc import Iterator
from statistics import median

from django.contrib.auth import get_user_model
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils.http import urlencode

from portal.quotes.models import Quote
from portal.rehearsal.scratch import scratch_database

REPEATS = 7
GOAL_MS = 200
SEARCHES = ["GC-20260601-050000", "c4711@client.example", "c99", "hana", "HANA CUSTOMER 7", "nobody at all"]
MESSAGES = """
    INSERT INTO messaging_message (key, kind, lane, is_test, needs_note, sender, recipient, intended_for, subject, text, html, headers,
        message_id, status, round, attempts, max_attempts, tries, claims, sent_at, reason, error, provider, remote_id)
    SELECT 'quote:' || n || ':' || leg, 'quote_' || leg, 5, false, false, 'office@portal.example', 'c' || n || '@client.example',
        'c' || n || '@client.example', 'Your quote', repeat('text ', 100), '', '{}', '<' || n || leg || '@portal.example>', state, 1,
        CASE state WHEN 'queued' THEN 0 ELSE 1 END, 1, CASE state WHEN 'queued' THEN 0 ELSE 1 END, 0,
        CASE state WHEN 'sent' THEN now() - n * interval '1 min' END, '',
        CASE state WHEN 'failed' THEN '550 No such mailbox' ELSE '' END, 'primary', ''
    FROM generate_series(1, %(quotes)s) n, unnest(ARRAY['customer', 'admin']) leg,
        LATERAL (SELECT CASE WHEN n %% 50 = 0 AND leg = 'customer' THEN 'failed' WHEN n %% 97 = 0 THEN 'queued' ELSE 'sent' END) s(state)
    WHERE n %% 10 > 1"""
QUOTES = """
    INSERT INTO portal_quote (number, key, fingerprint, source, name, email, phone, address, city, description, preferred_time, status,
        admin_notes, ai_error_message, ai_tries, review_reason, quote_amount, ai_processed_at, generated_quote, waste_assessment,
        confidence, customer_response, customer_response_date, customer_message_id, admin_message_id, email_sent_to_customer,
        email_sent_to_admin, customer_email_state, admin_email_state, customer_email_attempts, admin_email_attempts,
        customer_email_error, admin_email_error, created_at)
    SELECT 'GC-20260601-' || lpad(n::text, 6, '0'), 'k' || n, md5(n::text), 'form',
        (ARRAY['Ada', 'Ben', 'Cleo', 'Dora', 'Emil', 'Fay', 'Gus', 'Hana'])[n %% 8 + 1] || ' Customer ' || n,
        'c' || n || '@client.example', '416-555-0100', n || ' Elm Street, Toronto, ON M4B 1B3', 'Toronto',
        repeat('8 bags of branches. ', 10), '', stage, '', '', 0,
        CASE stage WHEN 'ai_error' THEN 'The assessment is only 40 %% sure.' ELSE '' END,
        CASE WHEN stage NOT IN ('pending', 'ai_error') THEN 288.15 END, CASE WHEN stage NOT IN ('pending', 'ai_error') THEN now() END,
        '{"before_tax": [], "taxes": [], "low": "1", "high": "2"}', '{}', 0.9, CASE stage WHEN 'accepted' THEN 'accepted' ELSE '' END,
        CASE stage WHEN 'accepted' THEN now() END, c.id, a.id, coalesce(c.status = 'sent', false), coalesce(a.status = 'sent', false),
        coalesce(c.status, ''), coalesce(a.status, ''), coalesce(c.tries, 0), coalesce(a.tries, 0), coalesce(c.error, ''), '',
        now() - (%(quotes)s - n) * interval '1 min'
    FROM generate_series(1, %(quotes)s) n
    CROSS JOIN LATERAL (SELECT (ARRAY['pending', 'ai_error', 'ai_quoted', 'ai_quoted', 'ai_quoted', 'ai_quoted', 'ai_quoted', 'accepted',
        'accepted', 'completed'])[n %% 10 + 1]) s (stage)
    LEFT JOIN messaging_message c ON c.key = 'quote:' || n || ':customer'
    LEFT JOIN messaging_message a ON a.key = 'quote:' || n || ':admin'"""
CALLS = """
    INSERT INTO portal_aicall (quote_id, token, kind, outcome, started_at, ended_at, was_forced, model, prompt_version, prompt_tokens,
        completion_tokens, reserved_cost, cost, raw_answer, error)
    SELECT id, gen_random_uuid(), 'model', CASE status WHEN 'ai_error' THEN 'review' ELSE 'applied' END, created_at, created_at, false,
        'm', 'p', 900, 90, 0, 0.002, '{}', '' FROM portal_quote WHERE status <> 'pending'"""


def measure(quotes: int) -> None:
    with scratch_database(keep=False):
        began = time.monotonic()
        plant(quotes)
        say(f"{quotes:,} quotes and their mails planted in {time.monotonic() - began:.0f} s. Medians of {REPEATS}, server side:\n")
        slow = [name for name, milliseconds in timed() if milliseconds >= GOAL_MS]
    say(f"\n{len(slow)} pages took {GOAL_MS} ms or more" + (f": {', '.join(slow)}." if slow else "."))


def plant(quotes: int) -> None:
    with connection.cursor() as cursor:
        for statement in (MESSAGES, QUOTES, CALLS):
            cursor.execute(statement, {"quotes": quotes})
        cursor.execute("VACUUM ANALYZE")


def timed() -> Iterator[tuple[str, float]]:
    """Every page with its milliseconds, printed as it is measured."""
    client = Client()
    client.force_login(get_user_model().objects.create_superuser("bench"), backend="django.contrib.auth.backends.ModelBackend")
    for name, address in pages(client):
        milliseconds = median(sorted(spent(client, address) for _ in range(REPEATS + 1))[:REPEATS])  # the first one warms up
        say(f"{milliseconds:7.0f} ms  {name}")
        yield name, milliseconds


def spent(client: Client, address: str) -> float:
    began = time.perf_counter()
    answer = client.get(address)
    assert answer.status_code == 200, f"{address} answered {answer.status_code}"
    return 1000 * (time.perf_counter() - began)


def pages(client: Client) -> Iterator[tuple[str, str]]:
    quotes = reverse("admin:portal_quote_changelist")
    yield "dashboard", reverse("admin:index")
    yield "dashboard, the part that moves", "/admin/dashboard/live/"
    yield "list of quotes", quotes
    yield "list of quotes, page 150", f"{quotes}?p=150"
    yield "list of runs", reverse("admin:portal_aicall_changelist")
    yield "one quote", reverse("admin:portal_quote_change", args=[Quote.objects.filter(status="ai_quoted").earliest("pk").pk])
    yield from ((f"search {term!r}", f"{quotes}?{urlencode({'q': term})}") for term in SEARCHES)
    yield from filters(client, quotes)


def filters(client: Client, address: str) -> Iterator[tuple[str, str]]:
    """Every choice of every filter that the list offers."""
    listed = client.get(address).context_data["cl"]  # type: ignore[attr-defined]
    for spec in listed.filter_specs:
        for value, title in spec.lookup_choices:
            yield f"filter {spec.title}: {title}", f"{address}?{urlencode({spec.parameter_name: value})}"


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
