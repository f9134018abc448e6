"""`python -m tests.scale.messages`: the portal with ten million messages behind it. Figures are printed, none is asserted.

Every list with its filters, searches and deepest page, and the analytics page, as the whole answer made in this process with a warm cache;
the memory of exports of three sizes; how long others wait while a million old rows are deleted; what a call of the log costs.
"""

import argparse
import os
import sys
from importlib import import_module

import django
from django.conf import settings

PARTS = ("pages", "export", "retention", "log")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.scale.messages", description=__doc__)
    parser.add_argument("--messages", type=int, default=10_000_000, help="behind the pages (default 10000000)")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, help="what is measured")
    told = parser.parse_args()
    if not 10_000 <= told.messages <= 100_000_000:
        parser.error("--messages is 10,000 to 100,000,000")
    os.environ |= {"DJANGO_SETTINGS_MODULE": "portal.settings", "DEBUG": "0"}
    django.setup()
    settings.ALLOWED_HOSTS = ["testserver"]
    settings.SECURE_SSL_REDIRECT = False
    settings.STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    import_module("tests.scale.message_figures").measure(told.messages, parts=told.only)  # models, after the set-up
    return 0


if __name__ == "__main__":
    sys.exit(main())
