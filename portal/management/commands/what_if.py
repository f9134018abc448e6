"""What the rules would do with these contacts, without touching any."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from django.core.management.base import CommandError, CommandParser

from campaigns import settings as campaigns_settings
from campaigns.settings import SchedulerSettings, SettingsRefused
from campaigns.what_if import what_if
from messaging.text_input import TextRefused, calendar_date, decoded
from portal import wiring
from portal.config.json_text import from_json
from portal.management.command import DONE, NEEDS_ATTENTION, PortalCommand, Report, wrong_usage
from portal.management.files import contents, standard_input

MOST_CONTACTS = 100_000
MOST_CHARACTERS = 10_000 * MOST_CONTACTS
STDIN = "-"


class Command(PortalCommand):
    help = (
        "Shows what would be sent to the contacts of a JSON file, when, and why not. It runs the scheduler's own rules and reads and "
        "writes no contact. The answer is JSON in any case. Exit code 3 when a contact was refused; the others are answered."
    )
    requires_system_checks = []

    def options(self, parser: CommandParser) -> None:
        parser.add_argument("file", metavar="FILE", help="a JSON list of contacts, or - for standard input")
        parser.add_argument("--today", metavar="D", help="the day to plan on, such as 2026-01-31 (default: today)")
        parser.add_argument("--config", metavar="JSON", default="{}", help="settings to change, such as '{\"max_emails_per_period\": 3}'")
        parser.add_argument("--rules-only", action="store_true", help="stop before conflicts, load balancing and frequency limits")

    def work(self, *, file: str, today: str | None, config: str, rules_only: bool, **told: Any) -> Report:
        settings = read_settings(config)
        answer = what_if(read_contacts(file), day=read_day(today), settings=settings, rules_only=rules_only)
        self.tell(answer.refused)
        return Report(
            facts=answer.contacts,
            text=json.dumps(answer.contacts, indent=1),
            exit_code=NEEDS_ATTENTION if answer.refused else DONE,
        )


def read_settings(config: str) -> SchedulerSettings:
    try:
        told = from_json(config)
    except ValueError as trouble:
        raise wrong_usage(f"--config is not JSON: {trouble}.") from None
    if not isinstance(told, dict):
        raise wrong_usage("--config must be a JSON object of settings.")
    try:
        return campaigns_settings.read(told)
    except SettingsRefused as refusal:
        raise wrong_usage(f"--config: {refusal}") from None


def read_day(today: str | None) -> Any:
    try:
        return np.datetime64(wiring.today() if today is None else calendar_date(today, field="--today"), "D")
    except TextRefused as refusal:
        raise wrong_usage(refusal.sentence) from None


def read_contacts(file: str) -> list[Any]:
    data = standard_input() if file == STDIN else contents(Path(file))
    try:
        told = from_json(decoded(data, field=file), longest=MOST_CHARACTERS)
    except TextRefused as refusal:
        raise CommandError(refusal.sentence) from None
    except ValueError as trouble:
        raise CommandError(f"{file} is not JSON: {trouble}.") from None
    if not isinstance(told, list):
        raise CommandError(f"{file} must hold a JSON list of contacts.")
    if len(told) > MOST_CONTACTS:
        raise CommandError(f"{file} has {len(told):,} contacts; at most {MOST_CONTACTS:,}. Split it.")
    return told
