"""Operation: a bulk action as a row, so that it has an author, a progress, a result, and outlives every worker that carries it out.

What it does is fixed as its items when it is started. Each item is done, and says so, in one transaction.
"""

import uuid
from typing import Any, ClassVar, Self

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from messaging.leases import Leased, LeaseQuerySet
from messaging.lifecycles import Fact, Moves


class Status(models.TextChoices):
    QUEUED = "queued", "Queued"
    RUNNING = "running", "Running"
    DONE = "done", "Done"
    CANCELLED = "cancelled", "Cancelled"
    FAILED = "failed", "Failed"


class Outcome(models.TextChoices):
    """What became of one item; empty before its turn. A kind may say other words, which are shown as they are."""

    QUEUED = "queued", "Tried again"
    ALREADY_QUEUED = "already_queued", "Was in the queue already"
    SENT = "sent", "Was sent already"
    IN_DOUBT = "in_doubt", "In doubt: a person decides"
    PRICED = "priced", "Priced"
    REVIEW = "review", "For review"
    UNAVAILABLE = "unavailable", "No answer from the AI"
    SKIPPED = "skipped", "Skipped"
    REFUSED = "refused", "Refused"
    BROKEN = "broken", "The portal failed on it"
    NOT_DONE = "not_done", "Not done"


MOVES: Moves = {
    Status.QUEUED: frozenset({Status.RUNNING, Status.CANCELLED}),
    # a worker that vanishes leaves it running: the next one goes on where it was
    Status.RUNNING: frozenset({Status.DONE, Status.CANCELLED, Status.FAILED}),
    Status.DONE: frozenset(),
    Status.CANCELLED: frozenset(),
    Status.FAILED: frozenset(),
}
UNFINISHED = [Status.QUEUED.value, Status.RUNNING.value]

FACTS = [
    Fact(
        name="operation_leased_while_running",
        condition="(NEW.lease IS NULL) = (NEW.leased_until IS NULL) AND (NEW.lease IS NULL OR NEW.status = 'running')",
        sentence="is held by a worker only while it is running",
    ),
    Fact(
        name="operation_started_before_it_runs",
        condition="NEW.status IN ('queued', 'cancelled') OR NEW.started_at IS NOT NULL",
        sentence="runs, or has run, without a time of starting",
    ),
    Fact(
        name="operation_ended_at_iff_ended",
        condition="(NEW.ended_at IS NOT NULL) = (NEW.status IN ('done', 'cancelled', 'failed'))",
        sentence="has a time of ending exactly when it has ended",
    ),
    Fact(
        name="operation_failed_for_a_reason",
        condition="NEW.error <> '' OR NEW.status <> 'failed'",
        sentence="failed without saying why",
    ),
    Fact(
        name="operation_leaves_no_item_open",
        condition="NEW.ended_at IS NULL OR NOT EXISTS (SELECT FROM portal_operationitem WHERE operation_id = NEW.id AND outcome = '')",
        sentence="has ended while an item has no outcome",
    ),
]


class OperationQuerySet(LeaseQuerySet):
    def unfinished(self) -> Self:
        return self.filter(status__in=UNFINISHED)

    def to_run(self) -> Self:
        """Nobody is at them: queued, or left by a worker that vanished or made room. The one that waited longest comes first."""
        return self.unfinished().free().order_by(F("worked_at").asc(nulls_first=True), "pk")


class Operation(Leased):
    MOVES: ClassVar[Moves] = MOVES

    key = models.UUIDField(unique=True, default=uuid.uuid4, editable=False, help_text="The form it came from: sent twice, started once.")
    kind = models.CharField(max_length=40)
    parameters = models.JSONField(default=dict)
    asked = models.CharField("what", max_length=200, help_text="What was asked for, in words.")
    reason = models.CharField(max_length=500, blank=True)
    author = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    total = models.PositiveIntegerField(help_text="items")

    status = models.CharField(max_length=10, choices=Status, default=Status.QUEUED)
    created_at = models.DateTimeField("asked for", db_default=Now())
    started_at = models.DateTimeField(null=True, blank=True)
    worked_at = models.DateTimeField(null=True, blank=True, help_text="When a worker last took it.")
    ended_at = models.DateTimeField(null=True, blank=True)
    cancel_requested_at = models.DateTimeField(null=True, blank=True)
    cancel_requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+")
    claims = models.PositiveSmallIntegerField(default=0, help_text="Times a worker took it since the last item was done.")
    error = models.TextField(blank=True, help_text="Why it failed, in plain words.")

    objects = OperationQuerySet.as_manager()

    class Meta:
        # what each state must have, and which may follow which, is kept by a trigger: FACTS and MOVES above, promises.py
        verbose_name = "bulk action"
        ordering = ["-pk"]
        permissions = [("cancel_operation", "Can cancel a bulk action")]
        indexes = [models.Index(fields=["id"], name="operation_unfinished", condition=Q(status__in=UNFINISHED))]

    def __str__(self) -> str:
        return self.asked

    @property
    def is_unfinished(self) -> bool:
        return self.status in UNFINISHED

    @property
    def is_stopping(self) -> bool:
        """Somebody has cancelled it, and a worker still has one item in hand."""
        return self.is_unfinished and self.cancel_requested_at is not None


class OperationItemQuerySet(models.QuerySet):
    def open(self) -> Self:
        """Their turn has not come, in the order in which it will."""
        return self.filter(outcome="").order_by("pk")

    def with_mail(self, *states: str) -> Self:
        """The mail they are about is in one of these states now."""
        return self.filter(Q(leg="customer", quote__customer_email_state__in=states) | Q(leg="admin", quote__admin_email_state__in=states))


class OperationItem(models.Model):
    operation = models.ForeignKey(Operation, models.CASCADE, related_name="items", db_index=False)
    key = models.CharField(max_length=80, help_text="What it is about; within one operation the same key is the same item.")
    quote = models.ForeignKey("portal.Quote", models.PROTECT, null=True, blank=True, related_name="+")
    leg = models.CharField("mail", max_length=10, blank=True, choices=[("customer", "Customer"), ("admin", "Admin")])
    round = models.PositiveSmallIntegerField(null=True, blank=True, help_text="Of the mail, when it was chosen.")
    outcome = models.CharField(max_length=20, blank=True)
    text = models.TextField(blank=True, help_text="What became of it, for people.")
    done_at = models.DateTimeField(null=True, blank=True)

    objects = OperationItemQuerySet.as_manager()

    class Meta:
        # an outcome is written once and stays: promises.py
        verbose_name = "item of a bulk action"
        verbose_name_plural = "items of bulk actions"
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(fields=["operation", "key"], name="one_item_per_key_in_an_operation"),
            models.CheckConstraint(name="operation_item_done_at_iff_outcome", condition=Q(outcome="") ^ Q(done_at__isnull=False)),
        ]
        indexes = [models.Index(fields=["operation", "id"], name="operation_item_open", condition=Q(outcome=""))]

    def __str__(self) -> str:
        return self.key

    @property
    def mail_state(self) -> str:
        """The state of the mail it is about, as it is now."""
        return str(getattr(self.quote, f"{self.leg}_email_state")) if self.quote and self.leg else ""


def told(outcome: str) -> str:
    """An outcome in words."""
    words: Any = dict(Outcome.choices)
    return str(words.get(outcome) or outcome.replace("_", " ").capitalize() or "Its turn has not come")
