"""Homes of real servers, and processes that use them."""

import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg

from portal import embedded_postgres
from portal.embedded_postgres import server

CLONE = Path(__file__).resolve().parents[2]
PATIENCE_SECONDS = 30
USER = """
import os, sys
from pathlib import Path
from portal import embedded_postgres
home = Path(sys.argv[1])
embedded_postgres.hold(home)
print(embedded_postgres.server(home).recorded_pid(), flush=True)
"""
STAYING_USER = USER + "sys.stdin.read()\n"
USER_WITH_A_FORK = USER + "if not os.fork():\n    sys.stdin.read()\n    os._exit(0)\n"


def home_below(folder: Path) -> Iterator[Path]:
    home = folder / "a clone with spaces" / "var" / "postgres"
    yield home
    embedded_postgres.stop(home)
    shutil.rmtree(embedded_postgres.database(home)["HOST"], ignore_errors=True)


def begin(program: str, home: Path) -> tuple[subprocess.Popen[str], int]:
    """A process that uses the server of `home`, and the server's number."""
    user = subprocess.Popen([sys.executable, "-c", program, home], cwd=CLONE, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert user.stdout
    return user, int(user.stdout.readline())


def end(user: subprocess.Popen[str]) -> None:
    """Its input ends; so does the process, and whoever else reads that input."""
    user.communicate(timeout=PATIENCE_SECONDS)


def tell(home: Path, sql: str) -> list[tuple]:
    address = embedded_postgres.database(home)
    with psycopg.connect(host=address["HOST"], port=address["PORT"], user=address["USER"], dbname=address["NAME"]) as line:
        cursor = line.execute(sql)
        return cursor.fetchall() if cursor.description else []


def eventually_down(home: Path) -> bool:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while server(home).recorded_pid() and time.monotonic() < deadline:
        time.sleep(0.05)
    return server(home).recorded_pid() is None
