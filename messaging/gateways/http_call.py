"""One HTTP call, over a connection of its own, with one time limit for all of it and a bound on what it may answer. Nothing is judged."""

import contextlib
import socket
import ssl
import threading
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Self

import httpx

LONGEST_ANSWER = 1024 * 1024  # bytes, unpacked
PACKINGS = {"gzip", "x-gzip", "deflate"}  # some send them unasked; what else stands there is left to whoever reads the answer
ANY_PACKING = 47  # zlib's word for: look which of them it is


@dataclass(frozen=True, kw_only=True)
class Answer:
    """`flaw` says what is wrong with a body that cannot be had whole: it "is too large: …", and `content` is what came of it."""

    status: int
    headers: Mapping[str, str]
    content: bytes
    flaw: str = ""


class TooSlow(httpx.ReadTimeout):
    """The whole took longer than it may."""


def call(
    method: str,
    url: str,
    *,
    headers: Mapping[str, str],
    connect_seconds: float,
    read_seconds: float,
    total_seconds: float,
    json: Any = None,
) -> Answer:
    """The answer. Raises httpx's errors, and TooSlow, one of them, where the whole takes longer than `total_seconds`, drop by drop."""
    wait = httpx.Timeout(read_seconds, connect=connect_seconds)
    told = {"Accept": "application/json", "Accept-Encoding": "identity", **headers}
    with HourGlass(total_seconds) as glass, httpx.Client(timeout=wait, follow_redirects=False, trust_env=False, verify=trusted()) as client:
        try:
            with client.stream(method, url, headers=told, json=json, extensions={"trace": glass.see}) as answer:
                content, flaw = body(answer)
        except (httpx.ConnectError, httpx.ConnectTimeout):
            raise  # nothing was sent, however long it took
        except httpx.TransportError as trouble:
            if glass.is_empty:
                raise TooSlow(f"it did not end within {total_seconds:g} s") from trouble
            raise
    if glass.is_empty:  # a body without a length ends where the connection does
        raise TooSlow(f"it did not end within {total_seconds:g} s")
    return Answer(status=answer.status_code, headers=answer.headers, content=content, flaw=flaw)


@cache
def trusted() -> ssl.SSLContext:
    """The certificates we trust, read once: that takes longer than a call."""
    return httpx.create_ssl_context(trust_env=False)


def body(answer: httpx.Response) -> tuple[bytes, str]:
    """The body, unpacked where it is packed in a way we know, with what is wrong with it."""
    packing = answer.headers.get("Content-Encoding", "").strip().lower()
    unpacker = zlib.decompressobj(wbits=ANY_PACKING) if packing in PACKINGS else None
    content = bytearray()
    for chunk in answer.iter_raw():
        try:
            content += unpacker.decompress(chunk, LONGEST_ANSWER + 1 - len(content)) if unpacker else chunk
        except zlib.error:
            return bytes(content), f"is not what it says it is: {packing}"
        if len(content) > LONGEST_ANSWER:
            return bytes(content[:LONGEST_ANSWER]), f"is too large: over {LONGEST_ANSWER:,} bytes"
    return bytes(content), "is cut short" if unpacker and content and not unpacker.eof else ""


class HourGlass:
    """Shuts the connection it has seen when its time is over: httpx's own limits begin anew with every byte that drips in."""

    def __init__(self, seconds: float) -> None:
        self.is_empty = False
        self._timer = threading.Timer(seconds, self._run_out)
        self._timer.daemon = True
        self._lines: list[socket.socket] = []
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(self, *trouble: object) -> None:
        self._timer.cancel()
        with self._lock:
            for line in self._lines:
                line.close()
            self._lines.clear()

    def see(self, event: str, info: Mapping[str, Any]) -> None:
        """What httpx tells while it works: here, that it has a connection."""
        if event != "connection.connect_tcp.complete":
            return
        with self._lock:
            if self.is_empty:
                raise httpx.ConnectTimeout("it took too long to connect")
            try:
                self._lines.append(info["return_value"].get_extra_info("socket").dup())  # stays ours when TLS takes the other over
            except OSError as trouble:
                raise httpx.ConnectError(str(trouble)) from trouble

    def _run_out(self) -> None:
        with self._lock:
            self.is_empty = True
            for line in self._lines:
                with contextlib.suppress(OSError):  # it has gone already
                    line.shutdown(socket.SHUT_RDWR)
