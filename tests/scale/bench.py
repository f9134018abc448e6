"""The order of the runs: contestants take turns, so that whatever else this machine does meets all of them."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.scale import databases, sinks
from tests.scale.contestants import Contestant
from tests.scale.races import Place, Run, RunBroken, fill, race


class Bench:
    """Where the runs happen; its scratch databases go when `stack` ends."""

    def __init__(self, folder: Path, stack: ExitStack, *, say: Callable[[str], object]) -> None:
        self.folder, self.stack, self.say = folder, stack, say

    def scratch(self, name: str) -> str:
        return self.stack.enter_context(databases.scratch(f"scale_{os.getpid()}_{name}"))

    @contextmanager
    def smtp_sink(self, program: str) -> Iterator[None]:
        with sinks.smtp_sink(program, folder=self.folder) as self.sink:
            self.place = Place(folder=self.folder, smtp_port=self.sink.port)
            yield

    @contextmanager
    def sandbox(self) -> Iterator[None]:
        with sinks.sandbox(folder=self.folder / "sandbox") as self.sink:
            self.place = Place(folder=self.folder, smtp_port=self.sink.port, http_url=self.sink.http_url)
            yield

    def deliver(self, contestants: Sequence[Contestant], *, mails: int, rounds: int, workers: Iterable[int]) -> dict[str, list[Run]]:
        """Each contestant's runs, by its name."""
        filled = {each: self.filled(each, mails=int(mails * each.mails_share)) for each in contestants}
        results: dict[str, list[Run]] = {each.name: [] for each in contestants}
        for _ in range(rounds):
            for count in workers:
                for each in contestants:
                    with self.copy(filled[each]) as database:
                        run = self.sent(each, database=database, workers=count, mails=int(mails * each.mails_share))
                    results[each.name].append(run)
        return results

    def deliver_and_note(self, contestant: Contestant, *, mails: int, rounds: int, workers: Iterable[int]) -> dict[str, dict[str, list[Run]]]:
        """The runs of the mails and those of the notes they owe."""
        filled = self.filled(contestant, mails=mails)
        sent, noted = [], []
        for _ in range(rounds):
            for count in workers:
                with self.copy(filled) as database:
                    sent.append(self.sent(contestant, database=database, workers=count, mails=mails))
                    noted.append(self.noted(contestant, database=database, workers=count, notes=mails))
        return {"sandbox": {contestant.name: sent}, "notes": {contestant.name: noted}}
