"""Acts: what staff may do to a record. Each is asked for by name, confirmed on a page of its own with a POST, and carried out once."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django import forms
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from unfold.widgets import UnfoldAdminTextareaWidget

from messaging import text_input
from portal.text_fields import TypedText

MOST_AT_ONCE = 1_000  # rows that one confirmation may cover

CarryOut = Callable[[HttpRequest, QuerySet, Mapping[str, Any]], int]


class ActRefused(ValueError):
    """What was asked for cannot be done; the text says why, and what to do instead. Nothing has changed."""


class Confirmation(forms.Form):
    """Nothing to fill in: pressing the button is the answer."""


class ReasonForm(forms.Form):
    reason = TypedText(
        named="The reason",
        read=text_input.many_lines,
        max_length=500,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3, "autofocus": True}),
        help_text="The next person reads this beside the record.",
        error_messages={"required": "Give a reason: the next person must be able to see why."},
    )


def always(_row: Model) -> bool:
    return True


def moved_on(row: Model) -> str:
    return f"It does not apply to {row} any more."


@dataclass(frozen=True, kw_only=True)
class Act:
    """One thing that may be done to the rows of a desk, by whom, and in which words."""

    name: str
    label: str
    explains: str
    done: tuple[str, str]  # what one, and what several of them, did: ("is held", "are held")
    permission: str
    carry_out: CarryOut
    applies: Callable[[Any], bool] = always
    refusal: Callable[[Any], str] = moved_on
    form: type[forms.Form] = Confirmation
    icon: str = "bolt"
    is_dangerous: bool = False
    in_bulk: bool = True
    on_the_row: bool = True

    def is_allowed(self, request: HttpRequest) -> bool:
        return request.user.has_perm(self.permission)

    def answer(self, *, done: int, asked: int, noun: str, nouns: str) -> str:
        """What staff are told: how many of how many, and what became of the rest."""
        count = f"{done} of {asked} {nouns}" if done < asked else f"{done} {noun if done == 1 else nouns}"
        left = asked - done
        rest = f"; {left} had moved on meanwhile" if left else ""
        return f"{count} {self.done[0] if done == 1 else self.done[1]}{rest}."
