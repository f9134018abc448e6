"""When work runs: the cadence, the rings, the wiring, and the room that is kept for the watchdog."""

import fcntl
import os
from contextlib import ExitStack
from datetime import timedelta
from importlib import import_module

import pytest
from croniter import croniter
from django.core.management import call_command
from django.db import transaction
from django.db.models.functions import Now
from django_q.brokers import get_broker
from django_q.conf import Conf
from django_q.models import OrmQ, Schedule
from django_q.scheduler import scheduler
from django_q.tasks import async_task

from messaging.gateways.cms import HttpCms, ManualCms
from messaging.models import Mode
from portal import cadence, cluster, tasks, wiring
from portal.cadence import CADENCE
from portal.doorbell import OWN_KEY, Doorbell
from portal.models import Heartbeat
from portal.slots import slot

SEND, NOTES = "portal.tasks.send_due_messages", "portal.tasks.add_cms_notes"


def rings(key: str = "mail") -> list[str]:
    return [ring.task["func"] for ring in OrmQ.objects.filter(key=key).order_by("pk")]


@pytest.mark.parametrize("name", CADENCE)
def test_every_line_of_the_cadence_names_a_task_a_cluster_and_a_time(name, settings):
    task, on, when = CADENCE[name]

    module, _, function = task.rpartition(".")

    assert callable(getattr(import_module(module), function))
    assert on in [settings.Q_CLUSTER["name"], *settings.Q_CLUSTER["ALT_CLUSTERS"]]
    assert croniter.is_valid(when) if isinstance(when, str) else when >= 1


@pytest.mark.django_db
def test_the_scheduler_is_told_exactly_what_the_cadence_says():
    assert cadence.sync() == {"created": len(CADENCE), "changed": 0, "removed": 0}

    rows = {row.name: (row.func, row.cluster, row.cron or row.minutes) for row in Schedule.objects.all()}
    assert rows == CADENCE
    kinds = {row.name: row.schedule_type for row in Schedule.objects.all()}
    assert kinds == {name: Schedule.CRON if isinstance(when, str) else Schedule.MINUTES for name, (_, _, when) in CADENCE.items()}
    assert cadence.sync() == {"created": 0, "changed": 0, "removed": 0}


@pytest.mark.django_db
def test_a_schedule_that_is_not_in_the_cadence_is_removed_and_one_that_was_changed_is_put_right():
    cadence.sync()
    Schedule.objects.create(name="Backdoor", func="os.system", args="'true'")
    Schedule.objects.create(name="Send due messages", func="os.system")
    Schedule.objects.filter(func=SEND).update(args="][", minutes=9)

    assert cadence.sync() == {"created": 0, "changed": 1, "removed": 2}

    assert {row.name: (row.func, row.args, row.cron or row.minutes) for row in Schedule.objects.all()} == {
        name: (task, None, when) for name, (task, _, when) in CADENCE.items()
    }


@pytest.mark.django_db
def test_syncing_again_does_not_put_off_what_is_due():
    cadence.sync()
    Schedule.objects.update(next_run=Now() - timedelta(hours=1))
    before = set(Schedule.objects.values_list("pk", "next_run"))

    cadence.sync()

    assert set(Schedule.objects.values_list("pk", "next_run")) == before


@pytest.mark.django_db
def test_sync_cadence_prints_what_it_did(capsys):
    call_command("sync_cadence")
    call_command("sync_cadence", "--json")

    assert capsys.readouterr().out.splitlines() == [
        f"{len(CADENCE)} created, 0 changed, 0 removed.",
        '{"created": 0, "changed": 0, "removed": 0}',
    ]


@pytest.mark.django_db(transaction=True)  # django-q2's scheduler closes the connection
@pytest.mark.parametrize("cluster_name", ["mail", "short"])
def test_the_schedulers_rows_ring_the_cluster_they_name_once_however_many_runs_were_missed(monkeypatch, cluster_name):
    monkeypatch.setattr(Conf, "CLUSTER_NAME", cluster_name)
    cadence.sync()
    Schedule.objects.update(next_run=Now() - timedelta(hours=1))

    scheduler(broker=get_broker(cluster_name))
    scheduler(broker=get_broker(cluster_name))

    assert sorted(rings(cluster_name)) == sorted(task for task, cluster, _ in CADENCE.values() if cluster == cluster_name)
    assert all("planned_for" in ring.task["kwargs"] for ring in OrmQ.objects.all())


@pytest.mark.django_db(transaction=True)
def test_a_ring_goes_out_when_the_transaction_is_committed_and_not_when_it_is_rolled_back():
    with transaction.atomic():
        tasks.ring()
        assert rings() == []
    assert rings() == [SEND]

    with transaction.atomic():
        tasks.ring_notes()
        transaction.set_rollback(True)
    assert rings() == [SEND]


@pytest.mark.django_db
def test_rings_do_not_pile_up_but_one_that_a_worker_has_taken_does_not_count():
    assert [tasks.wake(SEND), tasks.wake(SEND), tasks.wake(NOTES), tasks.wake(NOTES)] == [True, False, True, False]

    OrmQ.objects.update(lock=Now() + timedelta(hours=1))

    assert tasks.wake(SEND)
    assert rings() == [SEND, NOTES, SEND]


@pytest.mark.django_db
def test_a_ring_signed_with_another_secret_key_does_not_count():
    tasks.wake(SEND)
    OrmQ.objects.update(payload="signed-with:another:key")

    assert tasks.wake(SEND)


@pytest.mark.django_db
def test_a_cluster_answers_its_own_rings_and_those_of_its_queue_but_no_others_oldest_first(monkeypatch):
    monkeypatch.setenv(OWN_KEY, "mail@here-1")
    for key in ("mail@there-2", "mail", "mail@here-1", "short"):
        async_task("portal.tasks.heartbeat", key, cluster=key)

    taken = [Doorbell("mail").dequeue() for _ in range(3)]

    assert [OrmQ.objects.get(pk=batch[0][0]).key for batch in taken if batch] == ["mail", "mail@here-1"]
    assert taken[2] is None
    assert sorted(rings("mail@there-2") + rings("short")) == ["portal.tasks.heartbeat"] * 2


@pytest.mark.django_db
def test_a_ring_is_answered_when_a_worker_has_run_it_since_and_not_by_an_earlier_beat():
    Heartbeat.objects.ring(key="mail@here-1", cluster="mail")
    assert not Heartbeat.objects.acknowledge(key="mail@here-1")

    assert tasks.heartbeat("mail@here-1") == {"answered": 1}
    assert Heartbeat.objects.acknowledge(key="mail@here-1")

    Heartbeat.objects.update(rung_at=Now() + timedelta(seconds=1))
    assert not Heartbeat.objects.acknowledge(key="mail@here-1")


@pytest.mark.django_db
def test_what_a_killed_watchdog_left_is_forgotten_after_a_day_and_not_before():
    for key, hours in [("mail@gone-1", 25), ("mail@here-2", 23)]:
        Heartbeat.objects.create(key=key, cluster="mail", rung_at=Now() - timedelta(hours=hours))
        async_task("portal.tasks.heartbeat", key, cluster=key)

    cluster.forget_abandoned()

    assert list(Heartbeat.objects.values_list("key", flat=True)) == ["mail@here-2"]
    assert (rings("mail@gone-1"), rings("mail@here-2")) == ([], ["portal.tasks.heartbeat"])


def test_one_kind_of_work_gets_so_many_places_in_a_cluster_and_no_more(tmp_path, monkeypatch):
    monkeypatch.setenv(OWN_KEY, "mail@here-1")

    with ExitStack() as held:
        taken = [held.enter_context(slot(tmp_path, kind="send", of=2)) for _ in range(3)]
        other = held.enter_context(slot(tmp_path, kind="notes", of=1))

        assert (taken, other) == ([True, True, False], True)
    with slot(tmp_path, kind="send", of=1) as again:
        assert again


def test_a_command_is_not_kept_waiting_for_a_place(tmp_path):
    assert OWN_KEY not in os.environ

    with slot(tmp_path, kind="send", of=1) as first, slot(tmp_path, kind="send", of=1) as second:
        assert (first, second) == (True, True)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("task", "kind"), [(tasks.send_due_messages, "send-0"), (tasks.add_cms_notes, "notes-0"), (tasks.sweep, "sweep-0")]
)
def test_a_task_that_finds_its_places_taken_says_so_and_ends(task, kind, settings, tmp_path, monkeypatch):
    monkeypatch.setenv(OWN_KEY, "mail@here-1")
    settings.SPOOL_DIR, settings.MAIL_WORKERS = tmp_path, 1
    (tmp_path / "slots").mkdir()

    with (tmp_path / "slots" / f"{kind}.lock").open("w") as place:
        fcntl.flock(place, fcntl.LOCK_EX)
        assert task()["already_running"]
    assert "already_running" not in task()


@pytest.mark.parametrize(
    ("allowed", "asked", "mode"),
    [
        ("test", None, Mode.TEST),
        ("test", Mode.TEST, Mode.TEST),
        ("production", None, Mode.PRODUCTION),
        ("production", Mode.TEST, Mode.TEST),
        ("production", Mode.PRODUCTION, Mode.PRODUCTION),
    ],
)
def test_mail_mode_is_a_ceiling_and_the_default(settings, allowed, asked, mode):
    settings.MAIL_MODE = allowed

    assert wiring.sender(asked).mode == mode


def test_production_mail_is_refused_in_a_test_deployment(settings):
    settings.MAIL_MODE, settings.TEST_RECIPIENT = "test", "inbox@office.example"

    with pytest.raises(wiring.ModeRefused, match=r"test mode: every e-mail goes to inbox@office\.example"):
        wiring.sender(Mode.PRODUCTION)


def test_mail_servers_are_tried_in_the_order_of_the_settings(settings):
    settings.EMAIL_URL, settings.EMAIL_BACKUP_URLS = "smtp://127.0.0.1:8025", ["smtps://a.example", "smtp+tls://b.example"]

    servers = [(server.name, server.host, server.port) for server in wiring.mail_servers()]

    assert servers == [("primary", "127.0.0.1", 8025), ("backup-1", "a.example", 465), ("backup-2", "b.example", 587)]


def test_the_cms_is_a_person_or_an_address_with_options(settings):
    settings.CMS_URL, settings.CMS_TOKEN = "https://cms.example/api", "secret"
    settings.CMS_OPTIONS = {"add_path": "/v2/notes", "headers": '{"X-Office": "7"}', "id_at": "data.id"}

    client = wiring.cms_client()

    options = {"add_path": "/v2/notes", "headers": {"X-Office": "7"}, "id_at": "data.id"}
    assert client == HttpCms(url="https://cms.example/api", token="secret", **options)
    settings.CMS_URL = "manual:"
    assert wiring.cms_client() == ManualCms()


@pytest.mark.parametrize(
    ("url", "options", "said"),
    [
        ("ftp://cms.example", {}, "CMS_URL is http"),
        ("https://", {}, "CMS_URL is http"),
        ("", {}, "CMS_URL is http"),
        ("https://cms.example", {"headers": "{"}, "CMS_HEADERS is not JSON"),
        ("https://cms.example", {"body": "[1]"}, "CMS_BODY is a JSON object of texts"),
        ("https://cms.example", {"body": '{"pid": 7}'}, "CMS_BODY is a JSON object of texts"),
    ],
)
def test_a_cms_setting_that_is_not_understood_is_named(settings, url, options, said):
    settings.CMS_URL, settings.CMS_OPTIONS = url, options

    with pytest.raises(ValueError, match=said):
        wiring.cms_client()
