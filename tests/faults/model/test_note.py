"""The life of a CMS note as a machine without wires: however answers are lost, late or slow, the CMS has it once."""

from dataclasses import dataclass

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from messaging.models import NoteOutcome, NoteStatus
from messaging.models.note import NOTE_MOVES
from messaging.note_outcomes import AFTER_ADDING, AFTER_LOOKING

WHO = st.integers(0, 2)
POSTED = {  # what a call meets: is the note kept at once, kept a moment later, and what do we conclude
    "created": (True, False, NoteOutcome.CREATED),
    "kept, answer lost": (True, False, NoteOutcome.LOST_POST),
    "not kept, answer lost": (False, False, NoteOutcome.LOST_POST),
    "kept after we had left": (False, True, NoteOutcome.LOST_POST),
    "nothing arrived": (False, False, NoteOutcome.LOST_PRE),
    "refused": (False, False, NoteOutcome.REJECTED),
}


@dataclass(eq=False)
class Note:
    status: NoteStatus = NoteStatus.PENDING
    token: int = 0
    lapsed: bool = False
    settled: bool = True  # the settle time after a lost answer is over: the CMS has finished whatever it was doing
    stored: int = 0
    coming: bool = False

    def move(self, to: NoteStatus) -> None:
        assert to == self.status or to in NOTE_MOVES[self.status], f"{self.status} must not become {to}"
        self.status = to
        if to == NoteStatus.UNKNOWN:
            self.settled = False

    def release(self, to: NoteStatus) -> None:
        self.move(to)
        self.token, self.lapsed = 0, False


@dataclass(eq=False)
class Worker:
    note: Note
    token: int
    stage: str  # look → add → posting → answered
    outcome: NoteOutcome | None = None

    @property
    def holds(self) -> bool:
        return self.note.token == self.token and not self.note.lapsed


class NoteLife(RuleBasedStateMachine):
    """One note, and up to three processes that take themselves for its holder."""

    def __init__(self) -> None:
        super().__init__()
        self.note = Note()
        self.crew: list[Worker] = []
        self.tokens = 0

    @rule()
    def a_long_time_passes(self) -> None:
        """Every hold runs out, the reaper comes by, and the CMS has done whatever it will do."""
        self.note.lapsed = self.note.token != 0
        if self.note.lapsed:
            self.sweep()
        self.settle_time_passes()

    def may_be_claimed(self) -> bool:
        is_free = self.note.token == 0 or self.note.lapsed
        return self.note.status in (NoteStatus.PENDING, NoteStatus.UNKNOWN) and is_free and self.note.settled

    @precondition(may_be_claimed)
    @rule()
    def claim(self) -> None:
        self.tokens += 1
        self.note.token, self.note.lapsed = self.tokens, False
        stage = "look" if self.note.status == NoteStatus.UNKNOWN else "add"
        self.crew = [*self.crew[-2:], Worker(self.note, self.tokens, stage)]

    @precondition(lambda self: self.crew)
    @rule(who=WHO, met=st.sampled_from(list(POSTED)))
    def go_on(self, who: int, met: str) -> None:
        """The next thing this worker does. One that has stood still for longer than its hold does nothing outside any more."""
        worker = self.crew[who % len(self.crew)]
        match worker.stage:
            case "look" if worker.holds:
                self.look_up(worker)
            case "add" if worker.holds:
                self.note.move(NoteStatus.POSTING)
                worker.stage = "posting"
            case "posting" if worker.holds:
                kept, later, worker.outcome = POSTED[met]
                self.note.stored += kept
                self.note.coming |= later
                worker.stage = "answered"
            case "answered":
                self.record(worker)
            case _:
                self.crew.remove(worker)

    def look_up(self, worker: Worker) -> None:
        """Found: processed. Absent: the same worker may add it."""
        found = NoteOutcome.EXISTS if self.note.stored else NoteOutcome.ABSENT
        self.note.move(AFTER_LOOKING[found])
        worker.stage = "add"
        if self.note.stored:
            self.note.release(self.note.status)

    def record(self, worker: Worker) -> None:
        if self.note.token == worker.token and self.note.status == NoteStatus.POSTING and worker.outcome:
            self.note.release(AFTER_ADDING[worker.outcome])
        self.crew.remove(worker)

    @precondition(lambda self: self.crew)
    @rule(who=WHO)
    def die(self, who: int) -> None:
        self.crew.pop(who % len(self.crew))

    @precondition(lambda self: self.note.token)
    @rule()
    def hold_runs_out(self) -> None:
        self.note.lapsed = True

    @precondition(lambda self: self.note.lapsed)
    @rule()
    def sweep(self) -> None:
        if self.note.status == NoteStatus.POSTING:
            self.note.release(NoteStatus.UNKNOWN)

    @precondition(lambda self: not self.note.settled)
    @rule()
    def settle_time_passes(self) -> None:
        self.note.stored += self.note.coming
        self.note.coming, self.note.settled = False, True

    @invariant()
    def the_cms_never_has_it_twice(self) -> None:
        assert self.note.stored + self.note.coming <= 1

    @invariant()
    def processed_is_what_the_cms_has(self) -> None:
        assert self.note.status != NoteStatus.PROCESSED or self.note.stored == 1

    def teardown(self) -> None:
        """With a patient worker and a CMS that answers, the note ends processed."""
        self.crew.clear()
        self.a_long_time_passes()
        if self.note.status != NoteStatus.PROCESSED:
            self.claim()
            while self.crew:
                self.go_on(0, "created")
        self.the_cms_never_has_it_twice()
        assert self.note.status == NoteStatus.PROCESSED


TestNoteLife = NoteLife.TestCase
TestNoteLife.settings = settings(max_examples=500, stateful_step_count=25, deadline=None)
