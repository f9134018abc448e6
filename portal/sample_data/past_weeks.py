"""Three weeks of campaign mails before the first start, and today's: planned, handed over and followed up by the portal's own rules.

Nothing of the past has really left: its mails are written down as sent, with the try that would have been. Today's are queued.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from random import Random
from typing import Any

from django.db import transaction
from django.db.models.functions import Now

from campaigns import following_up, hand_over, runs, unsubscribing
from campaigns.engagement import record_engagement
from campaigns.models import Behaviour, EmailSchedule, SchedulerRun
from messaging.models import Attempt, Message, Phase, Status

WHY = "Sample data"
DAYS = 21
PLANNED_EVERY_DAYS = 7  # the past; a run each night would only take longer
SECONDS_BETWEEN = 2  # two mails
SEED = 20_262
CLICKS, ANSWERS, CONDITIONS, LEAVES = 0.18, 0.4, 0.5, 0.006  # of the mails; of those who clicked; of the answers; of the mails
SERVER, REPLY = "sample", "250 2.0.0 Ok: written down by the sample data"
LEASE = timedelta(minutes=1)


@transaction.atomic
def live(*, today: date, terms: hand_over.Terms, versions: dict[str, int]) -> int:
    """All of it or nothing; returns how many mails are queued for today."""
    weeks = PastWeeks(terms=terms, versions=versions)
    for ago in range(DAYS, 0, -1):
        weeks.live_through(today - timedelta(days=ago), plans=ago % PLANNED_EVERY_DAYS == 0)
    weeks.plan(today)
    return weeks.hand_over(today)


@dataclass(kw_only=True)
class PastWeeks:
    """`terms` and `versions` are those of this moment: the rules of today, as if they had held."""

    terms: hand_over.Terms
    versions: dict[str, int]
    chance: Random = field(default_factory=lambda: Random(SEED))

    def live_through(self, day: date, *, plans: bool) -> None:
        """A day from its plan to what people did about its mails."""
        if plans:
            run, at = self.plan(day), self.terms.begins(day) - timedelta(hours=6)
            SchedulerRun.objects.filter(pk=run.pk).update(started_at=at, heartbeat_at=at, ended_at=at + timedelta(seconds=4))
        self.hand_over(day)
        mails = list(EmailSchedule.objects.handed_over().filter(send_on=day).order_by("pk"))
        for number, mail in enumerate(mails):
            self.arrive(mail, at=self.terms.begins(day) + timedelta(seconds=SECONDS_BETWEEN * number))
        self.answer(mails, day=day)

    def plan(self, day: date) -> SchedulerRun:
        order = runs.Order(day=day, settings=self.terms.settings, versions=self.versions, reason=WHY, without_backup=WHY)
        return runs.run(order)

    def hand_over(self, day: date) -> int:
        """Also what follows earlier mails; nothing waits for the time of sending."""
        begins = self.terms.begins(day)
        following_up.schedule_follow_ups(day=day, at=begins, settings=self.terms.settings)
        return hand_over.hand_over(day=day, terms=replace(self.terms, now=begins)).handed_over

    def arrive(self, mail: EmailSchedule, *, at: datetime) -> None:
        """Its message goes the way that every message goes, at that time."""
        assert mail.message_id, "it was handed over"
        token, message = uuid.uuid4(), Message.objects.filter(pk=mail.message_id)
        message.move(Status.CLAIMED, lease=token, leased_until=Now() + LEASE, created_at=at, due_at=at)
        message.move(Status.TRANSMITTING, transmitting_since=at, attempts=1, tries=1)
        told = {"provider": SERVER, "reply_code": 250}
        tried = {"number": 1, "round": 1, "token": token, "started_at": at, "ended_at": at}
        Attempt.objects.create(message_id=mail.message_id, phase=Phase.ACCEPTED, reply=REPLY, **tried, **told)
        message.move(Status.SENT, sent_at=at, lease=None, leased_until=None, **told)

    def answer(self, mails: Sequence[EmailSchedule], *, day: date) -> None:
        """Some click, of those some answer the health questions; now and then one has had enough."""
        for mail in mails:
            if self.chance.random() < CLICKS:
                self.click(mail, at=self.terms.begins(day) + timedelta(minutes=self.chance.randint(5, 600)))
            elif self.chance.random() < LEAVES:
                unsubscribing.unsubscribe(mail.pk)

    def click(self, mail: EmailSchedule, *, at: datetime) -> None:
        of_whom: dict[str, Any] = {"contact_id": mail.contact_id, "message_id": mail.message_id}
        record_engagement(f"sample:click:{mail.pk}", kind=Behaviour.CLICKED, at=at, **of_whom)
        if self.chance.random() < ANSWERS:
            of_whom["facts"] = {"has_medical_conditions": self.chance.random() < CONDITIONS}
            record_engagement(f"sample:answer:{mail.pk}", kind=Behaviour.ANSWERED, at=at + timedelta(minutes=9), **of_whom)
