"""The sandbox's pages. Whatever a mail or a note says is hostile here: it is escaped, or locked into a frame of its own."""

from datetime import datetime
from email.errors import MessageError
from email.message import EmailMessage
from html import escape
from pathlib import Path
from urllib.parse import urlencode

from portal.sandbox.inside import Inside
from portal.sandbox.ledger import Line
from portal.sandbox.mailbox import NEWEST_KEPT, attachments, body, opened

STYLE = (Path(__file__).parent / "style.css").read_bytes()
PLACES = {"/": "Mailbox", "/notes": "Case notes", "/faults": "Faults"}
PER_PAGE = 50


def mailbox_page(inside: Inside, *, wanted: str, before: int | None) -> str:
    """The newest mails first, or those that a search finds."""
    found = inside.mailbox.search(wanted, before=before, limit=PER_PAGE + 1)
    shown = found[:PER_PAGE]
    older = (
        f'<a class="button" href="/?{escape(urlencode({"q": wanted, "before": shown[-1]["n"]}))}">Older</a>'
        if len(found) > PER_PAGE
        else ""
    )
    rows = "".join(mail_row(line) for line in shown)
    nothing = "No mail matches this search." if wanted or before else "No mail yet. What the portal sends to this server appears here."
    content = f"""
    <div class="head"><h1>Mailbox</h1><p class="quiet">{inside.mailbox.count:,} accepted · the newest {NEWEST_KEPT:,} are kept</p></div>
    {search_form("/", wanted, "Search address or subject")}
    {f'<ul class="list">{rows}</ul>' if rows else f'<p class="empty">{nothing}</p>'}
    <p>{older}</p>"""
    return frame(inside, "/", "Mailbox", content)


def mail_row(line: Line) -> str:
    return f"""<li><a class="row" href="/mail/{line["n"]}">
      <span class="who">{escape(line["recipient"])}</span>
      <span class="what">{tag(line.get("fault"))} {escape(line["subject"]) or "(no subject)"}</span>
      <span class="when">{when(line["at"])}</span></a></li>"""


def mail_page(inside: Inside, line: Line, raw: bytes) -> str:
    """One mail: what the envelope said, its headers, its texts, what hangs on it."""
    mail = opened(raw)
    text, html = body(mail, "plain"), body(mail, "html")
    n = line["n"]
    parts = [f'<section><h2>Text</h2><pre class="text">{escape(text)}</pre></section>'] if text is not None else []
    if html is not None:
        note = '<p class="quiet">Scripts, forms and remote pictures do not work in here. Links open in a new tab.</p>'
        locked = 'sandbox="allow-popups allow-popups-to-escape-sandbox"'
        parts.insert(
            0, f'<section><h2>As the reader sees it</h2><iframe {locked} title="The mail" src="/mail/{n}/html"></iframe>{note}</section>'
        )
    hanging = "".join(f"<li>{escape(name)}</li>" for name in attachments(mail))
    content = f"""
    <p><a href="/">← Mailbox</a></p>
    <div class="head"><h1>{escape(line["subject"]) or "(no subject)"} {tag(line.get("fault"))}</h1></div>
    <dl class="facts">
      <dt>Envelope to</dt><dd>{escape(line["recipient"])}</dd>
      <dt>Envelope from</dt><dd>{escape(line["sender"]) or "(nobody)"}</dd>
      <dt>Message-ID</dt><dd class="code">{escape(line["message_id"]) or "(none)"}</dd>
      <dt>Accepted</dt><dd>{when(line["at"])} · {line["size"]:,} bytes · <a href="/mail/{n}/raw">as it came</a></dd>
    </dl>
    {"".join(parts) or '<p class="empty">This mail has no text.</p>'}
    {f"<section><h2>Attached</h2><ul>{hanging}</ul></section>" if hanging else ""}
    <section><h2>Headers</h2><div class="scroll"><table class="headers">{header_rows(mail)}</table></div></section>"""
    return frame(inside, "/", f"Mail {n}", content)


def header_rows(mail: EmailMessage) -> str:
    return "".join(f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>" for name, value in readable_headers(mail))


def readable_headers(mail: EmailMessage) -> list[tuple[str, str]]:
    try:
        return [(name, str(value)) for name, value in mail.items()]
    except (MessageError, ValueError, IndexError, AttributeError, TypeError):  # the parser gives up on some hostile addresses
        return [(name, str(value)) for name, value in mail.raw_items()]


def notes_page(inside: Inside, *, wanted: str) -> str:
    """The notes that the case-management system holds, newest first."""
    sought = wanted.casefold().strip()
    notes = list(reversed(inside.book.notes))
    shown = [line for line in notes if not sought or any(sought in str(line[key]).casefold() for key in ("pid", "reference", "text"))][:200]
    cards = "".join(note_card(line) for line in shown)
    nothing = "No note matches this search." if wanted else "No note yet. What the portal adds to a case file appears here."
    content = f"""
    <div class="head"><h1>Case notes</h1><p class="quiet">{len(notes):,} in the case-management system</p></div>
    {search_form("/notes", wanted, "Search PID, reference or text")}
    {f'<ul class="list cards">{cards}</ul>' if cards else f'<p class="empty">{nothing}</p>'}"""
    return frame(inside, "/notes", "Case notes", content)


def note_card(line: Line) -> str:
    contact = f" · next contact {escape(line['next_contact_on'])}" if line["next_contact_on"] else ""
    return f"""<li><div class="card"><p><b>PID {escape(line["pid"])}</b> {escape(line["type"])} {tag(line.get("fault"))}
      <span class="when">{when(line["at"])}</span></p>
      <pre class="text">{escape(line["text"])}</pre>
      <p class="quiet">Note {escape(line["id"])}{contact} · reference
      <span class="code">{escape(line["reference"]) or "(none)"}</span></p></div></li>"""


def missing_page(inside: Inside, text: str) -> str:
    return frame(inside, "/", "Not here", f'<p><a href="/">← Mailbox</a></p><p class="empty">{escape(text)}</p>')


def frame(inside: Inside, here: str, title: str, content: str) -> str:
    """A whole page: the places, whether faults are on, and `content`."""
    links = "".join(f'<a href="{path}"{" aria-current=page" if path == here else ""}>{name}</a>' for path, name in PLACES.items())
    return f"""<!doctype html><html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)} · Sandbox</title><link rel="icon" href="data:,"><link rel="stylesheet" href="/style.css"></head><body>
<header><div class="bar"><span class="name">Sandbox</span><nav>{links}</nav>{state_of(inside)}</div></header>
<main>{content}</main>
<footer>Nothing leaves this machine.
SMTP on {inside.host}:{inside.smtp_port} · this start is <span class="code">{inside.nonce}</span></footer>
</body></html>"""


def state_of(inside: Inside) -> str:
    plans = [script.plan for script in inside.scripts.values()]
    on = any(plan.modes or plan.rates or plan.table for plan in plans)
    return f'<a class="pill {"on" if on else "off"}" href="/faults">{"Faults are on" if on else "All normal"}</a>'


def search_form(path: str, wanted: str, hint: str) -> str:
    return f"""<form class="search" action="{path}" method="get"><input type="search" name="q" value="{escape(wanted)}"
      placeholder="{hint}" aria-label="{hint}"><button>Search</button></form>"""


def tag(fault: str | None) -> str:
    return f'<span class="tag">{escape(fault)}</span>' if fault else ""


def when(at: str) -> str:
    return f'<time datetime="{escape(at)}" title="{escape(at)}">{datetime.fromisoformat(at).astimezone():%d %b %H:%M:%S}</time>'
