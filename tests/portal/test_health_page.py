"""The page that says how the database is: the figures of the command, and what looks after it."""

import json
from io import StringIO

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from messaging import autovacuum, database_health, journal
from messaging.models import BackupHistory, Level, SystemEvent
from portal import tasks
from tests.factories import make_message
from tests.portal.desk_rows import staff, superuser

pytestmark = pytest.mark.django_db
ADDRESS = "/admin/health/"


def test_the_page_shows_the_figures_of_the_command():
    make_message()
    out = StringIO()

    call_command("database_health", "--json", stdout=out)
    shown = superuser().get(ADDRESS).context["found"]

    found = json.loads(out.getvalue())
    users = User._meta.db_table  # the one who looked is new
    for told in (found, shown):
        told["tables"].pop(users, None)
    assert shown["tables"]["messaging_message"] == found["tables"]["messaging_message"] == 1
    assert (shown["indexes"], shown["spool_depth"]) == (found["indexes"], found["spool_depth"])
    assert {row["name"] for row in shown["each_table"]} == {row["name"] for row in found["each_table"]}


def test_what_never_happened_is_told_as_that_and_what_did_with_its_time():
    boss = superuser()
    before = boss.get(ADDRESS).text

    proof = {"size_bytes": 2_000_000, "sha256": "a" * 64, "seconds": 1.0, "verified_at": timezone.now()}
    BackupHistory.objects.create(path="/b", status="verified", restore_tested_at=timezone.now(), **proof)
    tasks.optimise_database()
    after = boss.get(ADDRESS).text

    assert before.count("<td>never</td>") == 3
    assert "<td>never</td>" not in after
    assert "tables looked at" in after


def test_the_night_says_what_it_did():
    tasks.optimise_database()

    event = SystemEvent.objects.get(component=database_health.COMPONENT)

    assert event.level == Level.INFO
    assert event.detail["looked_at"] > 20
    assert event.text.startswith(f"{event.detail['looked_at']} tables looked at; ")


def test_what_waits_is_said_with_what_helps(settings, tmp_path):
    settings.SPOOL_DIR = tmp_path
    journal.waiting(tmp_path, journal.KIND).append({"event_id": "x"})

    page = superuser().get(ADDRESS).text

    assert "manage.py drain_spool" in page
    assert "Nothing is wrong" not in page


def test_staff_without_the_permission_are_refused():
    assert staff(name="nobody").get(ADDRESS).status_code == 403
    assert staff("messaging.view_systemevent").get(ADDRESS).status_code == 200


@pytest.mark.parametrize("table", [*autovacuum.TABLES, "campaigns_emailschedule"])
def test_the_server_sweeps_the_big_tables_early(table):
    with connection.cursor() as cursor:
        cursor.execute("SELECT reloptions FROM pg_class WHERE relname = %s", [table])
        assert set(cursor.fetchone()[0]) == {f"{name}={value}" for name, value in autovacuum.TOLD.items()}
