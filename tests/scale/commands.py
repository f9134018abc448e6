"""Commands of the portal, each a process of its own on the scratch database, and what it took."""

import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.conf import settings

from tests.addresses import database_url


@dataclass(frozen=True)
class Took:
    seconds: float
    peak_mb: float


def environment() -> dict[str, str]:
    """For a process that works on this one's database, as if deployed."""
    return os.environ | {"DATABASE_URL": database_url(), "DEBUG": "0", "SECRET_KEY": settings.SECRET_KEY}


def run_to_its_end(command: Sequence[str], environment: Mapping[str, str]) -> Took:
    """Raises with its own words if it ends with anything but 0."""
    began = time.monotonic()
    child = subprocess.Popen(command, env=environment, cwd=settings.BASE_DIR, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    said = child.stdout.read() if child.stdout else ""
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    assert child.returncode == 0, f"{' '.join(command)} ended with {child.returncode}: {said}"
    return Took(seconds=time.monotonic() - began, peak_mb=used.ru_maxrss / 1024)
