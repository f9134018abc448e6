"""How the database is emptied after a test that had transactions of its own: only what it wrote.

Django truncates every table and makes all permissions anew, which takes longer than most of these tests.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.core.management.commands import flush
from django.db import connection
from django.db.backends.postgresql.operations import DatabaseOperations

STANDING = ("django_content_type", "auth_permission", "auth_group", "auth_group_permissions")  # migrate fills them, and they stay
REFERENCES = """
    SELECT DISTINCT confrelid::regclass::text, conrelid::regclass::text FROM pg_constraint
    WHERE contype = 'f' AND connamespace = current_schema()::regnamespace"""


@contextmanager
def lightly() -> Iterator[None]:
    """Inside, Django's flush is replaced. Begin it in a database that was just migrated."""
    truncate, announce = DatabaseOperations.sql_flush, flush.emit_post_migrate_signal
    standing, references = counted(), asked(REFERENCES)

    def sql_flush(self: DatabaseOperations, style: Any, tables: Any, **told: Any) -> list[str]:
        if counted() != standing:
            return truncate(self, style, tables, **told)
        written = set(with_rows(set(tables) - set(STANDING)))
        while more := {by for of, by in references if of in written} - written:  # PostgreSQL truncates them together or not at all
            written |= more
        return truncate(self, style, sorted(written), **told)

    def emit_post_migrate_signal(*told: Any, **more: Any) -> None:
        if counted() != standing:
            announce(*told, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DatabaseOperations, "sql_flush", sql_flush)
        patch.setattr(flush, "emit_post_migrate_signal", emit_post_migrate_signal)
        yield


def counted() -> list[tuple[Any, ...]]:
    return asked(" UNION ALL ".join(f"SELECT '{table}', count(*) FROM {table}" for table in STANDING))


def with_rows(tables: set[str]) -> list[str]:
    return [table for (table,) in asked(" UNION ALL ".join(f"(SELECT '{table}' FROM {table} LIMIT 1)" for table in sorted(tables)))]


def asked(sql: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchall()
