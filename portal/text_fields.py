"""Fields for what people type, read as what stands in files is."""

import re
from collections.abc import Callable
from typing import Any

from django import forms

from messaging import text_input


class WholeNumber(forms.IntegerField):
    """Digits 0-9, with a sign before them or without. Python would take 1_0 and the digits of other scripts as well."""

    def to_python(self, value: Any) -> int | None:
        if isinstance(value, str) and value.strip() and not re.fullmatch(r"[+-]?[0-9]{1,20}", value.strip()):
            raise forms.ValidationError(self.error_messages["invalid"], code="invalid")
        return super().to_python(value)


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
