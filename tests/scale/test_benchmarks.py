"""Benchmarks of campaigns still run, over a handful of contacts: what is only started before a release may be broken by then.

Those of pages ask for the hundredth one, and need the rows for it.
"""

import subprocess
import sys

import pytest
from django.conf import settings

SMALL = {
    "explain": ["--contacts", "100", "--asked", "10"],
    "imports": ["--contacts", "1000"],
    "rules": ["--contacts", "1000"],
    "runs": ["--contacts", "100", "--workers", "1"],
}


@pytest.mark.parametrize("name", SMALL)
def test_a_benchmark_runs_to_its_end(name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", f"tests.scale.{name}", *SMALL[name]], cwd=settings.BASE_DIR, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr
