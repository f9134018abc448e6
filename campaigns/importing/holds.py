"""A worker's hold on an import: kept by a pulse of its own while long statements run, so that it ends soon after the worker does."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any

from django.db import Error, OperationalError, connection
from django.db.models.functions import Now

from campaigns.models import ImportJob
from messaging.faults import InjectedFault

LEASE = timedelta(seconds=30)
PULSE_SECONDS = 2.0


class HoldLost(Exception):
    """The import is somebody else's by now, or over."""


class Cancelled(Exception):
    """Somebody asked for the import to stop."""


class Hold:
    """An import that we have claimed. Every question below is asked of the row itself."""

    def __init__(self, job: ImportJob) -> None:
        self.pk, self.lease = job.pk, job.lease
        self.is_lost = self.is_cancelled = False
        self.done_rows = 0  # told with the next pulse

    @property
    def row(self) -> Any:
        return ImportJob.objects.filter(pk=self.pk, lease=self.lease)

    def keep(self, **facts: Any) -> None:
        """It stays ours for a while, with these facts written. Raises HoldLost or Cancelled."""
        if not self.row.update(leased_until=Now() + LEASE, **facts):
            raise HoldLost(self.pk)
        if self.row.filter(cancel_asked_at__isnull=False).exists():
            raise Cancelled(self.pk)

    def check(self) -> None:
        """Whatever the pulse found."""
        if self.is_lost:
            raise HoldLost(self.pk)
        if self.is_cancelled:
            raise Cancelled(self.pk)

    @contextmanager
    def beating(self) -> Iterator[None]:
        """The hold is kept by a second connection. Once it is lost, or somebody cancels, the statement in hand is broken off."""
        connection.ensure_connection()
        over, main = threading.Event(), connection.connection
        pulse = threading.Thread(target=self.pulse, args=(over, main), daemon=True)
        pulse.start()
        try:
            yield
        except OperationalError:
            self.check()  # it was us who broke it off
            raise
        finally:
            over.set()
            pulse.join()

    def pulse(self, over: threading.Event, main: Any) -> None:
        try:
            while not over.wait(PULSE_SECONDS):
                with suppress(Error, InjectedFault):  # a database that is away ends the merge by itself
                    self.is_lost = not self.row.update(leased_until=Now() + LEASE, done_rows=self.done_rows)
                    self.is_cancelled = self.row.filter(cancel_asked_at__isnull=False).exists()
                if (self.is_lost or self.is_cancelled) and not over.is_set():
                    with suppress(Exception):
                        main.cancel_safe()
        finally:
            connection.close()
