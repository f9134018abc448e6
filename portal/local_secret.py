"""The secret of a portal on its own machine: made once, kept under var/. A deployment with a DATABASE_URL brings its own."""

import contextlib
import os
import secrets
from pathlib import Path


def key(path: Path) -> str:
    """The secret in this file, made now if there is none; readable by its user only, and the same for whoever asks at the same time."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_suffix(f".{os.getpid()}")
        fresh.touch(mode=0o600)
        fresh.write_text(secrets.token_urlsafe(50))
        with contextlib.suppress(FileExistsError):  # the first of two wins, and both read the same
            os.link(fresh, path)
        fresh.unlink()
    return path.read_text()
