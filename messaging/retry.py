"""When to try again: waits that grow, spread a little at random, and end. Pure."""

import random
from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, kw_only=True)
class RetryPolicy:
    """At most `max_tries` within a round; between them `first_wait`, then `factor` times as long, up to `longest` (R13)."""

    max_tries: int = 3
    first_wait: timedelta = timedelta(seconds=60)
    factor: int = 4
    longest: timedelta = timedelta(hours=6)
    jitter_share: float = 0.2

    def __post_init__(self) -> None:
        assert 1 <= self.max_tries <= 10, f"max_tries must be 1-10, got {self.max_tries}"
        assert 0 <= self.jitter_share < 1, f"jitter_share is a share, 0 up to 1; got {self.jitter_share}"

    def wait(self, *, tries: int) -> timedelta:
        """How long to wait after the `tries`-th try failed: never shorter than the plain back-off, at most `jitter_share` longer."""
        assert tries >= 1, f"a wait follows a try; got {tries}"
        plain = min(self.first_wait * self.factor ** min(tries - 1, 20), self.longest)
        return plain * (1 + random.random() * self.jitter_share)
