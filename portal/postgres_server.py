"""One PostgreSQL server on one data folder: created whole, started, asked, stopped. Who may use it is not known here."""

import os
import shutil
import socket
import stat
import struct
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MAJOR = "18"
PORT = "5432"  # names the socket; nothing listens on the network
START_WITHIN_SECONDS = STOP_WITHIN_SECONDS = 120
LOG_LIMIT_BYTES = 5_000_000
MEGABYTE = 2**20
CONTAINER_LIMIT = Path("/sys/fs/cgroup/memory.max")


def memory_bytes() -> int:
    """What this machine has, or what this container may use of it."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    with suppress(OSError, ValueError):  # no container, or one without a limit
        return min(machine, int(CONTAINER_LIMIT.read_text()))
    return machine


SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "shared_buffers": f"{min(1024, memory_bytes() // 8 // MEGABYTE)}MB",  # with 256 MB three million contacts take a third longer
    "max_wal_size": "8GB",  # a first run over three million contacts writes 7: few checkpoints, each page whole in the log but once
    "checkpoint_timeout": "15min",
    "max_connections": "100",
    "jit": "off",
    "log_timezone": "UTC",
    "timezone": "UTC",
}
LOCALE = ["--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
# The portal's role is no superuser, exactly as on a real server; it may create databases because the tests do.
FIRST_WORDS = "CREATE ROLE portal LOGIN CREATEDB;\nCREATE DATABASE portal OWNER portal;\n"
ACCEPTS, NO_ANSWER = 0, 2  # exit codes of pg_isready; in between it is starting, recovering or stopping
STILL_THERE = "shared memory block"  # the last processes of a killed server have not gone yet


class PostgresUnusable(Exception):
    """The PostgreSQL that the wheel brings cannot be used. The text says what, which folder, and what to do next."""


@dataclass(frozen=True)
class Server:
    """A data folder, the socket it is reached by, and the programs that serve it."""

    data: Path
    socket: Path  # a folder
    log: Path
    programs: Path

    def start(self) -> None:
        """It accepts connections; otherwise its own last words are raised."""
        deadline = time.monotonic() + START_WITHIN_SECONDS
        process, began = None, 0
        while (status := self.status()) != ACCEPTS:
            if time.monotonic() > deadline:
                raise PostgresUnusable(f"PostgreSQL in {self.data} did not answer within {START_WITHIN_SECONDS} s. See {self.log}.")
            if status == NO_ANSWER and (process is None or process.poll() is not None):
                self._refuse_unless_worth_another_try(began if process else None)
                process, began = self._launch()
            time.sleep(0.05)

    def stop(self, *, mode: str = "fast") -> None:
        """It is down, whoever was using it."""
        if self.recorded_pid() and self.status() != NO_ANSWER:
            self._end(mode)

    def create(self) -> None:
        """Its data folder holds an empty database of the portal; whole, or not there at all."""
        fresh = self.data.with_suffix(".unfinished")
        shutil.rmtree(fresh, ignore_errors=True)
        self.run("initdb", "-D", fresh, "--username=postgres", "--auth=trust", "--no-instructions", *LOCALE)
        said = self.run("postgres", "--single", "-D", fresh, "postgres", told=FIRST_WORDS)
        if "ERROR" in said:
            raise PostgresUnusable(f"PostgreSQL could not create its database in {fresh}: {said}")
        fresh.rename(self.data)

    def is_up(self) -> bool:
        """Whether it answers, and serves this data folder."""
        return self.status() == ACCEPTS and not self.stranger()

    def status(self) -> int:
        """What pg_isready says about the socket."""
        if not (self.socket / f".s.PGSQL.{PORT}").exists():
            return NO_ANSWER
        return subprocess.run(
            [self.programs / "pg_isready", "-q", "-h", self.socket, "-p", PORT, "-U", "portal", "-d", "portal"], env=_environment()
        ).returncode

    def stranger(self) -> int | None:
        """The process that answers at our socket for a data folder that was deleted or replaced below it."""
        listener = _listener(self.socket / f".s.PGSQL.{PORT}")
        return listener if listener != self.recorded_pid() else None

    def recorded_pid(self) -> int | None:
        """The process that the data folder names as its server, alive or not."""
        with suppress(FileNotFoundError, ValueError, IndexError):
            return int((self.data / "postmaster.pid").read_text().splitlines()[0])
        return None

    def refuse_unless_private(self) -> None:
        """Nobody but the server's user can reach the socket, or put another folder in its place."""
        found = self.socket.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != self._whom().get("user", os.geteuid()) or found.st_mode & 0o077:
            raise PostgresUnusable(f"{self.socket} is not a private folder of the user who runs PostgreSQL. Remove it and try again.")

    def refuse_unless_ours(self) -> None:
        """The data folder is one of PostgreSQL, and of this version."""
        version = self.data / "PG_VERSION"
        if not version.is_file():
            raise PostgresUnusable(f"{self.data} is no PostgreSQL data folder. Move it away; an empty database is then made there.")
        if (found := version.read_text().strip()) != MAJOR:
            raise PostgresUnusable(
                f"{self.data} was written by PostgreSQL {found}, and the portal brings {MAJOR}. Carry it over with pg_upgrade, let a "
                f"PostgreSQL {found} serve it and name that one in DATABASE_URL, or move the folder away to begin empty."
            )

    def run(self, program: str, *arguments: str | Path, told: str = "") -> str:
        """What a program said that ran to its end as the server's user; a failure is raised in its own words."""
        command = [self.programs / program, *arguments]
        done = subprocess.run(command, input=told, capture_output=True, text=True, **self._surroundings())
        if done.returncode:
            raise PostgresUnusable(f"{program} failed in {self.data.parent}. It says:\n{_last_lines(done.stderr or done.stdout)}")
        return done.stderr

    def _launch(self) -> tuple[subprocess.Popen[bytes], int]:
        """The server's process, detached from terminal and parent, and where its words begin in the log."""
        stale = self.recorded_pid()
        if stale and self._works_here(stale):  # alive, yet its socket is gone: somebody emptied /tmp
            self._end("fast")
        if self.log.exists() and self.log.stat().st_size > LOG_LIMIT_BYTES:
            self.log.replace(self.log.with_suffix(".old"))
        settings = SETTINGS | {"unix_socket_directories": str(self.socket), "port": PORT}
        options = [text for name, value in settings.items() for text in ("-c", f"{name}={value}")]
        # A zombie, or a stranger with the same number, would keep PostgreSQL from starting. Named here it is looked past;
        # the shared memory of the data folder then decides alone, so that two servers on it stay impossible.
        around = self._surroundings({"PG_GRANDPARENT_PID": str(stale)} if stale else {})
        with self.log.open("ab") as log:
            began = log.tell()
            process = subprocess.Popen(
                [self.programs / "postgres", "-D", self.data, *options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                **around,
            )
        _started.append(process)
        return process, began

    def _end(self, mode: str) -> None:
        self.run("pg_ctl", "stop", "-D", self.data, "-m", mode, "-w", "-t", str(STOP_WITHIN_SECONDS))

    def _refuse_unless_worth_another_try(self, began: int | None) -> None:
        """Only the first try, and one that met the last processes of a killed server, may be followed by another."""
        words = "" if began is None else _last_lines(self.log.read_bytes()[began:].decode(errors="replace"))
        if words and STILL_THERE not in words:
            raise PostgresUnusable(f"PostgreSQL in {self.data} does not start. It says:\n{words}")

    def _works_here(self, pid: int) -> bool:
        """Whether that process is this folder's living server. Asked as the server's user, who may always look."""
        look = subprocess.run(["readlink", f"/proc/{pid}/cwd"], capture_output=True, text=True, **self._surroundings())
        return look.stdout.strip() == str(self.data)

    def _surroundings(self, more: dict[str, str] | None = None) -> dict[str, Any]:
        """Where, as whom and with which variables its programs run."""
        return {"cwd": self.data.parent, "env": _environment() | (more or {}), "umask": 0o077, **self._whom()}

    def _whom(self) -> dict[str, Any]:
        """Only root may, and must, become somebody else: the owner of the server's own place."""
        if os.geteuid() != 0:
            return {}
        owner = self.data.parent.stat()
        return {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []}


_started: list[subprocess.Popen[bytes]] = []  # kept so that Python reaps them instead of complaining


def _listener(path: Path) -> int | None:
    """The process that listens at a socket, where the system can tell."""
    with suppress(OSError, AttributeError), socket.socket(socket.AF_UNIX) as line:
        line.connect(str(path))
        return struct.unpack("3i", line.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0] or None
    return None


def _environment() -> dict[str, str]:
    """None of our secrets, and none of the PG… variables that would lead its programs elsewhere."""
    kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
    return {"PATH": os.defpath} | kept | {"LC_ALL": "C"}


def _last_lines(text: str) -> str:
    return "\n".join(text.strip().splitlines()[-5:])
