"""`python -m tests.scale.runs`: a whole scheduler run over many contacts, the next one of the same day, and the next day's.

Each is timed from the claim of the first chunk to the end, both checksums in, on a scratch database of the configured server with all of
its constraints. Beside it the bare COPY of the same rows into an empty copy of the table, with the same indexes and foreign keys.
Figures are printed, none is asserted.
"""

import argparse
import os
import sys
from importlib import import_module

import django


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.scale.runs", description=__doc__)
    parser.add_argument("--contacts", type=int, default=300_000, help="to plan for (default 300000)")
    parser.add_argument("--workers", type=int, default=2, help="processes that share a run (default 2)")
    told = parser.parse_args()
    if not (100 <= told.contacts <= 10_000_000 and 1 <= told.workers <= 16):
        parser.error("--contacts is 100 to 10,000,000, --workers 1 to 16")
    os.environ |= {"DJANGO_SETTINGS_MODULE": "portal.settings", "DEBUG": "0"}
    django.setup()
    import_module("tests.scale.run_times").measure(told.contacts, workers=told.workers)  # models, after the set-up
    return 0


if __name__ == "__main__":
    sys.exit(main())
