"""Make the scheduler's table say what portal/cadence.py says."""

from typing import Any

from portal import cadence
from portal.management.command import PortalCommand, Report


class Command(PortalCommand):
    help = "Makes the scheduler run exactly what portal/cadence.py says: adds what is missing, puts right what differs, removes the rest."

    def work(self, **told: Any) -> Report:
        counts = cadence.sync()
        return Report(facts=counts, text="{created} created, {changed} changed, {removed} removed.".format(**counts))
