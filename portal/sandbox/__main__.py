"""`python -m portal.sandbox`: the sandbox without Django, ready in a fraction of a second."""

import argparse
import json
import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from portal.sandbox.script import NotUnderstood
from portal.sandbox.server import PortTaken, Sandbox

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class CannotServe(Exception):
    """The sandbox cannot start, for a reason a person can mend."""


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--smtp-port", type=port, default=8025, help="where mail is taken (default 8025; 0 = a free one)")
    parser.add_argument("--http-port", type=port, default=8026, help="where the CMS and the pages are (default 8026; 0 = a free one)")
    parser.add_argument("--folder", type=Path, default=Path("var/sandbox"), help="where mails and notes are kept (default var/sandbox)")
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on (default 127.0.0.1)")
    parser.add_argument("--faults", default="{}", metavar="JSON", help='a script, such as \'{"mail": {"rates": {"refuse-450": 0.02}}}\'')
    parser.add_argument("--no-keep", action="store_true", help="write the ledger only, keep no mail in full (faster)")


def serve(
    *, folder: Path, smtp_port: int, http_port: int, host: str, faults: str, keep: bool, cms_token: str, say: Callable[[str], object]
) -> None:
    """Run both servers until SIGTERM or SIGINT. Raises CannotServe."""
    stopped = threading.Event()
    for number in STOP_SIGNALS:
        signal.signal(number, lambda *_: stopped.set())
    try:
        sandbox = Sandbox(folder, smtp_port=smtp_port, http_port=http_port, host=host, keep=keep, cms_token=cms_token)
        sandbox.control(json.loads(faults))
        with sandbox:
            say(f"sandbox ready: SMTP {host}:{sandbox.smtp_port}, CMS and pages {sandbox.http_url}, nonce {sandbox.nonce}")
            stopped.wait()
    except PortTaken as error:
        raise CannotServe(str(error)) from error
    except OSError as error:
        raise CannotServe(f"The sandbox cannot use the folder {folder} ({error}): choose another with --folder.") from error
    except ValueError as error:  # NotUnderstood is one
        reason = error if isinstance(error, NotUnderstood) else f"it is not JSON ({error})"
        raise CannotServe(f"--faults is not understood: {reason}") from error


def port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65_535:
        raise argparse.ArgumentTypeError(f"a port is a number from 0 to 65535; got {text!r}")
    return int(text)


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m portal.sandbox", description=__doc__)
    add_options(parser)
    told = vars(parser.parse_args())
    keep = not told.pop("no_keep")
    try:
        serve(**told, keep=keep, cms_token=os.environ.get("CMS_TOKEN", ""), say=say)
    except CannotServe as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
