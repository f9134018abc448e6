"""The sandbox as a whole: start it, stop it, ask it."""

import ssl
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from portal.sandbox.inside import Inside
from portal.sandbox.mail_server import MailServer
from portal.sandbox.routes import respond
from portal.sandbox.web import Web


class PortTaken(OSError):
    """Another program listens on a port of ours."""


class Sandbox(Inside):
    """A mail server, a case-management system, an AI and their pages, on loopback. Port 0 is a free one, known after `start`."""

    def __init__(
        self,
        folder: Path | str,
        *,
        smtp_port: int = 0,
        http_port: int = 0,
        host: str = "127.0.0.1",
        keep: bool = True,
        cms_token: str = "",
        tls: ssl.SSLContext | None = None,
    ) -> None:
        super().__init__(Path(folder), host=host, smtp_port=smtp_port, http_port=http_port, keep=keep, cms_token=cms_token, tls=tls)
        self.web = Web(partial(respond, self), host=host, port=http_port)

    def start(self) -> Self:
        """Listen on both ports, or raise PortTaken and listen on none."""
        try:
            listen(self.web, kind="HTTP", option="--http-port")
            listen(self.mail, kind="SMTP", option="--smtp-port")
        except PortTaken:
            self.web.stop()
            self.close_ledgers()
            raise
        self.http_port, self.running = self.web.port, True
        return self

    def stop(self) -> None:
        """Close both ports and every connection; the files stay. A stopped sandbox is not started again: make another on the folder."""
        if self.running:
            self.running = False
            self.mail.stop()
            self.web.stop()
            self.close_ledgers()

    def close_ledgers(self) -> None:
        for ledger in (self.mailbox.ledger, self.book.ledger, self.ai.ledger, self.faults):
            ledger.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()


def listen(server: MailServer | Web, *, kind: str, option: str) -> None:
    try:
        server.start()
    except OSError as error:
        raise PortTaken(
            f"{kind} port {server.port} on {server.host} cannot be had ({error.strerror or error}): "
            f"stop the program that uses it, or choose another with {option}."
        ) from error
