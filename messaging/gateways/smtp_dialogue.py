"""One SMTP conversation, command by command: every reply whole, in its turn, and within its time. No outcome is judged here."""

import smtplib
import ssl
import time
from dataclasses import dataclass

COMMAND_SECONDS = 60  # EHLO, AUTH, MAIL, RCPT
LONGEST_REPLY = 8_192  # bytes of one line
MOST_LINES = 100
KEPT = 500  # characters of a reply that are stored


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
            lines.append(line[4:].strip())
            if line[3:4] != b"-":
                code = line[:3] if line[3:4] in (b" ", b"\r", b"") else b""
                return (int(code) if len(code) == 3 and code.isdigit() else -1), b"\n".join(lines)
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
                raise smtplib.SMTPServerDisconnected("the server's reply line is too long")
        line, _, self.unread = buffer.partition(b"\n")
        return line


def words(reply: bytes) -> str:
    """A server's reply as text that can be stored and shown: no control characters, at most `KEPT` characters."""
    text = reply.decode("utf-8", "replace")
    if not text.isprintable():
        text = "".join(c if c.isprintable() else " " for c in text)
    return text[:KEPT].strip()
