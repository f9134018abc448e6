"""Scratch databases on the PostgreSQL that the portal is configured for, and what that server says of itself."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from portal import settings

LOCAL_HOSTS = {"", "localhost", "127.0.0.1", "::1"}
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


def connect(name: str = "") -> psycopg.Connection[Any]:
    """To the database of that name, or to the portal's own, in which nothing is touched."""
    told = settings.DATABASES["default"]
    address = {"dbname": name or told["NAME"], "user": told.get("USER"), "password": told.get("PASSWORD")}
    address |= {"host": told.get("HOST"), "port": told.get("PORT")} | told["OPTIONS"]
    return psycopg.connect(make_conninfo("", **{key: value for key, value in address.items() if value}), autocommit=True)


@contextmanager
def scratch(name: str, *, copy_of: str = "template1") -> Iterator[str]:
    """A database that is gone afterwards.

    Dropping the last one made a checkpoint and copying writes whole pages, so every run starts with the log in the same state.
    """
    with connect() as server:
        server.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(copy_of)))
        try:
            yield name
        finally:
            server.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(name)))


def tidy(name: str) -> None:
    """Statistics and visibility as a database that has settled has them."""
    with connect(name) as database:
        database.execute("VACUUM ANALYZE")


def count(name: str, query: str) -> int:
    with connect(name) as database:
        row = database.execute(query.encode()).fetchone()
    assert row is not None
    return int(row[0])


def facts() -> dict[str, str]:
    """The server's version, and whether a commit means that it is on disk."""
    with connect() as server:
        named = ("server_version", "fsync", "synchronous_commit")
        return {name: str(server.execute(f"SHOW {name}".encode()).fetchone()[0]) for name in named}  # type: ignore[index]


def cpu_seconds() -> float | None:
    """Used so far by the server's processes, those that ended included; None where it is not on this machine or cannot be seen."""
    host = settings.DATABASES["default"].get("HOST") or ""
    if host not in LOCAL_HOSTS and not host.startswith("/"):
        return None
    with connect() as server:
        backend = server.info.backend_pid
        try:
            return postmaster_cpu_seconds(int(stat(backend)[1]))
        except OSError:
            return None


def postmaster_cpu_seconds(postmaster: int) -> float | None:
    if "postgres" not in Path(f"/proc/{postmaster}/comm").read_text():
        return None
    children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
    ticks = sum(int(field) for field in stat(postmaster)[11:15])
    for child in children:
        try:
            ticks += sum(int(field) for field in stat(int(child))[11:13])
        except OSError:
            continue  # it has just ended
    return ticks / TICKS_PER_SECOND


def stat(process: int) -> list[str]:
    """The fields of /proc/PID/stat from the state on: 1 is the parent, 11-14 the ticks of itself and of ended children."""
    return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
