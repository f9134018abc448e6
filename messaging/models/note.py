"""CmsNote: what a sent e-mail owes the case file. Pending until the CMS itself has confirmed it, then processed for ever.

It never expires, is never deleted, and has no limit of tries. "Needs PID" is a filter, not a state: pending while its case has none.
"""

import uuid
from datetime import timedelta
from typing import ClassVar, Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from messaging.leases import Leased, LeaseQuerySet
from messaging.lifecycles import Moves


class NoteStatus(models.TextChoices):
    PENDING = "pending", "Pending"
    POSTING = "posting", "Posting"
    UNKNOWN = "unknown", "Unknown: ask the CMS"
    PROCESSED = "processed", "Processed"


NOTE_MOVES: Moves = {
    NoteStatus.PENDING: frozenset({NoteStatus.POSTING, NoteStatus.PROCESSED}),  # processed directly: confirmed by a person, or found
    NoteStatus.POSTING: frozenset({NoteStatus.PROCESSED, NoteStatus.PENDING, NoteStatus.UNKNOWN}),  # set by a fenced write before the call
    # the CMS, or a person who looked, says whether it is there; only a CMS that honours our key may be told again unasked
    NoteStatus.UNKNOWN: frozenset({NoteStatus.PENDING, NoteStatus.POSTING, NoteStatus.PROCESSED}),
    NoteStatus.PROCESSED: frozenset(),
}


class CmsNoteQuerySet(LeaseQuerySet):
    def pending(self) -> Self:
        """Not confirmed yet, whatever the reason."""
        return self.exclude(status=NoteStatus.PROCESSED)

    def processed(self) -> Self:
        return self.filter(status=NoteStatus.PROCESSED)

    def unknown(self) -> Self:
        return self.filter(status=NoteStatus.UNKNOWN)

    def needs_pid(self) -> Self:
        return self.pending().filter(message__case__pid="")

    def needs_attention(self) -> Self:
        """The CMS refused it for a reason that only a person can remove."""
        return self.pending().exclude(attention="")

    def due(self, *, settle: timedelta) -> Self:
        """Worth a call now: nobody holds it, its case has a PID, its wait is over, and no person is needed first.

        After a lost answer the CMS gets `settle` to finish what it may still be doing; asking earlier could miss a note it is adding.
        """
        return (
            self.free()
            .filter(status__in=[NoteStatus.PENDING, NoteStatus.UNKNOWN], due_at__lte=Now(), attention="")
            .filter(Q(unclear_since=None) | Q(unclear_since__lte=Now() - settle))
            .exclude(message__case__pid="")
            .order_by("due_at", "pk")
        )


class CmsNote(Leased):
    MOVES: ClassVar[Moves] = NOTE_MOVES

    message = models.OneToOneField("messaging.Message", models.PROTECT, related_name="note")
    reference = models.UUIDField(
        unique=True, default=uuid.uuid4, editable=False, help_text="Our name for this note in the CMS, the same on every try."
    )
    status = models.CharField(max_length=10, choices=NoteStatus, default=NoteStatus.PENDING, db_default=NoteStatus.PENDING)
    attempts = models.PositiveIntegerField(default=0, db_default=0)
    due_at = models.DateTimeField(db_default=Now(), help_text="The next try, not before this time.")
    unclear_since = models.DateTimeField(
        null=True, blank=True, help_text="When a call's answer was lost; the CMS is asked a settle time later."
    )
    attention = models.CharField(max_length=300, blank=True, db_default="", help_text="What a person has to put right first.")
    error = models.TextField(blank=True, db_default="", help_text="What went wrong last, in plain words.")
    remote_id = models.CharField("note id in the CMS", max_length=100, unique=True, null=True, blank=True)
    processed_at = models.DateTimeField(null=True, blank=True)
    confirmed_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField(db_default=Now())

    objects = CmsNoteQuerySet.as_manager()

    class Meta:
        verbose_name = "CMS note"
        ordering = ["-pk"]
        permissions = [("post_cmsnote", "Can add notes to the CMS now"), ("confirm_cmsnote", "Can confirm notes by hand")]
        constraints = [
            models.CheckConstraint(
                name="note_processed_with_the_cms_id",
                condition=Q(status="processed", remote_id__isnull=False, processed_at__isnull=False)
                | (~Q(status="processed") & Q(remote_id=None, processed_at=None)),
            ),
            models.CheckConstraint(name="note_id_is_not_empty", condition=~Q(remote_id="")),
            models.CheckConstraint(name="note_leased_while_posting", condition=~Q(status="posting") | Q(lease__isnull=False)),
            models.CheckConstraint(
                name="note_lease_is_whole",
                condition=Q(lease=None, leased_until=None) | Q(lease__isnull=False, leased_until__isnull=False),
            ),
            models.CheckConstraint(name="note_unknown_since", condition=~Q(status="unknown") | Q(unclear_since__isnull=False)),
        ]
        indexes = [
            models.Index(fields=["due_at", "id"], name="note_open", condition=~Q(status="processed")),
            models.Index(fields=["-id"], name="note_pending", condition=~Q(status="processed")),
            models.Index(fields=["-id"], name="note_attention", condition=~Q(status="processed") & ~Q(attention="")),
            models.Index(fields=["-processed_at", "-id"], name="note_processed", condition=Q(status="processed")),
        ]

    def __str__(self) -> str:
        return f"note for {self.message_id}: {self.get_status_display()}"


class NoteOutcome(models.TextChoices):
    OPEN = "open", "On its way"
    CREATED = "created", "Added by the CMS"
    EXISTS = "exists", "Already in the CMS"
    ABSENT = "absent", "Not in the CMS"
    CONFIRMED = "confirmed", "Confirmed by a person"
    REJECTED = "rejected", "Refused by the CMS"
    LOST_PRE = "lost_pre", "Not added: nothing arrived"
    LOST_POST = "lost_post", "Answer lost: it may have been added"


class NoteAttempt(models.Model):
    """The audit of notes: what was asked of the CMS and what it said. Closed once, never changed, never deleted."""

    class Act(models.TextChoices):
        LOOK_UP = "look_up", "Look it up"
        ADD = "add", "Add it"
        CONFIRM = "confirm", "Confirm by hand"

    note = models.ForeignKey(CmsNote, models.PROTECT, related_name="history", db_index=False)
    number = models.PositiveIntegerField()
    act = models.CharField(max_length=10, choices=Act)
    outcome = models.CharField(max_length=10, choices=NoteOutcome, default=NoteOutcome.OPEN)
    token = models.UUIDField(null=True)
    pid = models.CharField("PID", max_length=20, blank=True)
    type_code = models.CharField(max_length=10, blank=True)
    text = models.TextField(blank=True)
    next_contact_on = models.DateField(null=True)
    http_status = models.PositiveSmallIntegerField(null=True)
    detail = models.TextField(blank=True, help_text="What the CMS said, or why nothing came back; at most 2 KB.")
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
    started_at = models.DateTimeField(db_default=Now())
    ended_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["note", "number"]
        constraints = [
            models.UniqueConstraint(fields=["note", "number"], name="one_note_attempt_per_number"),
            models.CheckConstraint(name="note_attempt_outcome_known", condition=Q(outcome__in=NoteOutcome.values)),
            models.CheckConstraint(
                name="note_attempt_open_until_answered",
                condition=Q(outcome="open", ended_at=None) | (~Q(outcome="open") & Q(ended_at__isnull=False)),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_act_display()}: {self.get_outcome_display()}"
