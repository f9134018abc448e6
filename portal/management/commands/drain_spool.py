"""What waited on this host while the database was away is brought in now."""

from typing import Any

from django.conf import settings

from messaging import replay
from portal.management.command import DONE, NEEDS_ATTENTION, PortalCommand, Report


class Command(PortalCommand):
    help = "Brings the facts that wait in this host's spool into the database. Twice is once; what a living worker holds stays its own."

    def work(self, **told: Any) -> Report:
        drained, left = replay.drain(settings.SPOOL_DIR), replay.depth(settings.SPOOL_DIR)
        number = sum(drained.values())
        facts = {"drained": number, "left": left, "by_kind": drained}
        text = f"{number} facts brought in, {left} left."
        return Report(facts=facts, text=text, exit_code=NEEDS_ATTENTION if left else DONE)
