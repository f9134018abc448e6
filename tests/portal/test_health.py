"""/healthz and /readyz: what a monitor hears, with everything well and with one thing wrong at a time."""

from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.test import Client

from messaging.models import Message, Mode
from messaging.outbox import Draft, Sender, queue
from portal.models import Heartbeat

SENDER = Sender(address="office@portal.example", mode=Mode.TEST, test_recipient="inbox@portal.example")
CLUSTERS = ("short", "mail")


@pytest.fixture
def monitor(settings, tmp_path) -> Client:
    settings.SPOOL_DIR = tmp_path
    settings.SECURE_SSL_REDIRECT = False
    return Client(headers={"host": "localhost"})


@pytest.fixture
def answering(db) -> None:
    for cluster in CLUSTERS:
        Heartbeat.objects.create(key=f"{cluster}@here-1", cluster=cluster, beat_at=Now(), acknowledged_at=Now())


def queue_one() -> Message:
    return queue([Draft(key="one", kind="notice", recipient="a@client.example", subject="One", text="Good day")], sender=SENDER)[0]


def test_a_living_process_says_so_without_asking_the_database(monitor):
    answer = monitor.get("/healthz")  # pytest-django refuses any query here

    assert (answer.status_code, answer.content) == (200, b"ok\n")


def test_a_portal_that_lacks_nothing_is_ready(monitor, answering):
    answer = monitor.get("/readyz")

    assert (answer.status_code, answer.json()) == (
        200,
        {
            "status": "ready",
            "problems": [],
            "spool_depth": 0,
            "database": "ok",
            "migrations_missing": 0,
            "oldest_due_seconds": None,
            "oldest_pending_note_seconds": None,
            "clusters": {"short": "answers", "mail": "answers"},
        },
    )


def test_a_cluster_that_was_never_heard_and_one_that_fell_silent_are_named(monitor, db):
    Heartbeat.objects.create(key="mail@here-1", cluster="mail", acknowledged_at=Now() - timedelta(hours=1))

    answer = monitor.get("/readyz")

    assert answer.status_code == 503
    assert answer.json()["clusters"]["short"] == "never heard"
    assert answer.json()["clusters"]["mail"].startswith("silent for 36")
    assert [problem.partition(":")[0] for problem in answer.json()["problems"]] == ["Cluster short is silent", "Cluster mail is silent"]


def test_one_answering_host_is_enough(monitor, answering):
    Heartbeat.objects.create(key="mail@gone-2", cluster="mail", acknowledged_at=Now() - timedelta(hours=1))

    assert monitor.get("/readyz").status_code == 200


@pytest.mark.parametrize(("minutes", "status"), [(5, 200), (60, 503)])
def test_a_mail_that_is_long_due_is_a_problem_and_a_fresh_one_is_not(monitor, answering, minutes, status):
    queue_one()
    Message.objects.update(due_at=Now() - timedelta(minutes=minutes))

    answer = monitor.get("/readyz")

    assert answer.status_code == status
    assert answer.json()["oldest_due_seconds"] >= minutes * 60


def test_a_mail_that_is_due_later_does_not_count_as_waiting(monitor, answering):
    queue_one()
    Message.objects.update(due_at=Now() + timedelta(days=1))

    assert monitor.get("/readyz").json()["oldest_due_seconds"] == 0


def test_facts_that_wait_in_the_spool_are_counted(monitor, answering, tmp_path: Path):
    (tmp_path / "events-1.jsonl").write_text("{}\n{}\n")

    answer = monitor.get("/readyz")

    assert (answer.status_code, answer.json()["spool_depth"]) == (200, 2)


def test_a_spool_that_cannot_be_written_is_a_problem(monitor, answering, settings):
    settings.SPOOL_DIR = Path("/proc/nothing/here")

    answer = monitor.get("/readyz")

    assert answer.status_code == 503
    assert "spool folder cannot be written" in answer.json()["problems"][0]


def test_a_missing_migration_is_a_problem(monitor, answering):
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app = 'portal'")

    answer = monitor.get("/readyz")

    assert answer.status_code == 503
    assert answer.json()["migrations_missing"] >= 1


@pytest.mark.django_db(transaction=True)
def test_a_database_that_is_away_is_said_in_plain_words_and_nothing_is_given_away(monitor):
    connection.close()
    known = connection.settings_dict["PORT"]
    connection.settings_dict["PORT"] = "1"
    try:
        answer = monitor.get("/readyz")
    finally:
        connection.close()
        connection.settings_dict["PORT"] = known

    assert answer.status_code == 503
    assert answer.json() == {"status": "not ready", "problems": ["The database does not answer."], "spool_depth": 0, "database": "away"}


@pytest.mark.parametrize("address", ["/healthz", "/readyz"])
def test_probes_are_read_only_and_never_kept_by_a_cache(monitor, answering, address):
    assert monitor.post(address).status_code == 405
    assert "no-store" in monitor.get(address).headers["Cache-Control"]
