"""Quote: what a customer asked for, what it will cost, and whether both mails about it have gone out.

The price comes from the price book alone. The two mails are messages like any other; a trigger copies what became of them into
the columns here (see `legs.py`), which nobody else writes.
"""

from datetime import timedelta
from typing import Any, ClassVar, Self

from django.contrib.postgres.indexes import OpClass
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower, Now

from messaging.lifecycles import Fact, LifecycleQuerySet, Moves

MOST_ATTEMPTS = 10  # of one mail, whoever asks


class Status(models.TextChoices):
    PENDING = "pending", "Pending"
    AI_PROCESSING = "ai_processing", "AI processing"
    AI_QUOTED = "ai_quoted", "AI quoted"
    AI_ERROR = "ai_error", "AI error"
    CONTACTED = "contacted", "Contacted"
    QUOTED = "quoted", "Quoted"
    ACCEPTED = "accepted", "Accepted"
    CONSIDERING = "considering", "Considering"
    REJECTED = "rejected", "Rejected"
    TALK_TO_MANAGER = "talk_to_manager", "Talk to manager"
    COMPLETED = "completed", "Completed"


class Answer(models.TextChoices):
    """What a customer says to a price: each is the state the quote goes to."""

    ACCEPT = "accepted", "Accept"
    CONSIDER = "considering", "Consider"
    DECLINE = "rejected", "Decline"
    TALK_TO_MANAGER = "talk_to_manager", "Talk to a manager"


class TimeSlot(models.TextChoices):
    MORNING = "8-11", "8 to 11 a.m."
    NOON = "11-14", "11 a.m. to 2 p.m."
    AFTERNOON = "14-17", "2 to 5 p.m."
    EVENING = "17-20", "5 to 8 p.m."


ANSWERS = frozenset({Status.ACCEPTED, Status.CONSIDERING, Status.REJECTED, Status.TALK_TO_MANAGER})
OPEN = [Status.AI_QUOTED.value, Status.CONTACTED.value, Status.QUOTED.value]  # priced, and the customer may still answer

MOVES: Moves = {
    Status.PENDING: frozenset({Status.AI_PROCESSING}),
    # back to pending when its lock is cleared away
    Status.AI_PROCESSING: frozenset({Status.AI_QUOTED, Status.AI_ERROR, Status.PENDING}),
    # a person reprocesses or approves it; after an outage its time to try again comes by itself
    Status.AI_ERROR: frozenset({Status.PENDING, Status.AI_QUOTED}),
    Status.AI_QUOTED: ANSWERS | {Status.CONTACTED, Status.QUOTED},
    Status.CONTACTED: ANSWERS | {Status.QUOTED, Status.COMPLETED},
    Status.QUOTED: ANSWERS | {Status.CONTACTED, Status.COMPLETED},
    Status.CONSIDERING: frozenset({Status.ACCEPTED, Status.REJECTED, Status.COMPLETED}),
    Status.TALK_TO_MANAGER: frozenset({Status.ACCEPTED, Status.REJECTED, Status.COMPLETED}),
    Status.ACCEPTED: frozenset({Status.COMPLETED}),
    Status.REJECTED: frozenset({Status.COMPLETED}),
    Status.COMPLETED: frozenset(),
}

FACTS = [
    Fact(
        name="quote_locked_while_processed",
        condition="(NEW.processing_lock IS NOT NULL) = (NEW.status = 'ai_processing')"
        " AND (NEW.processing_lock IS NULL OR NEW.ai_processing_started_at IS NOT NULL)",
        sentence="is locked exactly while it is ai_processing",
    ),
    Fact(
        name="quote_priced_when_quoted",
        condition="NEW.status <> 'ai_quoted' OR (coalesce(NEW.quote_amount, 0) > 0 AND NEW.ai_processed_at IS NOT NULL)",
        sentence="is ai_quoted without a positive amount and a time",
    ),
    Fact(
        name="quote_reviewed_for_a_reason",
        condition="NEW.review_reason = '' OR NEW.status = 'ai_error'",
        sentence="has a reason for review exactly while it waits for one",
    ),
    Fact(
        name="quote_answered_once",
        condition="(NEW.customer_response <> '') = (NEW.customer_response_date IS NOT NULL)",
        sentence="has an answer of the customer without its time",
    ),
]


class QuoteQuerySet(LifecycleQuerySet):
    def pending(self) -> Self:
        return self.filter(status=Status.PENDING)

    def stale(self, *, lock: timedelta) -> Self:
        """Locked by a worker that has vanished or is too slow; exactly `lock` old counts as stale (D-17)."""
        return self.filter(is_stale(lock))

    def to_process(self, *, lock: timedelta) -> Self:
        """Nobody is at it and it has not been processed, oldest first; those that got no answer before do not hold the others up."""
        unprocessed = Q(status=Status.PENDING, ai_processed_at=None)
        return self.filter(unprocessed | is_stale(lock)).order_by("ai_tries", "created_at", "pk")

    def to_force(self) -> Self:
        """Also those that are processed or that somebody is at (D-18), oldest first."""
        return self.filter(status__in=[Status.PENDING, Status.AI_PROCESSING]).order_by("created_at", "pk")

    def to_try_again(self) -> Self:
        """The assessor was not available, and the wait is over."""
        return self.filter(status=Status.AI_ERROR, ai_retry_at__lte=Now())

    def in_review(self) -> Self:
        """Read, but not to be sent before a person has looked at it."""
        return self.filter(status=Status.AI_ERROR).exclude(review_reason="")

    def owing_mail(self, *, max_attempts: int) -> Self:
        """Priced, with at least one mail unsent that was tried fewer than `max_attempts` times (domain §4.5)."""
        return self.filter(Q(status=Status.AI_QUOTED) & (owes("customer", max_attempts) | owes("admin", max_attempts)))


def is_stale(lock: timedelta) -> Q:
    return Q(status=Status.AI_PROCESSING, ai_processing_started_at__lte=Now() - lock)


def owes(leg: str, max_attempts: int) -> Q:
    """This mail is unsent and its own attempts are below the cap (D-19). A test mail that was sent counts as sent here."""
    unsent = Q(**{f"email_sent_to_{leg}": False}) & ~Q(**{f"{leg}_email_state": "sent"})
    return unsent & Q(**{f"{leg}_email_attempts__lt": max_attempts})


class Quote(models.Model):
    MOVES: ClassVar[Moves] = MOVES

    number = models.CharField(max_length=18, unique=True, help_text="GC-YYYYMMDD-XXXXXX, as the customer knows it.")
    key = models.CharField(max_length=100, unique=True, help_text="The same key is the same request.")
    fingerprint = models.CharField(max_length=64, blank=True, help_text="What the customer typed and sent, as one hash.")
    source = models.CharField(max_length=10, choices=[("form", "Form"), ("import", "Import"), ("api", "API")], default="form")

    name = models.CharField(max_length=100)
    email = models.CharField("e-mail", max_length=255)
    phone = models.CharField(max_length=20)
    address = models.CharField(max_length=500)
    city = models.CharField(max_length=100)
    description = models.TextField(max_length=1000, blank=True)
    preferred_date = models.DateField(null=True, blank=True)
    preferred_time = models.CharField(max_length=5, choices=TimeSlot, blank=True)
    created_at = models.DateTimeField("received", db_default=Now())

    status = models.CharField(max_length=16, choices=Status, default=Status.PENDING)
    admin_notes = models.TextField(blank=True)
    processing_lock = models.CharField(max_length=64, null=True, blank=True, help_text="The token of the run that has it.")  # noqa: DJ001  (free is no token)
    ai_processing_started_at = models.DateTimeField(null=True, blank=True)
    ai_processed_at = models.DateTimeField(null=True, blank=True)
    ai_error_message = models.TextField(blank=True, help_text="What went wrong, in plain words.")
    ai_tries = models.PositiveSmallIntegerField(default=0, help_text="Runs in a row that got no answer.")
    ai_retry_at = models.DateTimeField(null=True, blank=True, help_text="When it is tried again by itself.")
    review_reason = models.CharField(max_length=300, blank=True, help_text="Why a person must look at it before any mail goes out.")

    ai_analysis = models.JSONField(null=True, blank=True, help_text="Who assessed it, and how sure.")
    waste_assessment = models.JSONField(null=True, blank=True, help_text="What is there to be taken away.")
    generated_quote = models.JSONField(null=True, blank=True, help_text="The price, line by line, in CAD.")
    quote_amount = models.DecimalField(max_digits=12, decimal_places=2, null=True, blank=True, help_text="CAD, taxes included")
    confidence = models.DecimalField(max_digits=3, decimal_places=2, null=True, blank=True, help_text="0.00 to 1.00")
    price_book = models.PositiveIntegerField(null=True, blank=True, help_text="The version of the price book it was priced with.")
    valid_until = models.DateField(null=True, blank=True, help_text="The last day on which the price holds.")
    customer_response = models.CharField(max_length=16, choices=Answer, blank=True)
    customer_response_date = models.DateTimeField(null=True, blank=True)

    customer_message = models.OneToOneField("messaging.Message", models.PROTECT, null=True, blank=True, related_name="quote_to_customer")
    admin_message = models.OneToOneField("messaging.Message", models.PROTECT, null=True, blank=True, related_name="quote_to_admin")
    email_sent_to_customer = models.BooleanField(default=False, help_text="Really: a test mail does not count.")
    email_sent_to_admin = models.BooleanField(default=False, help_text="Really: a test mail does not count.")
    customer_email_state = models.CharField(max_length=12, blank=True, help_text="The state of its message; empty before there is one.")
    admin_email_state = models.CharField(max_length=12, blank=True, help_text="The state of its message; empty before there is one.")
    customer_email_attempts = models.PositiveSmallIntegerField(default=0)
    admin_email_attempts = models.PositiveSmallIntegerField(default=0)
    customer_email_error = models.TextField(blank=True)
    admin_email_error = models.TextField(blank=True)
    last_email_attempt = models.DateTimeField(null=True, blank=True)

    objects = QuoteQuerySet.as_manager()

    class Meta:
        # what each state must have, and which may follow which, is kept by a trigger: FACTS and MOVES above, promises.py
        ordering = ["-pk"]
        permissions = [
            ("process_quote", "Can have quotes priced, and force it"),
            ("approve_quote", "Can correct and approve a price"),
            ("send_quote", "Can send the mails of quotes again"),
        ]
        indexes = [
            models.Index(
                fields=["ai_tries", "created_at", "id"], name="quote_to_process", condition=Q(status__in=["pending", "ai_processing"])
            ),
            models.Index(fields=["-id"], name="quote_ai_error", condition=Q(status="ai_error")),
            models.Index(fields=["status", "-id"], name="quote_status"),
            models.Index(
                fields=["status", "customer_email_state", "admin_email_state"],
                include=["id", "email_sent_to_customer", "email_sent_to_admin", "customer_email_attempts", "admin_email_attempts"],
                name="quote_legs",
            ),
            models.Index(fields=["source", "-id"], name="quote_source", condition=~Q(source="form")),
            models.Index(fields=["fingerprint", "created_at"], name="quote_fingerprint"),
            models.Index(OpClass(Lower("email"), "text_pattern_ops"), name="quote_email"),
            models.Index(OpClass(Lower("name"), "text_pattern_ops"), name="quote_name"),
        ]

    def __str__(self) -> str:
        return self.number

    def is_sent(self, leg: str) -> bool:
        """This mail has gone out, to the customer or, as a test, to the test recipient."""
        return bool(getattr(self, f"email_sent_to_{leg}") or getattr(self, f"{leg}_email_state") == "sent")

    def facts_of(self, leg: str) -> dict[str, Any]:
        """The seed's columns of one mail, by their short names."""
        names = {"sent": f"email_sent_to_{leg}", "state": f"{leg}_email_state", "attempts": f"{leg}_email_attempts"}
        return {name: getattr(self, column) for name, column in names.items()} | {"error": getattr(self, f"{leg}_email_error")}
