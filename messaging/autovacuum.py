"""The server's own upkeep, told per table: where rows are many, a fifth of them dead is far too many before anybody sweeps.

What an insert-only table needs is fresh statistics and its pages marked as visible to all, so that counts read the index alone.
"""

BIG = ("message", "attempt", "cmsnote", "noteattempt", "systemevent", "deliveryevent", "loggedmessage")
TOLD = {
    "autovacuum_vacuum_scale_factor": "0.02",
    "autovacuum_vacuum_insert_scale_factor": "0.02",
    "autovacuum_analyze_scale_factor": "0.02",
}


def tuned(*tables: str) -> str:
    """SQL by which these tables are swept when one row in fifty has changed."""
    told = ", ".join(f"{name} = {value}" for name, value in TOLD.items())
    return "".join(f"\n    ALTER TABLE {table} SET ({told});" for table in tables)


def untuned(*tables: str) -> str:
    return "".join(f"\n    ALTER TABLE {table} RESET ({', '.join(TOLD)});" for table in tables)


TABLES = tuple(f"messaging_{name}" for name in BIG)
SQL, REVERSE = tuned(*TABLES), untuned(*TABLES)
