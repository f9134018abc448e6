"""Two clusters of eight workers at fifty quotes: each is asked about once, priced once, and owes each of its two mails once."""

import signal
import time
from collections import Counter
from typing import Any

from tests.faults.lab import Lab
from tests.faults.zygote import Worker

QUOTES, WORKERS = 50, 16
OUTCOMES = "SELECT outcome, count(*) FROM portal_aicall GROUP BY 1"


def workers(lab: Lab, *, lock_seconds: float, seconds: float = 60) -> list[Worker]:
    lab.zygote.run("ask_for_quotes", count=QUOTES)
    told: dict[str, Any] = {"ai_url": lab.ai_url, "lock_seconds": lock_seconds, "seconds": seconds}
    return [lab.fork("price_quotes", **told) for _ in range(WORKERS)]


def together(workers: list[Worker]) -> Counter[str]:
    total: Counter[str] = Counter()
    for worker in workers:
        total.update(worker.answer(within_seconds=120) or {})
    return total


def assert_each_is_priced_once(lab: Lab) -> None:
    assert lab.zygote.run("verify_quotes") == []
    assert dict(lab.database.ask("SELECT status, count(*) FROM portal_quote GROUP BY 1")) == {"ai_quoted": QUOTES}
    mails = "SELECT kind, count(*), count(DISTINCT key) FROM messaging_message GROUP BY 1 ORDER BY 1"
    assert lab.database.ask(mails) == [("quote_admin", QUOTES, QUOTES), ("quote_customer", QUOTES, QUOTES)]


def test_sixteen_workers_ask_the_ai_once_about_each_quote(clean_lab: Lab):
    done = together(workers(clean_lab, lock_seconds=1800))

    assert (done["quoted"], done["late"]) == (QUOTES, 0)
    assert len(clean_lab.sandbox.ai_ledger()) == QUOTES
    assert_each_is_priced_once(clean_lab)


def test_answers_of_an_ai_that_is_slower_than_the_lock_are_kept_and_never_applied(clean_lab: Lab):
    clean_lab.sandbox.use(ai={"rates": {"slow-2.5": 0.3}})

    done = together(workers(clean_lab, lock_seconds=1.5))

    outcomes = dict(clean_lab.database.ask(OUTCOMES))
    assert outcomes["applied"] == done["quoted"] == QUOTES
    assert outcomes["fenced"] == done["late"] > 0, "no answer was late: nothing is proved"
    assert set(outcomes) == {"applied", "fenced"}, "every run that lost its lock came back and said what it cost"
    assert len(clean_lab.sandbox.ai_ledger()) == sum(outcomes.values())
    assert_each_is_priced_once(clean_lab)


def test_quotes_of_workers_that_are_killed_are_priced_by_others(clean_lab: Lab):
    clean_lab.sandbox.use(ai={"rates": {"slow-0.3": 1.0}})
    racing = workers(clean_lab, lock_seconds=1.5)
    for worker in racing[:8]:
        time.sleep(0.1)
        worker.signal(signal.SIGKILL)

    together(racing[8:])

    outcomes = dict(clean_lab.database.ask(OUTCOMES))
    assert outcomes["lost"] > 0, "nobody died over a quote: nothing is proved"
    assert set(outcomes) <= {"applied", "lost", "fenced"}
    assert_each_is_priced_once(clean_lab)
