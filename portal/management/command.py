"""The manners of our commands: one JSON document or plain words on stdout, progress on stderr, exit codes that cron can act on.

0 done · 1 failed, and stderr says what to do · 2 wrong usage · 3 done, but something still needs attention.
"""

import json
import os
import re
import resource
import signal
import sys
import threading
from argparse import ArgumentTypeError
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser, OutputWrapper
from django.db import DatabaseError

from messaging.spool import SpoolUnwritable
from messaging.text_input import TextRefused, calendar_date
from portal import shutdown
from portal.config.data import ConfigRefused

DONE, FAILED, WRONG_USAGE, NEEDS_ATTENTION = 0, 1, 2, 3
MOST = 10_000  # rows that a --limit may name
BAR = 30  # characters
SHOWN = 20  # lines of a long list that are told


@dataclass(frozen=True, kw_only=True)
class Report:
    """What a command did: `facts` for --json, `text` for people."""

    facts: dict[str, Any] | list[Any]
    text: str
    exit_code: int = DONE


class PortalCommand(BaseCommand):
    """A door: reads its options, makes one call, reports. `options` adds them to the parser, `work` is given them by name."""

    work: Callable[..., Report]
    finishes_first = False  # on SIGTERM or Ctrl-C: end after what is in hand, instead of undoing the whole

    def options(self, parser: CommandParser) -> None:
        """Most commands have some of their own."""

    def add_arguments(self, parser: CommandParser) -> None:
        before = {action.dest for action in parser._actions}
        self.options(parser)
        self.own = [action.dest for action in parser._actions if action.dest not in before]
        parser.add_argument("--json", action="store_true", help="print one JSON document instead of sentences")

    def handle(self, *args: Any, **told: Any) -> None:
        if sys.stdout is None:  # closed by whoever started us: nobody wants the answer
            sys.stdout = Path(os.devnull).open("w")  # noqa: SIM115  (until the end)
            self.stdout = OutputWrapper(sys.stdout)
        given = {name: told[name] for name in self.own}
        refuse_half_characters(given)
        with heeding_signals(gently=self.finishes_first):
            try:
                report = self.work(**given)
            except KeyboardInterrupt:
                raise CommandError("Stopped before the end. Nothing half done is left; run it again.") from None
            except ConfigRefused as refusal:
                raise CommandError(f"{refusal} Put a better version into force (set_config), or roll back (rollback_config).") from refusal
            except DatabaseError as trouble:
                raise CommandError(f"The database did not take it: {first_line(trouble)} Is it running, and migrated?") from trouble
            except SpoolUnwritable as full:
                raise CommandError(f"Nothing more is sent: {full}. Free the disk or set SPOOL_DIR, then run it again.") from full
        self.say(json.dumps(report.facts, default=str) if told["json"] else report.text)
        if report.exit_code:
            sys.exit(report.exit_code)

    def say(self, text: str) -> None:
        """The answer, on stdout."""
        with a_reader_may_leave():
            self.stdout.write(text)
            self.stdout.flush()

    def progress(self, done: int, of: int, what: str) -> None:
        """How far it is: a bar that moves on a terminal, a line in a log."""
        if not self.stderr.isatty():
            return self.stderr.write(f"{done} of {of} {what}", self.style.NOTICE)
        filled = BAR * min(done, of) // max(of, 1)
        end = "\n" if done >= of else ""
        return self.stderr.write(f"\r\033[K[{'#' * filled}{'.' * (BAR - filled)}] {done} of {of} {what}", self.style.NOTICE, ending=end)

    def tell(self, lines: list[str]) -> None:
        """What went wrong row by row, on stderr; of a long list the first ones."""
        for line in lines[:SHOWN]:
            self.stderr.write(line, self.style.NOTICE)
        if len(lines) > SHOWN:
            self.stderr.write(f"+{len(lines) - SHOWN} more", self.style.NOTICE)


@contextmanager
def heeding_signals(*, gently: bool) -> Iterator[None]:
    """SIGTERM and Ctrl-C end the work: gently after what is in hand (the second one at once), else by undoing it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def finish(number: int, frame: Any) -> None:
        shutdown.tell()
        signal.signal(number, signal.default_int_handler)
        os.write(2, b"Stopping after what is in hand; once more stops at once.\n")

    before = {number: signal.signal(number, finish if gently else signal.default_int_handler) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def a_reader_may_leave(*, missing: str = "It is done, but the answer") -> Iterator[None]:
    """A reader of stdout who has seen enough (`| head`) is no error; a full disk behind it is."""
    try:
        yield
    except BrokenPipeError:
        drop_stdout()
    except OSError as trouble:
        drop_stdout()
        raise CommandError(f"{missing} could not be written: {trouble.strerror or trouble}.") from trouble


def drop_stdout() -> None:
    """What is still on its way to stdout goes nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def refuse_half_characters(given: Mapping[str, Any]) -> None:
    """An argument of bytes that are not UTF-8 can be neither stored nor told."""
    for name, value in given.items():
        for one in value if isinstance(value, list) else [value]:
            try:
                str(one).encode()
            except UnicodeEncodeError:
                raise wrong_usage(f"{name.replace('_', '-')} is not UTF-8: {str(one)[:80]!a}.") from None


def whole(least: int, most: int = MOST) -> Callable[[str], int]:
    """An option that is a whole number from `least` to `most`."""

    def read(text: str) -> int:
        if not (text.isascii() and text.isdecimal() and len(text) < 20 and least <= int(text) <= most):
            raise ArgumentTypeError(f"must be a whole number {least}…{most}; got {text[:80]!r}")
        return int(text)

    return read


def day_option(text: str) -> str:
    """An option that is a day, such as 2026-01-31."""
    try:
        return calendar_date(text, field="the day").isoformat()
    except TextRefused as refusal:
        raise ArgumentTypeError(refusal.sentence) from None


def wrong_usage(text: str) -> CommandError:
    return CommandError(text, returncode=WRONG_USAGE)


def peak_rss_mb() -> float:
    """The most memory this program ever held. getrusage counts what its parent held before it as well; this page of the kernel does not."""
    page = Path("/proc/self/status")
    found = re.search(r"^VmHWM:\s+(\d+) kB", page.read_text() if page.exists() else "", re.MULTILINE)
    kilobytes = int(found[1]) if found else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(kilobytes / 1024, 1)


def first_line(trouble: Exception) -> str:
    return (str(trouble).strip().splitlines() or [type(trouble).__name__])[0].rstrip(".") + "."
