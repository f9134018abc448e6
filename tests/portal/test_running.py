"""The processes of `make run`: none is lost, none is left over, and the whole of it comes back after kill -9."""

import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from portal import embedded_postgres, running
from portal.running import Children, KeepsEnding

CLONE = Path(__file__).resolve().parents[2]
PATIENCE_SECONDS = 90
OWNER = """
import os, sys, time
from pathlib import Path
from portal.running import Children
children = Children(folder=Path.cwd(), environment=os.environ, say=print)
children.start("sleeper", ["sleep", "600"], grace_seconds=1)
print(children.all[0].process.pid, flush=True)
time.sleep(600)
"""


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def children(said: list[str]) -> Iterator[Children]:
    children = Children(folder=CLONE, environment=dict(os.environ), say=said.append)
    yield children
    children.stop()


def eventually(happens: Callable[[], object]) -> bool:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not happens() and time.monotonic() < deadline:
        time.sleep(0.05)
    return bool(happens())


def lives(pid: int) -> bool:
    """A zombie does not."""
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True).stdout.strip()
    return bool(state) and not state.startswith("Z")


def test_who_ends_by_itself_is_started_again_and_given_up_when_it_keeps_ending(children, said, monkeypatch):
    monkeypatch.setattr(running, "RESTARTS_PER_MINUTE", 1)
    children.start("flickering thing", ["sh", "-c", "exit 3"], grace_seconds=1)
    first = children.all[0].process

    first.wait()
    children.watch()
    assert said == ["The flickering thing ended by itself (exit code 3) and is started again."]
    assert children.all[0].process is not first

    children.all[0].process.wait()
    with pytest.raises(KeepsEnding, match="The flickering thing ended 2 times within a minute"):
        children.watch()


def test_the_last_one_started_is_stopped_first_and_nothing_it_started_is_left(children, tmp_path):
    told = tmp_path / "told"
    for name in ("sandbox", "web"):
        script = f"trap 'echo {name} >> {told}; exit' TERM; sleep 600 & echo $! > {tmp_path / name}; wait"
        children.start(name, ["sh", "-c", script], grace_seconds=5)
    assert eventually(lambda: all((tmp_path / name).exists() and (tmp_path / name).read_text() for name in ("sandbox", "web")))

    children.stop()

    assert told.read_text().split() == ["web", "sandbox"]
    assert not any(lives(int((tmp_path / name).read_text())) for name in ("sandbox", "web"))


def test_who_does_not_listen_is_killed_when_its_time_is_over(children, tmp_path):
    deaf = f"trap '' TERM; touch {tmp_path / 'deaf'}; while :; do sleep 0.1; done"
    children.start("deaf one", ["sh", "-c", deaf], grace_seconds=0.2)
    assert eventually((tmp_path / "deaf").exists)

    children.stop()

    assert children.all[0].process.returncode == -signal.SIGKILL


def test_children_do_not_outlive_an_owner_that_was_killed():
    owner = subprocess.Popen([sys.executable, "-c", OWNER], cwd=CLONE, stdout=subprocess.PIPE, text=True)
    assert owner.stdout
    child = int(owner.stdout.readline())
    assert lives(child)

    owner.kill()
    owner.wait()

    assert eventually(lambda: not lives(child))
    owner.stdout.close()


@pytest.fixture
def clone(tmp_path: Path) -> Iterator[Path]:
    """Another clone with nothing in its var/, which leaves nothing behind."""
    clone = tmp_path / "another clone"
    left_out = shutil.ignore_patterns("__pycache__")
    for name in ("portal", "messaging", "campaigns", "templates"):
        shutil.copytree(CLONE / name, clone / name, ignore=left_out)
    shutil.copy(CLONE / "manage.py", clone)
    yield clone
    embedded_postgres.stop(clone / "var" / "postgres")
    shutil.rmtree(embedded_postgres.database(clone / "var" / "postgres")["HOST"], ignore_errors=True)


def test_the_portal_starts_alone_comes_back_after_kill_9_and_leaves_nothing_running(clone):
    web, smtp, pages = free_ports(3)
    around = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "SECRET_KEY", "PYTEST_CURRENT_TEST")}
    around |= {"DEBUG": "1", "EMAIL_URL": f"smtp://127.0.0.1:{smtp}", "SANDBOX_URL": f"http://127.0.0.1:{pages}"}
    around |= {"CMS_URL": f"http://127.0.0.1:{pages}/cms"}
    command = [sys.executable, "manage.py", "run_portal", "--port", str(web)]

    def start(log: Path) -> subprocess.Popen[bytes]:
        portal = subprocess.Popen(command, cwd=clone, env=around, stdout=log.open("wb"), stderr=subprocess.STDOUT)
        assert eventually(lambda: b"Ctrl-C stops everything." in log.read_bytes() or portal.poll() is not None)
        assert portal.poll() is None, log.read_text()
        return portal

    first = start(clone / "first.log")
    assert "Login      demo, password demo" in (clone / "first.log").read_text()
    assert (answer(web, "/healthz"), answer(web, "/admin/login/"), answer(pages, "/")) == (200, 200, 200)
    again = subprocess.run(command, cwd=clone, env=around, capture_output=True, text=True)
    assert (again.returncode, again.stdout) == (
        0,
        f"The portal of this folder runs already: http://127.0.0.1:{web}/, process {first.pid}.\n",
    )
    secret = (clone / "var" / "secret_key").read_text()

    first.kill()
    first.wait()
    second = start(clone / "second.log")
    assert answer(web, "/healthz") == 200
    assert (clone / "var" / "secret_key").read_text() == secret
    assert (clone / "var" / "secret_key").stat().st_mode & 0o077 == 0

    second.send_signal(signal.SIGINT)
    assert second.wait(PATIENCE_SECONDS) == 0
    assert "The portal has stopped. Its data stay" in (clone / "second.log").read_text()
    assert not any(map(listens, (web, smtp, pages)))
    assert embedded_postgres.server(clone / "var" / "postgres").recorded_pid() is None


def free_ports(count: int) -> list[int]:
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    numbers = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return numbers


def answer(port: int, path: str) -> int:
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    line.request("GET", path)
    return line.getresponse().status


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
