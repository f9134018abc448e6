"""A contestant's own process: `python -m tests.scale.inside MODULE queue MAILS` or `… MODULE send WORKERS`.

Queueing makes the tables first. Working waits for a line on stdin after saying that it is ready, and ends with its CPU seconds.
"""

import resource
import sys
from importlib import import_module

import django
from django.core.management import call_command
from django.db import connection

from tests.scale.mails import mails

READY = "ready"


def main() -> None:
    module, function, number = sys.argv[1], sys.argv[2], int(sys.argv[3])
    django.setup()
    task = getattr(import_module(module), function)
    if function.startswith("queue"):
        call_command("migrate", verbosity=0)
        task(mails(number))
    else:
        connection.ensure_connection()
        say(READY)
        sys.stdin.readline()
        before = cpu_seconds()
        task(number)
        say(str(cpu_seconds() - before))


def cpu_seconds() -> float:
    """Used so far by this process and by those it forked and saw end."""
    used = [resource.getrusage(whose) for whose in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
