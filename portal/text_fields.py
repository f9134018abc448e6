"""Fields for what people type, read as the text of files is."""

from collections.abc import Callable
from typing import Any

from django import forms

from messaging import text_input


class TypedText(forms.CharField):
    """Text cleaned by `read`, one line of it unless told otherwise, or refused in a sentence that calls it `named`."""

    def __init__(self, *, named: str, read: Callable[..., str] = text_input.one_line, **told: Any) -> None:
        super().__init__(**told)
        self.named, self.read = named, read

    def clean(self, value: Any) -> str:
        text = super().clean(value)
        try:
            return self.read(text, field=self.named, limit=self.max_length or text_input.MANY_LINES_LIMIT, required=self.required)
        except text_input.TextRefused as refusal:
            raise forms.ValidationError(refusal.sentence) from None
