"""A case-management system in a file: it takes notes, finds them again, and fails the way real ones do."""

import gzip
import hmac
import json
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from functools import cache
from itertools import repeat
from pathlib import Path
from typing import Any

from portal.sandbox.answers import Answer, BadRequest, Request, as_json, read_json
from portal.sandbox.ledger import Ledger, Line, lines
from portal.sandbox.script import Script, Spec

SHOWN = ("id", "pid", "type", "text", "next_contact_on", "reference")
LONGEST_TEXT = 10_000
LONGEST_WORD = 300
HUGE_BLOCKS, BLOCK = 800, b'{"padding": "' + b"x" * 65_000 + b'"} '
LOGIN_PAGE = b"<!doctype html><title>Log in</title><h1>Your session has expired</h1><form><input name=user></form>"
HOSTILE = "<script>alert('answer')</script><img src=x onerror=alert(1)> {{ 7 * 7 }}"

REFUSALS: dict[str, Answer] = {  # no note is kept
    "down": Answer(cut=True),
    "401": as_json({"error": "the token is not valid"}, 401),
    "403": as_json({"error": "this account may not write notes"}, 403),
    "404": as_json({"error": "there is no record with this PID"}, 404),
    "422": as_json({"error": "the text is not acceptable"}, 422),
    "422-hostile": as_json({"error": HOSTILE}, 422),
    "429-odd": as_json({"error": "too many requests"}, 429, Retry_After="abc"),
    "429-for-ever": as_json({"error": "too many requests"}, 429, Retry_After="99999999"),
    "503": as_json({"error": "not available"}, 503),
    "500-before-commit": as_json({"error": "internal error"}, 500),
    "timeout-before-commit": Answer(silent=True),
    "drop-before-commit": Answer(cut=True),
    "html": Answer(200, LOGIN_PAGE, {"Content-Type": "text/html"}),
    "error-inside": as_json({"error": "the record is locked by another user"}, 201),
    "redirect": Answer(302, b"", {"Location": "http://169.254.169.254/latest/meta-data/"}),
    "look-up-broken": as_json({"error": "internal error"}, 500),
    "look-up-timeout": Answer(silent=True),
    "look-up-drop": Answer(cut=True),
    "look-up-html": Answer(200, LOGIN_PAGE, {"Content-Type": "text/html"}),
    "no-look-up": as_json({"error": "notes cannot be looked up"}, 405, Allow="POST"),
}


class NoteBook:
    """The notes there are. A note is in the file before anybody hears of it, and is there after a restart."""

    def __init__(self, folder: Path, *, nonce: str) -> None:
        self.ledger = Ledger(folder / "cms.jsonl", nonce=nonce)
        self.lock = threading.Lock()
        self.notes: list[Line] = []
        self.by_reference: defaultdict[str, list[Line]] = defaultdict(list)
        self.by_key: dict[str, Line] = {}
        for line in lines(self.ledger.path):
            self.remember(line)

    def commit(self, note: Line, *, key: str, honours_keys: bool, fault: str | None = None) -> Line:
        """Keep one note and return it with its id; where keys are honoured, a key seen before returns its first note."""
        with self.lock:
            if honours_keys and key in self.by_key:
                return self.by_key[key]
            last = int(self.notes[-1]["id"]) if self.notes else 0
            line = self.ledger.append({"id": str(last + 1), **note, "key": key, "fault": fault})
            self.remember(line)
            return line

    def remember(self, line: Line) -> None:
        self.notes.append(line)
        self.by_reference[line["reference"]].append(line)
        if line["key"]:
            self.by_key.setdefault(line["key"], line)

    def another(self, reference: str) -> Line | None:
        """The newest note that belongs to a different reference."""
        return next((line for line in reversed(list(self.notes)) if line["reference"] != reference), None)


class Cms:
    """Answers POST and GET of /cms/notes, as its script wants it."""

    def __init__(self, book: NoteBook, *, script: Script, faults: Ledger, token: str = "") -> None:
        self.book, self.script, self.faults, self.token = book, script, faults, token

    def post(self, request: Request) -> Answer:
        """Take one note: 201 and its id, unless the script says otherwise."""
        if not self.knows(request):
            return REFUSALS["401"]
        try:
            note = note_in(request.body)
        except BadRequest as error:
            return as_json({"error": str(error)}, 422)
        key = request.headers.get("Idempotency-Key", "")[:LONGEST_WORD]
        spec = self.meet("post", note["reference"], note["pid"])
        name = spec.name if spec else None

        def commit() -> Line:
            return self.book.commit(note, key=key, honours_keys=self.script.plan.honours_keys, fault=name)

        if spec is None:
            return created(commit())
        return refusal(spec) or self.oddly(spec, commit)

    def look_up(self, request: Request) -> Answer:
        """The notes with one reference: none, one, or what the script makes of it."""
        if not self.knows(request):
            return REFUSALS["401"]
        reference = request.query.get("reference", "")
        spec = self.meet("look-up", reference) if reference else None
        found = list(self.book.by_reference.get(reference, [])) if reference else self.book.notes[-100:]
        if spec is None:
            return listed(found)
        if spec.name == "look-up-foreign":
            other = self.book.another(reference)
            return listed([other] if other else found)
        if spec.name == "look-up-two-notes" and found:
            return listed([found[0], found[0] | {"id": str(int(found[0]["id"]) + 1_000_000)}])
        return refusal(spec) or listed([] if spec.name == "look-up-late" else found)

    def oddly(self, spec: Spec, commit: Callable[[], Line]) -> Answer:
        """Keep the note and answer as the fault wants it; or keep it only after the client has left."""
        if spec.name == "slow-commit":
            return Answer(silent=True, afterwards=commit, afterwards_seconds=spec.seconds)
        line = commit()
        good = created(line)
        if spec.name == "foreign-id":
            other = self.book.another(line["reference"])
            return created(line | {"id": other["id"]} if other else line)
        if spec.name == "slow-answer":
            return replace(good, wait_seconds=spec.seconds)
        if spec.name == "drip":
            return replace(good, drip_seconds=spec.seconds)
        return odd_answer(spec.name, line) or good

    def meet(self, stage: str, *keys: str) -> Spec | None:
        """The fault that strikes now, already in the ledger of faults."""
        spec = self.script.meet(stage, *filter(None, keys))
        if spec:
            met = {"fault": spec.name, "stage": stage, "key": keys[0]}
            self.faults.append({"server": "notes", **met, "stored": spec.fault.stored})
        return spec

    def knows(self, request: Request) -> bool:
        shown = request.headers.get("Authorization", "").removeprefix("Bearer ")
        return not self.token or hmac.compare_digest(shown.encode(), self.token.encode())


def refusal(spec: Spec) -> Answer | None:
    if spec.name == "429":
        return as_json({"error": "too many requests"}, 429, Retry_After=f"{spec.seconds:.0f}")
    return REFUSALS.get(spec.name)


def odd_answer(name: str, line: Line) -> Answer | None:
    """What a system that did keep the note may still say."""
    plain = {"Content-Type": "application/json"}
    odd: dict[str, Callable[[], Answer]] = {
        "409": lambda: as_json({"error": "this note already exists", "id": line["id"]}, 409),
        "500-after-commit": lambda: as_json({"error": "internal error"}, 500),
        "timeout-after-commit": lambda: Answer(silent=True),
        "drop-after-commit": lambda: Answer(cut=True),
        "empty": lambda: Answer(200, b"", plain),
        "204": lambda: Answer(204),
        "null-id": lambda: as_json({"id": None}, 201),
        "zero-id": lambda: as_json({"id": 0}, 201),
        "garbage": lambda: Answer(201, b"\x00\xff id=7; thanks", plain),
        "truncated": lambda: Answer(201, json.dumps({"id": line["id"], "text": line["text"]}).encode()[:9], plain),
        "huge": lambda: Answer(201, huge(), plain),
        "gzip-bomb": lambda: Answer(201, bomb(), plain | {"Content-Encoding": "gzip"}),
    }
    return odd[name]() if name in odd else None


@cache
def bomb() -> bytes:
    return gzip.compress(b"".join(huge()), 9)


def huge() -> Iterator[bytes]:
    return repeat(BLOCK, HUGE_BLOCKS)


def created(line: Line) -> Answer:
    return as_json({"id": line["id"], "reference": line["reference"]}, 201)


def listed(found: list[Line]) -> Answer:
    return as_json({"notes": [{name: line[name] for name in SHOWN} for line in found]})


def note_in(body: bytes) -> Line:
    """The note that a body carries. Raises BadRequest saying which field is wrong."""
    told = read_json(body)
    if not isinstance(told, dict):
        raise BadRequest("a note is an object with pid, type, text, next_contact_on and reference")
    note = {name: word(told, name) for name in ("pid", "type", "reference")}
    text = told.get("text")
    if not note["pid"]:
        raise BadRequest("pid is missing")
    if not isinstance(text, str) or not text.strip():
        raise BadRequest("text is missing")
    if len(text) > LONGEST_TEXT:
        raise BadRequest(f"text has {len(text):,} characters; {LONGEST_TEXT:,} are allowed")
    return note | {"text": text, "next_contact_on": day(told.get("next_contact_on"))}


def word(told: dict[str, Any], name: str) -> str:
    value = told.get(name)
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int) or len(str(value)) > LONGEST_WORD:
        raise BadRequest(f"{name} is a short text; got {value!r:.40}")
    return str(value)


def day(value: object) -> str | None:
    if value is None or value == "":
        return None
    try:
        return date.fromisoformat(str(value)).isoformat()
    except ValueError as error:
        raise BadRequest(f"next_contact_on is a date such as 2025-01-31; got {value!r:.40}") from error
