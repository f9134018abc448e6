"""Message: one e-mail to one recipient, from queued to sent, failed, in doubt or cancelled.

Its key names the event it is about, so queueing twice is a no-op; its Message-ID is fixed before the first try, so every try is the
same mail. Evidence or a person settles a doubt, never a timer.
"""

from typing import ClassVar, Self

from django.conf import settings
from django.contrib.postgres.indexes import OpClass
from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.db.models.functions import Lower, Now

from messaging.leases import Leased, LeaseQuerySet
from messaging.lifecycles import Fact, Moves
from messaging.models.suppression import Suppression


class Status(models.TextChoices):
    QUEUED = "queued", "Queued"
    CLAIMED = "claimed", "Claimed"
    TRANSMITTING = "transmitting", "Transmitting"
    SENT = "sent", "Sent"
    FAILED = "failed", "Failed"
    IN_DOUBT = "in_doubt", "In doubt"
    HELD = "held", "Held"
    CANCELLED = "cancelled", "Cancelled"


MOVES: Moves = {
    Status.QUEUED: frozenset({Status.CLAIMED, Status.HELD, Status.CANCELLED}),
    # nothing has left the building
    Status.CLAIMED: frozenset({Status.TRANSMITTING, Status.QUEUED, Status.FAILED, Status.HELD, Status.CANCELLED}),
    # set by a fenced write just before the body
    Status.TRANSMITTING: frozenset({Status.SENT, Status.QUEUED, Status.FAILED, Status.IN_DOUBT}),
    # by evidence or by a person, never by itself
    Status.IN_DOUBT: frozenset({Status.SENT, Status.QUEUED, Status.CANCELLED}),
    Status.HELD: frozenset({Status.QUEUED, Status.CANCELLED}),
    Status.FAILED: frozenset({Status.QUEUED, Status.CANCELLED}),
    Status.SENT: frozenset(),
    Status.CANCELLED: frozenset(),
}


class Lane(models.IntegerChoices):
    """Who goes first: a person's own mail is never behind a batch."""

    PERSON = 0, "A person's mail"
    SYSTEM = 5, "The portal's own"
    BULK = 9, "Bulk"


class Reason(models.TextChoices):
    """Why a message was held or cancelled, where no person said so."""

    SUPPRESSED = "suppressed", "The address is suppressed"
    EXPIRED = "expired", "Its time had passed"
    POISON = "poison", "Claimed more than 20 times without an outcome"


FACTS = [
    Fact(
        name="message_leased_while_worked_on",
        condition="(NEW.leased_until IS NOT NULL) = (NEW.status IN ('claimed', 'transmitting'))"
        " AND (NEW.lease IS NULL) = (NEW.leased_until IS NULL)",
        sentence="is held by a worker exactly while it is claimed or transmitting",
    ),
    Fact(
        name="message_sent_at_iff_sent",
        condition="(NEW.sent_at IS NOT NULL) = (NEW.status = 'sent')",
        sentence="has a time of sending exactly when it is sent",
    ),
    Fact(
        name="message_doubt_has_its_time",
        condition="(NEW.doubt_since IS NOT NULL) = (NEW.status = 'in_doubt')",
        sentence="says since when it is in doubt exactly while it is",
    ),
    Fact(
        name="message_stopped_for_a_reason",
        condition="NEW.reason <> '' OR NEW.status NOT IN ('held', 'cancelled')",
        sentence="is held or cancelled without a reason",
    ),
    Fact(
        name="message_attempts_within_the_round",
        condition="NEW.max_attempts BETWEEN 1 AND 10 AND NEW.attempts BETWEEN 0 AND NEW.max_attempts AND NEW.round >= 1",
        sentence="has at most max_attempts tries in a round, 1 to 10",
    ),
    Fact(
        name="message_note_needs_a_case",
        condition="NOT NEW.needs_note OR NEW.case_id IS NOT NULL",
        sentence="owes a note but belongs to no case",
    ),
]
WORKED_ON = [Status.CLAIMED.value, Status.TRANSMITTING.value]  # a worker has it, by lease
FOR_A_PERSON = [Status.IN_DOUBT.value, Status.FAILED.value, Status.HELD.value]
LISTED = ["-created_at", "-id"]
POISON_CLAIMS = 20  # claims without an outcome before a message is held for a person (R2)


class MessageQuerySet(LeaseQuerySet):
    def due(self) -> Self:
        """Queued, its time has come; a person's mail first, then the oldest."""
        return self.filter(status=Status.QUEUED, due_at__lte=Now()).order_by("lane", "due_at", "pk")

    def waiting(self) -> Self:
        """Queued, but not before a later time: not yet due, or backing off after a failure."""
        return self.filter(status=Status.QUEUED, due_at__gt=Now())

    def in_doubt(self) -> Self:
        return self.filter(status=Status.IN_DOUBT)

    def failed(self) -> Self:
        return self.filter(status=Status.FAILED)

    def held(self) -> Self:
        return self.filter(status=Status.HELD)

    def sent(self) -> Self:
        return self.filter(status=Status.SENT)

    def bounced(self) -> Self:
        """It had left, and came back."""
        return self.filter(bounced_at__isnull=False)

    def unfinished(self) -> Self:
        return self.filter(status__in=[Status.QUEUED, Status.CLAIMED, Status.TRANSMITTING])

    def test(self) -> Self:
        return self.filter(is_test=True)

    def production(self) -> Self:
        return self.filter(is_test=False)

    def expired(self) -> Self:
        """Still queued after the time when sending them made sense."""
        return self.filter(status=Status.QUEUED, expires_at__lte=Now())

    def suppressed(self) -> Self:
        """Production mails to an address that must not be mailed. A test mail only ever goes to the test recipient."""
        stop = Suppression.objects.in_force().filter(address=Lower(OuterRef("recipient")))
        return self.production().filter(Exists(stop))


class Message(Leased):
    MOVES: ClassVar[Moves] = MOVES

    key = models.CharField(max_length=200, help_text="The event this mail is about; the same key is the same mail.")
    kind = models.CharField("e-mail type", max_length=60)
    lane = models.SmallIntegerField(choices=Lane, default=Lane.BULK)
    is_test = models.BooleanField("test mail", help_text="Fixed when it was queued: it went to the test recipient.")
    needs_note = models.BooleanField("owes a CMS note", help_text="Fixed when it was queued.")

    sender = models.CharField("from", max_length=320)
    recipient = models.CharField("to", max_length=254)
    intended_for = models.CharField("intended for", max_length=254, help_text="The customer's address, also when a test went elsewhere.")
    subject = models.CharField(max_length=400)
    text = models.TextField()
    html = models.TextField(blank=True)
    headers = models.JSONField(default=dict, blank=True)
    message_id = models.CharField("Message-ID", max_length=200, help_text="The same on every try.")

    case = models.ForeignKey("messaging.Case", models.PROTECT, null=True, blank=True, db_index=False, related_name="messages")
    session = models.ForeignKey("messaging.MessageSession", models.PROTECT, null=True, blank=True, db_index=False, related_name="messages")
    template_version = models.ForeignKey("messaging.TemplateVersion", models.PROTECT, null=True, blank=True, db_index=False)
    queued_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, db_index=False, related_name="+")

    status = models.CharField(max_length=12, choices=Status, default=Status.QUEUED)
    due_at = models.DateTimeField(db_default=Now(), help_text="Not before this time: as asked when queued, then as the back-off says.")
    expires_at = models.DateTimeField(null=True, blank=True, help_text="After this time it is cancelled instead of sent.")
    round = models.SmallIntegerField(default=1, help_text="A person's 'try again now' opens a new one.")
    attempts = models.SmallIntegerField(default=0, help_text="Tries of this round that the server answered, or may have.")
    max_attempts = models.SmallIntegerField(default=3, help_text="Within a round.")
    tries = models.SmallIntegerField(default=0, help_text="All tries of all rounds: the number of the last attempt.")
    claims = models.SmallIntegerField(default=0, help_text="Times a worker took it since the last outcome.")

    transmitting_since = models.DateTimeField(null=True, blank=True, help_text="When its body last went out.")
    sent_at = models.DateTimeField(null=True, blank=True)
    doubt_since = models.DateTimeField(null=True, blank=True)
    reason = models.CharField(max_length=200, blank=True, help_text="Why it is held or cancelled.")
    error = models.TextField(blank=True, help_text="What went wrong last, in plain words.")
    reply_code = models.SmallIntegerField(null=True, blank=True)
    provider = models.CharField(max_length=40, blank=True)
    remote_id = models.CharField("queue id at the provider", max_length=200, blank=True)
    created_at = models.DateTimeField(db_default=Now())

    # what a provider or a bounce told later: facts about a sent mail, never states of it
    delivered_at = models.DateTimeField(null=True, blank=True)
    read_at = models.DateTimeField(null=True, blank=True)
    bounced_at = models.DateTimeField(null=True, blank=True)
    complained_at = models.DateTimeField(null=True, blank=True)

    objects = MessageQuerySet.as_manager()

    class Meta:
        # what each state must have, and which may follow which, is kept by a trigger: FACTS and MOVES above, promises.py
        ordering = ["-pk"]
        permissions = [("decide_message", "Can settle doubts, try again, give up"), ("send_message", "Can queue mail")]
        constraints = [
            models.UniqueConstraint(fields=["key"], name="one_message_per_key"),
            models.UniqueConstraint(fields=["message_id"], name="one_message_per_message_id"),
        ]
        # a row gets a new entry in every index it belongs to at each of its moves: so each index has only the rows that it is asked for
        indexes = [
            models.Index(fields=["lane", "due_at", "id"], name="message_due", condition=Q(status="queued")),
            models.Index(fields=["id"], name="message_worked_on", condition=Q(status__in=WORKED_ON)),
            # the desk lists by the time of queueing: whatever it filters by, an index has the rows in that order
            models.Index(fields=LISTED, name="message_newest_first"),
            models.Index(fields=["kind", *LISTED], name="message_by_kind"),
            models.Index(fields=LISTED, name="message_test", condition=Q(is_test=True)),
            models.Index(fields=LISTED, name="message_cancelled", condition=Q(status="cancelled")),
            models.Index(fields=[*LISTED, "status"], name="message_needs_a_person", condition=Q(status__in=FOR_A_PERSON)),
            models.Index(fields=["session", *LISTED], name="message_session_trouble", condition=Q(status__in=FOR_A_PERSON)),
            models.Index(fields=["case"], name="message_case", condition=Q(case__isnull=False)),
            models.Index(fields=["session", *LISTED], name="message_session", condition=Q(session__isnull=False), include=["status"]),
            models.Index(fields=["-sent_at", "-id"], name="message_sent", condition=Q(status="sent")),
            models.Index(fields=["-sent_at", "-id"], name="message_bounced", condition=Q(bounced_at__isnull=False)),
            models.Index(OpClass(Lower("intended_for"), "text_pattern_ops"), name="message_intended_for"),
        ]

    def __str__(self) -> str:
        return self.key

    @property
    def email_type(self) -> str:
        """The seed's word for what was sent: test mails carry `test_` in front."""
        return f"test_{self.kind}" if self.is_test else self.kind
