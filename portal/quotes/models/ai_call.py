"""AiCall: one run over one quote, by the AI, the estimator or a person; what it was asked, said and cost.

Opened before the assessor is asked, closed after. The answer of a run whose lock was lost is kept here with its cost, and never applied.
"""

from decimal import Decimal

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now


class Kind(models.TextChoices):
    MODEL = "model", "AI model"
    ESTIMATOR = "estimator", "Built-in estimator"
    MANUAL = "manual", "A person"


class Outcome(models.TextChoices):
    RUNNING = "running", "Running"
    APPLIED = "applied", "Applied: the quote was priced from it"
    REVIEW = "review", "Read, but a person must decide"
    REFUSED = "refused", "The answer is no assessment"
    UNAVAILABLE = "unavailable", "No answer"
    OVER_BUDGET = "over_budget", "Not asked: over budget"
    FENCED = "fenced", "Came after its lock was lost"
    LOST = "lost", "The worker vanished"


class AiCall(models.Model):
    quote = models.ForeignKey("portal.Quote", models.PROTECT, related_name="ai_calls")
    token = models.UUIDField(unique=True, help_text="The processing lock it ran under.")
    kind = models.CharField(max_length=10, choices=Kind)
    outcome = models.CharField(max_length=12, choices=Outcome, default=Outcome.RUNNING)
    started_at = models.DateTimeField(db_default=Now())
    ended_at = models.DateTimeField(null=True, blank=True)
    was_forced = models.BooleanField(default=False, help_text="It took the quote over from another run.")
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+")

    model = models.CharField(max_length=100, blank=True)
    prompt_version = models.CharField(max_length=40, blank=True)
    prompt_tokens = models.PositiveIntegerField(default=0)
    completion_tokens = models.PositiveIntegerField(default=0)
    reserved_cost = models.DecimalField(max_digits=10, decimal_places=6, default=Decimal(0), help_text="USD, at most; held while it runs.")
    cost = models.DecimalField(max_digits=10, decimal_places=6, default=Decimal(0), help_text="USD")
    seconds = models.FloatField(null=True, blank=True)
    confidence = models.PositiveSmallIntegerField(null=True, blank=True, help_text="percent")
    raw_answer = models.TextField(blank=True)
    assessment = models.JSONField(null=True, blank=True)
    error = models.TextField(blank=True)

    class Meta:
        verbose_name = "AI run"
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(fields=["quote"], condition=Q(outcome="applied"), name="one_applied_answer_per_quote"),
            models.UniqueConstraint(fields=["quote"], condition=Q(outcome="running"), name="one_run_at_a_time_per_quote"),
            models.CheckConstraint(name="ai_call_ended_iff_not_running", condition=Q(outcome="running") ^ Q(ended_at__isnull=False)),
            models.CheckConstraint(name="ai_call_by_hand_has_its_author", condition=~Q(kind="manual") | Q(by__isnull=False)),
        ]
        indexes = [models.Index(fields=["started_at"], include=["cost", "reserved_cost", "outcome"], name="ai_call_spend")]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} on quote {self.quote_id}"
