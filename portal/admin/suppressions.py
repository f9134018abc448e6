"""The desk of suppressions: who must not be mailed, why, until when. Added and removed with a reason; both leave an event."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString
from unfold.decorators import display
from unfold.widgets import UnfoldAdminTextInputWidget

from messaging import journal, text_input
from messaging.models import Level, Suppression
from portal.admin import cells
from portal.admin.acts import Act, ReasonForm
from portal.admin.records import Desk, buttons


def lift(request: HttpRequest, rows: QuerySet, answers: Mapping[str, Any]) -> int:
    lifted = list(Suppression.objects.filter(pk__in=rows.values("pk")).select_for_update())
    Suppression.objects.filter(pk__in=[row.pk for row in lifted]).delete()
    for row in lifted:
        text = f"{row.address} may be mailed again: {answers['reason']} (it was suppressed because: {row.reason})"
        journal.record(Level.INFO, "suppressions", text, by_id=request.user.pk)
    return len(lifted)


LIFT = Act(
    name="lift",
    label="Allow mail again",
    explains="The address leaves the list, and mail to it goes out again. What was cancelled stays cancelled.",
    done=("may be mailed again", "may be mailed again"),
    permission="messaging.delete_suppression",
    carry_out=lift,
    form=ReasonForm,
    icon="mark_email_read",
)


class SuppressionForm(forms.ModelForm):
    address = forms.CharField(widget=UnfoldAdminTextInputWidget, help_text="One e-mail address; small and capital letters are the same.")

    class Meta:
        model = Suppression
        fields = ["address", "reason", "suppressed_until"]

    def clean_address(self) -> str:
        try:
            address = text_input.email_address(self.cleaned_data["address"], field="Address").lower()
        except text_input.TextRefused as refusal:
            raise forms.ValidationError(refusal.sentence) from None
        known = Suppression.objects.filter(address=address).first()
        if known:
            raise forms.ValidationError(f"{address} is suppressed already: {known.reason}. Allow mail again first to change it.")
        return address

    def clean_reason(self) -> str:
        try:
            return text_input.one_line(self.cleaned_data["reason"], field="Reason", limit=200)
        except text_input.TextRefused as refusal:
            raise forms.ValidationError(refusal.sentence) from None

    def clean_suppressed_until(self) -> Any:
        until = self.cleaned_data["suppressed_until"]
        if until and until <= timezone.now():
            raise forms.ValidationError("That time has passed already: choose a later one, or leave it empty for good.")
        if until and until.date() > text_input.LATEST:
            raise forms.ValidationError(f"At most until {text_input.LATEST}: leave it empty for good.")
        return until


@admin.register(Suppression)
class SuppressionDesk(Desk):
    acts = (LIFT,)
    form = SuppressionForm
    change_form_template = "admin/record.html"
    add_form_template = "admin/change_form.html"
    list_display = ["address", "state", "reason", "until", "created_by", "created", "helps"]
    list_select_related = ["created_by"]
    ordering = ["-created_at", "-pk"]
    search_fields = ["address"]
    search_help_text = "Beginning of the address"

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    @display(description="state")
    def state(self, row: Suppression) -> SafeString:
        over = row.suppressed_until is not None and row.suppressed_until <= timezone.now()
        return cells.badge("Over", "grey") if over else cells.badge("No mail", "red")

    @display(description="until")
    def until(self, row: Suppression) -> Any:
        return cells.when(row.suppressed_until) if row.suppressed_until else "for good"

    @display(description="since")
    def created(self, row: Suppression) -> SafeString:
        return cells.when(row.created_at)

    @display(description="what helps")
    def helps(self, row: Suppression) -> SafeString:
        return buttons(self, row)

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> tuple[Any, bool]:
        term = search_term.strip().lower()
        return (queryset.filter(address__startswith=term) if term else queryset), False

    def save_model(self, request: HttpRequest, obj: Suppression, form: Any, change: bool) -> None:
        obj.created_by = request.user  # type: ignore[assignment]
        super().save_model(request, obj, form, change)
        journal.record(Level.INFO, "suppressions", f"{obj.address} must not be mailed: {obj.reason}", by_id=request.user.pk)

    def facts(self, row: Suppression) -> list[tuple[str, Any]]:
        return [
            ("Address", row.address),
            ("State", self.state(row)),
            ("Reason", row.reason),
            ("Until", self.until(row)),
            ("Since", cells.when(row.created_at)),
            ("By", row.created_by or cells.NOTHING),
        ]
