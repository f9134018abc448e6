"""One run of one contestant: all its workers start at one signal, and it ends when the last of them says that nothing is left."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from tests.scale import databases
from tests.scale.contestants import Contestant

LONGEST_RUN_SECONDS = 300
SHOWN = 2_000  # characters of what a broken contestant said
COMMON = {  # nothing of this machine's .env slows a run or sends it elsewhere
    "DEBUG": "0",
    "SECRET_KEY": "only-for-the-bench",
    "MAIL_MODE": "production",
    "MAIL_RATE_PER_SECOND": "0",
    "MAIL_PAUSE_SECONDS": "0",
    "CMS_PAUSE_SECONDS": "0",
    "CMS_TOKEN": "",
    "EMAIL_BACKUP_URLS": "",
    "PORTAL_FAULTS": "",
}


class RunBroken(Exception):
    """A contestant did not do what its figure would claim."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a run happens: the folder for what it writes, and the servers it talks to."""

    folder: Path
    smtp_port: int = 0
    http_url: str = ""

    def environment(self, contestant: Contestant, *, database: str) -> dict[str, str]:
        return {
            **os.environ,
            **COMMON,
            "DJANGO_SETTINGS_MODULE": contestant.settings,
            "SCALE_DATABASE": database,
            "SCALE_SMTP_PORT": str(self.smtp_port),
            "SCALE_TOLD": json.dumps(contestant.told),
            "SCALE_LOCK_FILE": str(self.folder / "lock"),
            "SPOOL_DIR": str(self.folder / "spool"),
            "EMAIL_URL": f"smtp://127.0.0.1:{self.smtp_port}",
            "CMS_URL": f"{self.http_url}/cms",
        }


@dataclass(frozen=True, kw_only=True)
class Run:
    workers: int
    number: int  # of mails or notes
    seconds: float
    python_cpu_seconds: float
    postgres_cpu_seconds: float | None

    @property
    def per_second(self) -> float:
        return self.number / self.seconds


def fill(contestant: Contestant, *, database: str, mails: int, place: Place) -> None:
    """The database has the contestant's tables, with this many mails queued."""
    command = [sys.executable, "-m", "tests.scale.inside", contestant.module, contestant.queue, str(mails)]
    done = subprocess.run(command, env=place.environment(contestant, database=database), capture_output=True, text=True)
    if done.returncode:
        raise RunBroken(f"{contestant.name} could not queue its mails:\n{done.stderr[-SHOWN:]}")
    databases.tidy(database)


def race(contestant: Contestant, task: str, *, database: str, workers: int, number: int, place: Place) -> Run:
    """Time `task` from the signal, which is given when every worker is ready, to the last worker's end."""
    processes, told = (1, workers) if contestant.forks_itself else (workers, 1)
    command = [sys.executable, "-m", "tests.scale.inside", contestant.module, task, str(told)]
    environment = place.environment(contestant, database=database)
    with ExitStack() as stack:
        log = stack.enter_context((place.folder / "workers.log").open("w+"))
        crew = [stack.enter_context(Worker(command, environment, log)) for _ in range(processes)]
        for worker in crew:
            worker.answer()
        postgres_before, started = databases.cpu_seconds(), time.perf_counter()
        for worker in crew:
            worker.go()
        python_cpu_seconds = sum(float(worker.answer()) for worker in crew)
        seconds, postgres_after = time.perf_counter() - started, databases.cpu_seconds()
    return Run(
        workers=workers,
        number=number,
        seconds=seconds,
        python_cpu_seconds=python_cpu_seconds,
        postgres_cpu_seconds=None if postgres_before is None or postgres_after is None else postgres_after - postgres_before,
    )


class Worker:
    """One process of a contestant, ended with the run or after `LONGEST_RUN_SECONDS`."""

    def __init__(self, command: list[str], environment: Mapping[str, str], log: IO[str]) -> None:
        self.log = log
        self.process = subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, process_group=0
        )
        self.limit = threading.Timer(LONGEST_RUN_SECONDS, self.kill)
        self.limit.start()

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *_: object) -> None:
        self.limit.cancel()
        with self.process:
            self.kill()

    def kill(self) -> None:
        """End it, and whatever it forked."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)

    def go(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("go\n")
        self.process.stdin.flush()

    def answer(self) -> str:
        assert self.process.stdout is not None
        said = self.process.stdout.readline()
        if not said:
            self.log.seek(0)
            raise RunBroken(f"a worker ended early:\n{self.log.read()[-SHOWN:]}")
        return said
