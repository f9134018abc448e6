"""What a machine did, on disk, so that checks can be made again, sharper ones too. The office is the same for the same seed."""

import pickle
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import date
from typing import IO

from tests.audit.in_database import Changes
from tests.audit.nights import Machine
from tests.audit.office import Office


@dataclass
class Recorded:
    """A machine of which everything is written down."""

    machine: Machine
    into: IO[bytes]

    @property
    def reported(self) -> Collection[date]:
        return self.machine.reported

    def plan(self, office: Office) -> Changes:
        return self.kept(self.machine.plan(office))

    def hand_over(self, office: Office) -> Changes:
        return self.kept(self.machine.hand_over(office))

    def send(self, office: Office) -> Changes:
        return self.kept(self.machine.send(office))

    def kept(self, changes: Changes) -> Changes:
        pickle.dump((changes, self.reported), self.into)
        self.into.flush()
        return changes


@dataclass
class Replayed:
    """A machine that does what was written down. Raises EOFError where that ends."""

    source: IO[bytes]
    reported: Collection[date] = field(default_factory=frozenset)

    def plan(self, office: Office) -> Changes:
        changes: Changes
        changes, self.reported = pickle.load(self.source)  # our own
        return changes

    hand_over = send = plan


def live(office: Office, machine: Machine, *, nights: int) -> None:
    """Day after day, without a look at what the machine does."""
    for day in office.days(nights):
        if day.plans:
            machine.plan(office)
        office.morning()
        if day.hands_over:
            machine.hand_over(office)
        if day.sends:
            machine.send(office)
