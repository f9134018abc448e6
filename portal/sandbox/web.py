"""The sandbox's HTTP server: sockets on one side, functions from Request to Answer on the other."""

import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from portal.sandbox.answers import Answer, BadRequest, Request, as_json

LARGEST_BODY = 1_000_000
LARGEST_QUESTION = 64_000_000  # to the AI: it carries pictures
LARGEST_BODY_READ = 20_000_000
LONGEST_SILENCE_SECONDS = 600
LOOPBACK = {"127.0.0.1", "localhost", "::1"}
ALWAYS = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cache-Control": "no-store"}

log = logging.getLogger(__name__)


class Web(ThreadingHTTPServer):
    """Serves the pages, the control endpoint and the case-management system until `stop`, which cuts open connections too."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128
    allow_reuse_port = False

    def __init__(self, respond: Callable[[str, str, Request], Answer], *, host: str, port: int) -> None:
        super().__init__((host, port), Door, bind_and_activate=False)
        self.respond, self.host, self.port = respond, host, port
        self.stopping = threading.Event()
        self.open: set[socket.socket] = set()
        self.thread: threading.Thread | None = None

    def start(self) -> None:
        """Listen. Raises OSError when the port cannot be had."""
        try:
            self.server_bind()
            self.server_activate()
        except OSError:
            self.server_close()
            raise
        self.port = self.server_address[1]
        self.thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, name="sandbox-http", daemon=True)
        self.thread.start()

    def stop(self) -> None:
        if self.thread is None:
            return
        self.stopping.set()
        self.shutdown()
        self.server_close()
        for connection in list(self.open):
            cut(connection)
        self.thread.join()
        self.thread = None

    def server_bind(self) -> None:
        """As the standard library's, without asking the name service who we are."""
        if self.allow_reuse_address:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = self.host, self.server_address[1]

    def process_request(self, request: Any, client_address: Any) -> None:
        self.open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self.open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that leaves in the middle is everyday life here."""
        log.debug("a connection ended early", exc_info=True)


class Door(BaseHTTPRequestHandler):
    """One HTTP connection."""

    server: Web
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "sandbox", ""
    timeout = 120
    wbufsize = 65_536
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        self.give(self.answer("GET"))

    def do_POST(self) -> None:
        self.give(self.answer("POST"))

    def answer(self, method: str) -> Answer:
        """What the route says; a wrong request gets a 4xx with the reason, an error of ours a 500 and a line in the log."""
        try:
            body = self.read_body()
            if reason := self.strangeness():
                return as_json({"error": reason}, 403)
            address = urlsplit(self.path)
            return self.server.respond(method, address.path, self.told(address.query, body))
        except BadRequest as error:
            return as_json({"error": str(error)}, 400)
        except Exception:
            log.exception("the sandbox failed to answer %s", method)
            return as_json({"error": "the sandbox itself failed: see its log"}, 500)

    def read_body(self) -> bytes:
        told = self.headers.get("Content-Length", "0")
        most = LARGEST_QUESTION if self.path.startswith("/ai/") else LARGEST_BODY
        if not told.isdecimal() or int(told) > most or "Transfer-Encoding" in self.headers:
            self.close_connection = True
            if told.isdecimal() and int(told) <= LARGEST_BODY_READ:  # a client that is still talking would not hear us
                self.rfile.read(int(told))
            raise BadRequest(f"a body has a Content-Length of at most {most:,} bytes")
        return self.rfile.read(int(told))

    def told(self, query: str, body: bytes) -> Request:
        is_form = self.headers.get("Content-Type", "").startswith("application/x-www-form-urlencoded")
        return Request(
            query={name: values[0] for name, values in parsed_fields(query).items()},
            form=parsed_fields(body.decode("utf-8", "replace")) if is_form else {},
            headers=dict(self.headers.items()),
            body=body,
        )

    def strangeness(self) -> str | None:
        """Why this request must come from somebody else's page: a foreign Origin, or a name that is not ours for a loopback port."""
        host, origin = self.headers.get("Host", ""), self.headers.get("Origin")
        if origin is not None and urlsplit(origin).netloc != host:
            return "pages of other addresses may not use the sandbox"
        if self.server.host in LOOPBACK and urlsplit(f"//{host}").hostname not in LOOPBACK:
            return f"the sandbox answers to localhost only, not to {host[:100]}"
        return None

    def give(self, answer: Answer) -> None:
        if answer.silent:
            self.wait_until_left()
        if answer.afterwards and not self.server.stopping.wait(answer.afterwards_seconds):
            answer.afterwards()
        if answer.silent or answer.cut:
            self.close_connection = True
            cut(self.connection)
            return
        self.server.stopping.wait(answer.wait_seconds)
        self.send_response(answer.status)
        for name, value in (ALWAYS | dict(answer.headers)).items():
            self.send_header(name, value)
        self.send_body(answer)

    def send_body(self, answer: Answer) -> None:
        body = answer.body
        if isinstance(body, bytes) and answer.status != 204:
            self.send_header("Content-Length", str(len(body)))
        if self.close_connection or not isinstance(body, bytes):
            self.send_header("Connection", "close")
        self.end_headers()
        for piece in pieces(body, drip=bool(answer.drip_seconds)):
            self.wfile.write(piece)
            if answer.drip_seconds:
                self.wfile.flush()
                self.server.stopping.wait(answer.drip_seconds)

    def wait_until_left(self) -> None:
        until = time.monotonic() + LONGEST_SILENCE_SECONDS
        self.connection.setblocking(False)
        while time.monotonic() < until and not has_left(self.connection):
            if self.server.stopping.wait(0.05):
                return

    def log_message(self, format: str, *args: Any) -> None:
        log.debug(format, *args)


def has_left(connection: socket.socket) -> bool:
    """Has the client closed its side? `connection` does not block."""
    try:
        return connection.recv(1, socket.MSG_PEEK) == b""
    except BlockingIOError:
        return False
    except ConnectionError:
        return True


def pieces(body: bytes | Iterator[bytes], *, drip: bool) -> Iterator[bytes]:
    if not isinstance(body, bytes):
        yield from body
    elif drip:
        yield from (body[i : i + 1] for i in range(len(body)))
    else:
        yield body


def parsed_fields(text: str) -> dict[str, list[str]]:
    try:
        return parse_qs(text, keep_blank_values=True, max_num_fields=500)
    except ValueError as error:
        raise BadRequest(f"the fields cannot be read: {error}") from error


def cut(connection: socket.socket) -> None:
    with suppress(OSError):  # it is cut already
        connection.shutdown(socket.SHUT_RDWR)
