"""How the database is emptied after a test that had transactions of its own: only what it wrote.

Django truncates every table and makes all permissions anew, which takes longer than most of these tests.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.core.management.commands import flush
from django.db import connection
from django.db.backends.postgresql.operations import DatabaseOperations

REFERENCES = """
    SELECT DISTINCT confrelid::regclass::text, conrelid::regclass::text FROM pg_constraint
    WHERE contype = 'f' AND connamespace = current_schema()::regnamespace"""


class Emptying:
    """Knows what `migrate` leaves behind: permissions, roles, types of campaign. While that stands, it is left alone."""

    def __init__(self) -> None:
        self.references = asked(REFERENCES)
        self.truncate, self.announce = DatabaseOperations.sql_flush, flush.emit_post_migrate_signal
        self.standing = as_migrated()

    def sql_flush(self, operations: DatabaseOperations, style: Any, tables: Iterable[str], **told: Any) -> list[str]:
        written = set(with_rows(set(tables) - set(self.standing)))
        while more := {by for of, by in self.references if of in written} - written:  # PostgreSQL truncates them together or not at all
            written |= more
        if written & set(self.standing) or fingerprints(self.standing) != self.standing:
            self.standing, written = {}, set(tables)
        return self.truncate(operations, style, sorted(written), **told)

    def emit_post_migrate_signal(self, *told: Any, **more: Any) -> None:
        if not self.standing:
            self.announce(*told, **more)
            self.standing = as_migrated()


@contextmanager
def lightly() -> Iterator[None]:
    """Inside, Django's flush is replaced. Begin it in a database that was just migrated."""
    ours = Emptying()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DatabaseOperations, "sql_flush", lambda *told, **more: ours.sql_flush(*told, **more))
        patch.setattr(flush, "emit_post_migrate_signal", ours.emit_post_migrate_signal)
        yield


def as_migrated() -> dict[str, str]:
    return fingerprints(with_rows(connection.introspection.django_table_names(only_existing=True, include_views=False)))


def fingerprints(tables: Iterable[str]) -> dict[str, str]:
    one = "SELECT '{0}', md5(string_agg(row::text, '|' ORDER BY row::text)) FROM {0} row"
    return dict(asked(" UNION ALL ".join(one.format(table) for table in sorted(tables))))


def with_rows(tables: Iterable[str]) -> list[str]:
    return [table for (table,) in asked(" UNION ALL ".join(f"(SELECT '{table}' FROM {table} LIMIT 1)" for table in sorted(tables)))]


def asked(sql: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchall()
