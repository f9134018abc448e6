"""The lines of the log files that older installations kept: written for them, and read back from them. Pure.

Times are local and carry no zone, as in those files. What a line cannot hold (a line break, the separator) becomes a space.
"""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from messaging.text_input import EARLIEST, LATEST, email_address, one_line

SEPARATOR = " | "
TEST_WORD = "TEST MODE"
NO_PID = "none"  # an e-mail whose case has no PID still owes a note, so it still has a line
TIME = "%Y-%m-%d %H:%M:%S"
TEST_PREFIX = "test_"  # what the e-mail type of a test e-mail begins with
KIND_LIMIT, SUBJECT_LIMIT, ID_LIMIT = 60, 400, 200  # characters, as the record takes them
STAMP = r"\[(?P<at>[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2})\] "


class CmsLog(Enum):
    """The three logs of CMS notes; the value is what stands before "PID"."""

    PENDING = ""
    PROCESSED = "PROCESSED - "
    NOTED = "CMS NOTE ADDED - "


@dataclass(frozen=True, kw_only=True)
class CmsLine:
    """An e-mail that owes a note, or has it. `pid` is empty where the case has none."""

    at: datetime
    pid: str
    kind: str
    sent_to: str


@dataclass(frozen=True, kw_only=True)
class SentLine:
    """A sent e-mail, known by the PV of its case. `intended_for` is filled for a test e-mail only; old files carry no time."""

    pv: str
    sent_to: str
    subject: str
    provider_id: str
    intended_for: str = ""
    at: datetime | None = None


class LogLineRefused(ValueError):
    """The line is not of the expected form; the text names its number and the form. (What stands in a field is a TextRefused, as ever.)"""


def format_cms_line(line: CmsLine, *, log: CmsLog) -> str:
    """`[2025-01-31 09:05:07] PID: 123456 | Email Type: follow_up | Sent to: a@firm.example`, with the log's own word before PID."""
    pid = line.pid or NO_PID
    return f"[{line.at:{TIME}}] {log.value}PID: {pid} | Email Type: {one_field(line.kind)} | Sent to: {one_field(line.sent_to)}"


def parse_cms_line(text: str, *, log: CmsLog, number: int) -> CmsLine:
    """What `format_cms_line` wrote for the same log, or the older installation; `number` is the line's place in its file."""
    form = rf"{STAMP}{log.value}PID: (?P<pid>[0-9]+|{NO_PID}) \| Email Type: (?P<kind>.*?) \| Sent to: (?P<sent_to>.*)"
    found = matched(form, text, number=number, expected=f"[date time] {log.value}PID: digits | Email Type: … | Sent to: …")
    return CmsLine(
        at=moment(found["at"], number=number),
        pid=found["pid"].removeprefix(NO_PID),
        kind=email_type(found["kind"], number=number),
        sent_to=email_address(found["sent_to"], field=f"Line {number}, recipient"),
    )


def format_sent_line(line: SentLine) -> str:
    """PV, recipient, subject and provider id, separated by ` | `; a time in brackets first where it is known."""
    return stamp(line.at) + SEPARATOR.join(map(one_field, (line.pv, line.sent_to, line.subject, line.provider_id)))


def parse_sent_line(text: str, *, number: int) -> SentLine:
    """What `format_sent_line` wrote. A subject may contain the separator: the fields around it are known from both ends."""
    form = rf"(?:{STAMP})?(?P<pv>[0-9]*) \| (?P<sent_to>.*?) \| (?P<subject>.*) \| (?P<id>.*)"
    found = matched(form, text, number=number, expected="PV digits | recipient | subject | provider id")
    return sent_line(found, intended_for="", number=number)


def format_test_line(line: SentLine) -> str:
    """`TEST MODE`, PV, test recipient, original recipient, subject and provider id, separated by ` | `."""
    fields = (TEST_WORD, line.pv, line.sent_to, line.intended_for, line.subject, line.provider_id)
    return stamp(line.at) + SEPARATOR.join(map(one_field, fields))


def parse_test_line(text: str, *, number: int) -> SentLine:
    """What `format_test_line` wrote."""
    form = rf"(?:{STAMP})?{TEST_WORD} \| (?P<pv>[0-9]*) \| (?P<sent_to>.*?) \| (?P<meant>.*?) \| (?P<subject>.*) \| (?P<id>.*)"
    expected = "TEST MODE | PV digits | test recipient | original recipient | subject | provider id"
    found = matched(form, text, number=number, expected=expected)
    return sent_line(found, intended_for=email_address(found["meant"], field=f"Line {number}, original recipient"), number=number)


def left_after(pending: Iterable[CmsLine], *, processed: Iterable[CmsLine]) -> list[CmsLine]:
    """The pending lines that no processed line answers. One answers one: same PID, whole and exact, same kind, same address."""
    answers = Counter(identity(line) for line in processed)
    left = []
    for line in pending:
        if answers[identity(line)]:
            answers[identity(line)] -= 1
        else:
            left.append(line)
    return left


def one_field(text: str) -> str:
    """The text without line breaks or doubled space, so that it stays within its line and its field's ends can be found."""
    return " ".join(text.split())


def matched(form: str, text: str, *, number: int, expected: str) -> re.Match[str]:
    found = re.fullmatch(form, text.rstrip("\r\n"))
    if found is None:
        raise LogLineRefused(f"Line {number}: expected '{expected}'; got {text[:80]!a}.")
    return found


def moment(text: str, *, number: int) -> datetime:
    try:
        at = datetime.strptime(text, TIME)
    except ValueError:
        raise LogLineRefused(f"Line {number}: '{text}' is not a date and time.") from None
    if not EARLIEST <= at.date() <= LATEST:
        raise LogLineRefused(f"Line {number}: '{text}' is no time of a mail: it lies before {EARLIEST} or after {LATEST}.")
    return at


def email_type(text: str, *, number: int) -> str:
    kind = one_field(text)
    limit = KIND_LIMIT + len(TEST_PREFIX) * kind.lower().startswith(TEST_PREFIX)
    return one_line(kind, field=f"Line {number}, e-mail type", limit=limit, required=False)


def stamp(at: datetime | None) -> str:
    return f"[{at:{TIME}}] " if at else ""


def sent_line(found: re.Match[str], *, intended_for: str, number: int) -> SentLine:
    return SentLine(
        pv=found["pv"],
        sent_to=email_address(found["sent_to"], field=f"Line {number}, recipient"),
        subject=one_line(one_field(found["subject"]), field=f"Line {number}, subject", limit=SUBJECT_LIMIT, required=False),
        provider_id=one_line(one_field(found["id"]), field=f"Line {number}, provider id", limit=ID_LIMIT, required=False),
        intended_for=intended_for,
        at=moment(found["at"], number=number) if found["at"] else None,
    )


def identity(line: CmsLine) -> tuple[str, str, str]:
    return line.pid, line.kind.lower(), line.sent_to.lower()
