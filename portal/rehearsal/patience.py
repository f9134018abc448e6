"""Work until nothing is left, but not for ever."""

import time
from collections.abc import Callable
from typing import Any

PATIENCE_SECONDS = 120.0
REST_SECONDS = 0.05

Tell = Callable[[int, int, str], object]


class DayStuck(Exception):
    """The day does not come to its end; the text says what is left, and where."""


def until_none(left: Any, what: str, work: Callable[[], object], *, tell: Tell) -> None:
    """The rows of this query are worked off. Raises DayStuck."""
    ends_at, of = time.monotonic() + PATIENCE_SECONDS, left.count()
    while number := left.count():
        if time.monotonic() > ends_at:
            raise DayStuck(f"{number} of {of} {what} are left after {PATIENCE_SECONDS:.0f} s, such as: {left.first()!r}.")
        work()
        time.sleep(REST_SECONDS)
    tell(of, of, what)
