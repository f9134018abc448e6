"""The forms of a campaign type and of a campaign."""

import json
from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminTextareaWidget

from campaigns.models import CampaignInstance, CampaignType
from campaigns.rules.email_types import MOST_CAMPAIGN_TYPES
from messaging import text_input
from portal.admin.careful_form import CarefulForm
from portal.admin.config_form import from_json
from portal.config.data import is_storable

LONGEST_METADATA = 10_000  # characters


class CampaignTypeForm(CarefulForm):
    class Meta:
        model = CampaignType
        fields = [
            *["name", "active", "respect_exclusion_windows", "enable_followups", "target_all_contacts"],
            *["days_before_event", "priority"],
        ]

    @property
    def ignores_windows(self) -> bool:
        """Once this is saved, its mails go out on excluded days."""
        return bool(self.cleaned_data.get("active")) and not self.cleaned_data.get("respect_exclusion_windows")

    def clean(self) -> dict[str, Any]:
        answers = super().clean()
        if not self.instance.pk and CampaignType.objects.count() >= MOST_CAMPAIGN_TYPES:
            raise forms.ValidationError(f"There are {MOST_CAMPAIGN_TYPES} campaign types, and there can be no more: use one of them.")
        return answers


class CampaignForm(CarefulForm):
    cleaners = {"name": (text_input.one_line, "Name", 120, True)}

    metadata = forms.CharField(
        required=False,
        max_length=LONGEST_METADATA,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3, "class": "editor", "spellcheck": "false"}),
        help_text="JSON, an object. Leave it empty unless somebody told you what to write here.",
    )

    class Meta:
        model = CampaignInstance
        fields = ["campaign_type", "name", "email_template", "sms_template", "active_from", "active_until", "metadata"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        kept = self.instance.metadata if self.instance.pk else {}
        self.initial["metadata"] = json.dumps(kept, indent=2, ensure_ascii=False) if kept else ""

    @property
    def ignores_windows(self) -> bool:
        """Once this is saved, its mails go out on excluded days."""
        behaves = self.cleaned_data.get("campaign_type") or getattr(self.instance, "campaign_type", None)
        return bool(behaves and behaves.active and not behaves.respect_exclusion_windows)

    def clean_metadata(self) -> dict[str, Any]:
        text = self.cleaned_data["metadata"].strip()
        try:
            told = from_json(text) if text else {}
        except ValueError as trouble:
            raise forms.ValidationError(f"{trouble}.") from None
        if not isinstance(told, dict):
            raise forms.ValidationError('Metadata must be a JSON object, such as {"note": "spring"}.')
        if not is_storable(told):
            raise forms.ValidationError("Metadata contains a NUL, or half a character; take it out.")
        return told

    def clean(self) -> dict[str, Any]:
        answers = super().clean()
        begins, ends = answers.get("active_from"), answers.get("active_until")
        if begins and ends and ends < begins:
            self.add_error("active_until", f"The campaign would end on {ends}, before it begins on {begins}.")
        for name in ("active_from", "active_until"):
            if (day := answers.get(name)) and not text_input.EARLIEST <= day <= text_input.LATEST:
                self.add_error(name, f"{day} is outside {text_input.EARLIEST} to {text_input.LATEST}.")
        return answers
