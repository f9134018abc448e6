"""The desk of imports: a file comes in, its preview is looked at, and then it is imported, or not. What was refused can be taken home."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.template.defaultfilters import filesizeformat
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import display
from unfold.widgets import UnfoldAdminFileFieldWidget, UnfoldAdminSelectWidget

from campaigns.importing import contacts, jobs, refusals, targets
from campaigns.models import ImportJob, ImportKind, ImportStatus
from messaging import journal
from messaging.models import Level
from portal import tasks
from portal.admin import cells
from portal.admin.acts import Act
from portal.admin.live import Live
from portal.admin.operations import name_of
from portal.admin.records import Table

PERMISSION = "campaigns.import_contact"
REFUSED_SHOWN = 50
TONES = {
    ImportStatus.READING: "blue",
    ImportStatus.READY: "amber",
    ImportStatus.MERGING: "blue",
    ImportStatus.APPLIED: "green",
    ImportStatus.CANCELLED: "grey",
    ImportStatus.FAILED: "red",
}
COUNTS = {"new": "New", "changed": "Changed", "unchanged": "The same", "refused": "Refused"}
UNANSWERED = "Without an answer the file is forgotten after a day."
LEAVE = "You may leave this page; the portal goes on by itself, also after a restart."


def start_import(request: HttpRequest, rows: QuerySet, answers: Mapping[str, Any]) -> int:
    done = [job for job in rows if jobs.confirm(job)]
    for job in done:
        journal.record(Level.INFO, "imports", f"Confirmed by {request.user}: {job}", by_id=request.user.pk)
    tasks.ring_imports()
    return len(done)


def stop(request: HttpRequest, rows: QuerySet, answers: Mapping[str, Any]) -> int:
    done = [job for job in rows if jobs.cancel(job)]
    for job in done:
        journal.record(Level.INFO, "imports", f"Cancelled by {request.user}: {job}", by_id=request.user.pk)
    return len(done)


def why_not(job: ImportJob) -> str:
    return f"{job} is past that: {job.get_status_display().lower()}."


ACTS = (
    Act(
        name="import",
        label="Import the good rows",
        explains="All rows but the refused ones are imported, in one transaction: all of them, or none.",
        done=("is being imported", "are being imported"),
        permission=PERMISSION,
        carry_out=start_import,
        applies=lambda job: job.status == ImportStatus.READY,
        refusal=why_not,
        icon="upload_file",
        in_bulk=False,
    ),
    Act(
        name="cancel",
        label="Cancel",
        explains="Nothing of the file is imported, and the portal forgets the file. This cannot be taken back.",
        done=("is cancelled", "are cancelled"),
        permission=PERMISSION,
        carry_out=stop,
        applies=lambda job: job.is_unfinished and not job.is_stopping,
        refusal=why_not,
        icon="cancel",
        is_dangerous=True,
        in_bulk=False,
    ),
)


class UploadForm(forms.Form):
    kind = forms.ChoiceField(
        choices=ImportKind, label="What is in it", widget=UnfoldAdminSelectWidget, error_messages={"required": "Say what is in the file."}
    )
    file = forms.FileField(
        label="File",
        widget=UnfoldAdminFileFieldWidget(attrs={"accept": ".csv,text/csv"}),
        max_length=255,
        help_text=f"CSV: comma-separated, UTF-8, a header in the first row, at most {jobs.MOST_BYTES // 1024**2} MB.",
        error_messages={"required": "Choose a file.", "empty": "The file is empty."},
    )


@admin.register(ImportJob)
class ImportDesk(Live):
    acts = ACTS
    live_template = "admin/import_live.html"
    list_display = ["state", "file", "rows_shown", "refused_shown", "started", "by"]
    list_display_links = ["file"]
    list_filter = [("status", ChoicesDropdownFilter), ("kind", ChoicesDropdownFilter)]
    list_filter_submit = True
    list_select_related = ["started_by"]
    ordering = ["-pk"]
    search_fields = ["file_name"]
    search_help_text = "Part of the file's name"

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm(PERMISSION))

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.refused_view)
        return [path("<path:object_id>/refused/", view, name="campaigns_importjob_refused"), *super().get_urls()]

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """The upload: the file goes into the database, where any host finds it, and then its page tells how far it is."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = UploadForm(request.POST or None, request.FILES or None, initial={"kind": ImportKind.CONTACTS})
        if request.method == "POST" and form.is_valid() and (job := self.received(request, form)):
            return HttpResponseRedirect(reverse("admin:campaigns_importjob_change", args=[job.pk]))
        context = self.admin_site.each_context(request) | {
            "title": "Import a file",
            "opts": self.opts,
            "form": form,
            "kinds": [(label, described(kind)) for kind, label in ImportKind.choices],
            "back": reverse("admin:campaigns_importjob_changelist"),
            "media": self.media + form.media,
        }
        return TemplateResponse(request, "admin/import_upload.html", context, status=422 if form.errors else 200)

    def received(self, request: HttpRequest, form: UploadForm) -> ImportJob | None:
        file = form.cleaned_data["file"]
        try:
            job = jobs.receive(file.chunks(jobs.PIECE), kind=form.cleaned_data["kind"], name=file.name, by=request.user)
        except (*jobs.Unfit, jobs.UnderWay) as why:
            form.add_error("file", str(why))
            return None
        journal.record(Level.INFO, "imports", f"Uploaded by {request.user}: {job}", by_id=request.user.pk)
        tasks.ring_imports()
        return job

    def refused_view(self, request: HttpRequest, object_id: str) -> StreamingHttpResponse:
        """The refused rows as a file, to be corrected and imported again."""
        if not request.user.has_perm(PERMISSION):
            raise PermissionDenied
        job = self.found(request, object_id)
        answer = StreamingHttpResponse(refusals.refused_file(job), content_type="text/csv; charset=utf-8")
        answer["Content-Disposition"] = f'attachment; filename="import-{job.pk}.refused.csv"'
        return answer

    @display(description="state")
    def state(self, job: ImportJob) -> SafeString:
        return state_badge(job)

    @display(description="file")
    def file(self, job: ImportJob) -> SafeString:
        return cells.two_lines(job.file_name, job.get_kind_display())

    @display(description="rows")
    def rows_shown(self, job: ImportJob) -> str:
        return f"{job.rows:,}"

    @display(description="refused")
    def refused_shown(self, job: ImportJob) -> SafeString:
        return cells.badge(f"{job.refused:,}", "amber") if job.refused else cells.NOTHING

    @display(description="started")
    def started(self, job: ImportJob) -> SafeString:
        return cells.when(job.started_at)

    @display(description="by")
    def by(self, job: ImportJob) -> str:
        return name_of(job.started_by) or "the command line"

    def facts(self, job: ImportJob) -> list[tuple[str, Any]]:
        ignored = ", ".join(job.ignored_columns)
        return [
            ("What is in it", job.get_kind_display()),
            ("Size", filesizeformat(job.size_bytes)),
            ("By", name_of(job.started_by) or "the command line"),
            ("Started", cells.when(job.started_at)),
            ("Ended", cells.when(job.ended_at)),
            *([("Columns passed over", ignored)] if ignored else []),
        ]

    def tables(self, job: ImportJob) -> list[Table]:
        if not job.refused:
            return []
        rows = job.refusals.order_by("row").only("row", "column", "reason")[:REFUSED_SHOWN]
        lines = [(f"{one.row:,}", cells.unbroken(one.column) if one.column else cells.NOTHING, one.reason) for one in rows]
        title = f"The first {len(lines)} of {job.refused:,} refused rows" if job.refused > len(lines) else "Refused rows"
        link = reverse("admin:campaigns_importjob_refused", args=[job.pk])
        words = "Download them all, to correct and upload again"
        return [Table(title, ["Row", "Column", "What is wrong"], lines, link=link, link_text=words)]

    def moving(self, request: HttpRequest, job: ImportJob) -> dict[str, Any]:
        done, of, says = so_far(job)
        return {
            "job": job,
            "badge": state_badge(job),
            "done": done,
            "of": of,
            "share": round(100 * done / of, 1) if of else 0,
            "says": "It ends in a moment." if job.is_stopping else says,
            "counts": [(label, getattr(job, name), name) for name, label in COUNTS.items()] if has_counts(job) else [],
            "moves": job.status in (ImportStatus.READING, ImportStatus.MERGING),
            "stage": f"{job.status}-{bool(job.is_stopping)}",
        }


def so_far(job: ImportJob) -> tuple[int, int, str]:
    """How much of how much, and what comes next, in words."""
    match job.status:
        case ImportStatus.READING if job.size_bytes and job.read_bytes >= job.size_bytes:
            return job.read_bytes, job.size_bytes, f"All {job.rows:,} rows are read; now they are compared with what is known. {LEAVE}"
        case ImportStatus.READING if not job.rows:
            return 0, 1, f"It waits for a worker, which comes within a minute. Nothing is changed yet. {LEAVE}"
        case ImportStatus.READING:
            return job.read_bytes, job.size_bytes, f"The file is read: {job.rows:,} rows so far. Nothing is changed yet. {LEAVE}"
        case ImportStatus.READY:
            taken = job.new + job.changed
            return 1, 1, f"Nothing is changed yet; an import would write {taken:,} rows. {UNANSWERED}"
        case ImportStatus.MERGING:
            return job.done_rows, job.read_rows, f"Row {job.done_rows:,} of {job.read_rows:,}: all at once in the end, or nothing. {LEAVE}"
        case ImportStatus.APPLIED:
            return 1, 1, "All good rows are in. Refused ones can be corrected and uploaded as a file of their own."
    return 0, 1, "Nothing of it was imported."


def has_counts(job: ImportJob) -> bool:
    is_compared = job.status in (ImportStatus.READY, ImportStatus.MERGING, ImportStatus.APPLIED)
    return is_compared and bool(job.new + job.changed + job.unchanged + job.refused)


def state_badge(job: ImportJob) -> SafeString:
    if job.is_stopping:
        return cells.badge("Stopping", "amber")
    return cells.badge(job.get_status_display(), TONES[ImportStatus(job.status)])


def described(kind: str) -> list[tuple[str, str]]:
    """The columns of such a file, and other names for each."""
    columns = contacts.sort().named if kind == ImportKind.CONTACTS else targets.sort().named
    return [(f"{column.name}{'' if column.needed else ' (may be left out)'}", ", ".join(column.synonyms)) for column in columns]
