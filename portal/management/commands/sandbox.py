"""The door to the sandbox for those who think in manage.py; `python -m portal.sandbox` is the same without Django."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from portal.sandbox.__main__ import CannotServe, add_options, serve


class Command(BaseCommand):
    help = "Runs a real mail server, a case-management system and an AI on loopback, with scripted faults, until Ctrl-C or SIGTERM."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        add_options(parser)

    def handle(self, *args: Any, **told: Any) -> None:
        options = {name: told[name] for name in ("folder", "smtp_port", "http_port", "host", "faults")}
        try:
            serve(**options, keep=not told["no_keep"], cms_token=settings.CMS_TOKEN, say=self.say)
        except CannotServe as error:
            raise CommandError(str(error)) from error

    def say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()
