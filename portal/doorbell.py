"""django-q2's own broker, which also answers rings meant for one running cluster alone.

Several hosts share a queue, so a ring in it may be answered by any of them. The watchdog has to know about its own.
"""

import os
from time import sleep
from typing import Any

from django.utils import timezone
from django_q.brokers.orm import ORM
from django_q.conf import Conf

OWN_KEY = "PORTAL_CLUSTER"  # set by the watchdog for the clusters it starts: cluster@host-pid


class Doorbell(ORM):
    def dequeue(self) -> list[tuple[int, str]] | None:
        """The oldest ring, locked for us; None after a short sleep if there is none."""
        keys = [self.list_key, os.environ.get(OWN_KEY, self.list_key)]
        waiting = self.get_connection().filter(key__in=keys, lock__lt=timezone.now()).order_by("pk")[: Conf.BULK]
        rings = [(ring.pk, ring.payload) for ring in waiting if self._lock(ring)]
        if not rings:
            sleep(Conf.POLL)
        return rings or None

    def _lock(self, ring: Any) -> int:
        return self.get_connection().filter(pk=ring.pk, lock=ring.lock).update(lock=self.timeout(ring))
