"""A form whose text is read as that of files is, and that overwrites nobody's change unseen."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from django import forms

from messaging import text_input

Cleaner = tuple[Callable[..., str], str, int, bool]  # how a field is read, its label, its limit, whether it must be there


class CarefulForm(forms.ModelForm):
    """A row as it was when the page was opened. The model has `updated_at`."""

    cleaners: ClassVar[Mapping[str, Cleaner]] = {}

    seen_at = forms.CharField(required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "seen_at" in self.fields:
            self.fields["seen_at"].initial = self.instance.updated_at.isoformat() if self.instance.pk else ""
        for name, (_, label, _, required) in self.cleaners.items():
            if name in self.fields:
                self.fields[name].required = required
                self.fields[name].error_messages["required"] = f"{label} is required."
                self.fields[name].validators = []  # the cleaners' sentences say more

    def clean(self) -> dict[str, Any]:
        answers = super().clean() or {}
        for name, (read, label, limit, required) in self.cleaners.items():
            if name in answers:
                try:
                    answers[name] = read(answers[name], field=label, limit=limit, required=required)
                except text_input.TextRefused as refusal:
                    self.add_error(name, refusal.sentence)
        self.refuse_overwriting(answers)
        return answers

    def refuse_overwriting(self, answers: dict[str, Any]) -> None:
        if not self.instance.pk or "seen_at" not in self.fields:
            return
        rows: Any = type(self.instance)
        stored = rows.objects.select_for_update().values_list("updated_at", flat=True).get(pk=self.instance.pk)
        if stored.isoformat() != (seen := answers.get("seen_at")):
            noun = self.instance._meta.verbose_name
            why = f"Somebody else changed this {noun} while you had it open" if seen else f"It is not known which {noun} you had open"
            raise forms.ValidationError(f"{why}. Reload the page, then change it again.")


def address_field(form: forms.Form | forms.ModelForm, name: str, *, label: str, required: bool) -> str:
    """What was typed there, as one plain e-mail address."""
    try:
        return text_input.email_address(form.cleaned_data[name], field=label, required=required)
    except text_input.TextRefused as refusal:
        raise forms.ValidationError(refusal.sentence) from None
