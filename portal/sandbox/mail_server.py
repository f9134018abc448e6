"""The SMTP server's thread: opens and closes the listening socket, cuts connections, ends cleanly."""

import asyncio
import logging
import ssl
import threading
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

from portal.sandbox.script import Plan
from portal.sandbox.smtp import Connection, Desk

PATIENCE_SECONDS = 10


class MailServer:
    """Listens on `port` (0: a free one, then kept) until `stop`; a plan with the mode `down` closes the port meanwhile."""

    def __init__(self, desk: Desk, *, host: str, port: int, tls: ssl.SSLContext | None = None) -> None:
        self.desk, self.host, self.port, self.tls = desk, host, port, tls
        self.listening: asyncio.Server | None = None
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, name="sandbox-smtp", daemon=True)

    def start(self) -> None:
        """Listen. Raises OSError when the port cannot be had."""
        logging.getLogger("mail.log").setLevel(logging.CRITICAL)  # aiosmtpd tells every command it did not like
        self.thread.start()
        try:
            self.run(self.listen())
        except OSError:
            self.stop()
            raise
        self.obey(self.desk.script.plan)

    def obey(self, plan: Plan) -> None:
        """Have the port open or closed, as the plan wants it; returning means that it is."""
        self.run(self.go_down() if "down" in plan.modes else self.listen())

    def stop(self) -> None:
        """Cut every connection, close the port, end the thread."""
        if self.loop.is_closed():
            return
        self.run(self.go_down())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(PATIENCE_SECONDS)
        self.loop.close()

    def run(self, step: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(step, self.loop).result(PATIENCE_SECONDS)

    async def listen(self) -> None:
        if self.listening is None:
            self.listening = await self.loop.create_server(self.connection, self.host, self.port, backlog=128)
            self.port = self.listening.sockets[0].getsockname()[1]

    async def go_down(self) -> None:
        if self.listening is not None:
            self.listening.close()
            self.listening = None
        for connection in list(self.desk.open):
            with suppress(asyncio.CancelledError):
                connection.link().abort()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        await asyncio.wait(tasks, timeout=1) if tasks else await asyncio.sleep(0)

    def connection(self) -> Connection:
        return Connection(self.desk, tls=self.tls)
