"""Why a contact is written to, or not."""

from datetime import date
from typing import Any

import numpy as np
from django.core.management.base import CommandError, CommandParser

from campaigns.explain import as_json, as_text, explain
from campaigns.models import Contact
from messaging.text_input import TextRefused, calendar_date
from portal import wiring
from portal.config.data import ConfigRefused
from portal.management.command import PortalCommand, Report, whole, wrong_usage

HIGHEST_ID = 2**63 - 1  # that the table can hold


class Command(PortalCommand):
    help = (
        "Tells of one contact whether it may be written to on a day and when that changes next, every mail of the coming 13 months, and "
        "each rule in order: what went in, what it answered, which version of the configuration it has, and where it comes from."
    )

    def options(self, parser: CommandParser) -> None:
        parser.add_argument("id", metavar="ID", type=whole(0, HIGHEST_ID), help="the contact's id")
        parser.add_argument("--on", metavar="D", help="the day that is asked about, such as 2026-01-31 (default: today)")

    def work(self, *, id: int, on: str | None, **told: Any) -> Report:  # the option's own name
        today = wiring.today()
        asked = today if on is None else read_day(on)
        try:
            settings, versions = wiring.scheduler_settings()
            found = explain(id, on=np.datetime64(asked, "D"), day=np.datetime64(today, "D"), settings=settings, versions=versions)
        except ConfigRefused as refusal:
            raise CommandError(f"Nothing can be explained: {refusal}") from None
        except Contact.DoesNotExist:
            raise wrong_usage(f"There is no contact {id}. Look the id up in the list of contacts.") from None
        return Report(facts=as_json(found), text=as_text(found))


def read_day(on: str) -> date:
    try:
        return calendar_date(on, field="--on")
    except TextRefused as refusal:
        raise wrong_usage(refusal.sentence) from None
