"""Read delivery reports (RFC 3464): which of our mails they speak of, and what became of it. Pure; never raises on what strangers send.

A report is believed only where it names our own Message-ID, which nobody else knows: a forged one matches nothing.
"""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email import policy
from email.parser import BytesParser
from email.utils import parsedate_to_datetime
from typing import Any

from messaging.text_input import EARLIEST, LATEST, printable

LARGEST_BYTES = 10_000_000
DEEPEST = 10  # parts within parts
LONGEST_DETAIL = 2_000
STATUS = re.compile(r"\b([245])\.\d{1,3}\.\d{1,3}\b")
MESSAGE_ID = re.compile(r"<[^<>\s@]+@[^<>\s@]+>")


@dataclass(frozen=True, kw_only=True)
class Bounce:
    """What a report says of one recipient. `told` is one of delivered, bounced, deferred, other, unparsed."""

    told: str
    recipient: str
    message_id: str
    detail: str
    event_id: str
    at: datetime | None


def read(raw: bytes) -> list[Bounce]:
    """One entry per recipient that the report speaks of; a mail that is no report, or none that can be read, is one entry `unparsed`."""
    digest = hashlib.sha256(raw).hexdigest()[:32]
    try:
        return _read(raw, digest)
    except Exception as trouble:  # whatever a stranger's mail does to the parser, it is one that we do not understand
        return [_nothing(digest, f"The parser gave up: {type(trouble).__name__}")]


def _read(raw: bytes, digest: str) -> list[Bounce]:
    if len(raw) > LARGEST_BYTES:
        return [_nothing(digest, f"Larger than {LARGEST_BYTES:,} bytes")]
    mail = BytesParser(policy=policy.compat32).parsebytes(raw)
    parts = list(_parts(mail, DEEPEST))
    reports = [part for part in parts if part.get_content_type() == "message/delivery-status"]
    if not reports:
        return [_nothing(digest, "No delivery report in it")]
    message_id = _original(parts)
    at = _date(mail.get("Date"))
    found: list[Bounce] = []
    for report in reports:
        for block in _recipients(report):
            found.append(_bounce(block, message_id=message_id, event_id=f"{digest}-{len(found)}", at=at))
    return found or [_nothing(digest, "The report names no recipient")]


def _parts(mail: Any, depth: int) -> Iterator[Any]:
    """The mail and what is within it, down to a depth at which nobody reports any more."""
    yield mail
    if depth and mail.is_multipart() and mail.get_content_type() != "message/delivery-status":
        for part in mail.get_payload():
            yield from _parts(part, depth - 1)


def _recipients(report: Any) -> Iterator[Any]:
    """The blocks after the first, each of one recipient."""
    blocks = report.get_payload()
    if isinstance(blocks, list):
        yield from (block for block in blocks if block.get("Final-Recipient") or block.get("Original-Recipient") or block.get("Action"))


def _bounce(block: Any, *, message_id: str, event_id: str, at: datetime | None) -> Bounce:
    action = str(block.get("Action", "")).strip().lower()
    status = STATUS.search(str(block.get("Status", "")))
    said = str(block.get("Diagnostic-Code", "")).partition(";")[2].strip() or str(block.get("Status", ""))
    address = str(block.get("Final-Recipient") or block.get("Original-Recipient") or "").rpartition(";")[2].strip().strip("<>")
    return Bounce(
        told=_told(action, status[1] if status else ""),
        recipient=printable(address)[:254],
        message_id=message_id,
        detail=" ".join(printable(f"{action} {said}").split())[:LONGEST_DETAIL],
        event_id=event_id,
        at=at,
    )


def _told(action: str, digit: str) -> str:
    """A delay, a relay or an expansion is no bounce; a failure for now is a soft one."""
    if action == "failed" and digit:
        return "bounced" if digit == "5" else "deferred" if digit == "4" else "unparsed"
    if action == "delivered":
        return "delivered"
    if action == "delayed":
        return "deferred"
    return "other" if action in ("relayed", "expanded") else "unparsed"


def _original(parts: list[Any]) -> str:
    """The Message-ID of the mail that is returned with the report, whole or as its headers."""
    for part in parts[1:]:
        if part.get_content_type() == "text/rfc822-headers":
            headers = BytesParser(policy=policy.compat32).parsebytes(part.get_payload(decode=True) or b"", headersonly=True)
            if found := MESSAGE_ID.search(str(headers.get("Message-ID", ""))):
                return found[0]
        elif found := MESSAGE_ID.search(str(part.get("Message-ID", ""))):
            return found[0]
    return ""


def _date(text: object) -> datetime | None:
    try:
        at = parsedate_to_datetime(str(text))
        at = at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
    except (TypeError, ValueError, OverflowError):
        return None
    return at if EARLIEST <= at.date() <= LATEST else None


def _nothing(digest: str, why: str) -> Bounce:
    return Bounce(told="unparsed", recipient="", message_id="", detail=why, event_id=digest, at=None)
