"""Put right what can be put right without a person."""

from typing import Any

from django.conf import settings

from messaging import database_health
from portal.management.command import DONE, NEEDS_ATTENTION, PortalCommand, Report


class Command(PortalCommand):
    help = "Brings in what waits in the spool, makes broken indexes anew and refreshes the statistics. Nobody waits for it."

    def work(self, **told: Any) -> Report:
        found = database_health.repair(spool_dir=settings.SPOOL_DIR)
        wrong = database_health.problems(found)
        text = "\n".join([f"{len(found['done'])} steps done.", *wrong]) if wrong else "Done; nothing is wrong."
        return Report(facts=found | {"repaired": not wrong}, text=text, exit_code=NEEDS_ATTENTION if wrong else DONE)
