"""Each rule in the scheduler's order: what went in, what it answered, which version of the configuration, and where the rule comes from."""

from collections.abc import Callable

from campaigns.explaining.deciding import balance, conflicts, exclusion, follow_ups, frequency, post_window
from campaigns.explaining.facts import Facts
from campaigns.explaining.planning import aep, anniversaries, campaigns, contact, history, suppression
from campaigns.explaining.step import Step

RULES: tuple[Callable[[Facts], Step], ...] = (
    *(contact, suppression, history, anniversaries, aep, campaigns),
    *(exclusion, post_window, conflicts, balance, frequency, follow_ups),
)


def steps(facts: Facts) -> list[Step]:
    """Every rule in order."""
    return [make(facts) for make in RULES]
