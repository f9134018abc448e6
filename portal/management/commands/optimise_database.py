"""What the night does for the database, now."""

from typing import Any

from messaging import database_health
from portal.management.command import PortalCommand, Report


class Command(PortalCommand):
    help = "Vacuums and analyses the tables that need it and makes broken indexes anew. It waits for nobody, and nobody for it."

    def work(self, **told: Any) -> Report:
        found = database_health.optimise()
        parts = [f"{name}: {', '.join(found[name]) or 'none'}" for name in ("vacuumed", "analysed", "reindexed")]
        return Report(facts=found, text="\n".join([f"{found['looked_at']} tables looked at.", *parts]))
