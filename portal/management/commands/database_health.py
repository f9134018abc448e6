"""How the database is, and what waits for it."""

from typing import Any

from django.conf import settings

from messaging import database_health
from portal.management.command import DONE, NEEDS_ATTENTION, PortalCommand, Report


class Command(PortalCommand):
    help = "Says how the database is: its size, its tables, what is wrong with it, and how many facts wait in the spool."

    def work(self, **told: Any) -> Report:
        found = database_health.state(spool_dir=settings.SPOOL_DIR)
        wrong = database_health.problems(found)
        tables = [f"  {name}: {rows:,} rows" for name, rows in found["tables"].items()]
        head = f"{found['size']:,} bytes, {found['indexes']} indexes, {found['spool_depth']} facts in the spool."
        return Report(facts=found, text="\n".join([head, *tables, *wrong]), exit_code=NEEDS_ATTENTION if wrong else DONE)
