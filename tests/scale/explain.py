"""`python -m tests.scale.explain`: how long one contact's explanation takes with 300,000 contacts in the table. Nothing is asserted.

The whole answer with all its questions, on a scratch database of the configured server; and the tables that were read from end to end.
"""

import argparse
import os
import sys
from importlib import import_module

import django


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.scale.explain", description=__doc__)
    parser.add_argument("--contacts", type=int, default=300_000, help="in the table (default 300000)")
    parser.add_argument("--asked", type=int, default=500, help="that are explained (default 500)")
    told = parser.parse_args()
    if not (100 <= told.contacts <= 10_000_000 and 10 <= told.asked <= 100_000):
        parser.error("--contacts is 100 to 10,000,000, --asked 10 to 100,000")
    os.environ |= {"DJANGO_SETTINGS_MODULE": "portal.settings", "DEBUG": "0"}
    django.setup()
    import_module("tests.scale.explained_contacts").measure(told.contacts, asked=told.asked)  # models, after the set-up
    return 0


if __name__ == "__main__":
    sys.exit(main())
