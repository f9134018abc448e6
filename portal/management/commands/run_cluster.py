"""Run the background work of this host under a watchdog, until SIGTERM or Ctrl-C."""

import signal
from argparse import SUPPRESS
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from portal import cadence, cluster_process, tasks
from portal.cluster import Cluster, forget_abandoned, supervise


class Command(BaseCommand):
    help = (
        "Runs the background work of this host until Ctrl-C or SIGTERM: every cluster of settings.Q_CLUSTER, each watched and started "
        "anew when it hangs. Run it on as many hosts as you like."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--only", help=SUPPRESS)  # how the watchdog starts one of its clusters

    def handle(self, *args: Any, **told: Any) -> None:
        if told["only"]:
            return cluster_process.run()
        stop_signals: list[int] = []
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, lambda number, frame: stop_signals.append(number))
        names = [settings.Q_CLUSTER["name"], *settings.Q_CLUSTER["ALT_CLUSTERS"]]
        self.say(f"Background work starts: {', '.join(names)}. Ctrl-C ends it.")
        supervise([self.cluster(name) for name in names], tick=tick, told_to_stop=lambda: bool(stop_signals))
        return self.say("Background work has ended.")

    def cluster(self, name: str) -> Cluster:
        return Cluster(
            name,
            manage=settings.BASE_DIR / "manage.py",
            spool_dir=settings.SPOOL_DIR,
            silent_after_seconds=settings.CLUSTER_SILENT_AFTER.total_seconds(),
        )

    def say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()


def tick() -> None:
    """Schedules are as the code says, and rings go out for whatever may be due: neither waits for django-q2's own scheduler."""
    cadence.sync()
    forget_abandoned()
    tasks.wake("portal.tasks.send_due_messages")
    tasks.wake("portal.tasks.add_cms_notes")
