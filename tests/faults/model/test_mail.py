"""The life of a mail as a machine without wires: any order of steps, deaths and late answers, and never two deliveries without a decision.

The moves are the product's own tables; the rules here say who makes them, and when.
"""

from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from messaging.decisions import APPLIES_TO
from messaging.models import Status, Verdict
from messaging.models.message import MOVES

WHO = st.integers(0, 2)
ANSWERS = {  # what a try meets: did the server keep the mail, what do we hear, where does the mail go
    "yes": (True, Status.SENT),
    "later": (False, Status.QUEUED),
    "no": (False, Status.FAILED),
    "dropped, kept": (True, Status.IN_DOUBT),
    "dropped, not kept": (False, Status.IN_DOUBT),
}
AFTER_A_VERDICT = {
    Verdict.MARK_AS_SENT: Status.SENT,
    Verdict.GIVE_UP: Status.CANCELLED,
    Verdict.HOLD: Status.HELD,
    Verdict.SEND_AGAIN: Status.QUEUED,
    Verdict.TRY_AGAIN_NOW: Status.QUEUED,
    Verdict.PUT_BACK: Status.QUEUED,
}


@dataclass(eq=False)
class Mail:
    status: Status = Status.QUEUED
    token: int = 0
    lapsed: bool = False
    tried_under: set[int] = field(default_factory=set)
    delivered: int = 0
    decisions: int = 0
    marked: bool = False

    def move(self, to: Status) -> None:
        assert to in MOVES[self.status] or (to == self.status == Status.QUEUED), f"{self.status} must not become {to}"
        self.status = to

    def release(self, to: Status) -> None:
        self.move(to)
        self.token, self.lapsed = 0, False


@dataclass(eq=False)
class Worker:
    """What one process knows: its token, and the answer it has not brought home yet."""

    mail: Mail
    token: int
    stage: str = "claimed"
    answer: str = ""


class MailLife(RuleBasedStateMachine):
    """One mail, and up to three processes that take themselves for its holder."""

    def __init__(self) -> None:
        super().__init__()
        self.mail = Mail()
        self.crew: list[Worker] = []
        self.left_behind: list[Worker] = []  # answers that dead workers kept on disk
        self.tokens = 0

    @rule()
    def a_long_time_passes(self) -> None:
        """Every hold runs out, and the reaper comes by."""
        self.mail.lapsed = self.mail.token != 0
        self.sweep()

    @precondition(lambda self: self.mail.status == Status.QUEUED)
    @rule()
    def claim(self) -> None:
        self.tokens += 1
        self.mail.move(Status.CLAIMED)
        self.mail.token = self.tokens
        self.crew = [*self.crew[-2:], Worker(self.mail, self.tokens)]

    @precondition(lambda self: self.crew)
    @rule(who=WHO, answer=st.sampled_from(list(ANSWERS)), keeps=st.booleans())
    def go_on(self, who: int, answer: str, keeps: bool) -> None:
        """The next thing this worker does, whatever happened while it stood still."""
        worker = self.crew[who % len(self.crew)]
        match worker.stage:
            case "claimed":
                self.fence(worker)
            case "fenced":  # even if the hold has run out since: nobody else could send it meanwhile
                self.mail.delivered += ANSWERS[answer][0]
                worker.stage, worker.answer = "answered", answer
            case "answered" if keeps:
                worker.stage = "kept"
            case "answered" | "kept":
                self.settle(worker)
                self.crew.remove(worker)

    def fence(self, worker: Worker) -> None:
        if self.mail.token == worker.token and not self.mail.lapsed and self.mail.status == Status.CLAIMED:
            self.mail.move(Status.TRANSMITTING)
            self.mail.tried_under.add(worker.token)
            worker.stage = "fenced"
        else:
            self.crew.remove(worker)

    @precondition(lambda self: self.crew)
    @rule(who=WHO)
    def die(self, who: int) -> None:
        worker = self.crew.pop(who % len(self.crew))
        if worker.stage == "kept":
            self.left_behind.append(worker)

    @precondition(lambda self: self.mail.token)
    @rule()
    def hold_runs_out(self) -> None:
        self.mail.lapsed = True

    @precondition(lambda self: self.mail.lapsed or self.left_behind)
    @rule()
    def sweep(self) -> None:
        while self.left_behind:
            self.settle(self.left_behind.pop())
        if self.mail.lapsed:
            self.mail.release(Status.IN_DOUBT if self.mail.status == Status.TRANSMITTING else Status.QUEUED)

    @precondition(lambda self: self.mail.status in (Status.IN_DOUBT, Status.FAILED, Status.HELD))
    @rule(verdict=st.sampled_from(list(Verdict)))
    def decide(self, verdict: Verdict) -> None:
        if self.mail.status in APPLIES_TO[verdict]:
            self.mail.decisions += 1
            self.mail.marked |= verdict == Verdict.MARK_AS_SENT
            self.mail.move(AFTER_A_VERDICT[verdict])

    def settle(self, worker: Worker) -> None:
        mail, to = worker.mail, ANSWERS[worker.answer][1]
        if mail.token == worker.token and mail.status == Status.TRANSMITTING:
            mail.release(to)
        elif to == Status.SENT and mail.status == Status.IN_DOUBT and worker.token in mail.tried_under:
            mail.move(Status.SENT)  # late, but proof

    @invariant()
    def nothing_is_delivered_twice_without_a_decision(self) -> None:
        assert self.mail.delivered <= 1 + self.mail.decisions

    @invariant()
    def sent_is_delivered_or_a_persons_word(self) -> None:
        assert self.mail.status != Status.SENT or self.mail.delivered or self.mail.marked

    @invariant()
    def what_was_delivered_is_never_forgotten(self) -> None:
        known = (Status.SENT, Status.IN_DOUBT, Status.TRANSMITTING)
        assert self.mail.status in known or not self.mail.delivered or self.mail.decisions

    def teardown(self) -> None:
        """Every worker dies, every hold runs out: the mail stands where a worker or a person finds it."""
        self.a_long_time_passes()
        assert self.mail.status not in (Status.CLAIMED, Status.TRANSMITTING)
        self.what_was_delivered_is_never_forgotten()


TestMailLife = MailLife.TestCase
TestMailLife.settings = settings(max_examples=200, stateful_step_count=25, deadline=None)
