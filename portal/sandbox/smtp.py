"""A real SMTP server on loopback: aiosmtpd speaks, the script interrupts it."""

import asyncio
import re
import ssl
from typing import Any, NoReturn

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session

from portal.sandbox.ledger import Ledger
from portal.sandbox.mailbox import Mailbox, headline
from portal.sandbox.script import Script, Spec

NAME = "sandbox.example"
IDLE_SECONDS = 900
SILENCE_SECONDS = 3600
ONE_HOSTILE_LINE = "x" * 100_000
PLAIN_ADDRESS = re.compile(r"<([^<>\s\"\\:]+@[^<>\s\"\\:]+)>(.*)")

REPLIES = {  # the refusals that are nothing but an answer
    "mail-451": "451 4.3.0 Sender refused for now",
    "mail-550": "550 5.7.1 Sender refused",
    "refuse-421": "421 4.3.2 Closing, try later",
    "refuse-450": "450 4.2.1 Mailbox busy, try later",
    "refuse-451": "451 4.3.0 Local error, try later",
    "refuse-452": "452 4.2.2 Mailbox full, try later",
    "refuse-550": "550 5.1.1 No such mailbox",
    "refuse-551": "551 5.1.6 Not a local user",
    "refuse-553": "553 5.1.3 Mailbox name not allowed",
    "refuse-hostile": "550 5.1.1 <script>alert('answer')</script><img src=x onerror=alert(1)> {{ 7 * 7 }} " + "&" * 200,
    "data-451": "451 4.3.0 Not now",
    "data-554": "554 5.7.1 No mail from you",
    "after-dot-421": "421 4.3.2 Closing, try later",
    "after-dot-451": "451 4.3.0 Not stored, try later",
    "after-dot-552": "552 5.3.4 Message too big",
    "after-dot-554": "554 5.7.1 Message refused",
    "quit-500": "500 5.0.0 What was that?",
}
BANNERS = {
    "banner-421": b"421 sandbox.example too busy\r\n",
    "banner-554": b"554 sandbox.example no mail here\r\n",
    "banner-drop": b"",
    "banner-garbage": b"\x00\xff\xfeHTTP/1.1 400 Bad Request\r\n",
    "banner-long": b"220 " + ONE_HOSTILE_LINE.encode() + b"\r\n",
}


class Connection(SMTP):
    """One client's conversation."""

    def __init__(self, desk: "Desk", *, tls: ssl.SSLContext | None) -> None:
        offers = desk.meet("ehlo")
        super().__init__(
            desk,
            hostname=NAME,
            ident="operations portal sandbox",
            tls_context=None if is_called(offers, "tls-missing") else tls,
            enable_SMTPUTF8=not is_called(offers, "no-smtputf8"),
            authenticator=desk.authenticate,
            auth_require_tls=False,
            timeout=IDLE_SECONDS,
            loop=asyncio.get_running_loop(),
        )
        self.desk = desk
        self.last_recipient = ""

    async def _handle_client(self) -> None:
        spec = self.desk.meet("connect")
        if spec is None:
            await super()._handle_client()
        elif spec.name == "banner-silent":
            await asyncio.sleep(SILENCE_SECONDS)
        else:
            self._writer.write(BANNERS[spec.name])
            self.link().close()

    async def smtp_DATA(self, arg: str) -> None:
        recipients = self.envelope.rcpt_tos if self.envelope else []
        spec = self.desk.meet("data", *map(str.lower, recipients)) if recipients else None
        if spec is None:
            await super().smtp_DATA(arg)
        elif spec.name in REPLIES:
            await self.push(REPLIES[spec.name])
            self._set_rset_state()
        else:
            if spec.name == "drop-in-body":
                await self.push("354 Go on")
                await self._reader.readline()
            self.drop()

    def _getaddr(self, arg: str) -> tuple[str | None, str | None]:
        """As aiosmtpd, but an ordinary address does not pass through the slow header parser."""
        plain = PLAIN_ADDRESS.fullmatch(arg.strip()) if arg else None
        return (plain[1], plain[2]) if plain else super()._getaddr(arg)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.desk.open.add(self)
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        self.desk.open.discard(self)
        super().connection_lost(error)

    def drop(self) -> NoReturn:
        """Cut the connection at once; what was not yet answered stays unanswered."""
        self.link().abort()
        raise asyncio.CancelledError

    def hang_up(self) -> NoReturn:
        """Close after what was already said has been delivered."""
        self.link().close()
        raise asyncio.CancelledError

    def link(self) -> asyncio.Transport:
        if not isinstance(self.transport, asyncio.Transport):
            raise asyncio.CancelledError  # the client has left
        return self.transport


class Desk:
    """aiosmtpd's handler: asks the script at each step, and keeps what was accepted."""

    def __init__(self, *, mailbox: Mailbox, script: Script, faults: Ledger) -> None:
        self.mailbox, self.script, self.faults = mailbox, script, faults
        self.open: set[Connection] = set()

    def meet(self, stage: str, *keys: str, message_id: str | None = None) -> Spec | None:
        """The fault that strikes now, already in the ledger of faults."""
        spec = self.script.meet(stage, *keys)
        if spec:
            met = {"fault": spec.name, "stage": stage, "key": keys[0] if keys else None}
            self.faults.append({"server": "mail", **met, "message_id": message_id, "stored": spec.fault.stored})
        return spec

    def authenticate(self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, login: Any) -> AuthResult:
        spec = self.meet("auth")
        if is_called(spec, "auth-454"):
            return AuthResult(success=False, handled=False, message="454 4.7.0 Cannot check logins now")
        return AuthResult(success=spec is None, handled=False)

    async def handle_MAIL(self, connection: Connection, session: Session, envelope: Envelope, address: str, options: list[str]) -> str:
        spec = self.meet("mail", address.lower())
        if spec:
            return await refuse(connection, spec)
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 2.1.0 Ok"

    async def handle_RCPT(self, connection: Connection, session: Session, envelope: Envelope, address: str, options: list[str]) -> str:
        connection.last_recipient = address.lower()
        spec = self.meet("rcpt", address.lower())
        if spec:
            return await refuse(connection, spec)
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 Ok"

    async def handle_DATA(self, connection: Connection, session: Session, envelope: Envelope) -> str:
        raw, recipients = envelope.original_content or b"", envelope.rcpt_tos
        message_id = headline(raw)["message_id"]
        spec = self.meet("dot", message_id, *map(str.lower, recipients), message_id=message_id)
        if spec and not spec.fault.stored:
            return await refuse(connection, spec)
        n = self.mailbox.accept(raw, sender=envelope.mail_from or "", recipients=recipients, fault=spec.name if spec else None)
        return await accepted(connection, n, spec)

    async def handle_QUIT(self, connection: Connection, session: Session, envelope: Envelope) -> str:
        spec = self.meet("quit", *([connection.last_recipient] if connection.last_recipient else []))
        return await refuse(connection, spec) if spec else "221 2.0.0 Bye"


async def refuse(connection: Connection, spec: Spec) -> str:
    reply = REPLIES.get(spec.name)
    if reply is None:
        connection.drop()
    if reply.startswith("421"):
        await connection.push(reply)
        connection.hang_up()
    return reply


async def accepted(connection: Connection, n: int, spec: Spec | None) -> str:
    """The answer to a mail that is stored, however odd."""
    name, good = spec.name if spec else "", f"250 2.0.0 Ok: queued as {n}"
    if spec and name in ("slow", "silent-after-accept"):
        await asyncio.sleep(spec.seconds or SILENCE_SECONDS)
    elif spec and name == "tarpit":
        for byte in good.encode():
            connection.link().write(bytes([byte]))
            await asyncio.sleep(spec.seconds)
        return ""
    elif name == "drop-after-accept":
        connection.drop()
    odd = {"odd-reply": "354 Go on", "garbage-reply": "\x00\x01 thanks!", "no-queue-id": "250 Ok"}
    return f"250 {ONE_HOSTILE_LINE}" if name == "long-reply" else odd.get(name, good)


def is_called(spec: Spec | None, name: str) -> bool:
    return spec is not None and spec.name == name
