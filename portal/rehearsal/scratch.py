"""A database beside the configured one, for as long as it is needed."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from secrets import token_hex

from django.core.management import call_command
from django.db import DatabaseError, connection


class NoScratch(Exception):
    """The database server does not let us make another database; the text says why, and what to do."""


@contextmanager
def scratch_database(*, keep: bool) -> Iterator[str]:
    """Everything inside happens in a new, migrated database; yields its name. Unless `keep`, nothing of it is left, however this ends."""
    usual, name = connection.settings_dict["NAME"], f"rehearsal_{os.getpid()}_{token_hex(4)}"
    create(name)
    try:
        use(name)
        call_command("migrate", verbosity=0)
        yield name
    finally:
        use(usual)
        if not keep:
            drop(name)


def create(name: str) -> None:
    try:
        tell_server(f"CREATE DATABASE {quoted(name)}")
    except DatabaseError as trouble:
        raise NoScratch(
            f"The rehearsal needs a database of its own and could not make one: {str(trouble).strip()}. "
            "Let the portal's database user create databases (ALTER ROLE … CREATEDB), or name another server in DATABASE_URL."
        ) from trouble


def drop(name: str) -> None:
    """Our own connections to it end first. FORCE would also want rights over the server's own workers (autovacuum), which step aside."""
    tell_server(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s AND usename = current_user",
        [name],
    )
    tell_server(f"DROP DATABASE IF EXISTS {quoted(name)}")


def use(name: str) -> None:
    """From now on the portal's database is this one."""
    connection.close()
    connection.settings_dict["NAME"] = name


def tell_server(sql: str, params: list[str] | None = None) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)


def quoted(name: str) -> str:
    return connection.ops.quote_name(name)
