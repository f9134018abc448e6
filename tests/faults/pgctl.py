"""A PostgreSQL of our own, with fsync on, that a test may stop whenever it likes."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from portal import embedded_postgres


@dataclass(frozen=True)
class Cluster:
    home: Path

    @property
    def address(self) -> dict[str, Any]:
        told = embedded_postgres.database(self.home)
        return {"host": told["HOST"], "port": told["PORT"], "user": told["USER"], "dbname": told["NAME"]}

    @property
    def url(self) -> str:
        return "postgres://{user}@:{port}/{host}/{dbname}".format(**self.address)  # how django-environ reads a socket's folder

    def start(self) -> None:
        embedded_postgres.bring_up(self.home)

    def stop(self, mode: str) -> None:
        """`fast` ends every session with a word, `immediate` is the power cut: the next start recovers from the log."""
        embedded_postgres.stop(self.home, mode=mode)

    def ask(self, sql: str, **told: Any) -> list[tuple[Any, ...]]:
        with psycopg.connect(**self.address, autocommit=True) as line:
            cursor = line.execute(sql, told or None)
            return cursor.fetchall() if cursor.description else []


@contextmanager
def cluster() -> Iterator[Cluster]:
    """An empty server; nothing of it is left afterwards."""
    home = Path(tempfile.mkdtemp(prefix="portal-faults-"))
    ours = Cluster(home)
    try:
        ours.start()
        assert ours.ask("SHOW fsync") == [("on",)]
        yield ours
    finally:
        ours.stop("immediate")
        shutil.rmtree(ours.address["host"], ignore_errors=True)
        shutil.rmtree(home, ignore_errors=True)
