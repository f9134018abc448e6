"""What the logs of an old installation say is still owed."""

import re
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from messaging import cms_recovery
from messaging.cms_recovery import Findings, Mail
from messaging.log_lines import CmsLine, CmsLog, LogLineRefused, SentLine, parse_cms_line, parse_sent_line, parse_test_line
from messaging.models import Case
from messaging.sheets import Columns, SheetRefused, read_csv
from messaging.text_input import TextRefused, decoded, digits
from portal import tasks
from portal.management.command import DONE, NEEDS_ATTENTION, PortalCommand, Report, wrong_usage
from portal.management.files import contents, path_option

A_DAY = timedelta(days=1)  # the old installation's clock may have been of another zone
MAP = Columns(names={"pv": "PV", "pid": "PID", "cms": "PID"}, needed=("PV", "PID"))
Parser = Callable[..., Any]


class Command(PortalCommand):
    help = (
        "Reads the logs of an old installation and lists the e-mails that still owe a note: the pending ones, and the lost ones, which no "
        "log of notes names. With --requeue they are taken in as sent, with their note pending; a second run takes in nothing more."
    )

    def options(self, parser: CommandParser) -> None:
        for name, what in (("sent", "sent_emails.log"), ("test", "test_emails.log"), ("pending", "pending"), ("processed", "processed")):
            parser.add_argument(f"--{name}-log", type=path_option, metavar="FILE", help=f"the old installation's {what} log")
        parser.add_argument(
            "--map", type=path_option, metavar="FILE", help="CSV with the columns PV and PID (default: the cases of the portal)"
        )
        parser.add_argument("--requeue", action="store_true", help="take the e-mails that owe a note in")

    def work(self, *, requeue: bool, **told: Any) -> Report:
        found = find(**told)
        facts: dict[str, Any] = {
            "sent": found.sent,
            "processed": found.processed,
            "pending": len(found.pending),
            "lost": [asdict(mail) for mail in found.lost],
        }
        left = found.needs_note
        if requeue:
            done = cms_recovery.take_in(left, sender=settings.DEFAULT_FROM_EMAIL, zone=timezone.get_current_timezone(), at=timezone.now())
            tasks.ring_notes()
            left = done.without_case
            facts |= {"requeued": done.new, "already": done.already, "without_case": [asdict(mail) for mail in left]}
            self.tell([f"Taken for one that is here already, though nothing is told of both: {one_line(mail)}" for mail in done.unsure])
        return Report(facts=facts, text=told_in_words(found, facts), exit_code=NEEDS_ATTENTION if left else DONE)


def find(
    *, sent_log: Path | None, test_log: Path | None, pending_log: Path | None, processed_log: Path | None, map: Path | None
) -> Findings:
    if not (sent_log or test_log or pending_log):
        raise wrong_usage("Name at least one of --sent-log, --test-log and --pending-log.")
    sent: list[SentLine] = lines(sent_log, parse_sent_line)
    test: list[SentLine] = lines(test_log, parse_test_line)
    pending: list[CmsLine] = lines(pending_log, parse_cms_line, log=CmsLog.PENDING)
    processed: list[CmsLine] = lines(processed_log, parse_cms_line, log=CmsLog.PROCESSED)
    pids = pids_of(map) if map else dict(Case.objects.exclude(pid="").values_list("pv", "pid"))
    return cms_recovery.find(sent=sent, test=test, pending=pending, processed=processed, pids=pids)


def lines(path: Path | None, parse: Parser, **options: Any) -> list[Any]:
    """Every line of a log, understood; a log with a line that is not is refused whole."""
    if path is None:
        return []
    try:
        text = decoded(contents(path), field="The file")
    except TextRefused as refusal:
        raise CommandError(f"{path.name}: {refusal} Nothing was taken in.") from None
    latest = timezone.localtime().replace(tzinfo=None) + A_DAY
    found = []
    try:
        for number, line in enumerate(re.split("\r\n?|\n", text), start=1):
            if line.strip():
                found.append(parse(line, number=number, **options))
                refuse_future(found[-1], number=number, latest=latest)
        return found
    except (LogLineRefused, TextRefused) as refusal:
        raise CommandError(f"{path.name}: {refusal} Correct that line or take it out; nothing was taken in.") from None


def refuse_future(line: SentLine | CmsLine, *, number: int, latest: datetime) -> None:
    if line.at and line.at > latest:
        raise LogLineRefused(f"Line {number}: {line.at} has not come yet, so nothing was sent then.")


def pids_of(path: Path) -> dict[str, str]:
    """The PID of every PV in the map. One PV with two PIDs, or one PID for two PVs, is refused: a note would go into another's file."""
    seen: dict[str, tuple[int, str, str]] = {}
    try:
        for row in read_csv(contents(path), columns=MAP).rows:
            if row.problem:
                raise SheetRefused(row.problem)
            pv, pid = (digits(row.values[column], field=f"Row {row.number}, column '{column}'") for column in MAP.needed)
            for number in (f"PV {pv}", f"PID {pid}"):
                first, *said = seen.setdefault(number, (row.number, pv, pid))
                if pv == pid:
                    raise SheetRefused(f"Row {row.number}: PV and PID are both {pv}; they are different numbers.")
                if said != [pv, pid]:
                    raise SheetRefused(f"Row {row.number} says PV {pv} is PID {pid}, but row {first} says PV {said[0]} is PID {said[1]}.")
    except (SheetRefused, TextRefused) as refusal:
        raise CommandError(f"{path.name}: {refusal} Nothing was taken in.") from None
    return {pv: pid for _, pv, pid in seen.values()}


def told_in_words(found: Findings, facts: dict[str, Any]) -> str:
    lines = [f"{found.sent} sent, {found.processed} processed, {len(found.pending)} pending, {len(found.lost)} lost."]
    lines += [f"Lost: {one_line(mail)}" for mail in found.lost]
    if "requeued" in facts:
        lines.append(f"{facts['requeued']} taken in with their note pending, {facts['already']} were here before.")
        lines += [caseless(one) for one in facts["without_case"]]
    elif found.needs_note:
        lines.append(f"{len(found.needs_note)} owe a note. Add --requeue to take them in.")
    return "\n".join(lines)


def caseless(mail: dict[str, Any]) -> str:
    if not (mail["pid"] or mail["pv"]):
        return f"Neither PID nor PV is told of the e-mail to {mail['sent_to']}: add its note by hand, then take its line out."
    return f"No case in the portal for PID {mail['pid'] or '?'}, PV {mail['pv'] or '?'}: import it first."


def one_line(mail: Mail) -> str:
    return f"PID {mail.pid or 'unknown'}, PV {mail.pv or 'unknown'}, to {mail.sent_to}{' (test)' if mail.is_test else ''}: {mail.subject}"
