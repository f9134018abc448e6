"""Make the scheduler's table say what portal/cadence.py says."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import Error

from portal import cadence


class Command(BaseCommand):
    help = "Makes the scheduler run exactly what portal/cadence.py says: adds what is missing, puts right what differs, removes the rest."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="print one JSON document instead of a sentence")

    def handle(self, *args: Any, **told: Any) -> None:
        try:
            counts = cadence.sync()
        except Error as trouble:
            raise CommandError(f"The database did not take it: {trouble} Start it, or run `manage.py migrate`, and try again.") from trouble
        plain = "{created} created, {changed} changed, {removed} removed.".format(**counts)
        self.stdout.write(json.dumps(counts) if told["json"] else plain)
