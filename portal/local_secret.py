"""The secret of a portal on its own machine: made once, kept under var/. A deployment with a DATABASE_URL brings its own."""

import contextlib
import os
import secrets
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured


def key(path: Path) -> str:
    """The secret in this file, made now if there is none; readable by its user only, and the same for whoever asks at the same time."""
    try:
        if not path.exists():
            make(path)
        return path.read_text()
    except OSError as trouble:
        what_next = f"Let this user write to {path.parent}, or give the portal a SECRET_KEY"
        raise ImproperlyConfigured(f"The portal's own secret cannot be kept in {path}: {trouble.strerror}. {what_next}.") from trouble


def make(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(f".{os.getpid()}")
    fresh.touch(mode=0o600)
    fresh.write_text(secrets.token_urlsafe(50))
    with contextlib.suppress(FileExistsError):  # the first of two wins, and both read the same
        os.link(fresh, path)
    fresh.unlink()
