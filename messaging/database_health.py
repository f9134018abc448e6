"""How the database is, what to do about it, and doing it without being in anybody's way."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.db import Error, connection

from messaging import journal, replay, seed_tables
from messaging.models import Level, LoggedMessage, LoggedSession, Message, MessageSession, Snapshot, SpoolFile, SystemEvent

log = logging.getLogger(__name__)
COMPONENT = "database"  # of the events that say what was done for it
EXACT_UP_TO = 100_000  # rows; larger tables are told as PostgreSQL estimates them
DEAD_SHARE, DEAD_ROWS = 0.2, 1_000  # a table with more dead rows than both is vacuumed
CHANGED_SHARE, CHANGED_ROWS = 0.1, 500  # likewise analysed
WAIT_AT_MOST = "1s"  # for a lock: what cannot be had at once is left for the next time
SEED_TABLES: dict[str, list[Any]] = {
    "message_logs": [Message, LoggedMessage],
    "session_summaries": [MessageSession, LoggedSession],
    "analytics_cache": [Snapshot],
    "system_logs": [SystemEvent],
}
TABLES = """
    SELECT c.relname, greatest(c.reltuples, 0)::bigint, s.n_live_tup, s.n_dead_tup, s.n_mod_since_analyze,
        greatest(s.last_vacuum, s.last_autovacuum), greatest(s.last_analyze, s.last_autoanalyze), pg_total_relation_size(c.oid)
    FROM pg_class c JOIN pg_stat_user_tables s ON s.relid = c.oid WHERE c.relkind = 'r' AND s.schemaname = 'public' ORDER BY 1"""
BROKEN_INDEXES = """
    SELECT c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = 'public' AND NOT i.indisvalid ORDER BY 1"""


def state(*, spool_dir: Path) -> dict[str, Any]:
    """What is there and what is wrong with it; never raises, whatever is away."""
    told: dict[str, Any] = {
        "database_available": False,
        "database_exists": False,
        "size": 0,
        "tables": {},
        "each_table": [],
        "indexes": 0,
        "errors": [],
    }
    try:
        told |= _asked()
    except Error as trouble:
        told["errors"] = [f"The database does not answer: {_first_line(trouble)}"]
        if not connection.in_atomic_block:
            connection.close()
    told["spool_depth"] = replay.depth(spool_dir)
    return told


def problems(told: dict[str, Any]) -> list[str]:
    """What of a state needs somebody."""
    waiting = [f"{told['spool_depth']} facts wait in the spool: run `manage.py drain_spool`."] if told["spool_depth"] else []
    return told["errors"] + waiting


def repair(*, spool_dir: Path) -> dict[str, Any]:
    """What waited is in, broken indexes are made anew, statistics are fresh; returns what was done and the state afterwards."""
    if not connection.in_atomic_block:
        connection.close_if_unusable_or_obsolete()
    done = [f"{sum(replay.drain(spool_dir).values())} waiting facts brought in"]
    done += _reindex()
    done += _vacuum([row["name"] for row in tables()])
    return {"done": done} | state(spool_dir=spool_dir)


def optimise() -> dict[str, Any]:
    """Tables that need it are vacuumed and analysed, broken indexes made anew; nobody waits for that."""
    rows = tables()
    vacuumed = [row["name"] for row in rows if row["dead"] > max(DEAD_ROWS, DEAD_SHARE * row["live"])]
    analysed = [
        row["name"] for row in rows if row["name"] not in vacuumed and row["changed"] > max(CHANGED_ROWS, CHANGED_SHARE * row["live"])
    ]
    done = {"reindexed": _reindex(), "vacuumed": _vacuum(vacuumed), "analysed": _analyse(analysed), "looked_at": len(rows)}
    journal.record(Level.INFO, COMPONENT, _in_words(done), detail=done)
    return done


def tables() -> list[dict[str, Any]]:
    """Every table with its size and how well PostgreSQL keeps it."""
    names = ["name", "estimate", "live", "dead", "changed", "vacuumed_at", "analysed_at", "size_bytes"]
    return [dict(zip(names, row, strict=True)) for row in _rows(TABLES)]


def level(word: str) -> Level:
    """Our level for a program's word, such as INFO, WARNING, ERROR, CRITICAL."""
    known = {"debug": Level.INFO, "critical": Level.ALARM} | {one.value: one for one in Level}
    return known.get(word.lower(), Level.INFO)


def _asked() -> dict[str, Any]:
    told = {"database_available": True, "database_exists": True}
    ((size, indexes, name),) = _rows(
        "SELECT pg_database_size(current_database()), (SELECT count(*) FROM pg_indexes WHERE schemaname = 'public'), current_database()"
    )
    rows = tables()
    counted = {row["name"]: _count(row["name"], row["estimate"]) for row in rows}
    seed = {name: sum(counted.get(model._meta.db_table, 0) for model in models) for name, models in SEED_TABLES.items()}
    kept = {row["name"]: {"vacuumed_at": row["vacuumed_at"], "dead_rows": row["dead"]} for row in rows if row["estimate"] > EXACT_UP_TO}
    whole = [row | {"rows": counted[row["name"]]} for row in rows]
    facts = {"name": name, "size": size, "indexes": indexes, "tables": seed | counted, "upkeep": kept, "each_table": whole}
    return told | facts | {"errors": _errors(set(counted))}


def _errors(found: set[str]) -> list[str]:
    wrong = [f"Index {name} is broken: run `manage.py repair_database`." for (name,) in _rows(BROKEN_INDEXES)]
    views = {name for (name,) in _rows("SELECT viewname FROM pg_views WHERE schemaname = 'public'")}
    wrong += [f"View {name} is missing: run `manage.py migrate`." for name in seed_tables.NAMES if name not in views]
    if SpoolFile._meta.db_table in found:
        unfinished = SpoolFile.objects.unfinished().values_list("name", "host")
        wrong += [f"Spool file {name} of {host} is not fully replayed: run `manage.py drain_spool` there." for name, host in unfinished]
    return wrong


def _in_words(done: dict[str, Any]) -> str:
    parts = [f"{word}: {', '.join(done[word])}" for word in ("vacuumed", "analysed", "reindexed") if done[word]]
    return f"{done['looked_at']} tables looked at; {'; '.join(parts) or 'none needed anything'}."


def _count(table: str, estimate: int) -> int:
    if estimate > EXACT_UP_TO:
        return estimate
    return int(_rows(f"SELECT count(*) FROM {connection.ops.quote_name(table)}")[0][0])


def _reindex() -> list[str]:
    names = [name for (name,) in _rows(BROKEN_INDEXES)]
    return _each("REINDEX INDEX CONCURRENTLY", names)


def _vacuum(names: list[str]) -> list[str]:
    return _each("VACUUM (ANALYZE, SKIP_LOCKED)", names)


def _analyse(names: list[str]) -> list[str]:
    return _each("ANALYZE (SKIP_LOCKED)", names)


def _each(command: str, names: list[str]) -> list[str]:
    """The names for which it was done. Inside a transaction none of these can run, so nothing is done there."""
    if connection.in_atomic_block:
        return []
    done = []
    with _patient() as cursor:
        for name in names:
            try:
                cursor.execute(f"{command} {connection.ops.quote_name(name)}")
                done.append(name)
            except Error as trouble:  # somebody needs it now: the next night will do
                log.info("%s left out: %s", name, _first_line(trouble))
    return done


@contextmanager
def _patient() -> Iterator[Any]:
    """A cursor that may work long, but never waits long for a lock."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('statement_timeout', '0', false), set_config('lock_timeout', %s, false)", [WAIT_AT_MOST])
        try:
            yield cursor
        finally:
            cursor.execute("RESET statement_timeout; RESET lock_timeout")


def _rows(sql: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return list(cursor.fetchall())


def _first_line(trouble: Exception) -> str:
    return (str(trouble).strip().splitlines() or [type(trouble).__name__])[0]
