"""How far a run of the scheduler is: its step, contacts done of all, how fast, and how long it may still take."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, Q, Sum

from campaigns import safeguard
from campaigns.models import RunStatus, SchedulerRun, Step

SHARES = {  # begins at, is so much of all
    Step.BACKUP: (0.0, 0.0),
    Step.PLAN: (0.0, 0.4),
    Step.SETTLE: (0.4, 0.05),
    Step.WRITE: (0.45, 0.55),
    Step.DONE: (1.0, 0.0),
}
TWO_MINUTES = 120  # seconds
TOO_EARLY = 0.03  # of all, to say when it ends
IN_WORDS = {
    Step.BACKUP: "What it may change is backed up first",
    Step.PLAN: "The rules are asked for each contact",
    Step.SETTLE: "Crowded days hand mails over to others",
    Step.WRITE: "Differences are written",
    Step.DONE: "Done",
}


@dataclass(frozen=True, kw_only=True)
class Progress:
    step: str  # in words
    done: int  # contacts, of this step
    of: int
    chunks_done: int
    chunks: int
    share: float  # of the whole run, 0 to 1
    rate: float  # contacts a second, over the whole run; 0 while unknown
    left: timedelta | None  # None while unknown

    @property
    def percent(self) -> float:
        return round(100 * self.share, 1)

    @property
    def left_in_words(self) -> str:
        seconds = int(self.left.total_seconds()) if self.left else 0
        return f"{seconds} second{'s' * (seconds != 1)}" if seconds < TWO_MINUTES else f"{round(seconds / 60)} minutes"


def of(run: SchedulerRun, *, now: datetime) -> Progress:
    """All from the run's row and its chunks."""
    if run.status == RunStatus.UNDOING:
        return of_undoing(run)
    behind = ~Q(step=run.step) if run.status != RunStatus.COMPLETED else Q()
    told = run.chunks.aggregate(every=Count("pk"), done=Count("pk", filter=behind), contacts=Sum("contacts", filter=behind))
    begins, weight = SHARES[Step(run.step)]
    share = begins + weight * (told["done"] / told["every"] if told["every"] else 1.0)
    seconds = took(run, now=now).total_seconds()
    return Progress(
        step=IN_WORDS[Step(run.step)],
        done=min(told["contacts"] or 0, run.contacts),
        of=run.contacts,
        chunks_done=told["done"],
        chunks=told["every"],
        share=share,
        rate=run.contacts * share / seconds if seconds > 0 else 0.0,
        left=timedelta(seconds=round(seconds * (1 - share) / share)) if TOO_EARLY < share < 1 else None,
    )


def of_undoing(run: SchedulerRun) -> Progress:
    """How much of what it wrote is put back."""
    put = Q(undone__isnull=False)
    told = run.chunks.aggregate(every=Count("pk"), done=Count("pk", filter=put), contacts=Sum("contacts", filter=put))
    share = told["done"] / told["every"] if told["every"] else 1.0
    counted = {"done": told["contacts"] or 0, "of": run.contacts, "chunks_done": told["done"], "chunks": told["every"]}
    return Progress(step="What it changed is put back", share=share, rate=0.0, left=None, **counted)


def took(run: SchedulerRun, *, now: datetime) -> timedelta:
    """From its start to its end, or so far; its backup is not counted."""
    return (run.ended_at or now) - run.started_at - timedelta(seconds=safeguard.seconds(run))
