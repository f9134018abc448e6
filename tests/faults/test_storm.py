"""Workers killed, frozen and told to stop at random, a database that restarts, servers that fail by the script; then the ledgers.

Each run prints its seed and its counts. The same seed is the same plan of faults, not the same timing.
"""

import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.faults.lab import Lab
from tests.faults.zygote import Worker

SEED = int(os.environ.get("STORM_SEED", "12"))
WORKERS = 4
SHARE_IN_THE_STORM = 0.6  # of the work; the rest is left for the drain
LONGEST_GAP_SECONDS = 3.0  # between two kills, where everything is claimed by the dead and waits for its lease to end
LEASE_SECONDS, SETTLE_SECONDS = 1.2, 3.0
DOUBTFUL = """SELECT m.id, m.tries, m.error, a.number, a.phase, a.error, a.started_at, a.ended_at
    FROM messaging_message m LEFT JOIN messaging_attempt a ON a.message_id = m.id WHERE m.status = 'in_doubt' ORDER BY a.id"""
FREEZE_SECONDS = 2.0  # longer than the lease; with the slowest commit of the CMS shorter than lease and settle time
FREEZE_SHARE = 0.05
DROPS_AFTER_THE_BODY = ("drop-after-accept", "drop-before-accept")
MAIL_FAULTS = {
    "drop-after-accept": 0.01,
    "refuse-450": 0.02,
    "after-dot-451": 0.01,
    "drop-at-rcpt": 0.01,
    "drop-before-accept": 0.005,
    "after-dot-554": 0.005,
    "slow-0.3": 0.002,
}
NOTE_FAULTS = {
    "500-before-commit": 0.02,
    "500-after-commit": 0.03,
    "drop-before-commit": 0.02,
    "drop-after-commit": 0.03,
    "timeout-before-commit": 0.003,
    "timeout-after-commit": 0.003,
    "slow-commit-0.5": 0.005,  # the client gives up after half a second; the settle time is longer than both
    "429-1": 0.002,
    "garbage": 0.01,
    "html": 0.01,
    "empty": 0.01,
    "look-up-broken": 0.05,
}


@dataclass
class Storm:
    """Workers that do `steps` for ever, and what befalls them."""

    lab: Lab
    place: dict[str, Any]
    steps: list[str]
    chance: random.Random
    crew: list[Worker] = field(default_factory=list)
    frozen: dict[int, float] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)

    def recruit(self) -> None:
        while len(self.crew) < WORKERS:
            self.crew.append(self.lab.zygote.fork("keep_working", place=self.place, steps=self.steps))

    def kill_one(self) -> None:
        victim = self.crew.pop(self.chance.randrange(len(self.crew)))
        self.frozen.pop(id(victim), None)
        victim.kill()
        self.counts["kills"] += 1
        if self.chance.random() < FREEZE_SHARE:
            other = self.chance.choice(self.crew)
            other.signal(signal.SIGSTOP)
            self.frozen[id(other)] = time.monotonic() + FREEZE_SECONDS
            self.counts["frozen"] += 1
        self.recruit()

    def thaw(self, *, all_of_them: bool = False) -> None:
        for worker in self.crew:
            if id(worker) in self.frozen and (all_of_them or time.monotonic() > self.frozen[id(worker)]):
                worker.signal(signal.SIGCONT)
                del self.frozen[id(worker)]

    def rage(self, *, kills: int, restarts: int, work: int, done: Callable[[], int]) -> None:
        """So many kills, each after an amount of work at random; the restarts of the database evenly between them."""
        every = kills // (restarts + 1)
        for number in range(1, kills + 1):
            enough, ends_at = done() + self.chance.expovariate(kills / (work * SHARE_IN_THE_STORM)), time.monotonic() + LONGEST_GAP_SECONDS
            while done() < enough and time.monotonic() < ends_at:
                self.thaw()
                time.sleep(0.002)
            time.sleep(self.chance.expovariate(1 / 0.03))  # not at the moment of an answer, but at any
            self.kill_one()
            self.thaw()
            if number % every == 0 and self.counts["restarts"] < restarts:
                self.restart_database()

    def restart_database(self) -> None:
        """Takes a while, during which nobody thaws: so nobody is frozen."""
        self.thaw(all_of_them=True)
        self.lab.database.stop(self.chance.choice(["fast", "immediate"]))
        self.lab.database.start()
        self.counts["restarts"] += 1

    def calm(self) -> None:
        """Nobody works any more: the frozen thaw first, since what they do then is part of the storm."""
        self.thaw(all_of_them=True)
        for worker in self.crew:
            worker.signal(signal.SIGTERM)
        for worker in self.crew:
            if worker.has_ended(within_seconds=20):
                self.counts["rounds"] += (worker.answer() or {}).get("rounds", 0)
            worker.kill()
        self.crew.clear()


@contextmanager
def storm(lab: Lab, *, steps: list[str], seed: int) -> Iterator[Storm]:
    place = lab.place(lease_seconds=LEASE_SECONDS, settle_seconds=SETTLE_SECONDS)
    ours = Storm(lab, place, steps, random.Random(seed))
    ours.recruit()
    try:
        yield ours
    finally:
        lab.database.start()
        for worker in ours.crew:
            worker.kill()


def tell(name: str, **facts: Any) -> None:
    line = ", ".join(f"{key} {value}" for key, value in facts.items())
    sys.stderr.write(f"\n{name}: {line}\n")


def wait_for(is_so: Callable[[], bool]) -> None:
    ends_at = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < ends_at, "the workers do not get on"
        time.sleep(0.005)


def customers(number: int) -> list[str]:
    return [f"customer{n}@client.example" for n in range(number)]


def storm_of_mails(lab: Lab, *, sends: int, kills: int, restarts: int, seed: int) -> None:
    lab.sandbox.use(mail={"rates": MAIL_FAULTS, "seed": seed})
    lab.zygote.run("queue", recipients=customers(sends), needs_note=False, within_seconds=600)
    began = time.monotonic()
    with storm(lab, steps=["send", "sweep"], seed=seed) as ours:
        ours.rage(kills=kills, restarts=restarts, work=sends, done=lambda: lab.sandbox.mailbox.count)
        raged = lab.sandbox.mailbox.count
        ours.calm()
    lab.zygote.run("drain", place=ours.place, within_seconds=180)

    wrong, ended = lab.wrong(), lab.statuses()
    scripted, delivered = lab.faults_met(*DROPS_AFTER_THE_BODY), {line["message_id"] for line in lab.sandbox.mail_ledger()}
    doubtful = {i for (i,) in lab.database.ask("SELECT message_id FROM messaging_message WHERE status = 'in_doubt'")}
    from_kills = doubtful - scripted
    tell(
        "storm of mails",
        seed=seed,
        **ours.counts,
        **ended,
        doubts_from_kills=len(from_kills),
        doubtful_yet_delivered=len(doubtful & delivered),
        mails_between_kills=round(raged / kills, 1),
        claimed_at_most=lab.database.ask("SELECT max(claims) FROM messaging_message")[0][0],
        seconds=round(time.monotonic() - began, 1),
    )
    assert wrong == []
    assert ended["sent"] + ended["failed"] + ended["in_doubt"] == sends
    assert scripted <= doubtful, "an answer was lost, and no doubt is shown"
    assert len(from_kills) <= kills / 2
    assert raged > sends / 2, "the workers did their work after the storm, not in it"


def storm_of_notes(lab: Lab, *, notes: int, kills: int, restarts: int, seed: int) -> None:
    lab.zygote.run("queue", recipients=customers(notes), within_seconds=600)
    lab.zygote.run("work", place=lab.place(lease_seconds=60, settle_seconds=60), steps=["send"] * (1 + notes // 100), within_seconds=600)
    lab.sandbox.use(notes={"rates": NOTE_FAULTS, "seed": seed})
    began = time.monotonic()
    with storm(lab, steps=["notes", "sweep"], seed=seed) as ours:
        ours.rage(kills=kills, restarts=restarts, work=notes, done=lambda: len(lab.sandbox.book.notes))
        raged = len(lab.sandbox.book.notes)
        ours.calm()
    lab.zygote.run("drain", place=ours.place, within_seconds=180)

    wrong, ended = lab.wrong(), lab.statuses("cmsnote")
    struck = Counter(line["fault"] for line in lab.sandbox.fault_ledger())
    seconds = round(time.monotonic() - began, 1)
    between = round(raged / kills, 1)
    tell("storm of notes", seed=seed, **ours.counts, **ended, notes_between_kills=between, faults=struck.total(), seconds=seconds)
    assert raged > notes / 2, "the workers did their work after the storm, not in it"
    assert wrong == []
    assert ended == {"processed": notes}
    assert len(lab.sandbox.note_ledger()) == notes


def test_two_thousand_mails_survive_a_hundred_kills(clean_lab: Lab):
    storm_of_mails(clean_lab, sends=2_000, kills=100, restarts=2, seed=SEED)


def test_six_hundred_notes_survive_forty_kills(clean_lab: Lab):
    storm_of_notes(clean_lab, notes=600, kills=40, restarts=1, seed=SEED)


@pytest.mark.parametrize("restarts", [(), (3, 7)], ids=["the database stays", "the database restarts twice"])
def test_without_kills_and_faults_no_mail_is_ever_in_doubt_though_workers_are_told_to_stop(clean_lab: Lab, restarts):
    """A doubt may arise while the database is away longer than a lease lasts; the word on disk that nothing left settles it."""
    clean_lab.zygote.run("queue", recipients=customers(1_000), needs_note=False)
    with storm(clean_lab, steps=["send", "sweep"], seed=SEED) as ours:
        for number in range(10):
            wait_for(lambda number=number: clean_lab.sandbox.mailbox.count > 90 * number)
            leaver = ours.crew.pop(0)
            leaver.signal(signal.SIGTERM)
            assert leaver.has_ended(within_seconds=20)
            ours.recruit()
            if number in restarts:
                ours.restart_database()
        ours.calm()
    clean_lab.zygote.run("drain", place=ours.place)

    assert clean_lab.wrong() == []
    assert clean_lab.database.ask(DOUBTFUL) == []
    assert clean_lab.statuses() == {"sent": 1_000}


@pytest.mark.storm
def test_twenty_thousand_mails_survive_a_thousand_kills(clean_lab: Lab):
    storm_of_mails(clean_lab, sends=20_000, kills=1_000, restarts=10, seed=SEED)


@pytest.mark.storm
def test_four_thousand_notes_survive_three_hundred_kills(clean_lab: Lab):
    storm_of_notes(clean_lab, notes=4_000, kills=300, restarts=4, seed=SEED)
