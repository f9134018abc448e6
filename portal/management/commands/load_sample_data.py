"""What a first start shows."""

from typing import Any

from django.contrib.auth.models import Group, Permission
from django.db import transaction
from django.utils.text import slugify

from messaging import importing_cases
from messaging.importing_cases import COLUMNS
from messaging.models import Case, EmailTemplate
from messaging.sheets import read_rows
from portal import sample_data, wiring
from portal.management.command import PortalCommand, Report

RECORDS = "case acknowledgment message attempt decision cmsnote noteattempt messagesession emailtemplate templateversion suppression"
VIEW = [f"view_{name}" for name in f"{RECORDS} systemevent errorgroup provider".split()]
OPERATE = [
    "send_message",
    "post_cmsnote",
    "confirm_cmsnote",
    "decide_message",
    "change_case",
    "add_acknowledgment",
    "change_acknowledgment",
]
MANAGE = [
    *("add_case", "import_case", "delete_acknowledgment", "add_emailtemplate", "change_emailtemplate", "add_templateversion"),
    *("add_suppression", "delete_suppression", "change_errorgroup", "change_provider"),
]
ROLES = {"Viewer": VIEW, "Operator": VIEW + OPERATE, "Manager": VIEW + OPERATE + MANAGE}


class Command(PortalCommand):
    help = "Loads the sample cases and templates, and the roles Viewer, Operator and Manager. A second run changes nothing."

    @transaction.atomic
    def work(self, **told: Any) -> Report:
        facts = {"cases": load_cases(), "templates": load_templates(), "roles": make_roles()}
        text = "{cases} new cases, {templates} new templates, {roles} new roles.".format(**facts)
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


def make_roles() -> int:
    """Each role has at least what it needs; what somebody added to it stays."""
    new = 0
    for name, codenames in ROLES.items():
        group, is_new = Group.objects.get_or_create(name=name)
        permissions = Permission.objects.filter(content_type__app_label="messaging", codename__in=codenames)
        assert len(permissions) == len(codenames), f"{name}: {set(codenames) - {one.codename for one in permissions}} do not exist"
        group.permissions.add(*permissions)
        new += is_new
    return new
