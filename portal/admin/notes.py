"""The desk of CMS notes: what sent mail still owes the case files, and what the CMS has confirmed."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import DropdownFilter
from unfold.decorators import display
from unfold.widgets import UnfoldAdminTextInputWidget, UnfoldBooleanSwitchWidget

from messaging import note_decisions
from messaging.models import CmsNote, Message, NoteAttempt, NoteStatus
from messaging.notes import wording
from portal import tasks, wiring
from portal.admin import cells
from portal.admin.acts import Act, ActRefused
from portal.admin.messages import some_cases
from portal.admin.records import ReadOnly, Table, buttons
from portal.text_fields import TypedText

REFERENCE_LIMIT = 100  # characters
MOST_MESSAGES_FOUND = 2_000  # messages whose notes one search may show
OF_CASE = "message__case__id__exact"


class ConfirmForm(forms.Form):
    remote_id = TypedText(
        named="The reference",
        label="The CMS's own reference of the note",
        required=False,
        max_length=REFERENCE_LIMIT,
        widget=UnfoldAdminTextInputWidget,
        help_text="As the CMS shows it beside the note.",
    )
    without_reference = forms.BooleanField(label="The CMS shows no reference", required=False, widget=UnfoldBooleanSwitchWidget)

    def clean(self) -> dict[str, Any]:
        answers = super().clean() or {}
        if "remote_id" in answers and bool(answers["remote_id"]) == bool(answers.get("without_reference")):
            raise forms.ValidationError("Enter the CMS's reference, or tick that it shows none: one of the two.")
        return answers


def add_now(request: HttpRequest, rows: QuerySet, answers: Mapping[str, Any]) -> int:
    done = note_decisions.try_again_now(CmsNote.objects.filter(pk__in=rows.values("pk")))
    tasks.ring_notes()
    return done


def confirm_by_hand(request: HttpRequest, rows: QuerySet, answers: Mapping[str, Any]) -> int:
    note = rows.get()
    try:
        with transaction.atomic():
            note_decisions.confirm(note, remote_id=answers["remote_id"], by=request.user)
    except note_decisions.AlreadyProcessed:
        return 0
    except note_decisions.BeingPosted as busy:
        raise ActRefused(str(busy)) from None
    except IntegrityError:
        other = CmsNote.objects.filter(remote_id=answers["remote_id"]).exclude(pk=note.pk).first()
        if other is None:
            raise
        raise ActRefused(f"{answers['remote_id']} is the reference of another note already ({other}); look again.") from None
    return 1


def add_again(request: HttpRequest, rows: QuerySet, answers: Mapping[str, Any]) -> int:
    try:
        note_decisions.add_again(rows.get(), by=request.user)
    except note_decisions.AlreadyProcessed:
        return 0
    except note_decisions.BeingPosted as busy:
        raise ActRefused(str(busy)) from None
    tasks.ring_notes()
    return 1


def is_open(note: CmsNote) -> bool:
    return note.status != NoteStatus.PROCESSED


def why_not(note: CmsNote) -> str:
    if note.status == NoteStatus.PROCESSED:
        by = f" and {note.confirmed_by} confirmed it" if note.confirmed_by else ""
        return f"The CMS has this note already, as {note.remote_id}{by}: nothing is left to do."
    return f"The note is {note.get_status_display().lower()}; this does not apply to it."


ACTS = (
    Act(
        name="add_note_now",
        label="Add note now",
        explains="The CMS is asked for it, or told it, at the next turn, whatever it waited for. A case without a PID needs one first.",
        done=("will be added now", "will be added now"),
        permission="messaging.post_cmsnote",
        carry_out=add_now,
        applies=is_open,
        refusal=why_not,
        icon="note_add",
    ),
    Act(
        name="confirm_by_hand",
        label="Confirm by hand",
        explains="You have seen this very note in the case file in the CMS. It then counts as processed for ever, under your name.",
        done=("is processed, confirmed by you", "are processed, confirmed by you"),
        permission="messaging.confirm_cmsnote",
        carry_out=confirm_by_hand,
        applies=is_open,
        refusal=why_not,
        form=ConfirmForm,
        icon="task_alt",
        in_bulk=False,
    ),
    Act(
        name="add_again",
        label="It is not in the CMS: add it",
        explains="You have looked into the case file in the CMS and this note is not there. It is added at the next turn.",
        done=("will be added", "will be added"),
        permission="messaging.confirm_cmsnote",
        carry_out=add_again,
        applies=lambda note: note.status == NoteStatus.UNKNOWN,
        refusal=why_not,
        icon="playlist_add",
        in_bulk=False,
        on_the_row=False,
    ),
)


class NoteFilter(DropdownFilter):
    title = "state"
    parameter_name = "state"
    WORDS = {
        "pending": "Pending",
        "needs_pid": "Needs PID",
        "needs_attention": "Needs attention",
        "unknown": "Unknown",
        "processed": "Processed",
    }

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return list(self.WORDS.items())

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        if not self.value():
            return queryset
        if self.value() not in self.WORDS:
            raise IncorrectLookupParameters(f"no state {self.value()!r}")
        return getattr(queryset, self.value())()


class NoteModeFilter(DropdownFilter):
    title = "mode"
    parameter_name = "mode"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("test", "Test"), ("production", "Production")]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        return queryset.filter(message__is_test=self.value() == "test") if self.value() in ("test", "production") else queryset


@admin.register(CmsNote)
class NoteDesk(ReadOnly):
    acts = ACTS
    change_form_template = "admin/note.html"
    list_display = ["state", "pid", "to", "next", "age", "trouble", "helps"]
    list_display_links = ["state"]
    list_filter = [NoteFilter, NoteModeFilter]
    list_filter_submit = True
    list_select_related = ["message__case"]
    list_defer = ["message__text", "message__html", "message__headers"]
    ordering = ["-pk"]
    search_fields = ["remote_id"]
    search_help_text = "PID, PV, CMS reference or message number"

    @display(description="state")
    def state(self, note: CmsNote) -> SafeString:
        return cells.together(cells.note_badge(note), cells.test_badge(note.message.is_test))

    @display(description="PID")
    def pid(self, note: CmsNote) -> SafeString:
        case = note.message.case
        if case is not None and case.pid:
            return SafeString(case.pid)
        return cells.link(case, cells.badge("Needs PID", "red", title="Enter the PID in the case")) if is_open(note) else cells.NOTHING

    @display(description="mail sent to")
    def to(self, note: CmsNote) -> SafeString:
        case = note.message.case
        about = cells.link(case, f"{case.patient_name}, {case.firm}") if case else ""
        return cells.two_lines(cells.link(note.message, cells.address(note.message.intended_for)), about)

    @display(description="age")
    def age(self, note: CmsNote) -> SafeString:
        return cells.age(note.created_at)

    @display(description="added / next try")
    def next(self, note: CmsNote) -> SafeString:
        if note.status == NoteStatus.PROCESSED:
            return cells.two_lines(cells.when(note.processed_at), f"as {note.remote_id}")
        until = "not before a person has looked" if note.attention else f"next try, {note.attempts} so far"
        return cells.two_lines(cells.when(note.due_at), until)

    @display(description="what went wrong")
    def trouble(self, note: CmsNote) -> SafeString:
        return cells.words(note.attention or note.error, tone="bad" if note.attention else "")

    @display(description="what helps")
    def helps(self, note: CmsNote) -> SafeString:
        return buttons(self, note)

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """A case's page links to its notes."""
        return lookup == OF_CASE or super().lookup_allowed(lookup, value, request)

    def get_search_results(self, request: HttpRequest, queryset: QuerySet, search_term: str) -> tuple[QuerySet, bool]:
        term = search_term.strip()
        found = Q(remote_id=term)
        if term.isascii() and term.isdecimal():
            found |= Q(message__in=some_messages(some_cases(Q(pid=term) | Q(pv=term))))
            if len(term) < 19:
                found |= Q(message_id=int(term))
        return (queryset.filter(found) if term else queryset), False

    def known_as(self, row: Any) -> str:
        case = row.message.case
        return f"{row.message.kind.replace('_', ' ')}, sent to {row.message.intended_for}" + (f", for {case}" if case else "")

    def facts(self, note: CmsNote) -> list[tuple[str, Any]]:
        case = note.message.case
        needs_pid = format_html("{} {}", cells.badge("Needs PID", "red"), cells.link(case, "enter it in the case"))
        confirmed = cells.two_lines(note.remote_id, f"confirmed by {note.confirmed_by}" if note.confirmed_by else "")
        return [
            ("State", cells.note_badge(note)),
            ("PID", (case.pid if case and case.pid else needs_pid) if is_open(note) else (case.pid if case else "") or cells.NOTHING),
            ("Case", cells.link(case)),
            ("Message", cells.link(note.message)),
            ("Owed since", cells.when(note.created_at)),
            ("Tries", note.attempts),
            ("Next try", cells.when(note.due_at) if is_open(note) else cells.NOTHING),
            ("Needs attention", cells.words(note.attention, tone="bad")),
            ("Last error", cells.words(note.error)),
            ("CMS reference", confirmed if note.remote_id else cells.NOTHING),
            ("Added", cells.when(note.processed_at)),
            ("Our reference", note.reference),
        ]

    def page(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        return super().page(request, row) | {"words": wording(row, today=wiring.today()) if is_open(row) else None}

    def tables(self, note: CmsNote) -> list[Table]:
        columns = ["When", "What", "Outcome", "Type", "Text", "The CMS said", "By"]
        attempts = note.history.select_related("by").order_by("number")
        return [Table("What the CMS was asked and told", columns, [audit(each) for each in attempts], empty="Nothing yet.")]


def some_messages(cases: list[int]) -> list[int]:
    """The messages of these cases, fetched first: asked together with a note's own columns, every note would be read."""
    return list(Message.objects.filter(case__in=cases).order_by("-pk").values_list("pk", flat=True)[:MOST_MESSAGES_FOUND])


def audit(attempt: NoteAttempt) -> list[Any]:
    said = " ".join(str(part) for part in (attempt.http_status, attempt.detail) if part)
    who = attempt.by or cells.NOTHING
    text = attempt.text or cells.NOTHING
    act, outcome = attempt.get_act_display(), attempt.get_outcome_display()
    return [cells.when(attempt.started_at), act, outcome, attempt.type_code or cells.NOTHING, text, said, who]
