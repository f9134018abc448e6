"""What every campaign mail has around its template's words: counted links, why it was sent, from where, and how to end it. Pure."""

import re
from collections.abc import Callable, Collection
from html import escape, unescape

from django.utils.html import format_html

from messaging.rendering import Rendered

IN_TEXT = re.compile(r"https?://[^\s<>\"')\]]+", re.IGNORECASE)
IN_HTML = re.compile(r"(<a\b[^>]*?\bhref\s*=\s*)([\"'])(https?://.*?)\2", re.IGNORECASE | re.DOTALL)
MARKS = ".,;:!?"  # that end a sentence and no address
REASON = "You get this e-mail because you are a client of {office}, or asked us to write to you about your coverage."

Counted = Callable[[str], str]  # an address: the one that leads there by way of us


def tracked(mail: Rendered, *, hosts: Collection[str], counted: Counted) -> Rendered:
    """The mail with its links to these hosts led by way of us. All others stay: what a contact's data bring in is nobody's link."""

    def led(address: str) -> str:
        host = re.split(r"[/?#]", address.partition("://")[2])[0].lower()
        return counted(address) if host in hosts else address

    def in_text(found: re.Match[str]) -> str:
        address = found[0].rstrip(MARKS)
        return led(address) + found[0][len(address) :]

    def in_html(found: re.Match[str]) -> str:
        return f"{found[1]}{found[2]}{escape(led(unescape(found[3])))}{found[2]}"

    return Rendered(subject=mail.subject, text=IN_TEXT.sub(in_text, mail.text), html=IN_HTML.sub(in_html, mail.html))


def framed(mail: Rendered, *, office: str, address: str, unsubscribe: str) -> Rendered:
    """The mail with the line that says why it was sent, the office's postal address, and the way to have no more of them."""
    told = {"reason": REASON.format(office=office), "office": office, "address": address, "unsubscribe": unsubscribe}
    text = "{body}\n\n--\n{reason}\n{office}, {address}\nNo more of these e-mails: {unsubscribe}\n".format(body=mail.text.rstrip(), **told)
    return Rendered(subject=mail.subject, text=text, html=with_foot(mail.html, foot(**told)) if mail.html else "")


def foot(*, reason: str, office: str, address: str, unsubscribe: str) -> str:
    return format_html(
        '<div style="margin-top: 32px; padding-top: 12px; border-top: 1px solid #cccccc; '
        'font: 13px/1.5 Helvetica, Arial, sans-serif; color: #666666"><p>{}<br>{}, {}</p>'
        '<p><a href="{}" style="color: #666666">Unsubscribe</a> and get no more of these e-mails.</p></div>',
        reason,
        office,
        address,
        unsubscribe,
    )


def with_foot(html: str, foot: str) -> str:
    """At the end of what is seen, also where a template brings a whole page."""
    body, end, rest = html.rpartition("</body>")
    return f"{body}{foot}{end}{rest}" if end else f"{html.rstrip()}\n{foot}\n"
