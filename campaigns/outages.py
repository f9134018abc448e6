"""A database that a run's worker has to wait for: because it is away, or because it answers and takes nothing, as with a full disk.

The first passes by itself and is known to everybody; of the second somebody is told at once.
"""

import time
from dataclasses import dataclass, field

from django.db import Error

from messaging import journal
from messaging.models import Level

LONGEST_OUTAGE_SECONDS = 600.0
PAUSE_SECONDS = 1.0  # between two tries
PASSING = ("08", "40", "57P")  # SQLSTATE: no line, a deadlock, a server that stops or starts


@dataclass
class Outage:
    """What one worker of a run has met since the last step that was done."""

    run_id: int
    since: float | None = None
    met: str = ""  # the SQLSTATE of the try before
    told: set[str] = field(default_factory=set)

    def is_endless(self) -> bool:
        return self.since is not None and time.monotonic() - self.since > LONGEST_OUTAGE_SECONDS

    def wait(self, trouble: Error) -> None:
        """A moment has passed. Trouble that an answering database made twice in a row has become an alarm, once."""
        self.since = self.since or time.monotonic()
        code = refusal_code(trouble)
        if code and code == self.met and code not in self.told:
            self.told.add(code)
            said = " ".join(str(trouble).split())
            text = f"Run {self.run_id} waits: the database does not take what it writes ({said}). It goes on by itself once it does."
            journal.record(Level.ALARM, "scheduler", text, detail={"sqlstate": code})
        self.met = code
        time.sleep(PAUSE_SECONDS)

    def end(self) -> None:
        self.since, self.met = None, ""


def refusal_code(trouble: Error) -> str:
    """The SQLSTATE of what a database that answers refuses; empty where it is away, or will have done with it in a moment."""
    code = getattr(trouble.__cause__, "sqlstate", None) or ""
    return "" if code.startswith(PASSING) else code
