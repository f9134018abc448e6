"""What `make run` starts."""

import signal
from argparse import ArgumentTypeError
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from portal import one_machine
from portal.embedded_postgres import PostgresUnusable
from portal.one_machine import AlreadyRuns
from portal.ports import PortTaken
from portal.running import KeepsEnding


class Command(BaseCommand):
    help = (
        "Runs the whole portal on this machine until Ctrl-C: database, sandbox, background work and web server. It is for trying the "
        "portal out (`make run`); the README says how to run it for real."
    )
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--port", type=port, default=8000, help="where the portal answers on 127.0.0.1 (default 8000)")

    def handle(self, *args: Any, **told: Any) -> None:
        if not settings.DEBUG:
            raise CommandError("run_portal is for trying the portal out and wants DEBUG=1: use `make run`, or see the README.")
        listen_to_signals()
        try:
            one_machine.run(told["port"], say=self.say)
        except AlreadyRuns as other:
            self.say(str(other))
        except (KeepsEnding, PortTaken, PostgresUnusable) as reason:
            raise CommandError(str(reason)) from reason
        except KeyboardInterrupt:
            self.say("Stopped at once.")

    def say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()


def listen_to_signals() -> None:
    """Each of them is a Ctrl-C, also where a script's `&` made us deaf to that; only `nohup` keeps its promise."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler)


def port(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 65_535:
        raise ArgumentTypeError(f"a port is a number from 1 to 65535; got {text!r}")
    return int(text)
