"""The form of a contact: the state comes from the ZIP code, and what is typed is read as what files bring."""

from datetime import date
from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminTextInputWidget

from campaigns import zip_codes
from campaigns.models import Contact, Flag
from messaging import text_input
from portal import wiring
from portal.admin.careful_form import CarefulForm, address_field


class ContactForm(CarefulForm):
    cleaners = {
        "first_name": (text_input.one_line, "First name", 100, False),
        "last_name": (text_input.one_line, "Last name", 100, False),
        "phone": (text_input.one_line, "Phone", 40, False),
        "carrier": (text_input.one_line, "Carrier", 100, False),
    }

    email = forms.CharField(label="E-mail", widget=UnfoldAdminTextInputWidget, error_messages={"required": "E-mail is required."})
    zip_code = forms.CharField(
        label="ZIP code",
        widget=UnfoldAdminTextInputWidget,
        help_text="5 digits, or 5 and 4. The state, and with it the exclusion rule, comes from it.",
        error_messages={"required": "ZIP code is required: the state, and with it the exclusion rule, comes from it."},
    )

    class Meta:
        model = Contact
        fields = ["email", "first_name", "last_name", "zip_code", "birth_date", "effective_date", "phone", "carrier"]

    def clean_email(self) -> str:
        return address_field(self, "email", label="E-mail", required=True)

    def clean_zip_code(self) -> str:
        try:
            zip_code = text_input.one_line(self.cleaned_data["zip_code"], field="ZIP code")
            self.instance.state = zip_codes.state_of(zip_code)
        except text_input.TextRefused as refusal:
            raise forms.ValidationError(refusal.sentence) from None
        except zip_codes.ZipRefused as refusal:
            raise forms.ValidationError(str(refusal)) from None
        return zip_code

    def clean_birth_date(self) -> date | None:
        return within(self.cleaned_data["birth_date"], latest=wiring.today(), otherwise="is in the future")

    def clean_effective_date(self) -> date | None:
        return within(self.cleaned_data["effective_date"], latest=text_input.LATEST, otherwise=f"is after {text_input.LATEST}")

    def clean(self) -> dict[str, Any]:
        answers = super().clean()
        settled = {
            Flag.STATE_ZIP_MISMATCH: "zip_code" in self.changed_data,
            Flag.BIRTH_DATE_INVALID: bool(answers.get("birth_date")),
            Flag.EFFECTIVE_DATE_INVALID: bool(answers.get("effective_date")),
        }
        self.instance.flags = [flag for flag in self.instance.flags if not settled.get(Flag(flag))]
        return answers


def within(day: date | None, *, latest: date, otherwise: str) -> date | None:
    if day and day > latest:
        raise forms.ValidationError(f"{day} {otherwise}.")
    if day and day < text_input.EARLIEST:
        raise forms.ValidationError(f"{day} is before {text_input.EARLIEST}.")
    return day
