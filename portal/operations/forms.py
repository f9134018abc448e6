"""What is asked before mails are tried again in bulk, and how each answer is refused."""

from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminIntegerFieldWidget, UnfoldAdminTextInputWidget

from portal.operations.kinds import MOST_AT_ONCE, RetryQuoteMails
from portal.quotes.models.quote import MOST_ATTEMPTS
from portal.text_fields import TypedText, WholeNumber

TYPES = list(RetryQuoteMails.TYPES.items())
PARAMETERS = ("type", "max_attempts", "limit")


def whole_number(name: str, *, most: int, **told: Any) -> WholeNumber:
    says = f"{name} is a whole number from 1 to {most:,}."
    errors = dict.fromkeys(["required", "invalid", "min_value", "max_value"], says)
    return WholeNumber(min_value=1, max_value=most, error_messages=errors, widget=UnfoldAdminIntegerFieldWidget, **told)


class RetryForm(forms.Form):
    type = forms.ChoiceField(
        choices=TYPES,
        initial="both",
        label="Which e-mails",
        error_messages={"required": "Choose which e-mails.", "invalid_choice": "The type is customer, admin or both."},
    )
    max_attempts = whole_number(
        "The attempt limit",
        most=MOST_ATTEMPTS,
        initial=3,
        label="Attempt limit",
        help_text=f"Only e-mails tried fewer times than this, 1 to {MOST_ATTEMPTS}. Each e-mail has its own count.",
    )
    limit = whole_number(
        "The number of e-mails",
        most=MOST_AT_ONCE,
        initial=100,
        label="How many, at most",
        help_text=f"Those of the oldest quotes first, 1 to {MOST_AT_ONCE:,}.",
    )
    reason = TypedText(
        named="The reason",
        max_length=500,
        label="Reason",
        widget=UnfoldAdminTextInputWidget({"autocomplete": "off"}),
        help_text="The next person reads it beside each mail: what was wrong, and what has changed since.",
        error_messages={"required": "Give a reason: the next person must be able to see why."},
    )
    seen = forms.CharField(required=False, max_length=64)
    key = forms.UUIDField(required=False)

    def parameters(self) -> dict[str, Any] | None:
        """The question, if it can be read, also while the reason is still missing."""
        asked = (
            {name: self.cleaned_data.get(name) for name in PARAMETERS}
            if self.is_bound
            else {name: self.fields[name].initial for name in PARAMETERS}
        )
        return asked if all(value is not None for value in asked.values()) else None
