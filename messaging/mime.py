"""A message's bytes, the same on every try: fixed header names, encoded bodies, CRLF throughout. Pure."""

import re
from binascii import b2a_qp
from collections.abc import Mapping
from datetime import datetime
from email.header import Header
from email.utils import format_datetime, formataddr, parseaddr
from functools import lru_cache

EOL = b"\r\n"
PLAIN = re.compile(r"[A-Za-z0-9._+-]+@[A-Za-z0-9.-]+")  # most addresses: nothing to parse, nothing to encode


def mime(
    *,
    message_id: str,
    sender: str,
    recipient: str,
    subject: str,
    written_at: datetime,
    text: str,
    html: str = "",
    headers: Mapping[str, str] | None = None,
) -> bytes:
    """One mail as the server gets it. No line is longer than 998 bytes and none ends in a bare CR or LF, whatever the texts hold."""
    head = (
        f"Message-ID: {message_id}\r\nDate: {dated(written_at)}\r\nFrom: {address(sender)}\r\nTo: {address(recipient)}\r\n"
        f"Subject: {encoded(subject)}\r\nMIME-Version: 1.0\r\n"
    ).encode("ascii")
    if headers:
        head += "".join(f"{name}: {encoded(value)}\r\n" for name, value in headers.items()).encode("ascii")
    if not html:
        return head + part(text, "plain")
    boundary = f"=_{message_id.strip('<>').partition('@')[0]}"  # fixed with the Message-ID; "=_" never stands in quoted-printable
    mark = f"--{boundary}".encode("ascii")
    parts = [mark, part(text, "plain"), mark, part(html, "html"), mark + b"--", b""]
    return head + f'Content-Type: multipart/alternative; boundary="{boundary}"\r\n\r\n'.encode("ascii") + EOL.join(parts)


def part(text: str, subtype: str) -> bytes:
    """A body with its own headers, as quoted-printable: readable in the raw mail, and no lone dot, CR or LF survives."""
    plain = "\n".join(text.splitlines()) + "\n"
    body = b2a_qp(plain.encode("utf-8", "replace")).replace(b"\n", EOL)
    return b'Content-Type: text/%s; charset="utf-8"\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n' % subtype.encode() + body


def encoded(value: str) -> str:
    """A header's value in ASCII, folded where it is long."""
    plain = value.isascii() and len(value) <= 900
    return value if plain else Header(value, "utf-8", maxlinelen=76).encode(linesep="\r\n")


@lru_cache(maxsize=256)
def dated(written_at: datetime) -> str:
    """The time as a header says it. What was queued together has one."""
    return format_datetime(written_at)


@lru_cache(maxsize=4_096)
def address(value: str) -> str:
    """A name and address in ASCII: the name encoded, an international domain as punycode."""
    if PLAIN.fullmatch(value):
        return value
    name, mailbox = parseaddr(value)
    return formataddr((name, ascii_mailbox(mailbox))) if name else ascii_mailbox(mailbox)


@lru_cache(maxsize=4_096)
def ascii_mailbox(mailbox: str) -> str:
    """The bare mailbox with its domain in ASCII. Raises UnicodeError where the part before the @ is not ASCII: few servers take that."""
    if PLAIN.fullmatch(mailbox):
        return mailbox
    local, _, domain = parseaddr(mailbox)[1].rpartition("@")
    if not local.isascii():
        raise UnicodeError(f"the server cannot take the address {mailbox}: its part before the @ is not ASCII")
    return f"{local}@{domain if domain.isascii() else domain.encode('idna').decode('ascii')}"
