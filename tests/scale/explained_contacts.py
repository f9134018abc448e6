"""Contacts with campaigns, engagement, suppressions and a year of mails, planted by SQL; then some of them are explained."""

import random
import sys
import time
from collections.abc import Iterator
from statistics import median, quantiles

import numpy as np
from django.db import connection
from django.db.models.functions import Now

from campaigns.explain import as_json, explain
from campaigns.models import RunStatus, SchedulerRun, Scope, Step
from portal import wiring
from portal.rehearsal.scratch import scratch_database

GOAL_MS = 50
SEED = 4
ZIPS = "ARRAY['90210', '83702', '40202', '21201', '89101', '73102', '97201', '23219', '63101', '10001', '75001', '33101']"
STATES = "ARRAY['CA', 'ID', 'KY', 'MD', 'NV', 'OK', 'OR', 'VA', 'MO', 'NY', 'TX', 'FL']"
PLANTED = (
    f"""INSERT INTO campaigns_contact (email, first_name, last_name, zip_code, state, birth_date, effective_date, phone, carrier, flags)
    SELECT 'c' || n || '@client.example', 'Ada', 'Field ' || n, ({ZIPS})[n % 12 + 1], ({STATES})[n % 12 + 1],
        CASE WHEN n % 20 > 0 THEN date '1935-01-01' + n % 9800 END,
        CASE WHEN n % 15 > 0 THEN date '2005-01-01' + make_interval(months => n % 250) END, '', '', '{{}}'
    FROM generate_series(1, %(contacts)s) n""",
    """INSERT INTO campaigns_campaigninstance (campaign_type_id, name, metadata)
    SELECT id, name || ' ' || n, '{}' FROM campaigns_campaigntype, generate_series(1, 3) n WHERE NOT target_all_contacts""",
    """INSERT INTO campaigns_contactcampaign (contact_id, instance_id, trigger_on, targeted)
    SELECT n, 1 + n % 12, current_date - 30 + n % 300, 'filter' FROM generate_series(1, %(contacts)s) n""",
    """INSERT INTO messaging_message (key, kind, lane, is_test, needs_note, sender, recipient, intended_for, subject, text, html, headers,
        message_id, status, round, attempts, max_attempts, tries, claims, sent_at, reason, error, provider, remote_id)
    SELECT 'aep:' || n, 'aep', 5, false, false, 'office@portal.example', 'c' || n || '@client.example', 'c' || n || '@client.example',
        'AEP', 'text', '', '{}', '<' || n || '@portal.example>', 'sent', 1, 1, 1, 1, 0, now() - (n % 300) * interval '1 day', '', '',
        'primary', '' FROM generate_series(1, %(contacts)s) n WHERE n % 2 = 0""",
    """INSERT INTO campaigns_emailschedule (contact_id, email_type, send_on, send_time, status, skip_reason, priority, event_on, catch_up,
        over_cap, email_template, sms_template, message_id, run_id)
    SELECT n, 'aep', m.sent_at::date, '08:30', 'scheduled', '', 7, m.sent_at::date, false, false, '', '', m.id, %(run)s
    FROM generate_series(1, %(contacts)s) n JOIN messaging_message m ON m.key = 'aep:' || n""",
    """INSERT INTO campaigns_emailschedule (contact_id, email_type, send_on, send_time, status, skip_reason, priority, event_on, catch_up,
        over_cap, email_template, sms_template, run_id)
    SELECT n, kind, current_date + (n * 13 + far) % 360, '08:30', CASE WHEN (n + far) % 3 > 0 THEN 'pre-scheduled' ELSE 'skipped' END,
        CASE WHEN (n + far) % 3 > 0 THEN '' ELSE 'exclusion_window' END, 5, current_date + (n * 13 + far) % 360 + 14, false, false,
        '', '', %(run)s
    FROM generate_series(1, %(contacts)s) n, (VALUES ('birthday', 0), ('effective_date', 100), ('post_window', 200)) k (kind, far)""",
    """INSERT INTO campaigns_engagementevent (key, contact_id, kind, at, metadata)
    SELECT 'e' || n, n, 'clicked', now() - (n % 300) * interval '1 day', '{}' FROM generate_series(1, %(contacts)s) n WHERE n % 3 = 0""",
    """INSERT INTO messaging_suppression (address, reason, created_at)
    SELECT 'c' || n || '@client.example', 'asked', now() FROM generate_series(1, %(contacts)s) n WHERE n % 50 = 0""",
)
READ_WHOLE = """
    SELECT relname, seq_scan FROM pg_stat_user_tables WHERE n_live_tup > 1000 AND seq_scan > 0 ORDER BY relname
"""


def measure(contacts: int, *, asked: int) -> None:
    with scratch_database(keep=False):
        began = time.monotonic()
        schedules = plant(contacts)
        say(f"{contacts:,} contacts and {schedules:,} schedules planted in {time.monotonic() - began:.0f} s.")
        before = read_whole()
        spent = list(timed(random.Random(SEED).sample(range(1, contacts + 1), min(asked, contacts))))
        whole = {table: scans for table, scans in read_whole().items() if scans != before.get(table)}
    clock, processor = zip(*spent, strict=True)
    worst = quantiles(clock, n=100)[98]
    say(f"One contact explained: median {median(clock):.1f} ms, 99 of 100 within {worst:.1f} ms (goal: {GOAL_MS} ms);")
    say(f"of it this process computed {median(processor):.1f} ms, and the rest is PostgreSQL's or waiting.")
    say(f"Tables read whole meanwhile: {', '.join(whole) or 'none'}.")


def plant(contacts: int) -> int:
    told = {"scope": Scope.ALL, "status": RunStatus.COMPLETED, "step": Step.DONE, "ended_at": Now(), "without_backup": "Planted."}
    run = SchedulerRun.objects.create(day=wiring.today(), contacts=contacts, contacts_done=contacts, **told)
    with connection.cursor() as cursor:
        for statement in PLANTED:
            cursor.execute(statement.replace("% ", "%% "), {"contacts": contacts, "run": run.pk})
        cursor.execute("VACUUM ANALYZE")
        cursor.execute("SELECT count(*) FROM campaigns_emailschedule")
        return int(cursor.fetchone()[0])


def read_whole() -> dict[str, int]:
    """How often each large table was read from end to end so far."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_force_next_flush()")
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute(READ_WHOLE)
        return dict(cursor.fetchall())


def timed(ids: list[int]) -> Iterator[tuple[float, float]]:
    """The milliseconds of each contact by the clock and by this process's CPU, settings and the answer as JSON included."""
    day = np.datetime64(wiring.today(), "D")
    for number, contact_id in enumerate([ids[0], *ids]):
        began, computed = time.perf_counter(), time.process_time()
        settings, versions = wiring.scheduler_settings()
        as_json(explain(contact_id, on=day, day=day, settings=settings, versions=versions))
        if number:  # the first one reads the table of ZIP codes
            yield 1000 * (time.perf_counter() - began), 1000 * (time.process_time() - computed)


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
