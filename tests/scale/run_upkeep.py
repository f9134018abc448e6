"""A schedule of many contacts proved, put back, backed up, restored and asked for its promises; each by its own command, in seconds."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from django.conf import settings

from campaigns.loading import Range
from campaigns.models import SchedulerRun
from campaigns.run_totals import CHECKSUM_BITS
from campaigns.writing import checksum
from tests.addresses import database_url

EVERYBODY = Range(first_id=0, last_id=2**62)


def looked_after(newest: SchedulerRun) -> Iterator[str]:
    """A line for each command, over the whole schedule. At the end the newest run is undone, and what stands compared with its before."""
    yield ordered("verify_run", str(newest.pk))
    yield ordered("verify_invariants")
    with TemporaryDirectory() as folder:
        yield ordered("backup_database", "--to", folder)
        yield restored(Path(folder))
    yield ordered("undo_run", str(newest.pk), "--reason", "A benchmark")
    yield f"the schedule is {'' if is_as_before(newest) else 'NOT '}what it was before run {newest.pk}"


def restored(folder: Path) -> str:
    (path,) = (one for one in folder.iterdir() if one.is_file())
    return f"{ordered('restore_drill', str(path))}, of {path.stat().st_size / 1e6:,.0f} MB"


def is_as_before(run: SchedulerRun) -> bool:
    return f"{checksum(EVERYBODY) % CHECKSUM_BITS:016x}" == run.before_checksum


def ordered(*command: str) -> str:
    """What it took. Raises if the command fails."""
    environment = os.environ | {"DATABASE_URL": database_url(), "DEBUG": "0", "SECRET_KEY": settings.SECRET_KEY}
    began = time.monotonic()
    child = subprocess.Popen(
        [sys.executable, "manage.py", *command], env=environment, cwd=settings.BASE_DIR, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    said = child.stdout.read().decode() if child.stdout else ""
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    assert child.returncode in (0, 3), f"{command[0]} ended with {child.returncode}: {said}"
    told = f": {said.strip()}" if child.returncode else ""
    return f"{command[0]}: {time.monotonic() - began:.1f} s, peak {used.ru_maxrss / 1024:.0f} MB{told}"
