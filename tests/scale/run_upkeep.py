"""A schedule of many contacts proved, put back, backed up, restored and asked for its promises; each by its own command, in seconds."""

import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from campaigns.loading import Range
from campaigns.models import SchedulerRun
from campaigns.run_totals import CHECKSUM_BITS
from campaigns.writing import checksum
from tests.scale.commands import environment, run_to_its_end

EVERYBODY = Range(first_id=0, last_id=2**62)


def looked_after(newest: SchedulerRun) -> Iterator[str]:
    """A line for each command, over the whole schedule. At the end the newest run is undone, and what stands compared with its before."""
    yield ordered("verify_run", str(newest.pk))
    yield ordered("verify_invariants")
    with TemporaryDirectory() as folder:
        yield ordered("backup_database", "--to", folder)
        yield restored(Path(folder))
    yield ordered("undo_run", str(newest.pk), "--reason", "A benchmark")
    assert f"{checksum(EVERYBODY) % CHECKSUM_BITS:016x}" == newest.before_checksum, "undone, and not what it was before"
    yield f"the schedule is what it was before run {newest.pk}"


def restored(folder: Path) -> str:
    (path,) = (one for one in folder.iterdir() if one.is_file())
    return f"{ordered('restore_drill', str(path))}, of {path.stat().st_size / 1e6:,.0f} MB"


def ordered(*command: str) -> str:
    """What it took. Raises if it ends with anything but 0."""
    took = run_to_its_end([sys.executable, "manage.py", *command], environment())
    return f"{command[0]}: {took.seconds:.1f} s, peak {took.peak_mb:.0f} MB"
