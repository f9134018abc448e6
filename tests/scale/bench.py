"""The order of the runs: contestants take turns, so that whatever else this machine does meets all of them."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.scale import databases
from tests.scale.contestants import Contestant
from tests.scale.races import Place, Run, RunBroken, fill, race
from tests.scale.sinks import SandboxSink, SmtpSink

Runs = dict[str, list[Run]]  # by contestant


@dataclass(frozen=True, kw_only=True)
class Bench:
    """How much is run, and where; the scratch databases go when `stack` ends."""

    folder: Path
    stack: ExitStack
    rounds: int
    workers: Sequence[int]
    say: Callable[[str], object]

    def deliver(self, contestants: Sequence[Contestant], *, sink: SmtpSink, mails: int) -> Runs:
        """Everybody's mails to the sink."""
        place = Place(folder=self.folder, smtp_port=sink.port)
        filled: dict[str, str] = {}
        for each in contestants:
            if each.module not in filled:
                filled[each.module] = self.filled(each, mails=each.share_of(mails), place=place)
        results: Runs = {each.name: [] for each in contestants}
        for workers in self.turns():
            for each in (contestant for contestant in contestants if contestant.can_be(workers)):
                with self.copy_of(filled[each.module]) as database:
                    run = self.send(each, database=database, workers=workers, mails=each.share_of(mails), sink=sink, place=place)
                    results[each.name].append(run)
        return results

    def deliver_and_note(self, contestant: Contestant, *, sink: SandboxSink, mails: int) -> tuple[Runs, Runs]:
        """Its mails to the sandbox, then the notes they owe."""
        place = Place(folder=self.folder, smtp_port=sink.port, http_url=sink.http_url)
        filled = self.filled(contestant, mails=mails, place=place)
        sent, noted = [], []
        for workers in self.turns():
            with self.copy_of(filled) as database:
                sent.append(self.send(contestant, database=database, workers=workers, mails=mails, sink=sink, place=place))
                noted.append(self.add_notes(contestant, database=database, workers=workers, notes=mails, sink=sink, place=place))
        return {contestant.name: sent}, {contestant.name: noted}

    def turns(self) -> Iterator[int]:
        for _ in range(self.rounds):
            yield from self.workers

    def scratch(self, name: str) -> str:
        return self.stack.enter_context(databases.scratch(f"scale_{os.getpid()}_{name}"))

    @contextmanager
    def copy_of(self, filled: str) -> Iterator[str]:
        with databases.scratch(f"scale_{os.getpid()}_run", copy_of=filled) as name:
            yield name

    def filled(self, contestant: Contestant, *, mails: int, place: Place) -> str:
        self.say(f"{contestant.name}: queueing {mails:,} mails\n")
        name = self.scratch(f"{contestant.module.rpartition('.')[2]}_{contestant.queue}")
        fill(contestant, database=name, mails=mails, place=place)
        return name

    def send(self, contestant: Contestant, *, database: str, workers: int, mails: int, sink: SmtpSink | SandboxSink, place: Place) -> Run:
        before = sink.accepted()
        run = race(contestant, "send", database=database, workers=workers, number=mails, place=place)
        check(f"{contestant.name}, mails accepted by the sink", sink.accepted() - before, mails)
        check(f"{contestant.name}, mails recorded as sent", databases.count(database, contestant.recorded), mails)
        self.tell(contestant.name, "mails", run)
        return run

    def add_notes(self, contestant: Contestant, *, database: str, workers: int, notes: int, sink: SandboxSink, place: Place) -> Run:
        before = sink.notes()
        run = race(contestant, "add_notes", database=database, workers=workers, number=notes, place=place)
        check(f"{contestant.name}, notes in the case-management system", sink.notes() - before, notes)
        check(f"{contestant.name}, notes recorded as processed", databases.count(database, contestant.noted), notes)
        self.tell(contestant.name, "notes", run)
        return run

    def tell(self, name: str, unit: str, run: Run) -> None:
        workers = "1 worker" if run.workers == 1 else f"{run.workers} workers"
        self.say(f"{name:<73} {workers:<9} {run.number:>6,} {unit} in {run.seconds:6.2f} s = {run.per_second:7,.0f} a second\n")


def check(what: str, counted: int, wanted: int) -> None:
    if counted != wanted:
        raise RunBroken(f"{what}: {counted:,}, and {wanted:,} were queued. Its figure would mean nothing.")
