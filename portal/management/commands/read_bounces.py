"""Delivery reports that came back as mails."""

from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone

from messaging import delivery_facts
from messaging.bounces import LARGEST_BYTES
from portal.management.command import DONE, NEEDS_ATTENTION, PortalCommand, Report
from portal.management.files import contents, path_option, standard_input


class Command(PortalCommand):
    help = "Takes in delivery reports (RFC 3464), one mail per file, or one on stdin as a mail server pipes it. Twice is once."

    def options(self, parser: CommandParser) -> None:
        parser.add_argument("files", nargs="*", type=path_option, metavar="FILE", help="without any: stdin")

    def work(self, *, files: list[Path], **told: Any) -> Report:
        mails = [contents(file) for file in files] if files else [standard_input(LARGEST_BYTES + 1)]
        found = [told for mail in mails for told in delivery_facts.record_report(mail, now=timezone.now())]
        outcomes = [outcome for _, outcome in found]
        for outcome in set(outcomes):
            delivery_facts.count("report", outcome, calls=outcomes.count(outcome))
        facts = {"reports": len(mails), **{word: outcomes.count(word) for word in sorted(delivery_facts.OUTCOMES)}}
        lines = [f"{bounce.recipient or 'nobody'}: {bounce.told}, {outcome}" for bounce, outcome in found]
        needs = DONE if outcomes.count(delivery_facts.UNMATCHED) == 0 else NEEDS_ATTENTION
        return Report(facts=facts, text="\n".join(lines), exit_code=needs)
