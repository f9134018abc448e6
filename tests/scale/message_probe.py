"""`python -m tests.scale.message_probe`: queues and claims one mail after the other until its input ends; says how long that took."""

import os
import select
import sys
import time
from datetime import timedelta
from statistics import median

import django

PAUSE_SECONDS = 0.02


def main() -> int:
    django.setup()
    from messaging import outbox  # noqa: PLC0415 - models, after the set-up
    from messaging.models import Message  # noqa: PLC0415
    from portal import wiring  # noqa: PLC0415

    sys.stdout.write("ready\n")
    sys.stdout.flush()
    waited = []
    while not (waited and select.select([sys.stdin], [], [], PAUSE_SECONDS)[0]):
        began = time.perf_counter()
        draft = outbox.Draft(key=f"probe:{os.getpid()}:{len(waited)}", kind="probe", recipient="a@client.example", subject="s", text="t")
        (message,) = outbox.queue([draft], sender=wiring.sender())
        held = Message.objects.filter(pk=message.pk, status="queued").claim(lease=timedelta(minutes=9), limit=1, status="claimed")
        assert len(held) == 1
        waited.append(1000 * (time.perf_counter() - began))
    sys.stdout.write(f"{len(waited):,} mails queued and claimed, median {median(waited):.0f} ms, longest {max(waited):.0f} ms\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
