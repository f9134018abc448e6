"""Processes that a test may kill: forked from one that has Django loaded, so that a worker is up within milliseconds.

`Zygote` is the test's side. Run as a program, this file is the other side: it reads one JSON line per fork and answers with its pid.
"""

import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CLONE = Path(__file__).resolve().parents[2]


class WorkerBroke(AssertionError):
    """A worker ended with an error that nobody injected."""


@dataclass
class Worker:
    """A forked process. It is no child of ours, so that it is held by a pidfd: its number cannot become somebody else's."""

    pid: int
    handle: int
    result: Path

    def signal(self, number: int) -> None:
        if not self.has_ended(within_seconds=0):
            signal.pidfd_send_signal(self.handle, number)

    def kill(self) -> None:
        self.signal(signal.SIGKILL)
        assert self.has_ended(within_seconds=30)
        os.close(self.handle)

    def has_ended(self, *, within_seconds: float) -> bool:
        poll = select.poll()
        poll.register(self.handle, select.POLLIN)
        return bool(poll.poll(int(within_seconds * 1000)))

    def answer(self, *, within_seconds: float = 60) -> Any:
        """What its act returned; None if it was killed."""
        assert self.has_ended(within_seconds=within_seconds), f"worker {self.pid} does not end"
        if not self.result.exists():
            return None
        told = json.loads(self.result.read_text())
        if "broke" in told:
            raise WorkerBroke(told["broke"])
        return told["returned"]


class Zygote:
    def __init__(self, *, database_url: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="portal-zygote-"))
        environment = os.environ | {"DATABASE_URL": database_url, "DJANGO_SETTINGS_MODULE": "portal.settings"}
        environment.setdefault("SECRET_KEY", "only-for-workers-that-are-killed-in-tests-0123456789")
        self.log = (self.folder / "log").open("ab")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.zygote"],
            cwd=CLONE,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.log,
            text=True,
        )
        self.count = 0

    def fork(self, act: str, **told: Any) -> Worker:
        """A process that does `act` of acts.py, and then ends."""
        assert self.process.stdin
        assert self.process.stdout
        self.count += 1
        result = self.folder / f"{self.count}.json"
        self.process.stdin.write(json.dumps({"act": act, "told": told, "result": str(result)}) + "\n")
        self.process.stdin.flush()
        said = self.process.stdout.readline()
        assert said, f"the zygote is gone; see {self.folder / 'log'}: {(self.folder / 'log').read_text()[-2000:]}"
        pid, handle = int(said), -1
        try:
            handle = os.pidfd_open(pid)
        except ProcessLookupError:  # it has ended already, which an ended process's handle tells too
            handle = os.open(os.devnull, os.O_RDONLY)
        return Worker(pid, handle, result)

    def run(self, act: str, *, within_seconds: float = 60, **told: Any) -> Any:
        return self.fork(act, **told).answer(within_seconds=within_seconds)

    def end(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait(30)
        self.log.close()


def serve() -> None:
    """Fork once per line of stdin; end with it."""
    import django  # noqa: PLC0415  (the test's side has no need of it)

    django.setup()
    from tests.faults import acts  # noqa: PLC0415  (models, after the set-up)

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # no child is waited for
    for line in iter(sys.stdin.readline, ""):
        asked = json.loads(line)
        pid = os.fork()
        if not pid:
            os._exit(perform(getattr(acts, asked["act"]), asked["told"], Path(asked["result"])))
        sys.stdout.write(f"{pid}\n")
        sys.stdout.flush()


def perform(act: Any, told: dict[str, Any], result: Path) -> int:
    try:
        said = {"returned": act(**told)}
    except BaseException:
        said = {"broke": traceback.format_exc()}
    unfinished = result.with_suffix(".part")
    unfinished.write_text(json.dumps(said, default=str))
    unfinished.rename(result)
    return 0


if __name__ == "__main__":
    serve()
