"""SchedulerRun: one pass of the scheduler over all contacts or some, what it was given and what it changed; and its chunks."""

from typing import ClassVar, Self

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from messaging.leases import Leased, LeaseQuerySet
from messaging.lifecycles import LifecycleQuerySet, Moves


class RunStatus(models.TextChoices):
    RUNNING = "running", "Running"
    COMPLETED = "completed", "Completed"
    FAILED = "failed", "Failed"
    UNDONE = "undone", "Undone"


RUN_MOVES: Moves = {
    RunStatus.RUNNING: frozenset({RunStatus.COMPLETED, RunStatus.FAILED}),
    # resumed, or put back to what was before
    RunStatus.FAILED: frozenset({RunStatus.RUNNING, RunStatus.UNDONE}),
    RunStatus.COMPLETED: frozenset({RunStatus.UNDONE}),
    RunStatus.UNDONE: frozenset(),
}


class Step(models.TextChoices):
    """What a run does with every chunk before it goes on; what all chunks have to say is put together in between."""

    PLAN = "plan", "Plan"
    SETTLE = "settle", "Find what crowded days do not keep"
    WRITE = "write", "Write the differences"
    DONE = "done", "Done"


class Scope(models.TextChoices):
    ALL = "all", "All contacts"
    SOME = "some", "Some contacts"


class SchedulerRunQuerySet(LifecycleQuerySet):
    def running(self) -> Self:
        return self.filter(status=RunStatus.RUNNING)

    def completed(self) -> Self:
        return self.filter(status=RunStatus.COMPLETED)


class SchedulerRun(models.Model):
    MOVES: ClassVar[Moves] = RUN_MOVES

    day = models.DateField(help_text="The day it planned from, the office's.")
    scope = models.CharField(max_length=4, choices=Scope, default=Scope.ALL)
    reason = models.CharField(max_length=200, blank=True, help_text="Why it ran, where that was not the clock.")
    status = models.CharField(max_length=9, choices=RunStatus, default=RunStatus.RUNNING)
    step = models.CharField(max_length=6, choices=Step, default=Step.PLAN)
    started_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, db_index=False, related_name="+")
    started_at = models.DateTimeField(db_default=Now())
    heartbeat_at = models.DateTimeField(db_default=Now())
    ended_at = models.DateTimeField(null=True, blank=True)
    error = models.TextField(blank=True)

    settings = models.JSONField(default=dict, help_text="Every number it was given.")
    config_versions = models.JSONField(default=dict, help_text="By kind, the number of the version in force; 0 is what the portal ships.")

    decided = models.BinaryField(null=True, editable=False, help_text="What the chunks have to know of each other.")

    contacts = models.BigIntegerField(default=0)
    contacts_done = models.BigIntegerField(default=0)
    invalid = models.BigIntegerField(default=0)
    scheduled = models.BigIntegerField(default=0)
    skipped = models.BigIntegerField(default=0)
    added = models.BigIntegerField(default=0)
    changed = models.BigIntegerField(default=0)
    removed = models.BigIntegerField(default=0)
    unchanged = models.BigIntegerField(default=0)
    by_type = models.JSONField(default=dict, help_text="E-mail type: planned mails.")
    by_reason = models.JSONField(default=dict, help_text="Skip reason: rows.")
    by_day = models.JSONField(default=dict, help_text="Day: planned mails.")
    over_cap = models.JSONField(default=list, help_text="Days above a cap: day, cap, limit, mails.")
    differences = models.JSONField(default=dict, help_text="What was added, changed and removed, by type, state, day and reason.")
    daily_cap = models.BigIntegerField(default=0)

    contacts_checksum = models.CharField(max_length=64, blank=True)
    before_checksum = models.CharField(max_length=64, blank=True)
    after_checksum = models.CharField(max_length=64, blank=True)
    peak_rss_mb = models.FloatField(default=0)

    objects = SchedulerRunQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(fields=["status"], condition=Q(status=RunStatus.RUNNING), name="one_run_at_a_time"),
            models.CheckConstraint(
                name="run_ends_iff_it_is_over",
                condition=Q(status=RunStatus.RUNNING, ended_at=None) | (~Q(status=RunStatus.RUNNING) & Q(ended_at__isnull=False)),
            ),
            models.CheckConstraint(name="failed_run_says_why", condition=~Q(status=RunStatus.FAILED) | ~Q(error="")),
            models.CheckConstraint(
                name="completed_run_covered_every_contact",
                condition=~Q(status=RunStatus.COMPLETED) | Q(contacts_done=F("contacts")),
            ),
        ]

    def __str__(self) -> str:
        return f"run {self.pk} of {self.day}"


class RunChunkQuerySet(LeaseQuerySet):
    def at(self, step: str) -> Self:
        """Those that this step is still to be done with, in order."""
        return self.filter(step=step).order_by("number")


class RunChunk(Leased):
    """Contacts by ascending id, `first_id` to `last_id`, both included, in one transaction."""

    MOVES: ClassVar[Moves] = {}

    run = models.ForeignKey(SchedulerRun, models.CASCADE, related_name="chunks")
    number = models.PositiveIntegerField()
    first_id = models.BigIntegerField()
    last_id = models.BigIntegerField()
    ids = ArrayField(models.BigIntegerField(), null=True, help_text="The contacts, where they are not all of the range.")
    contacts = models.PositiveIntegerField(default=0)
    step = models.CharField(max_length=6, choices=Step, default=Step.PLAN, help_text="What is to be done next.")
    tries = models.PositiveSmallIntegerField(default=0, help_text="Of this step, that failed.")
    plan = models.BinaryField(null=True, editable=False)
    left = models.BinaryField(null=True, editable=False)
    found = models.BinaryField(null=True, editable=False)
    flow = models.BinaryField(null=True, editable=False)
    earlier = models.BinaryField(null=True, editable=False)
    counts = models.JSONField(default=dict)
    done_at = models.DateTimeField(null=True, blank=True)

    objects = RunChunkQuerySet.as_manager()

    class Meta:
        ordering = ["run", "number"]
        constraints = [
            models.UniqueConstraint(fields=["run", "number"], name="one_chunk_per_number"),
            models.CheckConstraint(name="chunk_has_a_range", condition=Q(first_id__lte=F("last_id"))),
        ]

    def __str__(self) -> str:
        return f"chunk {self.number} of run {self.run_id}"
