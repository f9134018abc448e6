"""The form of an e-mail template: its words are checked before they are kept, and every change of them is a new version."""

from typing import Any

from django import forms
from django.contrib.admin import site
from django.contrib.admin.widgets import AutocompleteSelect
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from messaging import rendering
from messaging.models import Case, EmailTemplate, Message, TemplateVersion
from messaging.rendering import TemplateSource
from portal.template_fields import example_of
from portal.text_fields import TypedText

WORDS = ("subject", "text", "html")
SUBJECT_SOURCE_LIMIT = TemplateVersion._meta.get_field("subject").max_length  # characters, with its variables not filled in
EDITOR = {"spellcheck": "true", "class": "editor"}
CONTROLS = {"class": "unfold-admin-autocomplete admin-autocomplete", "data-theme": "admin-autocomplete"}


class CaseChoice(forms.ModelChoiceField):
    """A case, found by typing its PID, PV, patient or firm."""

    def __init__(self, **kwargs: Any) -> None:
        widget = AutocompleteSelect(Message._meta.get_field("case"), site, attrs=CONTROLS)
        super().__init__(queryset=Case.objects.all(), widget=widget, **kwargs)


class TestMailForm(forms.Form):
    case = CaseChoice(label="With the data of this case", help_text="Nothing is sent to the case's attorney.")


class TemplateForm(forms.ModelForm):
    title = TypedText(named="The title", max_length=200, widget=UnfoldAdminTextInputWidget, help_text="How staff name it.")
    subject = forms.CharField(required=False, max_length=SUBJECT_SOURCE_LIMIT, widget=UnfoldAdminTextInputWidget(attrs={"class": "editor"}))
    text = forms.CharField(
        label="Plain text",
        required=False,
        strip=False,
        widget=UnfoldAdminTextareaWidget(attrs=EDITOR | {"rows": 16}),
        help_text="Leave it empty to have it made from the HTML.",
    )
    html = forms.CharField(
        label="HTML", required=False, strip=False, widget=UnfoldAdminTextareaWidget(attrs=EDITOR | {"rows": 10}), help_text="Optional."
    )
    seen_version = forms.IntegerField(required=False, widget=forms.HiddenInput)

    class Meta:
        model = EmailTemplate
        fields = ["title", "name", "kind", "is_active"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        current = self.instance.current if self.instance.pk else None
        self.written = {name: getattr(current, name, "") for name in WORDS}
        self.initial.update(self.written | {"seen_version": current.number if current else 0})

    def clean(self) -> dict[str, Any]:
        answers = super().clean() or {}
        if any(name not in answers for name in WORDS):
            return answers
        for problem in rendering.check(source_of(answers), example=example_of(answers.get("kind", ""))):
            self.add_error(problem.part, f"Line {problem.line}: {problem.sentence}")
        if self.instance.pk:
            self.refuse_overwriting(answers.get("seen_version"))
        return answers

    def refuse_overwriting(self, seen: int | None) -> None:
        EmailTemplate.objects.select_for_update().get(pk=self.instance.pk)
        current = self.instance.current
        if seen is None:
            raise forms.ValidationError("It is not known which version you had open. Copy your words, then reload the page.")
        if current and current.number != seen:
            by = current.created_by or "somebody"
            news = f"{by} saved version {current.number} while you had version {seen} open."
            raise forms.ValidationError(f"{news} Copy your words, then reload the page.")

    @property
    def has_new_words(self) -> bool:
        """True if what is saved differs from the version that is in use, line ends aside."""
        given = source_of(self.cleaned_data)
        return any(plain(getattr(given, name)) != plain(self.written[name]) for name in WORDS)


def source_of(answers: dict[str, Any]) -> TemplateSource:
    return TemplateSource(**{name: (answers.get(name) or "").replace("\r\n", "\n") for name in WORDS})


def plain(text: str) -> str:
    return text.replace("\r\n", "\n")
