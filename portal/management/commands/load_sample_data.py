"""What a first start shows."""

from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.text import slugify

from messaging import importing_cases
from messaging.importing_cases import COLUMNS
from messaging.models import Case, EmailTemplate
from messaging.sheets import read_rows
from portal import sample_data, wiring
from portal.config import kinds
from portal.management.command import PortalCommand, Report
from portal.sample_data import contacts, quotes


class Command(PortalCommand):
    help = "Loads the sample cases, templates, quotes, and contacts with their campaigns. A second run changes nothing."

    @transaction.atomic
    def work(self, **told: Any) -> Report:
        facts = {"cases": load_cases(), "templates": load_templates(), "quotes": load_quotes()}
        facts["contacts"] = contacts.load(today=wiring.today())
        text = "{cases} new cases, {templates} new templates, {quotes} new quotes, {contacts} new contacts.".format(**facts)
        return Report(facts=facts, text=text)


def load_cases() -> int:
    """The cases that are not there yet; a case that somebody has worked on since stays as it is."""
    rows = sample_data.case_rows(today=wiring.today())
    known = set(Case.objects.filter(pv__in=[row["PV"] for row in rows]).values_list("pv", flat=True))
    missing = [list(row.values()) for row in rows if row["PV"] not in known]
    if not missing:
        return 0
    done = importing_cases.merge(read_rows([list(rows[0]), *missing], columns=COLUMNS), on=wiring.today())
    assert not done.refused, f"the sample data is refused: {done.refused[0].sentences}"
    return done.new


def load_quotes() -> int:
    book = kinds.read_version("price_book", at=timezone.now())
    return quotes.load(now=timezone.now(), today=wiring.today(), book=book)


def load_templates() -> int:
    new = 0
    for sample in sample_data.templates():
        facts = {"title": sample.name, "kind": sample.kind}
        template, is_new = EmailTemplate.objects.get_or_create(name=slugify(sample.name), defaults=facts)
        if is_new:
            source = sample.source
            template.versions.create(number=1, subject=source.subject, text=source.text, html=source.html)
            new += 1
    return new
