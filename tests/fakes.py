"""Servers that misbehave as the sandbox cannot: mail and web servers told what to say, and a wire that is cut where a test says."""

import contextlib
import select
import socket
import threading
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Self

HANG_UP = b""
GOOD = {"banner": b"220 fake\r\n", "EHLO": b"250-fake\r\n250 SIZE 1000000\r\n", "DATA": b"354 go on\r\n", "QUIT": b"221 bye\r\n"}
PATIENCE_SECONDS = 10


class Listener:
    """Accepts connections on a free port of loopback, each in a thread of its own, until the end of the with block."""

    def __init__(self) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.connections: list[socket.socket] = []

    def __enter__(self) -> Self:
        threading.Thread(target=self.accept, daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for each in (self.socket, *self.connections):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection = self.socket.accept()[0]
                connection.settimeout(PATIENCE_SECONDS)
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # what is said is heard at once
                self.connections.append(connection)
                threading.Thread(target=self.survive, args=(connection,), daemon=True).start()

    def survive(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError, ValueError), connection:  # ValueError: it was closed under us
            self.serve(connection)

    def serve(self, connection: socket.socket) -> None:
        raise NotImplementedError


class FakeMailServer(Listener):
    """Says what it was told at each step ("banner", a verb, "body" after the final dot); otherwise it is polite.

    An answer is bytes, sent as they are; HANG_UP closes; a list is for the first, second … time, its last one for ever.
    """

    def __init__(self, answers: Mapping[str, bytes | list[bytes]]) -> None:
        super().__init__()
        self.answers = {step: [given] if isinstance(given, bytes) else list(given) for step, given in (GOOD | dict(answers)).items()}
        self.heard: list[str] = []
        self.bodies: list[bytes] = []

    def serve(self, connection: socket.socket) -> None:
        lines = connection.makefile("rb")
        self.say(connection, "banner")
        for line in lines:
            verb = line.split()[0].decode("latin-1").upper()
            self.heard.append(f"{verb}{line.decode('latin-1').strip()[len(verb) :]}")
            if self.say(connection, verb).startswith(b"354") and verb == "DATA":
                body = b""
                while (line := lines.readline()) not in (b".\r\n", b""):
                    body += line
                if line:
                    self.bodies.append(body)
                    self.say(connection, "body")

    def say(self, connection: socket.socket, step: str) -> bytes:
        given = self.answers.get(step, [b"250 ok\r\n"])
        answer = given.pop(0) if len(given) > 1 else given[0]
        if answer == HANG_UP:
            connection.shutdown(socket.SHUT_RDWR)
            raise ConnectionAbortedError(step)
        connection.sendall(answer)
        return answer


class FakeWeb(Listener):
    """Answers whatever is asked with these bytes, one piece after another, with a pause between two; then it hangs up."""

    def __init__(self, *pieces: bytes, pause: float = 0) -> None:
        super().__init__()
        self.pieces, self.pause = pieces, pause

    def serve(self, connection: socket.socket) -> None:
        connection.recv(65_536)
        for piece in self.pieces:
            connection.sendall(piece)
            time.sleep(self.pause)


class Wire(Listener):
    """A TCP wire to another port. `cut_after(mark)`: the next request that contains `mark` still arrives, and is carried out; its answer
    never comes back, and the connection is gone."""

    def __init__(self, far_end: tuple[str, int] | str) -> None:
        super().__init__()
        self.far_end = far_end
        self.mark: bytes | None = None
        self.cuts = 0

    def cut_after(self, mark: bytes) -> None:
        self.mark = mark

    def serve(self, near: socket.socket) -> None:
        with socket.socket(socket.AF_UNIX if isinstance(self.far_end, str) else socket.AF_INET) as far:
            far.connect(self.far_end)
            marked = False
            while True:
                for ready in select.select([near, far], [], [], PATIENCE_SECONDS)[0]:
                    data = ready.recv(65_536)
                    if not data or (ready is far and marked):
                        return
                    if ready is near and self.mark and self.mark in data:
                        marked, self.mark, self.cuts = True, None, self.cuts + 1
                    (far if ready is near else near).sendall(data)
