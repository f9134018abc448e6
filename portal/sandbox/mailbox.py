"""The mails that the sandbox accepted: a ledger line for each, and the newest ones in full."""

import re
from collections import deque
from collections.abc import Iterable
from email import message_from_bytes, policy
from email.errors import MessageError
from email.header import decode_header, make_header
from email.message import EmailMessage
from itertools import islice
from pathlib import Path

from portal.sandbox.ledger import Ledger, Line, lines

NEWEST_KEPT = 2_000
TAIL_BYTES = 4_000_000  # of the ledger, read at the start: more than the newest lines need
HEADER = re.compile(rb"^([!-9;-~]+):[ \t]*(.*(?:\r?\n[ \t].*)*)", re.MULTILINE)
LONGEST_HEADER = 300
MOST_OWN_HEADERS = 12


class Mailbox:
    """Accepted mails, counted from 1 over all starts. With `keep` off only the ledger is written."""

    def __init__(self, folder: Path, *, nonce: str, keep: bool = True) -> None:
        self.folder, self.keep = folder / "mail", keep
        self.ledger = Ledger(folder / "mail.jsonl", nonce=nonce)
        self.newest: deque[Line] = deque(lines(self.ledger.path, last_bytes=TAIL_BYTES), maxlen=NEWEST_KEPT)
        self.count = self.newest[-1]["n"] if self.newest else 0
        self.folder.mkdir(parents=True, exist_ok=True)

    def accept(self, raw: bytes, *, sender: str, recipients: list[str], fault: str | None) -> int:
        """Store one mail; when this returns its number, the ledger names it, once per recipient."""
        self.count += 1
        if self.keep:
            self.path(self.count).write_bytes(raw)
            if self.count > NEWEST_KEPT:
                self.path(self.count - NEWEST_KEPT).unlink(missing_ok=True)
        told = headline(raw)
        for recipient in recipients:
            line = {"n": self.count, **told, "recipient": recipient, "sender": sender, "size": len(raw), "fault": fault}
            self.newest.append(self.ledger.append(line))
        return self.count

    def search(self, wanted: str = "", *, before: int | None = None, limit: int = 50) -> list[Line]:
        """The newest lines whose addresses or subject contain `wanted`, older than number `before`."""
        wanted = wanted.casefold().strip()
        found = (
            line
            for line in reversed(list(self.newest))
            if (before is None or line["n"] < before)
            and any(wanted in line[key].casefold() for key in ("recipient", "subject", "sender", "message_id"))
        )
        return list(islice(found, limit))

    def line(self, n: int) -> Line | None:
        return next((line for line in reversed(list(self.newest)) if line["n"] == n), None)

    def raw(self, n: int) -> bytes | None:
        """The mail as it came, or None when it is no longer (or never was) kept."""
        try:
            return self.path(n).read_bytes()
        except FileNotFoundError:
            return None

    def path(self, n: int) -> Path:
        return self.folder / f"{n}.eml"


def headline(raw: bytes) -> Line:
    """Message-ID, subject and the X- headers of a mail, for its ledger line."""
    head = raw.partition(b"\r\n\r\n")[0]
    found: dict[str, str] = {}
    for name, value in HEADER.findall(head):
        found.setdefault(name.decode("ascii").lower(), unfolded(value))
    own = ((name, value) for name, value in found.items() if name.startswith("x-"))
    return {
        "message_id": found.get("message-id", ""),
        "subject": readable(found.get("subject", ""))[:LONGEST_HEADER],
        "headers": {name: value[:LONGEST_HEADER] for name, value in islice(own, MOST_OWN_HEADERS)},
    }


def unfolded(value: bytes) -> str:
    return " ".join(value.decode("utf-8", "replace").split())


def readable(value: str) -> str:
    if "=?" not in value:
        return value
    try:
        return str(make_header(decode_header(value)))
    except (MessageError, LookupError, ValueError):
        return value


def opened(raw: bytes) -> EmailMessage:
    """The mail, parsed as far as it can be."""
    return message_from_bytes(raw, policy=policy.default)


def body(mail: EmailMessage, kind: str) -> str | None:
    """The text of the first part of type text/`kind`, however it is encoded; None when there is no such part."""
    part = next((part for part in mail.walk() if part.get_content_type() == f"text/{kind}"), None)
    if part is None:
        return None
    payload = part.get_payload(decode=True)
    data = payload if isinstance(payload, bytes) else b""
    try:
        return data.decode(part.get_content_charset("utf-8"), "replace")
    except LookupError:
        return data.decode("utf-8", "replace")


def attachments(mail: EmailMessage) -> Iterable[str]:
    """What hangs on the mail: file name and type of each part that is not its text."""
    for part in mail.walk():
        if not part.is_multipart() and (part.get_filename() or part.get_content_maintype() != "text"):
            yield f"{part.get_filename() or 'without a name'} ({part.get_content_type()})"
