"""Every named fault point over a quote, met by every fault, in a real worker at a real AI: each is priced once, with two mails.

An answer is asked for again only where it died with its worker, or came after the lock.
"""

import time

import pytest

from messaging.faults import POINTS
from tests.faults.acts import QUOTES
from tests.faults.lab import Lab
from tests.faults.test_sweep import strike

LOCK_SECONDS, PAST_THE_LOCK = 2.0, 2.6
FAULTS = {"kill": "kill", "raise": "raise", "sleep past the lock": f"sleep:{PAST_THE_LOCK}", "stop the database": "touch:mark"}
QUESTIONS = {  # what the AI is asked about three quotes when the second one is struck
    "quote.before_claim_commit": {"kill": 3, "raise": 3, "sleep past the lock": 4, "stop the database": 3},
    "quote.before_call": {"kill": 3, "raise": 2, "sleep past the lock": 4, "stop the database": 3},
    "quote.after_call": {"kill": 4, "raise": 3, "sleep past the lock": 4, "stop the database": 3},
    "quote.before_result_commit": {"kill": 4, "raise": 4, "sleep past the lock": 4, "stop the database": 3},
}
FOR_A_PERSON = {("quote.before_call", "raise"), ("quote.after_call", "raise")}  # it broke us: nothing is priced before somebody looks
MAILS = "SELECT kind, count(*), count(DISTINCT key), count(*) FILTER (WHERE status = 'sent') FROM messaging_message GROUP BY 1 ORDER BY 1"
PAID = "SELECT count(*), count(*) FILTER (WHERE cost > 0) FROM portal_aicall WHERE outcome IN ('applied', 'fenced')"


def of(kind: str) -> list[str]:
    return sorted(point for point in POINTS if point.startswith(f"{kind}."))


def count(lab: Lab, sql: str) -> dict[str, int]:
    return dict(lab.database.ask(sql))


def assert_priced_once(lab: Lab, *, quotes: int) -> None:
    """So many quotes have their price, once, and their mails have gone out, once."""
    lab.zygote.run("drain", place=lab.place(lease_seconds=LOCK_SECONDS, settle_seconds=0))
    assert lab.zygote.run("verify_quotes") == []
    assert lab.wrong() == []
    assert count(lab, "SELECT outcome, count(*) FROM portal_aicall GROUP BY 1")["applied"] == quotes
    assert lab.database.ask(MAILS) == [("quote_admin", quotes, quotes, quotes), ("quote_customer", quotes, quotes, quotes)]
    answered, with_cost = lab.database.ask(PAID)[0]
    assert answered == with_cost, "an answer was recorded without what it cost"


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("point", of("quote"))
def test_whatever_strikes_over_a_quote_it_is_priced_once(clean_lab: Lab, point: str, fault: str):
    lock_seconds = 30.0 if fault == "stop the database" else LOCK_SECONDS  # an answer that is waited with is still in time
    place = clean_lab.place(lease_seconds=LOCK_SECONDS, settle_seconds=0, lock_seconds=lock_seconds)
    marks = clean_lab.folder / "marks"

    worker = clean_lab.fork("work", place=place, steps=["ask", "price"], fault=f"{point}={FAULTS[fault]}@2", marks=str(marks))
    strike(clean_lab, marks / point, fault)
    if fault != "kill":
        is_told = fault == "raise" and (point, fault) not in FOR_A_PERSON
        clean_lab.zygote.run("price_quotes", ai_url=clean_lab.ai_url, lock_seconds=lock_seconds, seconds=30)
        assert worker.answer() == (f"raised at {point}" if is_told else "done")
    clean_lab.zygote.run("price_quotes", ai_url=clean_lab.ai_url, lock_seconds=lock_seconds, seconds=30)

    left = QUOTES - ((point, fault) in FOR_A_PERSON)
    assert_priced_once(clean_lab, quotes=left)
    statuses = count(clean_lab, "SELECT status, count(*) FROM portal_quote GROUP BY 1")
    assert statuses == {"ai_quoted": left} | ({"ai_error": 1} if left < QUOTES else {})
    assert len(clean_lab.sandbox.ai_ledger()) == QUESTIONS[point][fault]


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("point", of("operation"))
def test_whatever_strikes_a_bulk_action_each_of_its_quotes_is_priced_once(clean_lab: Lab, point: str, fault: str):
    place = clean_lab.place(lease_seconds=LOCK_SECONDS, settle_seconds=0)
    marks, when = clean_lab.folder / "marks", 1 if point == "operation.after_claim" else 2

    steps = ["ask", "bulk", "operate"]
    worker = clean_lab.fork("work", place=place, steps=steps, fault=f"{point}={FAULTS[fault]}@{when}", marks=str(marks))
    strike(clean_lab, marks / point, fault)
    clean_lab.zygote.run("finish_operations", ai_url=clean_lab.ai_url)
    if fault != "kill":
        assert worker.answer() == (f"raised at {point}" if fault == "raise" else "done")

    assert_priced_once(clean_lab, quotes=QUOTES)
    assert count(clean_lab, "SELECT status, count(*) FROM portal_operation GROUP BY 1") == {"done": 1}
    told = count(clean_lab, "SELECT outcome, count(*) FROM portal_operationitem GROUP BY 1")
    assert sum(told.values()) == QUOTES
    assert set(told) <= {"priced", "skipped" if fault == "sleep past the lock" else "priced"}  # the one who is slow may be at it still
    assert len(clean_lab.sandbox.ai_ledger()) == QUOTES


def test_an_answer_that_comes_while_the_database_is_away_is_recorded_once_with_its_cost(clean_lab: Lab):
    clean_lab.zygote.run("ask_for_quotes", count=1)
    clean_lab.sandbox.use(ai={"modes": ["slow-1.5"]})
    worker = clean_lab.fork("price_quotes", ai_url=clean_lab.ai_url, lock_seconds=60, seconds=0.1)
    wait_until_asked(clean_lab)

    clean_lab.database.stop("immediate")
    time.sleep(2.5)  # the answer has come meanwhile
    clean_lab.database.start()

    assert worker.answer()["quoted"] == 1
    assert_priced_once(clean_lab, quotes=1)
    assert len(clean_lab.sandbox.ai_ledger()) == 1


def wait_until_asked(lab: Lab) -> None:
    ends_at = time.monotonic() + 20
    while not lab.sandbox.ai_ledger():
        assert time.monotonic() < ends_at, "the AI was never asked"
        time.sleep(0.01)
