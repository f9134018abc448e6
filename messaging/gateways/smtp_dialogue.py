"""One SMTP conversation, command by command: every reply whole, in its turn, and within its time. No outcome is judged here."""

import re
import smtplib
import ssl
import time
from dataclasses import dataclass

from messaging.text_input import printable

COMMAND_SECONDS = 60  # EHLO, AUTH, MAIL, RCPT
LONGEST_REPLY = 8_192  # bytes of one line
MOST_LINES = 100
REPLY = re.compile(rb"[0-9]{3}(?:[ \r-]|$)")
TOO_LONG = "the server's reply line is too long"
KEPT = 500  # characters of a reply that are stored
NO_CODE = -1  # of a reply that is no SMTP


@dataclass(frozen=True)
class Step:
    command: str
    wanted: frozenset[int]
    seconds: float


class Dialogue(smtplib.SMTP):
    """smtplib, with a deadline for a whole reply: a server that drips one byte at a time is a server that does not answer."""

    deadline_seconds: float = COMMAND_SECONDS
    unread: bytes = b""

    def putcmd(self, cmd: str, args: str = "") -> None:
        self.check_turn()
        super().putcmd(cmd, args)

    def check_turn(self) -> None:
        """Raises SMTPServerDisconnected where the server spoke unasked: its words would be taken for the answer to our next."""
        if self.sock is None:
            return
        try:
            self.sock.settimeout(0)
            self.unread = self.unread or self.sock.recv(4_096)
        except (BlockingIOError, ssl.SSLWantReadError):
            self.sock.settimeout(COMMAND_SECONDS)
        else:
            raise smtplib.SMTPServerDisconnected(
                f"it spoke out of turn: {words(self.unread)}" if self.unread else "it closed the connection"
            )

    def ask(self, step: Step) -> tuple[int, bytes]:
        self.deadline_seconds = step.seconds
        return self.docmd(step.command)

    def getreply(self) -> tuple[int, bytes]:
        ends_at = time.monotonic() + self.deadline_seconds
        lines: list[bytes] = []
        while len(lines) < MOST_LINES:
            line = self._line(ends_at)
            is_reply = REPLY.match(line) is not None
            lines.append(line[4:].strip() if is_reply else line.strip())
            if line[3:4] != b"-":
                return (int(line[:3]) if is_reply else NO_CODE), b"\n".join(lines)
        raise smtplib.SMTPServerDisconnected("the server's reply has no end")

    def _line(self, ends_at: float) -> bytes:
        buffer = self.unread
        while b"\n" not in buffer:
            left = ends_at - time.monotonic()
            if left <= 0 or self.sock is None:
                raise TimeoutError("no whole reply in time")
            self.sock.settimeout(left)
            received = self.sock.recv(4_096)
            if not received:
                raise smtplib.SMTPServerDisconnected("the server closed the connection")
            buffer += received
            if len(buffer) > LONGEST_REPLY and b"\n" not in buffer:
                raise smtplib.SMTPServerDisconnected(TOO_LONG)
        line, _, self.unread = buffer.partition(b"\n")
        if len(line) > LONGEST_REPLY:
            raise smtplib.SMTPServerDisconnected(TOO_LONG)
        return line


def said(code: int, reply: bytes) -> str:
    """The reply with its code, where it has one."""
    return f"{code} {words(reply)}" if code != NO_CODE else f"what is no SMTP answer: {words(reply)}"


def reason(trouble: Exception) -> str:
    """What went wrong, in the server's own words where it gave any."""
    if isinstance(trouble, smtplib.SMTPResponseException) and isinstance(trouble.smtp_error, bytes):
        return said(trouble.smtp_code, trouble.smtp_error)
    return str(trouble)[:KEPT]


def words(reply: bytes) -> str:
    """A server's reply as text to store and show: no control characters, what is not UTF-8 escaped, at most `KEPT` characters."""
    return printable(reply.decode("utf-8", "backslashreplace"))[:KEPT].strip()
