"""Where the mail goes: Postfix's smtp-sink, written in C, or the portal's own sandbox. Both count what they accepted."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

SYSTEM_FOLDERS = "/usr/sbin:/usr/libexec/postfix:/usr/lib/postfix"  # often not in the PATH of an ordinary user
SINK_MISSING = "smtp-sink is not here (Debian and Ubuntu: package postfix; Fedora: postfix): only this portal runs, against its sandbox."
READY_WITHIN_SECONDS = 10
BACKLOG = "200"


class SinkBroken(Exception):
    """A sink did not start."""


@dataclass(frozen=True, kw_only=True)
class SmtpSink:
    port: int
    counters: Path

    def accepted(self) -> int:
        """Mails taken since the start: the last of the running counters "sess=1 quit=1 mesg=5"."""
        shown = self.counters.read_bytes()[-200:].split(b"\r")
        complete = [each for each in shown[:-1] if b"mesg=" in each]
        return int(complete[-1].rpartition(b"=")[2]) if complete else 0


@dataclass(frozen=True, kw_only=True)
class SandboxSink:
    port: int
    http_url: str
    folder: Path

    def accepted(self) -> int:
        return lines(self.folder / "mail.jsonl")

    def notes(self) -> int:
        return lines(self.folder / "cms.jsonl")


def program() -> str | None:
    return shutil.which("smtp-sink") or shutil.which("smtp-sink", path=SYSTEM_FOLDERS)


@contextmanager
def smtp_sink(path: str, *, folder: Path) -> Iterator[SmtpSink]:
    port, counters = free_port(), folder / "smtp-sink.txt"
    user = ["-u", "nobody"] if os.geteuid() == 0 else []
    with counters.open("wb") as shown, subprocess.Popen([path, "-c", *user, f"127.0.0.1:{port}", BACKLOG], stdout=shown) as process:
        try:
            wait_for(port)
            yield SmtpSink(port=port, counters=counters)
        finally:
            process.kill()


@contextmanager
def sandbox(*, folder: Path) -> Iterator[SandboxSink]:
    """The sandbox in a process of its own, without faults; it writes its ledgers and keeps no mail in full."""
    ports = ["--smtp-port", "0", "--http-port", "0"]
    command = [sys.executable, "-m", "portal.sandbox", *ports, "--folder", str(folder), "--no-keep"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            said = process.stdout.readline()  # sandbox ready: SMTP 127.0.0.1:41, CMS and pages http://127.0.0.1:42, nonce …
            if "ready" not in said:
                raise SinkBroken(f"the sandbox did not start; it said {said!r}")
            words = said.replace(",", "").split()
            port, http_url = int(words[3].rpartition(":")[2]), next(word for word in words if word.startswith("http://"))
            yield SandboxSink(port=port, http_url=http_url, folder=folder)
        finally:
            process.terminate()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def wait_for(port: int) -> None:
    ends_at = time.monotonic() + READY_WITHIN_SECONDS
    while time.monotonic() < ends_at:
        with socket.socket() as knock:
            if knock.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise SinkBroken(f"smtp-sink does not answer on port {port}")


def lines(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0
