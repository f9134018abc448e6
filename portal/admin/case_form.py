"""The forms of a case: what people type is read by the same functions as what files bring."""

from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from messaging import text_input
from messaging.models import Acknowledgment, Case
from messaging.models.case import UNKNOWN_INJURY_YEAR
from portal import wiring
from portal.admin.careful_form import CarefulForm, address_field
from portal.text_fields import TypedText

CLEANERS = {  # field: how it is read, its label, its limit, whether it must be there
    "pid": (text_input.digits, "PID", 20, False),
    "pv": (text_input.digits, "PV", 20, True),
    "patient_name": (text_input.one_line, "Patient name", 200, True),
    "firm": (text_input.one_line, "Law firm", 200, True),
    "attorney_name": (text_input.one_line, "Attorney name", 200, False),
    "attorney_phone": (text_input.one_line, "Attorney phone", 40, False),
    "status_note": (text_input.one_line, "Status in the file's own words", 200, False),
}


class CaseForm(CarefulForm):
    """A case; its two numbers are never taken for each other."""

    cleaners = CLEANERS

    pid = forms.CharField(
        label="PID: the case's number in the CMS",
        required=False,
        widget=UnfoldAdminTextInputWidget(attrs={"inputmode": "numeric"}),
        help_text="Digits only. Without it the CMS notes of this case wait.",
    )
    pv = forms.CharField(
        label="PV: the imaging practice's own file number",
        required=False,
        widget=UnfoldAdminTextInputWidget(attrs={"inputmode": "numeric"}),
        help_text="Digits only. Never the same number as the PID.",
    )
    attorney_email = forms.CharField(label="Attorney e-mail", required=False, widget=UnfoldAdminTextInputWidget)

    class Meta:
        model = Case
        fields = [
            *["pid", "pv", "status", "status_note", "patient_name", "injured_on", "firm"],
            *["attorney_name", "attorney_email", "attorney_phone", "balance", "last_sent_on", "last_reply_on"],
        ]

    def clean_attorney_email(self) -> str:
        return address_field(self, "attorney_email", label="Attorney e-mail", required=False)

    def clean_injured_on(self) -> Any:
        day = self.cleaned_data["injured_on"]
        if day and day.year == UNKNOWN_INJURY_YEAR:
            return None
        return not_to_come(day)

    def clean_last_sent_on(self) -> Any:
        return not_to_come(self.cleaned_data["last_sent_on"])

    def clean_last_reply_on(self) -> Any:
        return not_to_come(self.cleaned_data["last_reply_on"])

    def clean_balance(self) -> Any:
        balance = self.cleaned_data["balance"]
        if balance is not None and balance < 0:
            raise forms.ValidationError(f"Balance must be 0 or more; got {balance}.")
        return balance

    def clean(self) -> dict[str, Any]:
        answers = super().clean() or {}
        self.refuse_mixed_up_numbers(answers)
        return answers

    def refuse_mixed_up_numbers(self, answers: dict[str, Any]) -> None:
        pid, pv = answers.get("pid"), answers.get("pv")
        if pid and pid == pv:
            self.add_error("pid", f"PID and PV are both {pid}. They are different numbers, so one of them is in the wrong place.")
            return
        others = Case.objects.exclude(pk=self.instance.pk)
        if pid and (other := others.filter(pid=pid).first()):
            self.add_error("pid", f"PID {pid} is already the number of {other}.")
        if pv and (other := others.filter(pv=pv).first()):
            self.add_error("pv", f"PV {pv} is already the number of {other}.")


class AcknowledgmentForm(forms.ModelForm):
    reason = TypedText(named="The reason", max_length=100, widget=UnfoldAdminTextInputWidget)
    notes = TypedText(
        named="The notes", read=text_input.many_lines, required=False, max_length=2_000, widget=UnfoldAdminTextareaWidget(attrs={"rows": 1})
    )

    class Meta:
        model = Acknowledgment
        fields = ["reason", "notes", "review_on"]

    def clean_review_on(self) -> Any:
        day = self.cleaned_data["review_on"]
        if day and "review_on" in self.changed_data and not wiring.today() < day <= text_input.LATEST:
            wrong = f"is after {text_input.LATEST}: choose an earlier" if day > text_input.LATEST else "has come already: choose a later"
            raise forms.ValidationError(f"{day} {wrong} day, or leave it empty to let the case sleep until woken.")
        return day


def not_to_come(day: Any) -> Any:
    if day and day > wiring.today():
        raise forms.ValidationError(f"{day} is in the future.")
    if day and day < text_input.EARLIEST:
        raise forms.ValidationError(f"{day} is before {text_input.EARLIEST}.")
    return day
