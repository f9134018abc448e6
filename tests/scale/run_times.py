"""How long scheduler runs take, and how much memory; what `tests.scale.runs` measures."""

import json
import resource
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import date, timedelta

from django.conf import settings
from django.db import connection

from campaigns import runs
from campaigns.models import SchedulerRun
from campaigns.rules.states import OTHER, STATES
from portal import wiring
from portal.rehearsal.scratch import scratch_database
from tests.scale import machine
from tests.scale.commands import environment
from tests.scale.run_upkeep import looked_after

DAY = date(2026, 1, 31)
POLL_SECONDS = 0.01
AT_ONCE = 500_000  # contacts made by one statement
CONTACTS = """
    INSERT INTO campaigns_contact (id, email, first_name, last_name, zip_code, state, phone, carrier, flags, birth_date, effective_date)
    SELECT n, 'contact' || n || '@client.example', 'Ada', 'Example', '00000', (%(states)s::text[])[1 + (n::bigint * 7919) %% 51],
        '555-0100', 'Carrier ' || n %% 20, '{}', date '1935-01-01' + ((n::bigint * 104729) %% 9861)::int,
        (date '2005-01-01' + ((n::bigint * 15485863) %% 252)::int * interval '1 month')::date
    FROM generate_series(%(first)s, %(last)s) AS n
"""
CAMPAIGNS = """
    INSERT INTO campaigns_campaigninstance (campaign_type_id, name, metadata, active_from)
    SELECT id, 'Spring', '{}', date '2026-01-01' FROM campaigns_campaigntype
    WHERE name IN ('rate_increase', 'seasonal_promo', 'policy_update')
"""
TARGETS = """
    INSERT INTO campaigns_contactcampaign (contact_id, instance_id, trigger_on, targeted)
    SELECT n, instance.id, date '2026-02-10' + ((n::bigint * 31337) %% 150)::int, 'filter'
    FROM generate_series(%(first)s, %(last)s) AS n
    JOIN LATERAL (SELECT id FROM campaigns_campaigninstance ORDER BY id OFFSET n %% 3 LIMIT 1) AS instance ON true WHERE n %% 5 = 0
"""
MESSAGES = """
    INSERT INTO messaging_message (id, key, kind, lane, is_test, needs_note, sender, recipient, intended_for, subject, text, html, headers,
        message_id, status, round, attempts, max_attempts, tries, claims, sent_at, reason, error, provider, remote_id)
    SELECT n, 'bench:' || n, 'birthday', 9, false, false, 'office@portal.example', 'c@client.example', 'contact' || n || '@client.example',
        'Happy birthday', 'Good day', '', '{}', '<' || n || '@portal.example>', 'sent', 1, 1, 3, 1, 0,
        timestamptz '2026-01-30 14:30+00' - (n %% 300) * interval '1 day', '', '', 'primary', ''
    FROM generate_series(%(first)s, %(last)s) AS n WHERE n %% 10 < 3
"""
ATTEMPTS = """
    INSERT INTO messaging_attempt (message_id, number, round, token, phase, provider, reply_code, reply, error, started_at, ended_at)
    SELECT id, 1, 1, gen_random_uuid(), 'accepted', 'primary', 250, 'queued', '', sent_at, sent_at
    FROM messaging_message WHERE id BETWEEN %(first)s AND %(last)s
"""
HISTORY = """
    INSERT INTO campaigns_emailschedule (contact_id, email_type, send_on, send_time, status, skip_reason, priority, event_on, catch_up,
        over_cap, email_template, sms_template, message_id)
    SELECT n, 'birthday', date '2026-01-30' - (n %% 300)::int, time '08:30', 'scheduled', '', 5, date '2026-02-13' - (n %% 300)::int,
        false, false, 'birthday', '', n
    FROM generate_series(%(first)s, %(last)s) AS n WHERE n %% 10 < 3
"""

KEYS = {
    "contact_id": "campaigns_contact",
    "message_id": "messaging_message",
    "campaign_instance_id": "campaigns_campaigninstance",
    "parent_id": "bare",
}


@dataclass(frozen=True)
class Timed:
    name: str
    run: SchedulerRun
    seconds: float
    cpu_seconds: float  # of the workers; the database's are not known here
    peak_mb: float

    def line(self) -> str:
        run, speed = self.run, self.run.contacts / self.seconds
        changes = f"{run.added:,} added, {run.changed:,} changed, {run.removed:,} removed, {run.unchanged:,} unchanged"
        cost = f"workers' CPU {self.cpu_seconds:.1f} s, peak {self.peak_mb:.0f} MB a process"
        return f"{self.name}: {self.seconds:.1f} s, {speed:,.0f} contacts/s, {cost}; {changes}"


def measure(contacts: int, *, workers: int) -> None:
    say(f"{contacts:,} contacts, {workers} workers on {machine.cores()} cores of {machine.processor()}")
    with scratch_database(keep=False):
        with connection.cursor() as cursor:
            cursor.execute("SET statement_timeout = 0")
        made = time.monotonic()
        make(contacts)
        say(f"made in {time.monotonic() - made:.0f} s")
        first = timed("first run", DAY, workers=workers)
        say(first.line())
        phases(first.run)
        copied = bare_copy()
        say(f"bare COPY of the same rows: {copied:.1f} s; the run took {first.seconds / copied:.2f} times that")
        say(timed("again on the same day", DAY, workers=workers).line())
        say(f"the server's own upkeep until then: {settled():.0f} s")
        following = timed("the next day", DAY + timedelta(days=1), workers=workers)
        say(following.line())
        say(f"the next day took {following.seconds / first.seconds:.2f} of the first run's time")
        for line in looked_after(following.run):
            say(line)


def make(contacts: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(CAMPAIGNS)
        states = [state for state in STATES if state != OTHER]
        for first in range(1, contacts + 1, AT_ONCE):
            told = {"first": first, "last": min(first + AT_ONCE - 1, contacts), "states": states}
            for statement in (CONTACTS, TARGETS, MESSAGES, ATTEMPTS, HISTORY):
                cursor.execute(statement, told)
        cursor.execute("VACUUM ANALYZE")


def settled() -> float:
    """Seconds that VACUUM and ANALYZE of the schedule took, which the server does by itself before a day is over."""
    began = time.monotonic()
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE campaigns_emailschedule")
    return time.monotonic() - began


def timed(name: str, day: date, *, workers: int) -> Timed:
    rules, versions = wiring.scheduler_settings()
    run = runs.start(runs.Order(day=day, settings=rules, versions=versions, without_backup="A benchmark: its time is measured alone"))
    spent = cpu_seconds()
    command = [sys.executable, str(settings.BASE_DIR / "manage.py"), "run_scheduler", "--json", "--resume", str(run.pk)]
    crew = [subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) for _ in range(workers)]
    while not run.chunks.filter(lease__isnull=False).exists() and all(worker.poll() is None for worker in crew):
        time.sleep(POLL_SECONDS)
    began = time.monotonic()
    told = [json.loads(said) for said, _ in [worker.communicate() for worker in crew] if said]  # who came too late says nothing
    seconds = time.monotonic() - began
    run.refresh_from_db()
    assert run.status == "completed", run.error
    return Timed(name, run, seconds, cpu_seconds() - spent, max(one["peak_rss_mb"] for one in told))


def cpu_seconds() -> float:
    """Of the processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def phases(run: SchedulerRun) -> None:
    done = run.chunks.order_by("done_at").values_list("done_at", flat=True)
    say(f"  of which writing: {(done.last() - done.first()).total_seconds():.1f} s; {run.chunks.count()} chunks")


def bare_copy() -> float:
    """Seconds for the COPY of all rows into an empty table with the same indexes, checks, keys and promise of a contact."""
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE bare (LIKE campaigns_emailschedule INCLUDING ALL)")
        for column, table in KEYS.items():
            cursor.execute(f"ALTER TABLE bare ADD FOREIGN KEY ({column}) REFERENCES {table} DEFERRABLE INITIALLY DEFERRED")
        path = settings.VAR_DIR / "bench.copy"
        with path.open("wb") as out, cursor.copy("COPY campaigns_emailschedule TO STDOUT (FORMAT BINARY)") as copy:
            for piece in copy:
                out.write(piece)
        began = time.monotonic()
        with path.open("rb") as source, cursor.copy("COPY bare FROM STDIN (FORMAT BINARY)") as copy:
            while piece := source.read(1 << 20):
                copy.write(piece)
        seconds = time.monotonic() - began
        path.unlink()
        cursor.execute("DROP TABLE bare")
    return seconds


def say(text: str) -> None:
    sys.stdout.write(f"{text.strip()}\n")
    sys.stdout.flush()
