"""ImportJob: a file of contacts or targets on its way in; the pieces of one that was uploaded; and the rows that were refused."""

from typing import ClassVar, Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from messaging.leases import Leased, LeaseQuerySet
from messaging.lifecycles import Fact, Moves


class ImportKind(models.TextChoices):
    CONTACTS = "contacts", "Contacts"
    TARGETS = "targets", "Targets"


class ImportStatus(models.TextChoices):
    READING = "reading", "Being read"
    READY = "ready", "Waits for a person"
    MERGING = "merging", "Being imported"
    APPLIED = "applied", "Imported"
    CANCELLED = "cancelled", "Cancelled"
    FAILED = "failed", "Failed"


IMPORT_MOVES: Moves = {
    ImportStatus.READING: frozenset({ImportStatus.READY, ImportStatus.MERGING, ImportStatus.CANCELLED, ImportStatus.FAILED}),
    ImportStatus.READY: frozenset({ImportStatus.MERGING, ImportStatus.CANCELLED}),
    # the merge is one transaction: a worker that vanishes leaves nothing of it
    ImportStatus.MERGING: frozenset({ImportStatus.APPLIED, ImportStatus.CANCELLED, ImportStatus.FAILED}),
    ImportStatus.APPLIED: frozenset(),
    ImportStatus.CANCELLED: frozenset(),
    ImportStatus.FAILED: frozenset(),
}
AT_WORK = [ImportStatus.READING.value, ImportStatus.MERGING.value]
UNFINISHED = [*AT_WORK, ImportStatus.READY.value]

IMPORT_FACTS = [
    Fact(
        name="import_counts_add_up",
        condition="NEW.status <> 'applied' OR NEW.rows = NEW.new + NEW.changed + NEW.unchanged + NEW.refused",
        sentence="was imported, and its counts do not add up",
    ),
    Fact(name="import_failed_for_a_reason", condition="NEW.status <> 'failed' OR NEW.error <> ''", sentence="failed without saying why"),
    Fact(
        name="import_ended_at_iff_ended",
        condition="(NEW.ended_at IS NOT NULL) = (NEW.status IN ('applied', 'cancelled', 'failed'))",
        sentence="has a time of ending exactly when it has ended",
    ),
]


class ImportJobQuerySet(LeaseQuerySet):
    def unfinished(self) -> Self:
        return self.filter(status__in=UNFINISHED)

    def to_run(self) -> Self:
        """Nobody is at them, and any worker can be: their file is in the database. The oldest comes first."""
        return self.filter(status__in=AT_WORK, is_stored=True).free().order_by("pk")

    def applied(self) -> Self:
        return self.filter(status=ImportStatus.APPLIED)


class ImportJob(Leased):
    MOVES: ClassVar[Moves] = IMPORT_MOVES

    kind = models.CharField(max_length=8, choices=ImportKind)
    file_name = models.CharField(max_length=255)
    sha256 = models.CharField("SHA-256", max_length=64, editable=False)
    size_bytes = models.BigIntegerField("bytes")
    is_stored = models.BooleanField(default=False, help_text="The file is in the database, so any host can work on it.")
    status = models.CharField(max_length=9, choices=ImportStatus, default=ImportStatus.READING)
    started_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, db_index=False, related_name="+")
    started_at = models.DateTimeField(db_default=Now())
    ended_at = models.DateTimeField(null=True, blank=True)
    cancel_asked_at = models.DateTimeField(null=True, blank=True)
    error = models.TextField(blank=True)

    header = models.JSONField(default=list, help_text="The file's own.")
    ignored_columns = models.JSONField(default=list)
    read_rows = models.BigIntegerField(default=0, help_text="The row up to which all is staged; the header is row 1.")
    read_bytes = models.BigIntegerField(default=0)
    staged = models.BigIntegerField(default=0, help_text="Rows fit to be compared.")
    done_rows = models.BigIntegerField(default=0, help_text="The row up to which the merge has come.")

    rows = models.BigIntegerField(default=0)
    new = models.BigIntegerField(default=0)
    changed = models.BigIntegerField(default=0)
    unchanged = models.BigIntegerField(default=0)
    refused = models.BigIntegerField(default=0)
    flagged = models.BigIntegerField(default=0, help_text="Rows that are taken, with a doubt noted.")
    doubts = models.JSONField(default=list, help_text="The first of those doubts, in sentences.")

    objects = ImportJobQuerySet.as_manager()

    class Meta:
        verbose_name = "import"
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(fields=["kind", "sha256"], condition=Q(status="applied"), name="a_file_is_imported_once"),
        ]
        indexes = [
            models.Index(fields=["id"], name="import_unfinished", condition=Q(status__in=["reading", "merging", "ready"])),
            models.Index(fields=["sha256"], name="import_by_file"),
        ]

    def __str__(self) -> str:
        return f"{self.file_name} (import {self.pk})"

    @property
    def is_unfinished(self) -> bool:
        return self.status in UNFINISHED

    @property
    def is_stopping(self) -> bool:
        return self.is_unfinished and self.cancel_asked_at is not None


class ImportPiece(models.Model):
    """A stretch of an uploaded file. Gone when the import has ended."""

    job = models.ForeignKey(ImportJob, models.CASCADE, db_index=False, related_name="pieces")
    number = models.PositiveIntegerField()
    data = models.BinaryField()

    class Meta:
        ordering = ["job", "number"]
        constraints = [models.UniqueConstraint(fields=["job", "number"], name="one_piece_per_import_and_number")]

    def __str__(self) -> str:
        return f"piece {self.number} of import {self.job_id}"


class ImportRefusal(models.Model):
    """A row that was not taken, as it stood in the file, and everything that is wrong with it."""

    job = models.ForeignKey(ImportJob, models.CASCADE, db_index=False, related_name="refusals")
    row = models.BigIntegerField(help_text="As a spreadsheet counts: the header is row 1.")
    column = models.CharField(max_length=30, blank=True, help_text="The first one that is wrong; empty where the row's shape is.")
    reason = models.TextField()
    record = models.BinaryField(default=b"", help_text="The row as CSV, in the file's own bytes.")
    by_comparison = models.BooleanField(default=False, help_text="Found against other rows or contacts, and found anew each time.")

    class Meta:
        verbose_name = "refused row"
        ordering = ["job", "row"]
        constraints = [
            models.UniqueConstraint(fields=["job", "row"], name="one_refusal_per_import_and_row"),
            models.CheckConstraint(name="refusal_says_why", condition=~Q(reason="")),
        ]

    def __str__(self) -> str:
        return self.reason
