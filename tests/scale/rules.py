"""How fast the campaign rules are, and how much memory they take: `python -m tests.scale.rules`. Synthetic contacts, no database."""

import argparse
import resource
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from campaigns import scheduler
from campaigns.rules import balance
from campaigns.rules.exclusions import excluded_until
from campaigns.rules.shapes import Array, Contacts
from campaigns.rules.states import STATES
from campaigns.scheduler import Chunk
from campaigns.settings import SchedulerSettings

DAY = np.datetime64("2026-01-31", "D")
SEED = 4
OLDEST, YOUNGEST = np.datetime64("1935-01-01", "D"), np.datetime64("1961-12-31", "D")
FIRST_POLICY, LAST_POLICY = 2005, 2026  # most policies begin on the first of a month


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.scale.rules", description=__doc__)
    parser.add_argument("--contacts", type=int, default=3_000_000)
    parser.add_argument("--chunk", type=int, default=50_000, help="contacts in one piece")
    told = parser.parse_args()
    settings = SchedulerSettings(organisation_contacts=told.contacts)
    before = peak_mb()
    sizes = [min(told.chunk, told.contacts - start) for start in range(0, told.contacts, told.chunk)]
    print_measured("the exclusion rule alone", told.contacts, before, lambda: only_exclusion(sizes, settings))
    print_measured("rules of each contact, before balancing", told.contacts, before, lambda: only_plans(sizes, settings))
    print_measured("all rules, four passes over the chunks", told.contacts, before, lambda: everything(sizes, settings))
    return 0


def chunks(sizes: list[int]) -> Iterator[Chunk]:
    """The same contacts every time; making them is not what is measured."""
    for number, size in enumerate(sizes):
        random = np.random.default_rng([SEED, number])
        months = random.integers((FIRST_POLICY - 1970) * 12, (LAST_POLICY - 1970) * 12, size).astype("M8[M]")
        yield Chunk(
            Contacts(
                id=np.arange(1, size + 1) + sum(sizes[:number]),
                state=random.integers(0, len(STATES), size).astype("i1"),
                birthday=OLDEST + random.integers(0, (YOUNGEST - OLDEST).astype(int), size),
                effective_date=months.astype("M8[D]"),
            )
        )


class Stopwatch:
    """Counts only the CPU seconds of what it runs."""

    seconds = 0.0

    def run(self, work: Callable[[], Any]) -> Any:
        started = time.process_time()
        result = work()
        self.seconds += time.process_time() - started
        return result


def only_exclusion(sizes: list[int], settings: SchedulerSettings) -> tuple[float, str]:
    watch, excluded = Stopwatch(), 0
    for chunk in chunks(sizes):
        until = watch.run(lambda chunk=chunk: excluded_until(chunk.contacts, DAY, rules=settings.rules, lead_days=60))
        excluded += int((~np.isnat(until)).sum())
    return watch.seconds, f"{excluded:,} within a window"


def only_plans(sizes: list[int], settings: SchedulerSettings) -> tuple[float, str]:
    watch, rows = Stopwatch(), 0
    for chunk in chunks(sizes):
        rows += len(watch.run(lambda chunk=chunk: plan(chunk, settings)))
    return watch.seconds, f"{rows:,} rows"


def plan(chunk: Chunk, settings: SchedulerSettings) -> Array:
    return scheduler.uncontested(chunk, scheduler.planned(chunk, day=DAY, settings=settings))


def everything(sizes: list[int], settings: SchedulerSettings) -> tuple[float, str]:
    """As a run over a table does it: each pass plans anew, so that only counts and left-over rows are kept from one to the next."""
    watch, caps = Stopwatch(), scheduler.caps_of(sum(sizes), settings)
    counted = [watch.run(lambda chunk=chunk: scheduler.effective_date_tally(chunk, plan(chunk, settings))) for chunk in chunks(sizes)]
    crowded = scheduler.crowded_days(balance.merged(counted), caps)

    def spread(chunk: Chunk) -> Array:
        return scheduler.smoothed(chunk, plan(chunk, settings), crowded, day=DAY, settings=settings)

    tallies = [watch.run(lambda chunk=chunk: scheduler.tally(chunk, spread(chunk))) for chunk in chunks(sizes)]
    counts = balance.merged(tallies)
    allowed = scheduler.allowances(counts, caps=caps, settings=settings)
    earlier, left = counts[:0], []
    for chunk, own in zip(chunks(sizes), tallies, strict=True):
        left.append(watch.run(lambda chunk=chunk, earlier=earlier: scheduler.left_over(chunk, spread(chunk), allowed, earlier)))
        earlier = balance.merged([earlier, own])
    found = watch.run(lambda: scheduler.placed(left, counts, caps=caps, settings=settings))
    ends = np.zeros(2, "i8")
    for chunk, over, new in zip(chunks(sizes), left, found, strict=True):
        ends += watch.run(
            lambda chunk=chunk, over=over, new=new: finished(chunk, scheduler.put_back(spread(chunk), over.at, new), settings)
        )
    stay = sum(int(np.isnat(new).sum()) for new in found)
    return (
        watch.seconds,
        f"{ends[0]:,} planned, {ends[1]:,} skipped, {sum(map(len, found)) - stay:,} moved off full days, {stay:,} over the cap",
    )


def finished(chunk: Chunk, rows: Array, settings: SchedulerSettings) -> Array:
    """How many mails are planned, and how many skipped."""
    return np.bincount(scheduler.limited(chunk, rows, day=DAY, settings=settings)["status"], minlength=2)[:2]


def print_measured(what: str, contacts: int, before: float, work: Callable[[], tuple[float, str]]) -> None:
    seconds, found = work()
    sys.stdout.write(
        f"{what}: {seconds:.1f} CPU s, {contacts / seconds:,.0f} contacts/s, {peak_mb() - before:.0f} MB more than at the start; {found}\n"
    )
    sys.stdout.flush()


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    sys.exit(main())
