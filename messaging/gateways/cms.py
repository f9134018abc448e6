"""The case-management system (CMS). A client says what the system can do; its answers are yes with an id, or one of the named noes.

Refused: the CMS understood and said no; a person has to put something right. Unavailable: nothing was added, later it may work.
Unclear: the note may have been added, so the CMS must be asked before anything is repeated.
"""

import json
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Protocol
from urllib.parse import quote

import httpx

from messaging.gateways import http_call
from messaging.gateways.http_call import Answer
from messaging.text_input import printable

CONNECT_SECONDS = 5
READ_SECONDS = 30
TOTAL_SECONDS = 30
KEPT = 2_000  # characters of an answer that are stored
LONGEST_RETRY_AFTER = 3_600.0  # seconds
LONGEST_TEXT = 1_000  # characters of a note
LONGEST_ID, LARGEST_ID = 100, 10**100  # characters, and as a number
MOST_FOUND = 100  # notes of one reference that are looked at: one is as it should be


class NoteRefused(Exception):
    """The CMS said no to this note; trying again changes nothing until a person has acted."""

    def __init__(self, status: int | None, text: str) -> None:
        super().__init__(text)
        self.status = status


class CmsUnavailable(Exception):
    """The CMS takes nothing now, and nothing was added. `everyone`: the whole system is away, not just this call."""

    def __init__(self, text: str, *, status: int | None = None, retry_after: float | None = None, everyone: bool = False) -> None:
        super().__init__(text)
        self.status, self.retry_after, self.everyone = status, retry_after, everyone


class CmsAccountRefused(CmsUnavailable):
    """The CMS does not let us in: a person has to look."""


class CmsUnclear(Exception):
    """The call went out and no usable answer came back: the note may be there."""

    def __init__(self, text: str, *, status: int | None = None) -> None:
        super().__init__(text)
        self.status = status


@dataclass(frozen=True, kw_only=True)
class NewNote:
    """A note as it is to stand in the case file. `reference` is our own name for it, the same on every try."""

    reference: str
    pid: str
    type_code: str
    text: str
    next_contact_on: date


@dataclass(frozen=True, kw_only=True)
class Added:
    remote_id: str
    existed: bool
    status: int | None = None


@dataclass(frozen=True, kw_only=True)
class FoundNote:
    remote_id: str
    pid: str
    reference: str


class CmsClient(Protocol):
    """What the portal needs of a CMS. With neither look-up nor keys, a lost answer goes to a person."""

    @property
    def is_manual(self) -> bool: ...
    @property
    def can_look_up(self) -> bool: ...
    @property
    def takes_idempotency_key(self) -> bool: ...

    def add_note(self, note: NewNote) -> Added:
        """The note stands in the CMS afterwards. Raises NoteRefused, CmsUnavailable or CmsUnclear."""

    def find_notes(self, reference: str) -> list[FoundNote]:
        """The notes that carry this reference, oldest first. Raises CmsUnavailable where the CMS does not say."""


@dataclass(frozen=True, kw_only=True)
class ManualCms:
    """A CMS that only people can reach: an operator pastes each note and confirms it in the portal."""

    is_manual: bool = True
    can_look_up: bool = False
    takes_idempotency_key: bool = False

    def add_note(self, note: NewNote) -> Added:
        raise CmsUnavailable("an operator adds this note by hand and confirms it here", everyone=True)

    def find_notes(self, reference: str) -> list[FoundNote]:
        raise CmsUnavailable("only a person can look into this CMS", everyone=True)


BODY = {  # what is sent, by the CMS's own names; the values name the facts of a NewNote
    "pid": "{pid}",
    "type": "{type_code}",
    "text": "{text}",
    "next_contact_on": "{next_contact_on}",
    "reference": "{reference}",
}


@dataclass(frozen=True, kw_only=True)
class HttpCms:
    """A CMS that speaks JSON over HTTP. Paths, headers, names and where the answers lie are settings: another CMS needs no code.

    `find_path` empty: it cannot look up. `key_header` empty: it takes no idempotency key. A place in an answer is a dotted path, "data.id".
    """

    url: str
    token: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    add_path: str = "/notes"
    body: Mapping[str, str] = field(default_factory=lambda: BODY)
    date_format: str = "%Y-%m-%d"
    key_header: str = ""
    id_at: str = "id"
    find_path: str = "/notes?reference={reference}"
    notes_at: str = "notes"
    note_id_at: str = "id"
    note_pid_at: str = "pid"
    note_reference_at: str = "reference"
    is_manual: bool = False

    @property
    def can_look_up(self) -> bool:
        return bool(self.find_path)

    @property
    def takes_idempotency_key(self) -> bool:
        return bool(self.key_header)

    def add_note(self, note: NewNote) -> Added:
        extra = {self.key_header: note.reference} if self.key_header else {}
        status, content = self._call("POST", self.add_path, json=self._body(note), headers=extra)
        if status in (200, 201):
            return Added(remote_id=self._new_id(status, content), existed=False, status=status)
        if status == 409 and (known := usable_id(at(parsed(content), self.id_at))):
            return Added(remote_id=known, existed=True, status=status)
        if status in (400, 404, 409, 410, 413, 422):
            raise NoteRefused(status, f"the CMS refused the note with {status}: {readable(content)}")
        raise CmsUnclear(f"the CMS answered {status}: {readable(content)}", status=status)

    def find_notes(self, reference: str) -> list[FoundNote]:
        status, content = self._call("GET", self.find_path.replace("{reference}", quote(reference)))
        listed = at(parsed(content), self.notes_at) if status == 200 else None
        if not isinstance(listed, list):
            raise CmsUnavailable(f"the CMS does not say whether it has the note: {status}, {readable(content)}", status=status)
        found = [
            FoundNote(
                remote_id=usable_id(at(entry, self.note_id_at)),
                pid=str(at(entry, self.note_pid_at))[:LONGEST_ID],
                reference=str(at(entry, self.note_reference_at))[:LONGEST_ID],
            )
            for entry in listed[:MOST_FOUND]
        ]
        return sorted(found, key=lambda each: (len(each.remote_id), each.remote_id))

    def _body(self, note: NewNote) -> dict[str, str]:
        facts = {
            "reference": note.reference,
            "pid": note.pid,
            "type_code": note.type_code,
            "text": shortened(note.text),
            "next_contact_on": note.next_contact_on.strftime(self.date_format),
        }
        return {name: fill(value, facts) for name, value in self.body.items()}

    def _new_id(self, status: int, content: bytes) -> str:
        answer = parsed(content)
        if answer is None:
            raise CmsUnclear(f"the CMS answered {status} with {kind_of(content)} instead of JSON: {readable(content)}", status=status)
        if isinstance(answer, dict) and answer.get("error"):
            raise CmsUnclear(f"the CMS said {status} but reported: {readable(content)}", status=status)
        if not (remote_id := usable_id(at(answer, self.id_at))):
            raise CmsUnclear(f"the CMS gave no usable note id: {readable(content)}", status=status)
        return remote_id

    def _call(self, method: str, path: str, **parts: Any) -> tuple[int, bytes]:
        """Status and body. Raises CmsUnavailable where nothing can have happened, CmsUnclear where something may have."""
        headers = {**self.headers, **parts.pop("headers", {})}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        limits = {"connect_seconds": CONNECT_SECONDS, "read_seconds": READ_SECONDS, "total_seconds": TOTAL_SECONDS}
        try:
            answer = http_call.call(method, self.url.rstrip("/") + path, headers=headers, **limits, **parts)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.UnsupportedProtocol, ssl.SSLError) as trouble:
            what = "certificate is not valid" if "CERTIFICATE_VERIFY_FAILED" in str(trouble) else f"at {self.url} cannot be reached"
            raise CmsUnavailable(f"CMS {what}: {trouble}", everyone=True) from trouble
        except (httpx.HTTPError, httpx.InvalidURL) as trouble:
            raise CmsUnclear(f"the CMS's answer was lost: {trouble or type(trouble).__name__}") from trouble
        return self._judged(answer)

    def _judged(self, answer: Answer) -> tuple[int, bytes]:
        status, content = answer.status, answer.content
        if status in (401, 403):
            raise CmsAccountRefused(f"the CMS does not let us in: {status}, {readable(content)}", status=status, everyone=True)
        if status in (429, 503):
            wait = retry_after(answer.headers.get("Retry-After", ""), now=datetime.now(UTC))
            raise CmsUnavailable(f"the CMS asks to come back later: {status}", status=status, retry_after=wait)
        if 300 <= status < 400:
            raise NoteRefused(status, f"the CMS redirected ({status}); redirects are not followed. Check CMS_URL.")
        if answer.flaw:
            raise CmsUnclear(f"the CMS's answer {answer.flaw}", status=status)
        return status, content


def parsed(content: bytes) -> Any:
    """The JSON value, or None where it is none."""
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None


def at(value: Any, path: str) -> Any:
    """What lies at a dotted path, or None."""
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value


def usable_id(value: Any) -> str:
    """A note id as text, or nothing where it cannot be one."""
    if isinstance(value, bool) or not isinstance(value, int | str) or (isinstance(value, int) and not 0 < value < LARGEST_ID):
        return ""
    text = str(value).strip()
    return text if text.isprintable() and text not in ("0", "") and len(text) <= LONGEST_ID else ""


def fill(template: str, facts: Mapping[str, str]) -> str:
    """The template with its facts put in, once: braces in a fact are only text."""
    return re.sub(r"\{(\w+)\}", lambda found: facts.get(found[1], found[0]), template)


def shortened(text: str) -> str:
    return text if len(text) <= LONGEST_TEXT else text[: LONGEST_TEXT - 1] + "…"


def kind_of(content: bytes) -> str:
    if not content.strip():
        return "an empty body"
    return "HTML (login expired?)" if content.lstrip()[:1] == b"<" else "text"


def readable(content: bytes) -> str:
    """What the CMS said, as text that can be stored and shown."""
    return printable(content[: KEPT * 4].decode("utf-8", "replace"))[:KEPT].strip() or "nothing"


def retry_after(value: str, *, now: datetime) -> float | None:
    """Seconds to wait as the header asks, at most an hour; None where it asks nothing sensible."""
    if value.strip().isascii() and value.strip().isdecimal():
        return min(float(value), LONGEST_RETRY_AFTER)
    try:
        seconds = (parsedate_to_datetime(value) - now).total_seconds()
    except (TypeError, ValueError, OverflowError):
        return None
    return min(seconds, LONGEST_RETRY_AFTER) if seconds > 0 else None
