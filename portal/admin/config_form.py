"""The form of a new version: the data as JSON, from when it holds, and why. Every field of the data that is wrong is named."""

from datetime import datetime
from typing import Any

from django import forms
from django.utils import timezone
from unfold.widgets import UnfoldAdminSplitDateTimeWidget, UnfoldAdminTextareaWidget

from messaging import text_input
from portal.config import kinds
from portal.config.data import ConfigRefused
from portal.config.json_text import LONGEST_DATA, from_json
from portal.config.models import ConfigSeries
from portal.text_fields import TypedText

LATEST_YEAR = 2200


class VersionForm(forms.Form):
    content = forms.CharField(
        label="Data",
        max_length=LONGEST_DATA,
        strip=True,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 28, "class": "editor", "spellcheck": "false"}),
        help_text="JSON. The differences to what is in force are shown before anything is saved.",
    )
    valid_from = forms.SplitDateTimeField(
        label="In force from",
        required=False,
        widget=UnfoldAdminSplitDateTimeWidget,
        help_text="Leave it empty to begin at once. The version before ends there.",
    )
    note = TypedText(
        named="The reason",
        read=text_input.many_lines,
        label="Why",
        max_length=kinds.LONGEST_NOTE,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}),
        error_messages={"required": "Say why: the next person must be able to see it."},
    )
    seen = forms.IntegerField(widget=forms.HiddenInput)

    def __init__(self, *args: Any, series: ConfigSeries, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.series = series

    @property
    def is_planned(self) -> bool:
        """A moment was named; it does not begin at once."""
        return "valid_from" in self.changed_data

    def clean_valid_from(self) -> datetime:
        """The moment it begins; "at once" is now."""
        now, asked = timezone.now(), self.cleaned_data["valid_from"]
        if asked and asked < now:
            raise forms.ValidationError("That time has passed: choose a later one, or leave it empty to begin at once.")
        if asked and asked.year > LATEST_YEAR:
            raise forms.ValidationError(f"At most the year {LATEST_YEAR}.")
        return asked or now

    def clean(self) -> dict[str, Any]:
        answers = super().clean() or {}
        if "content" in answers and "valid_from" in answers:
            try:
                told = from_json(answers["content"])
                kind, environment = self.series.kind, self.series.environment
                answers["checked"] = kinds.checked(kind, told, valid_from=answers["valid_from"], environment=environment)
            except ConfigRefused as refusal:
                self.add_error("content", [f"{problem}." for problem in refusal.problems])
            except ValueError as trouble:
                self.add_error("content", f"{trouble}.")
        return answers
