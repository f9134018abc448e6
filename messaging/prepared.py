"""Statements that run for every mail, or every few: prepared once per connection, and run straight through libpq.

A cursor would dump every value and load every answer by its type; that took longer than PostgreSQL needs for the whole statement.
"""

import re
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any
from weakref import WeakSet

import psycopg
from django.db import DEFAULT_DB_ALIAS, connections
from psycopg.pq import ConnStatus, ExecStatus, TransactionStatus
from psycopg.pq.abc import PGresult

PLACEHOLDER = re.compile(r"%\((\w+)\)s")


class Prepared:
    """A statement with placeholders `%(name)s`. The server knows their types from where they stand, or by a cast beside them."""

    def __init__(self, sql: str) -> None:
        self.names = list(dict.fromkeys(PLACEHOLDER.findall(sql)))
        places = {name: f"${number}" for number, name in enumerate(self.names, start=1)}
        self.sql = PLACEHOLDER.sub(lambda found: places[found[1]], sql).encode()
        self.name = b"portal_" + blake2b(self.sql, digest_size=8).hexdigest().encode()
        self._ran_on: WeakSet[psycopg.Connection[Any]] = WeakSet()
        self._prepared_on: WeakSet[psycopg.Connection[Any]] = WeakSet()

    def row(self, values: Mapping[str, object]) -> list[bytes | None]:
        """Run it; the one row of its answer, in PostgreSQL's text form. A database error is raised as Django's own."""
        (row,) = self.rows(values)
        return row

    def rows(self, values: Mapping[str, object]) -> list[list[bytes | None]]:
        """Run it; all rows of its answer."""
        database = connections[DEFAULT_DB_ALIAS]
        database.ensure_connection()
        raw = database.connection
        with database.wrap_database_errors:
            if not raw.autocommit and raw.pgconn.transaction_status == TransactionStatus.IDLE:
                raw.execute("SELECT")  # psycopg begins a transaction with a statement of its own only
            result = self._run(raw, [in_text_form(values[name]) for name in self.names])
            return [[result.get_value(row, column) for column in range(result.nfields)] for row in range(result.ntuples)]

    def _run(self, raw: "psycopg.Connection[Any]", params: list[Any]) -> PGresult:
        """Prepared the second time: much of what is written once on a connection is not written again."""
        if raw in self._prepared_on:
            return checked(raw, raw.pgconn.exec_prepared(self.name, params))
        if raw not in self._ran_on:
            self._ran_on.add(raw)
            return checked(raw, raw.pgconn.exec_params(self.sql, params))
        checked(raw, raw.pgconn.prepare(self.name, self.sql))
        self._prepared_on.add(raw)
        return self._run(raw, params)


def in_text_form(value: object) -> bytes | None:
    if value is None:
        return None
    text = str(value).encode()
    if b"\0" in text:
        raise psycopg.DataError("PostgreSQL text fields cannot contain NUL (0x00) bytes")  # libpq would take it for the end
    return text


def checked(raw: "psycopg.Connection[Any]", result: PGresult) -> PGresult:
    """The answer, or what went wrong as psycopg itself would raise it."""
    if result.status in (ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK):
        return result
    if raw.pgconn.status == ConnStatus.BAD:
        raise psycopg.OperationalError(raw.pgconn.get_error_message())
    raise psycopg.errors.error_from_result(result)
