"""The desk of cases. PID and PV are different numbers: both are labelled everywhere, and neither is taken for the other."""

from typing import Any

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.formats import date_format
from django.utils.safestring import SafeString
from unfold.admin import TabularInline
from unfold.contrib.filters.admin import ChoicesDropdownFilter, DropdownFilter
from unfold.decorators import display

from messaging.models import Acknowledgment, Case, CmsNote, Message
from messaging.models.case import Category, category_of
from portal import wiring
from portal.admin import cells
from portal.admin.case_form import AcknowledgmentForm, CaseForm
from portal.admin.cases_import import CaseImport
from portal.admin.records import Desk, Table

SHOWN = 20  # messages and notes below a case
LEAST_NAME_SEARCH = 2  # letters
TONES = {
    Category.CRITICAL: "red",
    Category.HIGH_PRIORITY: "amber",
    Category.NEEDS_FOLLOW_UP: "blue",
    Category.RECENTLY_SENT: "green",
    Category.NEVER_CONTACTED: "violet",
}


class CategoryFilter(DropdownFilter):
    title = "category"
    parameter_name = "category"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return list(Category.choices)

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        if not self.value():
            return queryset
        if self.value() not in Category.values:
            raise IncorrectLookupParameters(f"no category {self.value()!r}")
        inside = Case.objects.in_category(str(self.value()), wiring.today())
        return queryset.filter(pk__in=inside.values("pk"))


class FirmFilter(DropdownFilter):
    title = "law firm"
    parameter_name = "firm"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(firm, firm) for firm in Case.objects.order_by("firm").values_list("firm", flat=True).distinct()]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        return queryset.filter(firm=self.value()) if self.value() else queryset


class PidFilter(DropdownFilter):
    title = "PID"
    parameter_name = "needs"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("pid", "Needs PID")]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        return queryset.filter(pid="") if self.value() == "pid" else queryset


class AcknowledgmentInline(TabularInline):
    model = Acknowledgment
    form = AcknowledgmentForm
    verbose_name = "acknowledgment"
    verbose_name_plural = "Acknowledgments: batches leave the case alone until the day it sleeps to"
    fields = ["reason", "notes", "review_on"]
    extra = 0


@admin.register(Case)
class CaseDesk(CaseImport, Desk):
    form = CaseForm
    inlines = [AcknowledgmentInline]
    change_form_after_template = "admin/tables.html"
    list_display = ["patient", "pid_shown", "pv_shown", "firm_shown", "silence", "last_contact", "balance_shown", "status_shown"]
    list_filter = [CategoryFilter, FirmFilter, ("status", ChoicesDropdownFilter), PidFilter]
    list_filter_submit = True
    ordering = ["firm", "patient_name", "pk"]
    search_fields = ["patient_name"]
    sortable_by = ("patient", "pid_shown", "pv_shown", "firm_shown", "last_contact", "balance_shown", "status_shown")
    search_help_text = "PID, PV, patient, firm or address"
    fieldsets = [
        ("The two numbers", {"fields": [("pid", "pv")], "description": "Two numbers that are never the same."}),
        ("The file", {"fields": [("patient_name", "injured_on"), ("status", "status_note"), "balance"]}),
        ("The law firm", {"fields": [("firm", "attorney_name"), ("attorney_email", "attorney_phone")]}),
        ("Mail", {"fields": [("last_sent_on", "last_reply_on"), "seen_at"]}),
    ]

    @display(description="patient", ordering="patient_name")
    def patient(self, case: Case) -> SafeString:
        born = f"injured {date_format(case.injured_on, 'M j, Y')}" if case.injured_on else "date of injury unknown"
        return cells.two_lines(case.patient_name, born)

    @display(description="PID (CMS)", ordering="pid")
    def pid_shown(self, case: Case) -> SafeString:
        return SafeString(case.pid) if case.pid else cells.link(case, cells.badge("Needs PID", "red"))

    @display(description="PV (practice)", ordering="pv")
    def pv_shown(self, case: Case) -> str:
        return case.pv

    @display(description="law firm", ordering="firm")
    def firm_shown(self, case: Case) -> SafeString:
        return cells.two_lines(case.firm, case.attorney_email or "no e-mail address")

    @display(description="silence")
    def silence(self, case: Any) -> SafeString:
        last = case.last_contact_on
        category = category_of((wiring.today() - last).days if last else None)
        return cells.badge(str(category.label).partition(":")[0], TONES[category], title=str(category.label))

    @display(description="last contact", ordering="last_contact_on")
    def last_contact(self, case: Any) -> SafeString:
        last = case.last_contact_on
        if last is None:
            return cells.two_lines("never")
        days = (wiring.today() - last).days
        way = "reply" if last == case.last_reply_on else "mail"
        return cells.two_lines(date_format(last, "M j, Y"), f"{way}, {days} day{'' if days == 1 else 's'} ago")

    @display(description="balance", ordering="balance")
    def balance_shown(self, case: Case) -> str:
        return "–" if case.balance is None else f"${case.balance:,.2f}"

    @display(description="status", ordering="status")
    def status_shown(self, case: Case) -> SafeString:
        return cells.two_lines(case.get_status_display(), case.status_note)

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        return super().get_queryset(request).with_last_contact()

    def get_search_results(self, request: HttpRequest, queryset: QuerySet, search_term: str) -> tuple[QuerySet, bool]:
        for word in search_term.split()[:6]:
            queryset = queryset.filter(self.found(word[:100]))
        return queryset, False

    def found(self, word: str) -> Q:
        if word.isascii() and word.isdecimal():
            return Q(pid__startswith=word) | Q(pv__startswith=word)
        return Q(patient_name__icontains=word) | Q(firm__icontains=word) | Q(attorney_email__istartswith=word)

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        for row in formset.save(commit=False):
            if isinstance(row, Acknowledgment) and row.acknowledged_by is None:
                row.acknowledged_by = request.user  # type: ignore[assignment]
            row.save()
        for row in formset.deleted_objects:
            row.delete()
        formset.save_m2m()

    def tables(self, row: Any) -> list[Table]:
        mails = Message.objects.filter(case=row).defer("text", "html", "headers").order_by("-pk")[:SHOWN]
        notes = CmsNote.objects.filter(message__case=row).select_related("message").order_by("-pk")[:SHOWN]
        return [
            Table(
                "Messages",
                ["When", "State", "Subject", "To"],
                [[cells.when(one.created_at), cells.status_badge(one), cells.link(one, one.subject), one.intended_for] for one in mails],
                empty="No mail has been queued for this case.",
                link=cells.list_url(Message, case__id__exact=row.pk),
            ),
            Table(
                "CMS notes",
                ["Owed since", "State", "Note", "What went wrong"],
                [
                    [
                        cells.when(one.created_at),
                        cells.note_badge(one),
                        cells.link(one, one.remote_id or "open"),
                        one.attention or one.error,
                    ]
                    for one in notes
                ],
                empty="No sent mail owes this case a note.",
                link=cells.list_url(CmsNote, message__case__id__exact=row.pk),
            ),
        ]


def trouble(note: CmsNote) -> str:
    return note.attention or note.error
