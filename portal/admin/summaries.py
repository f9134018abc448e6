"""The desks of daily summaries: who gets one and when, each person their own; and every day's, with what became of it."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.formats import date_format
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import DropdownFilter
from unfold.decorators import display
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTimeWidget

from messaging import text_input
from portal import summary_wiring, tasks
from portal.admin import cells
from portal.admin.acts import Act, ActRefused, ReasonForm
from portal.admin.days import DaysFilter
from portal.admin.records import Desk, ReadOnly, buttons
from portal.summaries import daily, watch
from portal.summaries.local_time import zone_names
from portal.summaries.models import DailySummary, Status, SummaryPreference

TONES = {Status.SCHEDULED: "blue", Status.COMPLETED: "green", Status.FAILED: "red"}
MANAGES = "portal.change_summarypreference"


def send_now(request: HttpRequest, rows: QuerySet, answers: Mapping[str, Any]) -> int:
    """Each of the failed ones is on its way; one that cannot be written stays failed and says why."""
    terms, now = summary_wiring.summary_terms(), watch.database_clock()
    desk, about = terms.desk(), {"by": request.user, "reason": answers["reason"]}
    outcomes = [daily.try_again(pk, sender=terms.sender, desk=desk, now=now, **about) for pk in rows.values_list("pk", flat=True)]
    if outcomes and set(outcomes) == {"failed"}:
        raise ActRefused("The portal could not write it: the summary's page says why.")
    tasks.ring()
    return outcomes.count("queued")


SEND_NOW = Act(
    name="send_now",
    label="Send it now",
    explains="The mail goes out, whatever day it is of. What was sent before is never sent again.",
    done=("is on its way", "are on their way"),
    permission="portal.send_dailysummary",
    carry_out=send_now,
    applies=lambda summary: summary.status == Status.FAILED,
    refusal=lambda summary: f"It is {summary.get_status_display().lower()} already.",
    form=ReasonForm,
    icon="send",
)


class StateFilter(DropdownFilter):
    title = "state"
    parameter_name = "state"
    WORDS = {**dict(Status.choices), "for_a_person": "Failed for good"}

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(str(value), str(label)) for value, label in self.WORDS.items()]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        if not self.value():
            return queryset
        if self.value() not in self.WORDS:
            raise IncorrectLookupParameters(f"no state {self.value()!r}")
        return queryset.for_a_person() if self.value() == "for_a_person" else queryset.filter(status=self.value())


@admin.register(DailySummary)
class DailySummaryDesk(ReadOnly):
    acts = (SEND_NOW,)
    list_display = ["day_shown", "person", "state", "due", "trouble", "helps"]
    list_filter = [StateFilter, ("day", DaysFilter)]
    list_filter_submit = True
    list_select_related = ["user"]
    ordering = ["-day", "-pk"]
    search_fields = ["user__username"]
    search_help_text = "Username"

    @display(description="day")
    def day_shown(self, summary: DailySummary) -> SafeString:
        return cells.two_lines(date_format(summary.day, "M j, Y"), date_format(summary.day, "l"))

    @display(description="person")
    def person(self, summary: DailySummary) -> SafeString:
        return cells.two_lines(summary.user.get_full_name() or summary.user, summary.notification_email)

    @display(description="state")
    def state(self, summary: DailySummary) -> SafeString:
        return cells.badge(summary.get_status_display(), TONES[Status(summary.status)])

    @display(description="due")
    def due(self, summary: DailySummary) -> SafeString:
        return cells.when(summary.due_at)

    @display(description="trouble")
    def trouble(self, summary: DailySummary) -> SafeString:
        return cells.words(summary.error, tone="bad")

    @display(description="what helps")
    def helps(self, summary: DailySummary) -> SafeString:
        return buttons(self, summary)

    def facts(self, summary: DailySummary) -> list[tuple[str, Any]]:
        return [
            ("State", self.state(summary)),
            ("Person", summary.user.get_full_name() or summary.user),
            ("To", summary.notification_email),
            ("Day", self.day_shown(summary)),
            ("Time zone", summary.zone),
            ("Due", cells.when(summary.due_at)),
            ("Caught up until", cells.when(summary.open_until)),
            ("Its mail", cells.link(summary.message)),
            ("State of its mail", cells.status_badge(summary.message) if summary.message else cells.NOTHING),
            ("Written", cells.when(summary.created_at)),
            ("Completed", cells.when(summary.completed_at)),
            ("Failed", cells.when(summary.failed_at)),
            ("Failures", summary.tries),
            ("Tried again", cells.when(summary.retry_at)),
            ("Error", summary.error or cells.NOTHING),
        ]


class PreferenceForm(forms.ModelForm):
    zone = forms.ChoiceField(
        choices=lambda: [(name, name.replace("_", " ")) for name in zone_names()],
        label="Time zone",
        widget=UnfoldAdminSelectWidget,
        error_messages={"invalid_choice": "No time zone is called %(value)s: choose one of the list."},
    )

    class Meta:
        model = SummaryPreference
        fields = ["user", "enable_daily_summary", "notification_email", "summary_time_local", "zone"]
        widgets = {"summary_time_local": UnfoldAdminTimeWidget(attrs={"type": "time"}, format="%H:%M")}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        stored = self.instance.zone
        if stored and stored not in zone_names():  # its machine knew it once
            self.initial["zone"] = ""

    def clean_notification_email(self) -> str:
        try:
            return text_input.email_address(self.cleaned_data["notification_email"], field="E-mail address")
        except text_input.TextRefused as refusal:
            raise forms.ValidationError(refusal.sentence) from None

    def clean_summary_time_local(self) -> Any:
        return self.cleaned_data["summary_time_local"].replace(second=0, microsecond=0)


@admin.register(SummaryPreference)
class PreferenceDesk(Desk):
    """Everybody has their own; who may change those of others sees them all."""

    form = PreferenceForm
    list_display = ["user", "enable_daily_summary", "notification_email", "time_shown", "zone"]
    list_select_related = ["user"]
    ordering = ["user__username", "pk"]
    search_fields = ["user__username"]
    search_help_text = "Username"

    @display(description="time")
    def time_shown(self, row: SummaryPreference) -> str:
        return f"{row.summary_time_local:%H:%M}"

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.is_theirs(request, obj) or super().has_view_permission(request, obj)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.is_theirs(request, obj) or request.user.has_perm(MANAGES)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(MANAGES) or not SummaryPreference.objects.filter(user=request.user.pk).exists()

    def is_theirs(self, request: HttpRequest, obj: Any) -> bool:
        return bool(request.user.is_staff and obj and obj.user_id == request.user.pk)

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        rows = super().get_queryset(request)
        return rows if request.user.has_perm("portal.view_summarypreference") else rows.filter(user=request.user.pk)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        names = list(PreferenceForm.Meta.fields)
        return names if obj is None and request.user.has_perm(MANAGES) else names[1:]

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        if SummaryPreference.objects.filter(user=request.user.pk).exists():
            return super().get_changeform_initial_data(request)
        own = {"user": request.user.pk, "notification_email": getattr(request.user, "email", "")}
        return own | super().get_changeform_initial_data(request)

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "user":
            kwargs["queryset"] = User.objects.filter(is_staff=True, is_active=True, summary_preference=None).order_by("username")
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def save_model(self, request: HttpRequest, obj: SummaryPreference, form: Any, change: bool) -> None:
        if not obj.user_id:
            obj.user = request.user  # type: ignore[assignment]
        if not change or set(form.changed_data) & {"enable_daily_summary", "summary_time_local", "zone"}:
            obj.changed_at = Now()
        super().save_model(request, obj, form, change)

    def response_post_save_add(self, request: HttpRequest, obj: Any) -> HttpResponse:
        return redirect("summaries")

    response_post_save_change = response_post_save_add
