"""Which function answers which address."""

import re
from collections.abc import Callable
from dataclasses import replace

from portal.sandbox.answers import Answer, BadRequest, Request, as_json, as_page, read_json
from portal.sandbox.fault_page import fault_page, script_from_form
from portal.sandbox.inside import Inside
from portal.sandbox.mailbox import body, opened
from portal.sandbox.pages import STYLE, mail_page, mailbox_page, missing_page, notes_page
from portal.sandbox.script import NotUnderstood

IN_A_FRAME = (
    "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; img-src data:; "
    "style-src 'unsafe-inline'; frame-ancestors 'self'"
)


def respond(inside: Inside, method: str, path: str, request: Request) -> Answer:
    """The answer of the function that stands for this address."""
    for of, pattern, rule in ROUTES:
        match = re.fullmatch(pattern, path)
        if match and of == method:
            return rule(inside, replace(request, number=int(match.groupdict().get("number", 0))))
    return as_json({"error": f"there is nothing at {method} {path[:200]}"}, 404)


def mailbox(inside: Inside, request: Request) -> Answer:
    before = request.query.get("before", "")
    return as_page(mailbox_page(inside, wanted=request.query.get("q", ""), before=int(before) if before.isdecimal() else None))


def mail(inside: Inside, request: Request) -> Answer:
    line, raw = inside.mailbox.line(request.number), inside.mailbox.raw(request.number)
    if line is None or raw is None:
        return as_page(missing_page(inside, f"Mail {request.number} is not kept here."), 404)
    return as_page(mail_page(inside, line, raw))


def mail_html(inside: Inside, request: Request) -> Answer:
    raw = inside.mailbox.raw(request.number)
    html = body(opened(raw), "html") if raw else None
    if html is None:
        return as_json({"error": "this mail has no HTML"}, 404)
    framed = f'<base target="_blank">{html}'.encode("utf-8", "replace")
    return Answer(200, framed, {"Content-Type": "text/html; charset=utf-8", "Content-Security-Policy": IN_A_FRAME})


def mail_raw(inside: Inside, request: Request) -> Answer:
    raw = inside.mailbox.raw(request.number)
    if raw is None:
        return as_json({"error": f"mail {request.number} is not kept here"}, 404)
    return Answer(200, raw, {"Content-Type": "text/plain; charset=utf-8", "Content-Security-Policy": "sandbox"})


def notes(inside: Inside, request: Request) -> Answer:
    return as_page(notes_page(inside, wanted=request.query.get("q", "")))


def faults(inside: Inside, request: Request) -> Answer:
    return as_page(fault_page(inside))


def change_faults(inside: Inside, request: Request) -> Answer:
    try:
        inside.control(script_from_form(request.form))
    except NotUnderstood as error:
        return as_page(fault_page(inside, problem=str(error)), 422)
    return Answer(303, b"", {"Location": "/faults"})


def control(inside: Inside, request: Request) -> Answer:
    return as_json(inside.control())


def change_control(inside: Inside, request: Request) -> Answer:
    try:
        return as_json(inside.control(read_json(request.body)))
    except NotUnderstood as error:
        return as_json({"error": str(error)}, 422)


def ledger(name: str) -> Callable[[Inside, Request], Answer]:
    def answer(inside: Inside, request: Request) -> Answer:
        after = request.query.get("after", "0")
        if not after.isdecimal():
            raise BadRequest(f"after is the number of lines you already have; got {after[:40]!r}")
        return as_json({"nonce": inside.nonce, "lines": inside.ledger(name)[int(after) :]})

    return answer


ROUTES: list[tuple[str, str, Callable[[Inside, Request], Answer]]] = [
    ("GET", r"/", mailbox),
    ("GET", r"/mail/(?P<number>[0-9]{1,12})", mail),
    ("GET", r"/mail/(?P<number>[0-9]{1,12})/html", mail_html),
    ("GET", r"/mail/(?P<number>[0-9]{1,12})/raw", mail_raw),
    ("GET", r"/notes", notes),
    ("GET", r"/faults", faults),
    ("POST", r"/faults", change_faults),
    ("GET", r"/control", control),
    ("POST", r"/control", change_control),
    ("GET", r"/ledger/mail", ledger("mail")),
    ("GET", r"/ledger/notes", ledger("notes")),
    ("GET", r"/ledger/ai", ledger("ai")),
    ("GET", r"/ledger/faults", ledger("faults")),
    ("POST", r"/cms/notes", lambda inside, request: inside.cms.post(request)),
    ("GET", r"/cms/notes", lambda inside, request: inside.cms.look_up(request)),
    ("POST", r"/ai/v1/chat/completions", lambda inside, request: inside.ai.post(request)),
    ("GET", r"/style\.css", lambda inside, request: Answer(200, STYLE, {"Content-Type": "text/css"})),
]
