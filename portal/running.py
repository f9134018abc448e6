"""The processes that together are the portal on one machine: started, watched, started again, and ended in order."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

RESTARTS_PER_MINUTE = 5
ORPHANS_GET_SECONDS = 5.0
GUARD = (sys.executable, "-m", "portal.running")


class KeepsEnding(Exception):
    """A child ended by itself again and again; the text names it."""


@dataclass
class Child:
    """One program in a process group of its own, so that a Ctrl-C reaches it only through us."""

    name: str
    command: Sequence[str | Path]
    grace_seconds: float
    process: subprocess.Popen[bytes]
    ended_at: list[float] = field(default_factory=list)  # by the monotonic clock


class Children:
    """They live no longer than we do: a guard process sees us vanish, even by kill -9, and ends those we leave behind."""

    def __init__(self, *, folder: Path, environment: Mapping[str, str], say: Callable[[str], object]) -> None:
        self.folder, self.environment, self.say = folder, environment, say
        self.all: list[Child] = []
        self.guard = subprocess.Popen(GUARD, cwd=folder, stdin=subprocess.PIPE, start_new_session=True)

    def start(self, name: str, command: Sequence[str | Path], *, grace_seconds: float) -> None:
        """`command` runs; when told to stop it gets so many seconds."""
        self.all.append(Child(name, command, grace_seconds, self._launch(command)))

    def watch(self) -> None:
        """Who ended by itself runs again, or KeepsEnding is raised."""
        for child in self.all:
            if (code := child.process.poll()) is not None:
                self._kill_group(child)
                self._refuse_if_hopeless(child)
                self.say(f"The {child.name} ended by itself (exit code {code}) and is started again.")
                child.process = self._launch(child.command)

    def stop(self) -> None:
        """All have ended, the last started first. A second Ctrl-C meanwhile kills whoever is left."""
        try:
            for child in reversed(self.all):
                self._end(child)
        finally:
            for child in self.all:
                self._kill_group(child)
            self.guard.kill()
            self.guard.wait()

    def _launch(self, command: Sequence[str | Path]) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(command, cwd=self.folder, env=self.environment, stdin=subprocess.DEVNULL, start_new_session=True)
        self._tell_guard(f"+{process.pid}")
        return process

    def _refuse_if_hopeless(self, child: Child) -> None:
        now = time.monotonic()
        child.ended_at = [at for at in child.ended_at if now - at < 60] + [now]
        if len(child.ended_at) > RESTARTS_PER_MINUTE:
            raise KeepsEnding(f"The {child.name} ended {len(child.ended_at)} times within a minute; what it says stands above.")
        time.sleep(min(len(child.ended_at) - 1, 3))

    def _end(self, child: Child) -> None:
        child.process.terminate()  # the first process only: django-q hangs when its workers get the signal too
        with suppress(subprocess.TimeoutExpired):
            child.process.wait(child.grace_seconds)
        self._kill_group(child)

    def _kill_group(self, child: Child) -> None:
        """Nothing of it is left, and the guard forgets a number that others may get."""
        _kill(child.process.pid)
        child.process.wait()
        self._tell_guard(f"-{child.process.pid}")

    def _tell_guard(self, word: str) -> None:
        assert self.guard.stdin
        with suppress(BrokenPipeError):
            self.guard.stdin.write(f"{word}\n".encode())
            self.guard.stdin.flush()


def outlive(words: Iterable[str]) -> None:
    """The guard's whole life: remember groups until the words end because their writer did, then end those groups."""
    groups: set[int] = set()
    for word in words:
        (groups.add if word.startswith("+") else groups.discard)(int(word[1:]))
    for group in groups:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(group, signal.SIGTERM)
    deadline = time.monotonic() + ORPHANS_GET_SECONDS
    while time.monotonic() < deadline and any(map(_lives, groups)):
        time.sleep(0.1)
    for group in groups:
        _kill(group)


def _lives(group: int) -> bool:
    with suppress(ProcessLookupError):
        os.killpg(group, 0)
        return True
    return False


def _kill(group: int) -> None:
    with suppress(ProcessLookupError, PermissionError):  # gone, or nothing but zombies
        os.killpg(group, signal.SIGKILL)


if __name__ == "__main__":
    outlive(sys.stdin)
