"""Three years of mail, planted by SQL: messages and all that is kept about them, in shares as an office has them.

Newest last. Triggers are off, keys and indexes are made after the rows: what is measured is the portal with these rows, not their making.
Most searches for rare rows have theirs among the oldest, where a list that reads its newest rows first finds them last.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection

AT_ONCE = 500_000  # messages made by one statement
DAYS = 1_095
SEVERAL = 500  # messages of a session
CASE_MAILS = 200  # of a case
BIG_SESSION = 1  # has three in a hundred of all messages
MADE_AT = "(now() - (%(messages)s - n) * (interval '1095 days' / %(messages)s))"
CASE_OF = "CASE WHEN n %% 10 < 4 THEN 1 + n * 7919 %% %(cases)s END"
STATE = """CASE WHEN n > %(messages)s * 0.998 THEN 'queued' WHEN n %% 100 = 50 THEN 'failed' WHEN n %% 10007 = 0 THEN 'in_doubt'
        WHEN n %% 5003 = 0 THEN 'held' WHEN n %% 1000 = 21 AND n < %(messages)s / 2 THEN 'cancelled' ELSE 'sent' END"""
FEW = (
    """INSERT INTO messaging_emailtemplate (id, name, title, kind, is_active)
    SELECT n, 'template-' || n, 'Template ' || n, 'kind_' || n, true FROM generate_series(1, 12) n""",
    """INSERT INTO messaging_emailtemplate (id, name, title, kind, is_active) VALUES (13, 'template-13', 'Long ago', 'long_ago', true)""",
    """INSERT INTO messaging_templateversion (id, template_id, number, subject, text, html, created_at)
    SELECT id, id, 1, 'Subject', 'text', '', now() FROM messaging_emailtemplate""",
    """INSERT INTO messaging_case (id, pid, pv, status, status_note, patient_name, injured_on, firm, attorney_name, attorney_email,
        attorney_phone, balance, last_sent_on, last_reply_on, created_at, updated_at)
    SELECT n, CASE WHEN n %% 2000 = 0 THEN '' ELSE (1000000 + n)::text END, (50000000 + n)::text,
        (ARRAY['active', 'active', 'active', 'settled', 'litigation', 'closed'])[n %% 6 + 1], '', 'Patient ' || md5(n::text),
        CASE WHEN n %% 50 > 0 THEN current_date - n %% 1500 END, 'Law Firm ' || n %% 400, 'Attorney', 'a' || n %% 900 || '@firm.example',
        '', n, NULL, CASE WHEN n %% 3 = 0 THEN current_date - n %% 400 END, now(), now()
    FROM generate_series(1, %(cases)s) n""",
    """INSERT INTO messaging_messagesession (id, name, channel, mode, started_at, ended_at, skipped)
    SELECT n, 'Batch ' || n, 'email', CASE WHEN n %% 50 = 3 THEN 'test' ELSE 'production' END, at, at + interval '1 hour', '[]'
    FROM generate_series(1, %(messages)s / 500 + 2) n,
        LATERAL (SELECT now() - (%(messages)s / 500 + 2 - n) * (interval '1095 days' / (%(messages)s / 500 + 2))) t (at)""",
    """INSERT INTO messaging_errorgroup (fingerprint, component, shape, sample, count, first_at, last_at, resolved_at)
    SELECT lpad(n::text, 16, '0'), 'delivery', 'The server said: no such mailbox, variant ' || n, 'In full', n, now(),
        now() - n * interval '1 hour', CASE WHEN n %% 3 > 0 THEN now() END FROM generate_series(1, 2000) n""",
    """INSERT INTO messaging_suppression (address, reason, created_at)
    SELECT 'c' || n || '@d1.example', 'bounced', now() - n * interval '1 min' FROM generate_series(1, %(messages)s / 100) n""",
    """INSERT INTO messaging_loggedsession (session_id, user_id, channel, template, started_at, ended_at, detail, updated_at)
    SELECT 'logged-' || n, 'anna', 'email', '', now() - n * interval '1 hour', now(), '{}', now()
    FROM generate_series(1, %(messages)s / 2000) n""",
)
MANY = (
    f"""INSERT INTO messaging_message (id, key, kind, lane, is_test, needs_note, sender, recipient, intended_for, subject, text, html,
        headers, message_id, case_id, session_id, template_version_id, status, due_at, round, attempts, max_attempts, tries, claims,
        transmitting_since, sent_at, doubt_since, reason, error, reply_code, provider, remote_id, created_at, delivered_at, read_at,
        bounced_at)
    SELECT n, 'bench:' || lpad(n::text, 9, '0'), CASE WHEN n < %(messages)s / 200 THEN 'long_ago' ELSE 'kind_' || n %% 12 + 1 END, 9,
        n %% 1000 = 7 AND n < %(messages)s / 4, c IS NOT NULL, 'office@portal.example', a, a, 'About your case, no. ' || n,
        repeat('text of a mail ', 20), '', '{{}}', '<' || lpad(n::text, 9, '0') || '@portal.example>', c,
        CASE WHEN n BETWEEN %(messages)s * 0.60 AND %(messages)s * 0.63 THEN {BIG_SESSION} WHEN n %% 10 < 8 THEN 2 + n / {SEVERAL} END,
        CASE WHEN n < %(messages)s / 200 THEN 13 ELSE n %% 12 + 1 END, state,
        at + CASE WHEN state = 'queued' THEN interval '1 hour' ELSE interval '0' END, 1, tries, 3, tries, 0,
        CASE WHEN tries > 0 THEN at END, CASE state WHEN 'sent' THEN at + n %% 90 * interval '1 s' END,
        CASE state WHEN 'in_doubt' THEN at END, CASE WHEN state IN ('held', 'cancelled') THEN 'suppressed' ELSE '' END,
        CASE state WHEN 'failed' THEN '550 No such mailbox' ELSE '' END, CASE state WHEN 'sent' THEN 250 WHEN 'failed' THEN 550 END,
        'primary', CASE state WHEN 'sent' THEN 'Q' || n ELSE '' END, at,
        CASE WHEN state = 'sent' AND n %% 10 < 5 THEN at + interval '100 s' END,
        CASE WHEN state = 'sent' AND n %% 10 < 2 THEN at + interval '900 s' END,
        CASE WHEN state = 'sent' AND n %% 200 = 103 THEN at + interval '60 s' END
    FROM generate_series(%(first)s::bigint, %(last)s) n,
        LATERAL (SELECT {MADE_AT}, {STATE}, {CASE_OF}) s (at, state, c),
        LATERAL (SELECT CASE WHEN state IN ('queued', 'held', 'cancelled') THEN 0 ELSE 1 END,
            'c' || n * 7919 %% (%(messages)s / 20) || '@d' || n * 7919 %% 50 || '.example') t (tries, a)""",
    f"""INSERT INTO messaging_attempt (message_id, number, round, token, phase, provider, reply_code, reply, error, started_at, ended_at)
    SELECT n, 1, 1, gen_random_uuid(), CASE state WHEN 'sent' THEN 'accepted' WHEN 'failed' THEN 'rejected' ELSE 'lost_post' END, 'primary',
        CASE state WHEN 'sent' THEN 250 WHEN 'failed' THEN 550 END, 'queued as Q' || n, '', at, at
    FROM generate_series(%(first)s::bigint, %(last)s) n, LATERAL (SELECT {MADE_AT}, {STATE}) s (at, state)
    WHERE state IN ('sent', 'failed', 'in_doubt')""",
    f"""INSERT INTO messaging_cmsnote (id, message_id, reference, status, attempts, due_at, attention, error, remote_id, processed_at,
        created_at)
    SELECT n, n, gen_random_uuid(), CASE WHEN done THEN 'processed' ELSE 'pending' END, 1, at,
        CASE WHEN done OR n %% 2 = 0 THEN '' ELSE 'The CMS knows no such case.' END, '',
        CASE WHEN done THEN 'N' || lpad(n::text, 9, '0') END, CASE WHEN done THEN at END, at
    FROM generate_series(%(first)s::bigint, %(last)s) n, LATERAL (SELECT {MADE_AT}, {STATE}, {CASE_OF}) s (at, state, c),
        LATERAL (SELECT n %% 997 > 0 AND n < %(messages)s * 0.997 AND c %% 2000 > 0) d (done)
    WHERE state = 'sent' AND c IS NOT NULL""",
    f"""INSERT INTO messaging_noteattempt (note_id, number, act, outcome, token, pid, type_code, text, http_status, detail, started_at,
        ended_at)
    SELECT n, 1, 'add', 'created', gen_random_uuid(), (1000000 + c)::text, '10', 'E-mail sent about the case.', 201, '', at, at
    FROM generate_series(%(first)s::bigint, %(last)s) n, LATERAL (SELECT {MADE_AT}, {STATE}, {CASE_OF}) s (at, state, c)
    WHERE state = 'sent' AND c IS NOT NULL""",
    f"""INSERT INTO messaging_systemevent (event_id, level, component, text, detail, message_id, at)
    SELECT gen_random_uuid(), CASE WHEN n %% 100000 = 0 THEN 'alarm' WHEN n %% 500 = 0 THEN 'error' WHEN n %% 50 = 0 THEN 'warning'
        ELSE 'info' END,
        (ARRAY['delivery', 'notes', 'cluster', 'webhooks', 'quotes'])[n / 5 %% 5 + 1], 'Something was noticed about message ' || n, '{{}}',
        CASE WHEN n %% 15 = 0 THEN n END, {MADE_AT}
    FROM generate_series(%(first)s::bigint, %(last)s) n WHERE n %% 5 = 0""",
    f"""INSERT INTO messaging_deliveryevent (provider, event_id, told, recipient, message_id, at, detail, raw, received_at)
    SELECT 'mailgun', 'event-' || lpad(n::text, 9, '0'),
        CASE WHEN n %% 200 = 103 THEN 'bounced' WHEN n %% 10 < 5 THEN 'delivered' WHEN n < %(messages)s / 2 THEN 'complained'
        ELSE 'other' END,
        'c' || n * 7919 %% (%(messages)s / 20) || '@d' || n * 7919 %% 50 || '.example',
        CASE WHEN n %% 5000 <> 3 OR n > %(messages)s / 2 THEN n END, {MADE_AT}, '',
        '{{"as": "it came"}}', {MADE_AT} FROM generate_series(%(first)s::bigint, %(last)s) n
    WHERE n %% 10 < 5 OR n %% 200 = 103 OR n %% 20011 = 7""",
    f"""INSERT INTO messaging_loggedmessage (log_id, user_id, session_id, channel, template_id, template_name, recipient_email,
        recipient_name, recipient_phone, recipient_company, status, provider_id, error, preview, detail, logged_at, sent_at, is_stub,
        updated_at)
    SELECT 'log-' || lpad(n::text, 9, '0'), 'anna', 'logged-' || n %% (%(messages)s / 2000) + 1, 'email', '', 'Hello',
        'c' || n || '@d1.example', '', '', 'Firm', 'sent', '', '', 'Good day', '{{}}', {MADE_AT}, {MADE_AT}, false, now()
    FROM generate_series(%(first)s::bigint, %(last)s) n WHERE n %% 20 = 0""",
)
LAST_MAILS = """INSERT INTO messaging_lastmail (case_id, sent_at) SELECT case_id, max(sent_at) FROM messaging_message
    WHERE status = 'sent' AND NOT is_test AND case_id IS NOT NULL GROUP BY 1"""
TABLES = [
    f"messaging_{name}"
    for name in ("message", "attempt", "cmsnote", "noteattempt", "systemevent", "deliveryevent", "loggedmessage", "case")
]
CONSTRAINTS = """
    SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint
    WHERE conrelid = ANY (%s::regclass[]) AND contype IN ('f', 'u') ORDER BY contype DESC, conname"""
INDEXES = """
    SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index i
    WHERE indrelid = ANY (%s::regclass[]) AND NOT indisprimary ORDER BY 1"""


def plant(messages: int) -> None:
    """So many messages, with what belongs to them, in the database in use."""
    told: dict[str, Any] = {"messages": messages, "cases": max(messages * 4 // 10 // CASE_MAILS, 100)}
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0; SET synchronous_commit = off; SET maintenance_work_mem = '512MB'")
        with bare(cursor):
            for statement in FEW:
                cursor.execute(statement, told)
            for first in range(1, messages + 1, AT_ONCE):
                for statement in MANY:
                    cursor.execute(statement, told | {"first": first, "last": min(first + AT_ONCE - 1, messages)})
        cursor.execute(LAST_MAILS)
        settle(cursor)


@contextmanager
def bare(cursor: Any) -> Iterator[None]:
    """Inside, the tables have no triggers of ours, no indexes but their primary keys, and no foreign keys."""
    cursor.execute(CONSTRAINTS, [TABLES])
    constraints = cursor.fetchall()
    for table, name, _ in constraints:
        cursor.execute(f"ALTER TABLE {table} DROP CONSTRAINT {name}")
    cursor.execute(INDEXES, [TABLES])
    indexes = cursor.fetchall()
    for name, _ in indexes:
        cursor.execute(f"DROP INDEX {name}")
    for table in TABLES:
        cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
    yield
    for table in TABLES:
        cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")
    for _, made in indexes:
        cursor.execute(made)
    for table, name, made in constraints:
        checked_later = " NOT VALID" if made.startswith("FOREIGN") else ""
        cursor.execute(f"ALTER TABLE {table} ADD CONSTRAINT {name} {made}{checked_later}")


def settle(cursor: Any) -> None:
    """Counters beyond the planted ids, statistics and visibility as a database that has settled has them."""
    for name in ("message", "cmsnote", "case", "messagesession", "emailtemplate", "templateversion"):
        table = f"messaging_{name}"
        cursor.execute(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), (SELECT max(id) FROM {table}))")
    cursor.execute("VACUUM ANALYZE")
    cursor.execute("RESET ALL")
