"""Whom a campaign should mean, and when: by hand or by a filter, never by both."""

from typing import Any

from django import forms
from django.db.models import QuerySet
from unfold.widgets import (
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminRadioSelectWidget,
    UnfoldAdminSingleDateWidget,
    UnfoldAdminTextareaWidget,
)

from campaigns import targeting
from campaigns.models import Contact
from messaging import text_input
from portal.admin.contact_filters import STATE_CHOICES
from portal.text_fields import WholeNumber

BY_HAND, BY_FILTER, ALL = "hand", "filter", "all"
WAYS = [(BY_HAND, "The contacts I name"), (BY_FILTER, "By state and carrier"), (ALL, "All contacts")]
LONGEST_LIST = 500_000  # characters


class TargetForm(forms.Form):
    by = forms.ChoiceField(choices=WAYS, initial=BY_FILTER, label="Whom", widget=UnfoldAdminRadioSelectWidget)
    named = forms.CharField(
        required=False,
        max_length=LONGEST_LIST,
        label="Contacts",
        widget=UnfoldAdminTextareaWidget({"rows": 5}),
        help_text="Ids or e-mail addresses, one per line or separated by commas.",
    )
    states = forms.MultipleChoiceField(
        required=False,
        choices=STATE_CHOICES,
        widget=forms.CheckboxSelectMultiple,
        help_text="None ticked: every state.",
    )
    carriers = forms.MultipleChoiceField(
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="None ticked: every carrier.",
    )
    trigger_on = forms.DateField(
        required=False,
        label="Trigger date",
        widget=UnfoldAdminSingleDateWidget,
        help_text="What the campaign is about happens then; its type says how long before it the mail goes out. Empty: no date.",
    )
    spread_days = WholeNumber(
        label="Spread over days",
        initial=1,
        min_value=1,
        max_value=targeting.LONGEST_SPREAD,
        widget=UnfoldAdminIntegerFieldWidget,
        help_text="1: all on that date. Otherwise the trigger dates lie evenly on so many days from it on.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices: Any = self.fields["carriers"]
        choices.choices = [(name, name) for name in targeting.carriers()]

    @property
    def is_by_hand(self) -> bool:
        return self.cleaned_data["by"] == BY_HAND

    def clean_trigger_on(self) -> Any:
        day = self.cleaned_data["trigger_on"]
        if day and not text_input.EARLIEST <= day <= text_input.LATEST:
            raise forms.ValidationError(f"{day} is outside {text_input.EARLIEST} to {text_input.LATEST}.")
        return day

    def clean(self) -> dict[str, Any]:
        answers = super().clean() or {}
        answers["ids"], answers["problems"] = [], []
        if self.errors:
            return answers
        try:
            answers["plan"] = targeting.Plan(trigger_on=answers["trigger_on"], spread_days=answers["spread_days"])
            if answers["by"] == BY_HAND:
                answers["ids"], answers["problems"] = targeting.named(answers["named"].replace(",", "\n").splitlines())
        except targeting.TargetRefused as refusal:
            raise forms.ValidationError(str(refusal)) from None
        self.refuse_nobody(answers)
        return answers

    def refuse_nobody(self, answers: dict[str, Any]) -> None:
        if answers["by"] == BY_HAND and not answers["ids"]:
            self.add_error("named", answers["problems"][:5] or ["Name at least one contact, by id or e-mail address."])
        if answers["by"] == BY_FILTER and not (answers["states"] or answers["carriers"]):
            self.add_error("states", "Choose at least one state or carrier; for everybody, choose “All contacts” above.")

    def contacts(self) -> QuerySet[Contact]:
        """Those that were chosen; they may be in the campaign already."""
        told = self.cleaned_data
        if told["by"] == BY_HAND:
            return Contact.objects.filter(pk__in=told["ids"])
        if told["by"] == ALL:
            return Contact.objects.all()
        return targeting.Filter(states=tuple(told["states"]), carriers=tuple(told["carriers"])).contacts()
