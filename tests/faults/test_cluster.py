"""The watchdog and its clusters as they run for real, with every process of them killed in turn.

Silences are short here: what takes a minute in a deployment takes seconds.
"""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import call_command
from django.core.signing import dumps
from django.db import DEFAULT_DB_ALIAS, connection, connections, transaction
from django.db.models.functions import Now
from django.test.utils import setup_databases, teardown_databases
from django_q.models import OrmQ
from django_q.tasks import async_task

from messaging.models import Case, CmsNote, Message, Mode, NoteStatus, Status, SystemEvent
from messaging.outbox import Draft, Sender, queue
from portal.models import Heartbeat
from portal.sandbox import Sandbox
from tests.addresses import database_url

SILENT_AFTER_SECONDS = 8
RING_EVERY_SECONDS = 2
PATIENCE_SECONDS = 60
SENDER = Sender(address="office@portal.example", mode=Mode.TEST, test_recipient="inbox@portal.example")


@dataclass
class Background:
    """A watchdog and all that it started, seen from outside."""

    process: subprocess.Popen[bytes]
    seen: dict[int, list[int]] = field(default_factory=dict)

    def tree(self) -> list[int]:
        """Every process below the watchdog."""
        found, below = [], [self.process.pid]
        while below:
            below = [child for parent in below for child in children(parent)]
            found += below
        return found

    def roles(self, cluster: str) -> dict[str, int]:
        """The processes of one cluster by what they do. Its sentinel starts the workers first, then monitor and pusher."""
        main = next(pid for pid in children(self.process.pid) if f"--only\0{cluster}\0".encode() in command_of(pid))
        (sentinel,) = children(main)
        started = self.seen.setdefault(sentinel, children(sentinel))
        return {"main": main, "sentinel": sentinel, "worker": started[0], "monitor": started[-2], "pusher": started[-1]}


def children(parent: int) -> list[int]:
    """In the order they were started."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            facts = (entry / "stat").read_text().rpartition(")")[2].split()
            if int(facts[1]) == parent and facts[0] != "Z":
                found.append((int(facts[19]), int(entry.name)))
    return [pid for _, pid in sorted(found)]


def command_of(pid: int) -> bytes:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


def is_alive(pid: int) -> bool:
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def eventually(is_so: Callable[[], object]) -> bool:
    ends_at = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < ends_at:
        if is_so():
            return True
        time.sleep(0.1)
    return False


def start(sandbox: Sandbox, folder: Path, **told: str) -> Background:
    environment = os.environ | {
        "DATABASE_URL": database_url(),
        "EMAIL_URL": f"smtp://127.0.0.1:{sandbox.smtp_port}",
        "CMS_URL": f"{sandbox.http_url}/cms",
        "SPOOL_DIR": str(folder / "spool"),
        "SECRET_KEY": settings.SECRET_KEY,
        "CLUSTER_SILENT_AFTER_SECONDS": str(SILENT_AFTER_SECONDS),
        "MAIL_WORKERS": "1",
        **told,
    }
    log = (folder / "cluster.log").open("ab")
    command = [sys.executable, str(settings.BASE_DIR / "manage.py"), "run_cluster"]
    return Background(subprocess.Popen(command, env=environment, stdout=log, stderr=log))


def end(background: Background) -> None:
    tree = background.tree()
    background.process.kill()
    background.process.wait()
    assert eventually(lambda: not any(map(is_alive, tree))), "the clusters outlived their watchdog"


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory) -> Iterator[Sandbox]:
    with Sandbox(tmp_path_factory.mktemp("sandbox")) as sandbox:
        yield sandbox


@contextmanager
def own_database() -> Iterator[None]:
    """The tests' database, also in a run none of whose tests is marked for one: pytest-django makes none then, and ours would be used."""
    if connection.settings_dict["NAME"].startswith("test_"):
        yield
        return
    made = setup_databases(verbosity=0, interactive=False, aliases={DEFAULT_DB_ALIAS})
    try:
        yield
    finally:
        teardown_databases(made, verbosity=0)


@pytest.fixture(scope="module")
def background(sandbox, tmp_path_factory, django_db_setup, django_db_blocker) -> Iterator[Background]:
    """One watchdog for all tests of this file, both of its clusters answering."""
    with django_db_blocker.unblock(), own_database():
        background = start(sandbox, tmp_path_factory.mktemp("background"))
        try:
            assert answers("short"), "the background work did not start"
            assert answers("mail"), "the background work did not start"
            yield background
        finally:
            end(background)
            call_command("flush", interactive=False, inhibit_post_migrate=False, verbosity=0)
            connections.close_all()


def answers(cluster: str) -> bool:
    """One of the bells that are rung from now on is answered. A cluster may take a bell with it when it dies; never all of them."""
    key = f"probe-{random.getrandbits(40):x}"
    Heartbeat.objects.ring(key=key, cluster="probe")
    rung_at: list[float] = []

    def is_answered() -> bool:
        if not rung_at or time.monotonic() - rung_at[-1] > RING_EVERY_SECONDS:
            async_task("portal.tasks.heartbeat", key, cluster=cluster)
            rung_at.append(time.monotonic())
        return Heartbeat.objects.filter(key=key).answered().exists()

    return eventually(is_answered)


def queue_mail(*, needs_note: bool = False) -> Message:
    pv = random.getrandbits(40)
    case = Case.objects.create(pv=str(pv), pid=str(pv + 1), patient_name="Ada Example", firm="Example & Partners")
    words = {"recipient": "a@client.example", "subject": "Your case", "text": "Good day"}
    draft = Draft(key=f"cluster:{pv}", kind="status_request", case=case, needs_note=needs_note, **words)
    return queue([draft], sender=SENDER)[0]


@pytest.mark.parametrize("role", ["worker", "monitor", "pusher", "sentinel", "main"])
def test_after_any_process_of_a_cluster_is_killed_a_later_bell_is_answered(background: Background, role):
    assert answers("mail")
    pid = background.roles("mail")[role]
    below = children(pid)

    os.kill(pid, signal.SIGKILL)

    assert answers("mail")
    assert eventually(lambda: not any(map(is_alive, [pid, *below]))), "processes of the killed cluster live on"


def test_a_cluster_that_hangs_is_replaced_and_the_alarm_names_it(background: Background):
    assert answers("mail")
    hung = background.roles("mail")
    SystemEvent.objects.filter(component="cluster").delete()

    os.kill(hung["sentinel"], signal.SIGSTOP)
    os.kill(hung["pusher"], signal.SIGSTOP)

    assert answers("mail")
    assert background.roles("mail")["main"] != hung["main"]
    alarm = SystemEvent.objects.alarms().filter(component="cluster").latest("pk")
    assert alarm.text.startswith("Cluster mail was killed and is started anew in 1 s: it answered no ring")
    assert not is_alive(hung["sentinel"])


@pytest.mark.parametrize("lost", ["deleted", "signed with the key before"])
def test_due_mail_leaves_though_every_ring_for_it_is_lost(background: Background, sandbox: Sandbox, lost):
    with transaction.atomic():
        message = queue_mail()
        ring = async_task("portal.tasks.send_due_messages", cluster="mail")
        rings = OrmQ.objects.filter(pk__in=[row.pk for row in OrmQ.objects.all() if row.task_id() == ring])
        assert rings.delete()[0] if lost == "deleted" else rings.update(payload=dumps("ring", key="the key before"))

    assert eventually(lambda: Message.objects.filter(pk=message.pk, status=Status.SENT).exists())
    assert [line["message_id"] for line in sandbox.mail_ledger()].count(message.message_id) == 1


def test_the_note_that_a_sent_mail_owes_is_added_without_anybody_asking(background: Background):
    message = queue_mail(needs_note=True)

    assert eventually(lambda: CmsNote.objects.filter(message=message, status=NoteStatus.PROCESSED).exists())


def test_told_to_stop_it_ends_everything_cleanly_and_leaves_no_sign_of_itself(background: Background, sandbox, tmp_path):
    another = start(sandbox, tmp_path)
    assert eventually(lambda: Heartbeat.objects.filter(key__endswith=f"-{another.process.pid}", acknowledged_at__lte=Now()).count() == 2)
    tree = another.tree()

    another.process.send_signal(signal.SIGTERM)

    assert another.process.wait(PATIENCE_SECONDS) == 0
    assert not any(map(is_alive, tree))
    assert not Heartbeat.objects.filter(key__endswith=f"-{another.process.pid}").exists()
    assert b"Traceback" not in (tmp_path / "cluster.log").read_bytes()
    assert answers("mail"), "the other watchdog's clusters go on"


@pytest.mark.storm
def test_forty_kills_at_random_leave_every_bell_answered(background: Background):
    chance = random.Random(12)
    for _ in range(40):
        cluster = chance.choice(["short", "mail"])
        with suppress(StopIteration, ValueError, ProcessLookupError):  # it is being started anew just now
            os.kill(chance.choice(list(background.roles(cluster).values())), signal.SIGKILL)
        time.sleep(chance.expovariate(1 / 1.5))

    assert answers("short")
    assert answers("mail")
