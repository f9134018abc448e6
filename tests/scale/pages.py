"""`python -m tests.scale.pages`: how long the pages take with a hundred thousand quotes behind them. Figures are printed, none is asserted.

Server side: the whole answer, made in this process with a warm cache, on a scratch database of the configured server.
"""

import argparse
import os
import sys
from importlib import import_module

import django
from django.conf import settings


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.scale.pages", description=__doc__)
    parser.add_argument("--quotes", type=int, default=100_000, help="behind the pages (default 100000)")
    told = parser.parse_args()
    if not 10 <= told.quotes <= 10_000_000:
        parser.error("--quotes is 10 to 10,000,000")
    os.environ |= {"DJANGO_SETTINGS_MODULE": "portal.settings", "DEBUG": "0"}
    django.setup()
    settings.ALLOWED_HOSTS = ["testserver"]
    settings.SECURE_SSL_REDIRECT = False
    settings.STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    import_module("tests.scale.quote_pages").measure(told.quotes)  # models, after the set-up
    return 0


if __name__ == "__main__":
    sys.exit(main())
