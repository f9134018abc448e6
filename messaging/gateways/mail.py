"""The mail servers. One message to one recipient, step by step, so that every failure says whether the mail may have arrived.

Refused: the server said no to this message. Unavailable: the server takes nothing now and nothing has left. Unclear: the body, or part
of it, is out and the answer is not known. Nothing else in the portal speaks SMTP.
"""

import contextlib
import re
import smtplib
import socket
import ssl
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from messaging.gateways.smtp_dialogue import COMMAND_SECONDS, Dialogue, Step, reason, said, words
from messaging.mime import ascii_mailbox

CONNECT_SECONDS = 30
DATA_SECONDS = 120
BODY_SECONDS = 180
REPLY_SECONDS = 600  # after the final dot: a shorter wait makes doubt (RFC 5321 §4.5.3.2.6)


class MailRefused(Exception):
    """The server answered no. `permanent` says whether it will say so again; `at_sender` that it was our own address it refused."""

    def __init__(self, code: int, reply: str, *, at_sender: bool = False) -> None:
        super().__init__(f"the server answered {code}: {reply}")
        self.code, self.reply, self.at_sender = code, reply, at_sender

    @property
    def permanent(self) -> bool:
        return self.code >= 500


class MailUnavailable(Exception):
    """The server takes nothing now; nothing has left, and no attempt is used up."""


class AccountRefused(MailUnavailable):
    """The server is there but does not let this account send: a person has to look."""


class MailUnclear(Exception):
    """The body is out, wholly or in part, and no answer came that says yes or no."""


@dataclass(frozen=True, kw_only=True)
class Reply:
    code: int
    text: str

    @property
    def queue_id(self) -> str:
        """The server's own name for the mail, where it gave one."""
        words = self.text.replace("=", " ").split()
        after = next((words[i + 1] for i, word in enumerate(words[:-1]) if word.lower() in {"as", "id"}), "")
        return after.strip("<>,;")[:200]


@dataclass(frozen=True, kw_only=True)
class MailServer:
    """Where and how mail goes out. `tls`: "" plain (loopback), "starttls", or "tls" from the first byte; certificates are checked."""

    name: str
    host: str
    port: int
    user: str = ""
    password: str = ""
    tls: str = ""
    hello: str = ""


def from_url(url: str, *, name: str) -> MailServer:
    """smtp://user:password@host:587?tls=starttls, smtp+tls://…, smtps://…; a ValueError says what is missing."""
    parts = urlsplit(url)
    tls = {"smtp": "", "smtp+tls": "starttls", "smtps": "tls", "smtp+ssl": "tls"}.get(parts.scheme)
    if tls is None or not parts.hostname:
        raise ValueError(f"{name}: a mail server is smtp://, smtp+tls:// (STARTTLS) or smtps:// and a host; got scheme {parts.scheme!r}")
    port = parts.port or {"": 25, "starttls": 587, "tls": 465}[tls]
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    return MailServer(name=name, host=parts.hostname, port=port, user=user, password=password, tls=tls)


class Connection:
    """A conversation with one mail server: open, then for each message prepare, transmit; close whenever in doubt."""

    def __init__(self, server: MailServer) -> None:
        self.server = server
        self._smtp: Dialogue | None = None

    @property
    def is_open(self) -> bool:
        return self._smtp is not None

    def open(self) -> None:
        """Connect, encrypt and log in. Raises MailUnavailable, or AccountRefused where only a person can help."""
        smtp = Dialogue(local_hostname=self.server.hello or socket.gethostname())
        try:
            self._greet(smtp)
        except AccountRefused:
            smtp.close()
            raise
        except smtplib.SMTPAuthenticationError as refusal:
            smtp.close()
            kind = AccountRefused if refusal.smtp_code >= 500 else MailUnavailable
            raise kind(f"{self.server.name} refused our login: {reason(refusal)}") from refusal
        except ssl.SSLCertVerificationError as trouble:
            smtp.close()
            raise AccountRefused(f"the certificate of {self.server.name} ({self.server.host}) is not valid: {trouble}") from trouble
        except (smtplib.SMTPException, OSError, ValueError) as trouble:  # a ValueError: what it answered cannot be read
            smtp.close()
            where = f"{self.server.name} ({self.server.host}:{self.server.port})"
            raise MailUnavailable(f"{where} cannot be used: {reason(trouble)}") from trouble
        self._smtp = smtp

    def _greet(self, smtp: Dialogue) -> None:
        server = self.server
        smtp.timeout = CONNECT_SECONDS
        smtp._host = server.host  # type: ignore[attr-defined]  # smtplib checks the certificate's name against it
        smtp.sock = socket.create_connection((server.host, server.port), CONNECT_SECONDS)
        if server.tls == "tls":
            smtp.sock = ssl.create_default_context().wrap_socket(smtp.sock, server_hostname=server.host)
        code, text = smtp.getreply()
        if code != 220:
            raise smtplib.SMTPConnectError(code, text)
        smtp.ehlo_or_helo_if_needed()
        if server.tls == "starttls":
            if not smtp.has_extn("starttls"):
                raise AccountRefused(f"{server.name} offers no STARTTLS, which is required: nothing is sent in plain text")
            smtp.starttls(context=ssl.create_default_context())
            if smtp.unread:
                raise AccountRefused(f"{server.name} spoke in plain text after STARTTLS: somebody may be in between")
            smtp.ehlo()
        if server.user:
            smtp.login(server.user, server.password)

    def prepare(self, *, sender: str, recipient: str, size: int) -> None:
        """Bring the dialogue to the point where the body comes next. Until then nothing has left."""
        smtp = self._speaking()
        self._check(smtp, recipient, size)
        steps = [
            Step(f"MAIL FROM:<{ascii_mailbox(sender)}>", frozenset({250}), COMMAND_SECONDS),
            Step(f"RCPT TO:<{ascii_mailbox(recipient)}>", frozenset({250, 251, 252}), COMMAND_SECONDS),
            Step("DATA", frozenset({354}), DATA_SECONDS),
        ]
        try:
            if smtp.has_extn("pipelining"):
                self._all_at_once(smtp, steps)
            else:
                for step in steps:
                    self._expect(step, smtp.ask(step))
        except (smtplib.SMTPException, OSError) as trouble:
            self.close()
            raise MailUnavailable(f"{self.server.name} broke off before the body: {trouble}") from trouble

    def _check(self, smtp: Dialogue, recipient: str, size: int) -> None:
        limit = smtp.esmtp_features.get("size", "").strip()
        if re.fullmatch("[0-9]{1,20}", limit) and 0 < int(limit) < size:
            raise MailRefused(552, f"the mail has {size:,} bytes, the server accepts {int(limit):,}")
        try:
            ascii_mailbox(recipient)
        except UnicodeError as trouble:
            raise MailRefused(553, str(trouble)) from None

    def _all_at_once(self, smtp: Dialogue, steps: list[Step]) -> None:
        """The steps in one packet, where the server takes that (RFC 2920). The first no counts, whatever follows it."""
        smtp.check_turn()
        smtp.send("".join(f"{step.command}\r\n" for step in steps))
        answers = []
        for step in steps:
            smtp.deadline_seconds = step.seconds
            try:
                answers.append((step, smtp.getreply()))
            except (smtplib.SMTPException, OSError):
                if all(code in known.wanted for known, (code, _) in answers):
                    raise
                self.close()
                break
        refused = next((answer for answer in answers if answer[1][0] not in answer[0].wanted), None)
        if refused and answers[-1][1][0] == 354:
            self.close()  # it waits for the body of a mail that it refuses
        if refused:
            self._expect(*refused)

    def _expect(self, step: Step, answer: tuple[int, bytes]) -> None:
        code, text = answer
        if code in step.wanted:
            return
        if code == 421 or not 400 <= code < 600:
            self.close()
            raise MailUnavailable(f"{self.server.name} broke off before the body: {said(code, text)}")
        self._reset()
        raise MailRefused(code, words(text), at_sender=step.command.startswith("MAIL"))

    def transmit(self, body: bytes) -> Reply:
        """Hand over the body; returns the yes. A no is MailRefused; silence is MailUnavailable before the first byte, then MailUnclear."""
        smtp = self._speaking()
        try:
            smtp.check_turn()
        except (smtplib.SMTPException, OSError) as trouble:
            self.close()
            raise MailUnavailable(f"{self.server.name} broke off before the body: {trouble}") from trouble
        try:
            assert smtp.sock is not None
            smtp.sock.settimeout(BODY_SECONDS)
            smtp.sock.sendall(dot_stuffed(body))
        except OSError as trouble:
            self.close()
            raise MailUnclear(f"the connection broke while the body was on its way: {trouble}") from trouble
        return self._final_reply(smtp)

    def _final_reply(self, smtp: Dialogue) -> Reply:
        smtp.deadline_seconds = REPLY_SECONDS
        try:
            code, text = smtp.getreply()
        except (smtplib.SMTPException, OSError) as trouble:
            self.close()
            raise MailUnclear(f"no answer after the body: {trouble}") from trouble
        if code == 250:
            return Reply(code=code, text=words(text))
        if 400 <= code < 600:
            if code == 421:
                self.close()
            raise MailRefused(code, words(text))
        self.close()
        raise MailUnclear(f"the answer after the body is neither yes nor no: {said(code, text)}")

    def close(self) -> None:
        """Hang up without a word. The last result stands: how a connection ends never changes it."""
        if self._smtp is not None:
            self._smtp.close()
            self._smtp = None

    def quit(self) -> None:
        """End politely; what the server answers does not matter any more."""
        if self._smtp is not None:
            self._smtp.deadline_seconds = 5
            with contextlib.suppress(smtplib.SMTPException, OSError):
                self._smtp.docmd("QUIT")
            self.close()

    def _reset(self) -> None:
        """Make the connection ready for another message, or give it up."""
        try:
            if self._smtp is not None and self._smtp.docmd("RSET")[0] != 250:
                self.close()
        except (smtplib.SMTPException, OSError):
            self.close()

    def _speaking(self) -> Dialogue:
        assert self._smtp is not None, "open() the connection first"
        return self._smtp


def dot_stuffed(body: bytes) -> bytes:
    """The body as it goes over the wire, with its final dot. `body` has CRLF line ends only."""
    stuffed = body.replace(b"\r\n.", b"\r\n..")
    if stuffed.startswith(b"."):
        stuffed = b"." + stuffed
    return stuffed + (b".\r\n" if stuffed.endswith(b"\r\n") else b"\r\n.\r\n")
