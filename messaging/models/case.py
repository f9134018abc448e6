"""Case: a patient's file as the office works it. Two numbers name it, and they are never the same number.

PID is the case's number inside the case-management system; PV is the imaging practice's own file number.
"""

from datetime import date, timedelta
from typing import Self

from django.conf import settings
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import F, OuterRef, Q
from django.db.models.functions import Greatest, TruncDate

UNKNOWN_INJURY_YEAR = 2099  # the spreadsheets' way to say "date of injury unknown"
OLD_CASE_YEARS = 2
digits = RegexValidator(r"^[0-9]+$", "Only the digits 0-9.")


class CaseStatus(models.TextChoices):
    ACTIVE = "active"
    SETTLED = "settled"
    LITIGATION = "litigation"
    INACTIVE = "inactive"
    CLOSED = "closed"


class Category(models.TextChoices):
    """How long nobody has written, in either direction, and two flags of their own (domain §1.7)."""

    CRITICAL = "critical", "Critical: 90 days or more"
    HIGH_PRIORITY = "high_priority", "High priority: 60-89 days"
    NEEDS_FOLLOW_UP = "needs_follow_up", "Needs follow-up: 30-59 days"
    RECENTLY_SENT = "recently_sent", "Recently sent: under 30 days"
    NEVER_CONTACTED = "never_contacted", "Never contacted"
    NO_RESPONSE = "no_response", "No response ever"
    MISSING_DOI = "missing_doi", "Date of injury missing"
    CCP_335_1 = "ccp_335_1", "CCP 335.1: over two years, no litigation or settlement"
    OLD_CASES = "old_cases", "Old cases: over two years"


DAYS_OF_SILENCE = {  # category: whole days since the last contact, [from, below)
    Category.CRITICAL: (90, None),
    Category.HIGH_PRIORITY: (60, 90),
    Category.NEEDS_FOLLOW_UP: (30, 60),
    Category.RECENTLY_SENT: (None, 30),
}


def category_of(days_since_last_contact: int | None) -> Category:
    """The category by silence alone; None means that nobody ever wrote."""
    if days_since_last_contact is None:
        return Category.NEVER_CONTACTED
    return next(
        category
        for category, (least, below) in DAYS_OF_SILENCE.items()
        if (least is None or days_since_last_contact >= least) and (below is None or days_since_last_contact < below)
    )


class CaseQuerySet(models.QuerySet):
    def active(self) -> Self:
        """The cases that are worked."""
        return self.filter(status=CaseStatus.ACTIVE)

    def without_pid(self) -> Self:
        return self.filter(pid="")

    def awake(self, on: date) -> Self:
        """Not snoozed by an acknowledgment on that day."""
        asleep = Acknowledgment.objects.filter(case=OuterRef("pk")).filter(Q(review_on=None) | Q(review_on__gt=on))
        return self.exclude(models.Exists(asleep))

    def with_last_contact(self) -> Self:
        """Each case with `mailed_on`, the last production mail out, and `last_contact_on`, the later of it and the last mail in.

        The portal's own mails count the moment they are sent; `last_sent_on` only says what the imported file knew.
        """
        mailed_on = Greatest("last_sent_on", TruncDate("last_mail__sent_at"))
        return self.annotate(mailed_on=mailed_on, last_contact_on=Greatest(mailed_on, "last_reply_on"))

    def in_category(self, category: str, on: date) -> Self:
        """The cases of a category of domain §1.7, judged on that day."""
        cases = self.with_last_contact()
        old = Q(injured_on__lt=on - timedelta(days=round(OLD_CASE_YEARS * 365.25)))
        match Category(category):
            case Category.NEVER_CONTACTED:
                return cases.filter(last_contact_on=None)
            case Category.NO_RESPONSE:
                return cases.filter(mailed_on__isnull=False, last_reply_on=None)
            case Category.MISSING_DOI:
                return cases.filter(injured_on=None)
            case Category.OLD_CASES:
                return cases.filter(old)
            case Category.CCP_335_1:
                told = Q(status__in=[CaseStatus.LITIGATION, CaseStatus.SETTLED]) | Q(status_note__iregex="litigat|settle")
                return cases.filter(old).exclude(told)
        least, below = DAYS_OF_SILENCE[Category(category)]
        if least is not None:
            cases = cases.filter(last_contact_on__lte=on - timedelta(days=least))
        return cases if below is None else cases.filter(last_contact_on__gt=on - timedelta(days=below))


class Case(models.Model):
    pid = models.CharField("PID (number in the CMS)", max_length=20, blank=True, validators=[digits], help_text="Digits only.")
    pv = models.CharField("PV (practice's file number)", max_length=20, unique=True, validators=[digits], help_text="Digits only.")
    status = models.CharField(max_length=12, choices=CaseStatus, default=CaseStatus.ACTIVE)
    status_note = models.CharField("status in the file's own words", max_length=200, blank=True)
    patient_name = models.CharField(max_length=200)
    injured_on = models.DateField("date of injury", null=True, blank=True, help_text="Empty means unknown.")
    firm = models.CharField("law firm", max_length=200)
    attorney_name = models.CharField(max_length=200, blank=True)
    attorney_email = models.EmailField(max_length=254, blank=True)
    attorney_phone = models.CharField(max_length=40, blank=True)
    balance = models.DecimalField(max_digits=12, decimal_places=2, null=True, blank=True, help_text="US dollars.")
    last_sent_on = models.DateField("last mail sent", null=True, blank=True, help_text="To the attorney, production mail only.")
    last_reply_on = models.DateField("last reply received", null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects = CaseQuerySet.as_manager()

    class Meta:
        ordering = ["firm", "patient_name", "pk"]
        permissions = [("import_case", "Can import cases from a file")]
        constraints = [
            models.CheckConstraint(name="case_pid_is_digits", condition=Q(pid__regex=r"^[0-9]*$")),
            models.CheckConstraint(name="case_pv_is_digits", condition=Q(pv__regex=r"^[0-9]+$")),
            models.CheckConstraint(name="case_pid_is_not_its_pv", condition=~Q(pid=F("pv"))),
            models.CheckConstraint(name="case_status_known", condition=Q(status__in=CaseStatus.values)),
            models.UniqueConstraint(fields=["pid"], name="one_case_per_pid", condition=~Q(pid="")),
        ]
        indexes = [
            models.Index(fields=["firm", "patient_name", "id"], name="case_by_firm"),
            models.Index(fields=["status", "id"], name="case_by_status"),
            models.Index(fields=["firm", "patient_name", "id"], name="case_without_pid", condition=Q(pid="")),
        ]

    def __str__(self) -> str:
        return f"{self.patient_name} (PID {self.pid or 'missing'}, PV {self.pv})"


class LastMail(models.Model):
    """When the portal last wrote to a case: kept by a trigger on its messages."""

    case = models.OneToOneField(Case, models.CASCADE, primary_key=True, related_name="last_mail")
    sent_at = models.DateTimeField(help_text="Of the last production mail.")

    def __str__(self) -> str:
        return f"{self.case_id}: {self.sent_at}"


class Acknowledgment(models.Model):
    """Somebody has seen to this case; batches leave it alone until its review day."""

    case = models.ForeignKey(Case, models.CASCADE, related_name="acknowledgments")
    reason = models.CharField(max_length=100)
    notes = models.TextField(blank=True, max_length=2_000)
    review_on = models.DateField("sleeps until", null=True, blank=True, help_text="Empty: until somebody wakes it.")
    acknowledged_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, editable=False, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-created_at", "-pk"]

    def __str__(self) -> str:
        return f"{self.reason}, until {self.review_on or 'woken'}"
