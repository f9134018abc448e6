"""What an operator is asked on the way to a batch, and how each answer is refused."""

from datetime import date
from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminIntegerFieldWidget, UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from messaging import batches, text_input
from messaging.models import Case, EmailTemplate, Mode
from messaging.models.case import Category
from messaging.rendering import SUBJECT_LIMIT
from portal.bulk_send.models import MOST_MAILS
from portal.template_fields import for_cases
from portal.text_fields import TypedText, WholeNumber

WAYS = [("category", "A category"), ("firm", "A law firm"), ("pids", "PIDs"), ("pvs", "PVs")]
MOST_FIRMS = 500  # offered while typing; any other may still be typed in full


class Choose(forms.Form):
    """Whom to write to, with which template, in which mode. `selection` is what `batches.select` takes."""

    by = forms.ChoiceField(choices=WAYS, initial="category", label="Whom to write to")
    category = forms.ChoiceField(choices=Category, required=False)
    firm = forms.CharField(
        required=False, label="Law firm", max_length=200, widget=UnfoldAdminTextInputWidget({"list": "firms", "autocomplete": "off"})
    )
    pids = forms.CharField(
        required=False,
        label="PIDs (the case's number in the CMS)",
        widget=UnfoldAdminTextareaWidget({"rows": 6, "placeholder": "One per line, or separated by commas"}),
    )
    pvs = forms.CharField(
        required=False,
        label="PVs (the practice's file number)",
        widget=UnfoldAdminTextareaWidget({"rows": 6, "placeholder": "One per line, or separated by commas"}),
    )
    limit = WholeNumber(
        label="At most",
        initial=50,
        min_value=1,
        max_value=MOST_MAILS,
        help_text=f"Those nobody wrote to for the longest come first. A batch holds at most {MOST_MAILS} mails.",
        widget=UnfoldAdminIntegerFieldWidget,
        error_messages={"max_value": f"A batch holds at most {MOST_MAILS} mails: ask for fewer now and send another batch afterwards."},
    )
    template = forms.ModelChoiceField(
        EmailTemplate.objects.none(),  # asked for when the form is made
        empty_label="Choose a template",
        widget=UnfoldAdminSelectWidget,
        error_messages={"invalid_choice": "This template is no longer in use; choose another one."},
    )
    mode = forms.ChoiceField(choices=[(Mode.TEST, "Test"), (Mode.PRODUCTION, "Production")], initial=Mode.TEST)

    def __init__(self, *args: Any, production_allowed: bool, on: date, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        template: Any = self.fields["template"]
        template.queryset = for_cases().exclude(versions=None)
        self.production_allowed = production_allowed
        self.on = on

    def clean_pids(self) -> tuple[str, ...]:
        return self.pasted("pids", "PID")

    def clean_pvs(self) -> tuple[str, ...]:
        return self.pasted("pvs", "PV")

    def pasted(self, name: str, field: str) -> tuple[str, ...]:
        """The numbers of one box; empty when another way was chosen, whatever was left in it."""
        if self.cleaned_data.get("by") != name:
            return ()
        try:
            numbers = batches.pasted(self.cleaned_data[name], field=field)
        except ValueError as refusal:
            raise forms.ValidationError(str(refusal)) from None
        if not numbers:
            raise forms.ValidationError(f"Paste at least one {field}.")
        if len(numbers) > MOST_MAILS:
            raise forms.ValidationError(f"These are {len(numbers):,} numbers; a batch holds at most {MOST_MAILS}. Paste them in parts.")
        return numbers

    def clean_firm(self) -> str:
        firm = self.cleaned_data["firm"]
        if self.cleaned_data.get("by") != "firm":
            return ""
        if not firm:
            raise forms.ValidationError("Name the law firm.")
        if not Case.objects.filter(firm__iexact=firm).exists():
            raise forms.ValidationError(f"No case has the law firm {text_input.shown(firm)}. Choose one of those offered while you type.")
        return firm

    def clean_category(self) -> str:
        category = self.cleaned_data["category"]
        if self.cleaned_data.get("by") != "category":
            return ""
        if not category:
            raise forms.ValidationError("Choose a category.")
        return category

    def clean_mode(self) -> str:
        mode = self.cleaned_data["mode"]
        if mode == Mode.PRODUCTION and not self.production_allowed:
            raise forms.ValidationError("Production is switched off here (MAIL_MODE=test): this portal may only send tests.")
        return mode

    @property
    def selection(self) -> batches.Selection:
        names = ("category", "firm", "pids", "pvs", "limit")
        return batches.Selection(**{name: self.cleaned_data[name] for name in names})

    @property
    def asked(self) -> str:
        """The choice in words: what the session will be called."""
        answer = self.cleaned_data
        match answer["by"]:
            case "category":
                whom = Category(answer["category"]).label
            case "firm":
                whom = answer["firm"]
            case by:
                whom = f"{len(answer[by])} {by[:-1].upper()}{'s' if len(answer[by]) != 1 else ''}"
        return f"{answer['template'].title}: {whom}"[:200]

    def categories(self) -> list[tuple[str, str, int]]:
        """Each category with how many active cases, none of them snoozed, are in it now."""
        cases = Case.objects.active().awake(self.on)
        return [(category.value, category.label, cases.in_category(category, self.on).count()) for category in Category]

    def firms(self) -> list[str]:
        return list(Case.objects.active().order_by("firm").values_list("firm", flat=True).distinct()[:MOST_FIRMS])


class Edit(forms.Form):
    """One mail in a person's own words."""

    subject = TypedText(named="Subject", max_length=SUBJECT_LIMIT, widget=UnfoldAdminTextInputWidget, strip=False)
    text = TypedText(named="Text", read=text_input.many_lines, widget=UnfoldAdminTextareaWidget({"rows": 18}), strip=False)


class Confirm(forms.Form):
    """The last look: the batch is still the one that was shown, and for production the number was typed."""

    seen = forms.CharField(max_length=64, required=False)
    count = WholeNumber(required=False, label="Number of mails", widget=UnfoldAdminIntegerFieldWidget({"autocomplete": "off"}))

    def __init__(self, *args: Any, seen: str, mails: int, mode: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.now_seen, self.mails, self.mode = seen, mails, mode

    def clean_count(self) -> int | None:
        count = self.cleaned_data["count"]
        if self.mode == Mode.PRODUCTION and count != self.mails:
            raise forms.ValidationError(f"Type {self.mails} to send {self.mails} mail{'' if self.mails == 1 else 's'} to attorneys.")
        return count

    def clean(self) -> dict[str, Any]:
        if not self.mails:
            raise forms.ValidationError("No mail is left to send: go back and tick at least one.")
        if self.cleaned_data.get("seen") != self.now_seen:
            raise forms.ValidationError("The batch changed since you looked at it. Nothing was sent; look again, then send.")
        return self.cleaned_data
