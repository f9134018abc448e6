"""A server's answer is never lost: kept in the spool at once, recorded in the database as soon as it takes it.

One write() keeps it across `kill -9`; where the database does not take it, it is forced to disk and both are tried until one is done (R4).
"""

import logging
import time
from collections.abc import Callable
from pathlib import Path

from django.db import DatabaseError, DataError, IntegrityError, InterfaceError, connection

from messaging import outcomes, spool
from messaging.faults import fault
from messaging.outcomes import Fence, Outcome

log = logging.getLogger(__name__)
KIND = "outcomes"
FIRST_WAIT_SECONDS = 0.2  # doubled after each failure …
LONGEST_WAIT_SECONDS = 5.0
GIVE_UP_SECONDS = 600.0  # … until an answer that is safe on disk is left to whoever comes next


class Answers:
    """One worker's answers on their way to the database: at most one at a time."""

    def __init__(self, spool_dir: Path, *, stop: Callable[[], bool], recorded: Callable[[Outcome], None]) -> None:
        self.spool = spool.Spool(spool_dir, kind=KIND)
        self.stop, self.recorded = stop, recorded
        self.pending: Outcome | None = None

    def keep(self, outcome: Outcome) -> None:
        """The answer survives our death from here on. A disk that takes nothing does not matter while the database does."""
        assert self.pending is None, "record() the last answer first"
        fault("mail.after_reply")
        self.pending = outcome
        self._to_disk(outcome, sync=False)
        fault("mail.after_journal")

    def set_aside(self, outcome: Outcome) -> None:
        """It waits on disk for the next `drain`: the database is away, and nobody stays to bring it in."""
        self._to_disk(outcome, sync=True)

    def record(self, fence: Fence | None = None) -> bool:
        """Bring the pending answer into the database, and the fence with it, in one commit; True if the fence holds.

        A DatabaseError is raised only after the answer was recorded or left safe on disk; the fence is then as good as not set.
        """
        if self.pending is None and fence is None:
            return False
        fault("mail.before_result_commit")
        try:
            settled, fenced = outcomes.write(self.pending, fence)
            if self.pending and not settled:  # our lease ran out meanwhile: the answer is evidence now
                outcomes.settle_late(self.pending)
        except DatabaseError:
            self._record_late()
            raise
        self._done()
        if fence is None:  # in between, lines of answers that are recorded may stay: replaying them changes nothing
            self.spool.forget()
        return fenced

    def close(self) -> None:
        self.spool.close()

    def _done(self) -> None:
        if self.pending is not None:
            self.recorded(self.pending)
            self.pending = None
            fault("mail.after_result_commit")

    def _record_late(self) -> None:
        """Whether the commit took place is unknown (R5): writing it again by message and token changes nothing if it did."""
        on_disk, wait, ends_at = False, FIRST_WAIT_SECONDS, time.monotonic() + GIVE_UP_SECONDS
        while self.pending is not None:
            on_disk = on_disk or self._to_disk(self.pending, sync=True)
            connection.close()
            try:
                outcomes.settle_late(self.pending)
            except (DataError, IntegrityError):
                raise  # no later try changes that; it stays on disk
            except (DatabaseError, InterfaceError) as trouble:
                log.warning("the answer to message %s waits in the spool: %s", self.pending.message_id, trouble)
            else:
                return self._done()
            if on_disk and (self.stop() or time.monotonic() > ends_at):
                return None
            time.sleep(wait)
            wait = min(wait * 2, LONGEST_WAIT_SECONDS)
        return None

    def _to_disk(self, outcome: Outcome, *, sync: bool) -> bool:
        try:
            self.spool.append(outcome.as_fact(), sync=sync)
        except spool.SpoolUnwritable as full:
            log.error("%s", full)
            return False
        return True


def drain(spool_dir: Path, *, book: spool.Book = spool.unbooked) -> int:
    """Apply the answers that dead workers of this host left behind; return how many were waiting. Twice is once."""
    return spool.drain(spool_dir, kind=KIND, save=settle, book=book)


def settle(fact: spool.Fact) -> None:
    try:
        outcomes.settle_late(outcomes.from_fact(fact))
    except (TypeError, KeyError, DataError, IntegrityError) as trouble:
        raise spool.FactUnusable(f"{trouble}: {fact}") from trouble
