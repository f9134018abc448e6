"""What the test of several hosts asks of the portal: work for all of them, bells, and what a person does about doubts afterwards."""

from collections.abc import Sequence
from datetime import timedelta

from django.utils import timezone
from django_q.models import OrmQ, Schedule
from django_q.tasks import async_task

from messaging.decisions import decide
from messaging.models import Message, Verdict
from portal import cadence, tasks
from portal.models import Heartbeat

BELLS = ["send_due_messages", "add_cms_notes", "join_run", "sweep"]  # what the schedule rings for once a minute


def leave_the_bells_to_us() -> None:
    """Nothing runs by the clock: not at night, and not a minute before it is asked for."""
    cadence.sync()
    Schedule.objects.update(next_run=timezone.now() + timedelta(days=1))
    OrmQ.objects.all().delete()
    Heartbeat.objects.all().delete()


def ring_bells(*, joiners: int = 0) -> None:
    """Each bell rings, unless it waits to be answered already; and so many hosts are asked to join the run."""
    for name in BELLS:
        tasks.wake(f"portal.tasks.{name}")
    for _ in range(joiners):
        async_task("portal.tasks.join_run", cluster=tasks.MAIL)


def hosts_that_answer() -> int:
    """Both clusters of each have answered a ring."""
    return Heartbeat.objects.answered().count() // 2


def decide_by_the_ledger(arrived: Sequence[str]) -> int:
    """A person looks each doubtful mail up in the mail server's own list; returns how many there were."""
    doubts = list(Message.objects.in_doubt().values_list("pk", "message_id"))
    for verdict, has_come in ((Verdict.MARK_AS_SENT, True), (Verdict.SEND_AGAIN, False)):
        chosen = Message.objects.filter(pk__in=[pk for pk, message_id in doubts if (message_id in arrived) == has_come])
        decide(chosen, verdict=verdict, reason="Looked up in the mail server's list.", source="rehearsed person")
    return len(doubts)
