"""What a customer is asked for, and how each answer is refused. Anything else that is sent along is not looked at."""

import re
import uuid
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

from django import forms
from django.core import signing
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import UploadedFile

from messaging import text_input
from portal.quotes.intake import NewRequest, known
from portal.quotes.models import TimeSlot
from portal.quotes.pictures import MOST_BYTES, NewPicture, NotAPicture, made_anew, plain

MOST_PICTURES = 8
OPEN_FOR = timedelta(hours=24)
AHEAD = timedelta(days=365)
LEAST_DIGITS, LONGEST_PHONE = 10, 20
PHONE = re.compile(r"\+?[0-9 ().\-]+", re.ASCII)
PASTED = str.maketrans({"\u00a0": " ", "\u202f": " ", "\u2010": "-", "\u2011": "-", "\u2012": "-", "\u2013": "-", "\u2212": "-", "/": "-"})
KEY_SALT = "portal.quotes.request"


class Text(forms.CharField):
    """Typed text, cleaned or refused in a sentence by `check`."""

    def __init__(self, *, check: Callable[[str], str], **told: Any) -> None:
        super().__init__(**told)
        self.check = check

    def clean(self, value: Any) -> str:
        try:
            return self.check(value or "")
        except text_input.TextRefused as refused:
            raise ValidationError(refused.sentence) from None


def line(named: str, *, least: int = 1, most: int) -> Callable[[str], str]:
    """A check for one line of `least` to `most` characters."""

    def check(value: str) -> str:
        text = text_input.one_line(value, field=named, limit=most)
        if len(text) < least:
            raise text_input.TextRefused(f"{named} is too short: at least {least} characters.")
        return text

    return check


def phone(value: str) -> str:
    """A number as people write it: 10 digits or more, in at most 20 characters."""
    text = text_input.one_line(value.translate(PASTED), field="Phone", limit=200)
    if not PHONE.fullmatch(text):
        raise text_input.TextRefused("Phone: use digits, spaces, and + - ( ) . only, such as 416-555-0100.")
    if sum(c.isdigit() for c in text) < LEAST_DIGITS:
        raise text_input.TextRefused(f"Phone: enter the number with its area code, at least {LEAST_DIGITS} digits.")
    if len(text) > LONGEST_PHONE:
        raise text_input.TextRefused(f"Phone is {len(text)} characters; at most {LONGEST_PHONE}. One number is enough.")
    return text


class PicturesInput(forms.ClearableFileInput):
    template_name = "django/forms/widgets/file.html"  # nothing is ever kept that could be cleared
    allow_multiple_selected = True


class Pictures(forms.FileField):
    """Up to eight files, each made anew; every one that is refused is named."""

    def clean(self, data: Any, initial: Any = None) -> list[NewPicture]:
        sent: list[UploadedFile] = [file for file in data or [] if file]
        if len(sent) > MOST_PICTURES:
            raise ValidationError(f"At most {MOST_PICTURES} pictures; you chose {len(sent)}.")
        taken: list[NewPicture] = []
        refused: list[ValidationError] = []
        for file in sent:
            try:
                taken.append(self.look_at(file))
            except NotAPicture as because:
                refused.append(ValidationError(str(because)))
        if refused:
            raise ValidationError(refused)
        return taken

    def look_at(self, file: UploadedFile) -> NewPicture:
        name = file.name or ""
        if (file.size or 0) > MOST_BYTES:
            raise NotAPicture(f"{plain(name)} is larger than 5 MB: send a smaller picture.")
        return made_anew(file.read(), name=name)


class RequestForm(forms.Form):
    """One request. `today` bounds the date that may be asked for; `request()` is what `intake.receive` takes."""

    description = Text(
        label="What shall we take away?",
        required=False,
        max_length=1000,
        help_text="What it is and how much: bags, boxes, or a rough size. Say so if anything is heavy, sharp or chemical.",
        check=lambda value: text_input.many_lines(value, field="The description", limit=1000, required=False),
        widget=forms.Textarea({"rows": 5}),
    )
    images = Pictures(
        label="Pictures",
        required=False,
        help_text="Up to 8, JPG or PNG, 5 MB each. Where and when they were taken is removed.",
        widget=PicturesInput({"accept": "image/jpeg,image/png,.jpg,.jpeg,.png", "multiple": True}),
    )
    address = Text(
        label="Street address",
        min_length=10,
        max_length=500,
        check=line("The street address", least=10, most=500),
        widget=forms.TextInput({"autocomplete": "street-address"}),
    )
    city = Text(
        label="City",
        max_length=100,
        help_text="With the province, if you like: Toronto, ON",
        check=line("The city", most=100),
        widget=forms.TextInput({"autocomplete": "address-level2"}),
    )
    preferred_date = Text(
        label="Preferred date",
        required=False,
        help_text="Leave it empty if any day will do.",
        check=lambda value: text_input.one_line(value, field="The preferred date", required=False),
        widget=forms.TextInput({"type": "date"}),
    )
    preferred_time = forms.ChoiceField(
        label="Preferred time",
        required=False,
        choices=[("", "Any time"), *TimeSlot.choices],
        widget=forms.RadioSelect,
        error_messages={"invalid_choice": "Choose one of the times, or any time."},
    )
    name = Text(
        label="Your name",
        min_length=2,
        max_length=100,
        check=line("Your name", least=2, most=100),
        widget=forms.TextInput({"autocomplete": "name"}),
    )
    email = Text(
        label="E-mail",
        max_length=255,
        help_text="Your quote goes here.",
        check=lambda value: text_input.email_address(value, field="E-mail"),
        widget=forms.TextInput({"type": "email", "autocomplete": "email", "inputmode": "email", "spellcheck": "false"}),
    )
    phone = Text(
        label="Phone",
        help_text="For the day we come.",
        min_length=LEAST_DIGITS,
        max_length=LONGEST_PHONE,
        check=phone,
        widget=forms.TextInput({"type": "tel", "autocomplete": "tel"}),
    )
    website = forms.CharField(required=False, widget=forms.TextInput({"autocomplete": "off", "tabindex": "-1"}))
    key = Text(required=False, check=str, widget=forms.HiddenInput)

    def __init__(self, *args: Any, today: date, **told: Any) -> None:
        super().__init__(*args, **told)
        self.today = today
        self.fields["preferred_date"].widget.attrs |= {"min": today.isoformat(), "max": (today + AHEAD).isoformat()}

    @property
    def fresh_key(self) -> str:
        """Each time the form is shown it may be sent once."""
        return new_key()

    @property
    def is_trapped(self) -> bool:
        """A field that nobody sees was filled in: no person did this."""
        return bool(self.data.get("website"))

    def clean_preferred_date(self) -> date | None:
        text = self.cleaned_data["preferred_date"]
        try:
            return (
                text_input.calendar_date(text, field="The preferred date", earliest=self.today, latest=self.today + AHEAD) if text else None
            )
        except text_input.TextRefused as refused:
            raise ValidationError(refused.sentence) from None

    def clean_key(self) -> str:
        """The key that this form was shown with; one that was used already is never too old."""
        signed = self.cleaned_data["key"]
        try:
            key = signer().unsign(signed)
            if not known(key):
                signer().unsign(signed, max_age=OPEN_FOR)
        except signing.BadSignature:
            raise ValidationError("This form was open for too long: send it again.") from None
        return key

    def clean(self) -> dict[str, Any]:
        told = self.cleaned_data
        if told.get("description") == "" and told.get("images") == []:
            self.add_error("description", "Say what there is to take away, or add a picture of it.")
        return told

    def request(self) -> NewRequest:
        told = {name: value for name, value in self.cleaned_data.items() if name not in ("website", "images")}
        return NewRequest(images=tuple(self.cleaned_data["images"]), **told)


def new_key() -> str:
    return signer().sign(uuid.uuid4().hex)


def signer() -> signing.TimestampSigner:
    return signing.TimestampSigner(salt=KEY_SALT)
