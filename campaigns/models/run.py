"""SchedulerRun: one pass of the scheduler over all contacts or some, what it was given and what it changed; and its chunks."""

from typing import ClassVar, Self

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q, Value
from django.db.models.functions import Now

from messaging.leases import Leased, LeaseQuerySet
from messaging.lifecycles import LifecycleQuerySet, Moves


class RunStatus(models.TextChoices):
    RUNNING = "running", "Running"
    COMPLETED = "completed", "Completed"
    FAILED = "failed", "Failed"
    UNDOING = "undoing", "Being undone"
    UNDONE = "undone", "Undone"


RUN_MOVES: Moves = {
    RunStatus.RUNNING: frozenset({RunStatus.COMPLETED, RunStatus.FAILED}),
    # resumed, or put back to what was before
    RunStatus.FAILED: frozenset({RunStatus.RUNNING, RunStatus.UNDOING}),
    RunStatus.COMPLETED: frozenset({RunStatus.UNDOING}),
    # an undoing that lost its workers stands in nobody's way, and can be taken up again
    RunStatus.UNDOING: frozenset({RunStatus.UNDONE, RunStatus.FAILED}),
    RunStatus.UNDONE: frozenset(),
}
AT_WORK = (RunStatus.RUNNING, RunStatus.UNDOING)


class Step(models.TextChoices):
    """What a run does with every chunk before it goes on; what all chunks have to say is put together in between."""

    BACKUP = "backup", "Back up what it may change"
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

    def at_work(self) -> Self:
        """Under way, or being undone: at most one."""
        return self.filter(status__in=AT_WORK)

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
    backup_to = models.CharField(max_length=500, blank=True, help_text="The folder, on whichever host makes it.")
    backup = models.ForeignKey(
        "messaging.BackupHistory",
        models.PROTECT,
        null=True,
        blank=True,
        db_index=False,
        related_name="+",
    )
    without_backup = models.CharField(max_length=200, blank=True, help_text="Why it began from none.")
    chunk_count = models.PositiveIntegerField(default=0)
    keeps_replaced = models.BooleanField(default=True, help_text="What it replaced is still kept, so it can be undone.")

    objects = SchedulerRunQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(Value(1), condition=Q(status__in=AT_WORK), name="one_run_at_a_time"),
            models.CheckConstraint(
                name="run_ends_iff_it_is_over",
                condition=Q(status=RunStatus.RUNNING, ended_at=None) | (~Q(status=RunStatus.RUNNING) & Q(ended_at__isnull=False)),
            ),
            models.CheckConstraint(name="failed_run_says_why", condition=~Q(status=RunStatus.FAILED) | ~Q(error="")),
            models.CheckConstraint(
                name="run_begins_from_a_backup_or_says_why_not",
                condition=Q(step=Step.BACKUP) | Q(backup__isnull=False) | ~Q(without_backup=""),
            ),
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
    written_by = models.BigIntegerField(null=True, editable=False, help_text="The transaction in which its rows were written.")
    undone = models.JSONField(null=True, editable=False, help_text="What its undoing did, once it is undone.")

    objects = RunChunkQuerySet.as_manager()

    class Meta:
        ordering = ["run", "number"]
        constraints = [
            models.UniqueConstraint(fields=["run", "number"], name="one_chunk_per_number"),
            models.CheckConstraint(name="chunk_has_a_range", condition=Q(first_id__lte=F("last_id"))),
        ]

    def __str__(self) -> str:
        return f"chunk {self.number} of run {self.run_id}"


class RunUndo(models.Model):
    """That a run was undone: by whom, when, why, and what came of it."""

    run = models.OneToOneField(SchedulerRun, models.CASCADE, related_name="undo")
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, db_index=False, related_name="+")
    reason = models.CharField(max_length=500)
    asked_at = models.DateTimeField(db_default=Now())
    ended_at = models.DateTimeField(null=True, blank=True)
    put_back = models.BigIntegerField(default=0, help_text="Rows that say again what they said before the run, or are there again.")
    taken_away = models.BigIntegerField(default=0, help_text="Rows that the run had added.")
    left_alone = models.BigIntegerField(default=0, help_text="Rows of the run that stay, such as those handed over.")
    not_put_back = models.BigIntegerField(default=0, help_text="Removed rows that stay away, since another mail has their place.")
    is_exact = models.BooleanField(null=True, help_text="The schedule's checksum is that of before the run.")

    class Meta:
        constraints = [models.CheckConstraint(name="undo_says_why", condition=~Q(reason=""))]

    def __str__(self) -> str:
        return f"undoing of run {self.run_id}"
