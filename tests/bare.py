"""Our tables without constraints, triggers or NOT NULL, so that a test can plant what the real ones refuse."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from django.db import connection

COLUMNS = """
    SELECT string_agg(format('ALTER COLUMN %%I DROP NOT NULL', attname), ', ') FROM pg_attribute
    WHERE attrelid = %s::regclass AND attnum > 0 AND attnotnull"""


@contextmanager
def bare(tables: Mapping[str, str]) -> Iterator[Any]:
    """These tables, empty, in a schema that shadows the real one until the test ends. The values say what a column is by default."""
    with connection.cursor() as cursor:
        cursor.execute("CREATE SCHEMA bare; SET LOCAL search_path = bare, public")
        for table, defaults in tables.items():
            cursor.execute(f"CREATE TABLE bare.{table} (LIKE public.{table} INCLUDING DEFAULTS)")
            cursor.execute(COLUMNS, [f"bare.{table}"])
            cursor.execute(f"ALTER TABLE bare.{table} {cursor.fetchone()[0]}")
            if defaults:
                cursor.execute(f"ALTER TABLE bare.{table} ALTER {defaults.replace(', ', ', ALTER ')}")
        yield cursor
