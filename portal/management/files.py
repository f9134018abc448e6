"""The files that options name: told at once where they cannot be used, read whole, and never written by halves."""

import errno
import os
import secrets
import sys
from argparse import ArgumentTypeError
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from django.core.management.base import CommandError

from portal.management.command import wrong_usage


def path_option(text: str) -> Path:
    """An option that names a file or a folder."""
    if not text.strip():
        raise ArgumentTypeError("names no file or folder: it is empty")
    path = Path(text)
    try:
        path.resolve()
        path.exists()
    except PermissionError:
        pass  # told when it is opened
    except (OSError, RuntimeError) as trouble:  # too long a name; a link to itself
        raise ArgumentTypeError(f"{text[:80]!r} can be no file or folder: {getattr(trouble, 'strerror', None) or trouble}") from None
    return path


def contents(path: Path) -> bytes:
    """The bytes of a file that an option names."""
    try:
        return path.read_bytes()
    except OSError as trouble:
        raise wrong_usage(f"Cannot read {path}: {trouble.strerror}. Name a file that is there and may be read.") from trouble


def standard_input(most: int = -1) -> bytes:
    """What is piped in, at most so many bytes of it."""
    if sys.stdin is None:
        raise wrong_usage("There is nothing to read: standard input is closed. Pipe something in, or name a file.")
    return sys.stdin.buffer.read(most)


def write_text(path: Path, text: str) -> None:
    """The file holds `text` and nothing else; never half of it."""
    write_bytes(path, [text.encode()])


def write_bytes(path: Path, parts: Iterable[bytes]) -> None:
    """The file holds these and nothing else; never half of it."""
    with written(path) as file:
        file.writelines(parts)


@contextmanager
def written(path: Path) -> Iterator[IO[bytes]]:
    """Afterwards the file holds what was written to it and nothing else; never half of it. A device or a pipe has it at once."""
    try:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if path.exists() and not path.is_file():
            with path.open("wb") as device:
                yield device
            return
        whole = path.resolve()  # a link goes on leading to its file
        unfinished = whole.with_name(f".{secrets.token_hex(8)}.unfinished")
        try:
            with unfinished.open("wb") as file:
                yield file
            unfinished.replace(whole)
        finally:
            unfinished.unlink(missing_ok=True)
    except OSError as trouble:
        raise CommandError(f"Cannot write {path}: {trouble.strerror}.") from trouble


def refuse_overwriting(source: Path, *, by: Path) -> None:
    """Refused rows go elsewhere than into the file they came from."""
    if by.resolve() == source.resolve():
        raise wrong_usage(f"--refused-file is {source} itself: name another file, or what it says now would be lost.")


def refuse_unwritable(path: Path) -> None:
    """Told before the work, not after it."""
    if path.is_dir() or not os.access(path if path.exists() else path.parent, os.W_OK):
        raise CommandError(f"Cannot write {path}: name a file in a folder that may be written to. Nothing was done.")
