"""Several machines and one PostgreSQL: they share a run, an outbox and a note queue, and a machine that is gone costs only what it held.

A machine is a watchdog and its two clusters with folders of their own: nothing but the database, the mail server and the CMS is shared.
"""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from django.conf import settings

from tests.faults.lab import Lab
from tests.faults.test_cluster import children, is_alive

PATIENCE_SECONDS = 240  # on a machine that has much else to do
MAIL_WORKERS = 2  # of each host
QUEUES = {
    "campaigns_runchunk": "OLD.step <> NEW.step",
    "messaging_message": "NEW.status = 'sent'",
    "messaging_cmsnote": "NEW.status = 'processed'",
}
WITNESS = """
    CREATE TABLE witness (host text, queue text, did text, lease uuid);
    CREATE FUNCTION testify() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        INSERT INTO witness VALUES (split_part(current_setting('application_name'), '@', 2), TG_TABLE_NAME, TG_ARGV[0], NEW.lease);
        RETURN NULL;
    END $$;
""" + "".join(
    f"""
    CREATE TRIGGER testify_taken AFTER UPDATE OF lease ON {queue} FOR EACH ROW
        WHEN (NEW.lease IS NOT NULL AND NEW.lease IS DISTINCT FROM OLD.lease) EXECUTE FUNCTION testify('taken');
    CREATE TRIGGER testify_done AFTER UPDATE ON {queue} FOR EACH ROW
        WHEN ({done} AND NEW IS DISTINCT FROM OLD) EXECUTE FUNCTION testify('done');
    """
    for queue, done in QUEUES.items()
)
NO_WITNESS = "DROP TABLE IF EXISTS witness; DROP FUNCTION IF EXISTS testify CASCADE"
HELD = "SELECT m.id FROM messaging_message m JOIN witness w USING (lease) WHERE w.host = %(host)s"
LAPSE = """
    WITH chunks AS (UPDATE campaigns_runchunk SET leased_until = now() WHERE lease IN (SELECT lease FROM witness WHERE host = %(host)s)),
        notes AS (UPDATE messaging_cmsnote SET leased_until = now() WHERE lease IN (SELECT lease FROM witness WHERE host = %(host)s))
    UPDATE messaging_message SET leased_until = now() WHERE lease IN (SELECT lease FROM witness WHERE host = %(host)s)"""
LEFT = {
    "campaigns_runchunk": "SELECT count(*) FROM campaigns_runchunk WHERE step <> 'done'",
    "messaging_message": "SELECT count(*) FROM messaging_message WHERE status IN ('queued', 'claimed', 'transmitting')",
    "messaging_cmsnote": "SELECT count(*) FROM messaging_cmsnote WHERE status = 'pending'",
}


@dataclass
class Host:
    """A machine of its own, as far as one machine can play two: no file of the other's."""

    name: str
    lab: Lab
    folder: Path = field(init=False)
    process: subprocess.Popen[bytes] | None = None

    def __post_init__(self) -> None:
        self.folder = self.lab.folder / self.name

    def start(self) -> None:
        places = {name: str(self.folder / name.lower()) for name in ("SPOOL_DIR", "BACKUP_DIR", "MEDIA_ROOT", "HOME", "TMPDIR")}
        for place in places.values():
            Path(place).mkdir(parents=True, exist_ok=True)
        told = {
            "DATABASE_URL": self.lab.database.url,
            "HOST_NAME": self.name,
            "EMAIL_URL": f"smtp://127.0.0.1:{self.lab.sandbox.smtp_port}",
            "CMS_URL": f"{self.lab.sandbox.http_url}/cms",
            "CMS_SETTLE_SECONDS": "2",
            "SECRET_KEY": settings.SECRET_KEY,
            "MAIL_WORKERS": str(MAIL_WORKERS),
            "MAIL_PAUSE_SECONDS": "0.05",
            "CMS_PAUSE_SECONDS": "0.03",
            "WORK_SLICE_SECONDS": "10",
            "CLUSTER_SILENT_AFTER_SECONDS": "60",
        }
        command = [sys.executable, str(settings.BASE_DIR / "manage.py"), "run_cluster"]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                command, env=os.environ | places | told, cwd=self.folder, stdout=log, stderr=log, start_new_session=True
            )

    def tree(self) -> list[int]:
        found, below = [], [self.process.pid] if self.process else []
        while below:
            found += below
            below = [child for parent in below for child in children(parent)]
        return found

    def kill(self) -> None:
        """Its power fails: every process of it is gone at once, none may say a word. Its disk is as it was."""
        if self.process is None:
            return
        processes = self.tree()
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for pid in processes:
                with suppress(ProcessLookupError):
                    os.kill(pid, number)
        self.process.wait(30)
        self.process = None
        assert eventually(lambda: not any(map(is_alive, processes))), f"processes of {self.name} live on"


@contextmanager
def two_hosts(lab: Lab) -> Iterator[dict[str, Host]]:
    lab.database.ask(NO_WITNESS)
    lab.database.ask(WITNESS)
    hosts = {name: Host(name, lab) for name in ("left", "right")}
    try:
        yield hosts
    finally:
        for host in hosts.values():
            host.kill()
        lab.database.start()
        lab.database.ask(NO_WITNESS)


def eventually(is_so: Callable[[], object], *, every_seconds: float = 0.1) -> bool:
    ends_at = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < ends_at:
        if is_so():
            return True
        time.sleep(every_seconds)
    return False


def rung(lab: Lab, is_so: Callable[[], object]) -> bool:
    """It comes to be so while bells are rung, as the schedule does once a minute."""

    def ring() -> object:
        lab.zygote.run("ring_bells")
        return is_so()

    return eventually(ring, every_seconds=0.3)


def share(lab: Lab, *, mails: int, contacts: int, kills: int) -> int:
    """Two hosts do it all; one loses its power and comes back, then the other, and so on. Returns how many doubts that left."""
    lab.zygote.run("leave_the_bells_to_us")
    lab.zygote.run("start_run", contacts=contacts)
    expected = lab.zygote.run("finish_run", within_seconds=PATIENCE_SECONDS)
    with two_hosts(lab) as hosts:
        for host in hosts.values():
            host.start()
        assert eventually(lambda: lab.zygote.run("hosts_that_answer") == len(hosts)), "the hosts did not start"
        lab.zygote.run("queue", recipients=[f"c{number}@client.example" for number in range(mails)])
        lab.zygote.run("start_run", contacts=contacts)
        lab.zygote.run("ring_bells", joiners=len(hosts))
        held = [cut_off(lab, host, share_done=(number + 1) / (kills + 2)) for number, host in enumerate(victims(hosts, kills))]
        assert rung(lab, lambda: not any(left_over(lab).values())), left_over(lab)
        assert rung(lab, lambda: len(doubts(lab)) <= MAIL_WORKERS * kills), "more is in doubt than could be on its way"
        assert doubts(lab) <= set().union(*held), "a mail is in doubt that no killed host held"
        arrived = [line["message_id"] for line in lab.sandbox.mail_ledger()]
        decided: int = lab.zygote.run("decide_by_the_ledger", arrived=arrived)
        assert rung(lab, lambda: not any(left_over(lab).values())), left_over(lab)
    judge(lab, mails=mails, expected=expected)
    return decided


def victims(hosts: dict[str, Host], kills: int) -> list[Host]:
    return [list(hosts.values())[number % len(hosts)] for number in range(kills)]


def cut_off(lab: Lab, host: Host, *, share_done: float) -> set[int]:
    """When both had their part in all, and so much is done, this one dies; the other goes on, and it comes back. The mails it held."""
    assert rung(lab, lambda: is_shared(lab, share_done)), (done_by(lab), left_over(lab))
    host.kill()
    left = left_over(lab)
    assert any(left.values()), "all was done before the host was killed"
    mails = {pk for (pk,) in lab.database.ask(HELD, host=host.name)}
    before = done_by(lab)
    assert rung(lab, lambda: done_by(lab) != before), "nobody went on"
    lab.database.ask(LAPSE, host=host.name)  # minutes later
    host.start()
    return mails


def is_shared(lab: Lab, share_done: float) -> bool:
    done, left = done_by(lab), left_over(lab)
    total = done.total() + sum(left.values())
    return all(done[name, queue] for name in ("left", "right") for queue in LEFT) and done.total() >= total * share_done


def done_by(lab: Lab) -> Counter[tuple[str, str]]:
    rows = lab.database.ask("SELECT host, queue, count(*) FROM witness WHERE did = 'done' GROUP BY 1, 2")
    return Counter({(host, queue): count for host, queue, count in rows})


def left_over(lab: Lab) -> dict[str, int]:
    return {queue: lab.database.ask(sql)[0][0] for queue, sql in LEFT.items()}


def doubts(lab: Lab) -> set[int]:
    return {pk for (pk,) in lab.database.ask("SELECT id FROM messaging_message WHERE status = 'in_doubt'")}


def judge(lab: Lab, *, mails: int, expected: dict) -> None:
    """Every mail and every note is there once, by the lists of those who took them; the schedule is that of an undisturbed run."""
    assert lab.wrong() == []
    assert Counter(line["message_id"] for line in lab.sandbox.mail_ledger()).most_common(1)[0][1] == 1
    assert len(lab.sandbox.mail_ledger()) == mails
    assert Counter(line["reference"] for line in lab.sandbox.note_ledger()).most_common(1)[0][1] == 1
    assert len(lab.sandbox.note_ledger()) == mails
    assert lab.zygote.run("finish_run") == expected
    assert lab.zygote.run("verify_schedules") == []


def test_two_hosts_share_all_work_and_one_that_dies_costs_only_what_it_held(clean_lab: Lab, capsys):
    doubts = share(clean_lab, mails=300, contacts=3_000, kills=1)  # so many that neither host plans for all before the other begins
    with capsys.disabled():
        sys.stdout.write(f"\none host killed: {doubts} doubts\n")


@pytest.mark.storm
def test_ten_power_cuts_on_two_hosts(clean_lab: Lab, capsys):
    began = time.monotonic()
    doubts = share(clean_lab, mails=4_000, contacts=12_000, kills=10)
    with capsys.disabled():
        sys.stdout.write(f"\n10 hosts killed: {doubts} doubts, {time.monotonic() - began:.0f} s\n")
