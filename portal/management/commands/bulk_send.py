"""A batch of e-mails from the shell: preview, then queue."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser
from django.db import transaction
from django.utils import timezone

from messaging import batches
from messaging.batches import Prepared, Selection, Skip
from messaging.models import Mode, TemplateVersion
from messaging.models.case import Category
from messaging.outbox import Sender
from messaging.text_input import TextRefused
from portal import tasks, wiring
from portal.management.command import DONE, NEEDS_ATTENTION, PortalCommand, Report, whole, wrong_usage
from portal.management.files import path_option, refuse_unwritable, write_text
from portal.template_fields import for_cases

PREVIEWED = 10


class Command(PortalCommand):
    help = (
        "Shows the e-mails that a template makes for the chosen cases and, with --yes, queues them. In test mode every one of them goes "
        "to the test recipient."
    )

    def options(self, parser: CommandParser) -> None:
        parser.add_argument("--template", required=True, help="the template's name, such as status-request")
        cases = parser.add_mutually_exclusive_group(required=True)
        cases.add_argument("--category", choices=Category.values, metavar="C", help=f"one of {', '.join(Category.values)}")
        cases.add_argument("--firm", metavar="F", help="all cases of a law firm")
        cases.add_argument("--pid", nargs="+", metavar="N", help="numbers in the CMS")
        cases.add_argument("--pv", nargs="+", metavar="N", help="the practice's file numbers")
        parser.add_argument("--limit", type=whole(1), help="at most so many e-mails")
        parser.add_argument("--mode", choices=Mode.values, help="test or production (default: MAIL_MODE)")
        parser.add_argument("--yes", action="store_true", help="queue them; without it nothing is queued")
        parser.add_argument("--export", type=path_option, metavar="FILE", help="write every e-mail and what is left out to a JSON file")

    def work(self, *, mode: str | None, template: str, yes: bool, export: Path | None, **told: Any) -> Report:
        if export:
            refuse_unwritable(export)
        sender, version = sender_for(mode), version_named(template)
        selection = selection_of(**told)
        cases, skips = batches.select(selection, on=wiring.today(), mode=sender.mode)
        prepared, gaps = batches.prepare(cases, version=version, office=wiring.office(), on=wiring.today())
        skips += gaps
        if export:
            write_text(export, exported(prepared, skips))
        facts: dict[str, Any] = {"session": None, "queued": 0, "mode": sender.mode, "prepared": len(prepared)}
        if yes and prepared:
            facts |= queue(prepared, skips, version=version, sender=sender, name=name_of(version, selection))
        facts |= {"skipped": [asdict(skip) for skip in skips], "preview": [row(one, sender) for one in prepared[:PREVIEWED]]}
        all_left_out = yes and bool(skips) and not prepared
        return Report(facts=facts, text=told_in_words(facts), exit_code=NEEDS_ATTENTION if all_left_out else DONE)


def sender_for(mode: str | None) -> Sender:
    try:
        return wiring.sender(Mode(mode) if mode else None)
    except wiring.ModeRefused as refusal:
        raise wrong_usage(str(refusal)) from None


def version_named(name: str) -> TemplateVersion:
    template = for_cases().filter(name=name).first()
    if template is None or template.current is None:
        known = ", ".join(for_cases().order_by("name").values_list("name", flat=True))
        raise wrong_usage(f"No template {name[:80]!r} is in use. There is: {known or 'none yet; write one in the admin'}.")
    return template.current


def selection_of(*, category: str | None, firm: str | None, pid: list[str] | None, pv: list[str] | None, limit: int | None) -> Selection:
    try:
        pids, pvs = batches.pasted(" ".join(pid or []), field="--pid"), batches.pasted(" ".join(pv or []), field="--pv")
    except (TextRefused, batches.ListRefused) as refusal:
        raise wrong_usage(str(refusal)) from None
    if not (category or (firm or "").strip() or pids or pvs):
        raise wrong_usage("Say which cases: --category, --firm, --pid or --pv needs a value.")
    return Selection(category=category or "", firm=(firm or "").strip(), pids=pids, pvs=pvs, limit=limit)


def name_of(version: TemplateVersion, selection: Selection) -> str:
    who = selection.category or selection.firm or f"{len(selection.pids or selection.pvs)} numbers"
    return f"{version.template.title}: {who}, {wiring.today()}"[:200]


@transaction.atomic
def queue(prepared: list[Prepared], skips: list[Skip], *, version: TemplateVersion, sender: Sender, name: str) -> dict[str, Any]:
    """The session and its messages are committed together, and a worker is woken."""
    session = batches.start(prepared, name=name, version=version, sender=sender, skipped=skips, by=None, at=timezone.now())
    tasks.ring()
    return {"session": session.pk, "queued": session.messages.count()}


def row(one: Prepared, sender: Sender) -> dict[str, str]:
    goes_to = sender.test_recipient if sender.mode == Mode.TEST else one.recipient
    case = one.case
    return {"pid": case.pid, "pv": case.pv, "patient": case.patient_name, "for": one.recipient, "to": goes_to, "subject": one.subject}


def exported(prepared: list[Prepared], skips: list[Skip]) -> str:
    mails = [
        {"pid": one.case.pid, "pv": one.case.pv, "recipient": one.recipient, "subject": one.subject, "text": one.text, "html": one.html}
        for one in prepared
    ]
    return json.dumps({"mails": mails, "skipped": [asdict(skip) for skip in skips]}, indent=2, ensure_ascii=False)


def told_in_words(facts: dict[str, Any]) -> str:
    lines = [
        f"{one['to']}  {one['subject']}  (PID {one['pid'] or 'missing'}, PV {one['pv']}, for {one['for']})" for one in facts["preview"]
    ]
    lines += [f"+{facts['prepared'] - PREVIEWED} more"] if facts["prepared"] > PREVIEWED else []
    lines += [f"Left out: {skip['what']}: {skip['why']}" for skip in facts["skipped"]]
    if facts["session"]:
        return "\n".join([*lines, f"{facts['queued']} queued in {facts['mode']} mode, session {facts['session']}."])
    if not facts["prepared"]:
        return "\n".join([*lines, "There is no case to write to; nothing was queued."])
    return "\n".join([*lines, f"Nothing was queued. Add --yes to queue {facts['prepared']} in {facts['mode']} mode."])
