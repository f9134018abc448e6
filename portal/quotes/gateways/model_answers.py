"""From what a model wrote to an assessment, or to the sentence that says why it is none. Nothing is guessed, mended or left out."""

import json
import re
from decimal import Decimal
from typing import Any, NoReturn

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from messaging.text_input import printable
from portal.quotes.assessment import Assessment
from portal.quotes.prompt import SCHEMA, reached_by, repeats

FENCED = re.compile(r"```(?:json)?[ \t]*\n(.*)\n[ \t]*```", re.DOTALL)
MARKUP = re.compile(r"<[a-z!/?]|&#?\w+;|\]\s*\(|[`{}]", re.IGNORECASE)
SHOWN = 80  # characters of a wrong value


class NoAssessment(ValueError):
    """What the model wrote is no assessment. The text is a sentence for staff."""


class CanaryFound(NoAssessment):
    """It repeats our own instructions."""


def assessment_in(text: str, *, canary: str) -> Assessment:
    """The one assessment that is all of `text`, white space and one code fence aside. Raises NoAssessment."""
    refuse_repetition(text, canary=canary)
    told = json_in(text)
    refuse_repetition(json.dumps(told, ensure_ascii=False, default=str), canary=canary)  # now without escapes such as \u0061
    if not isinstance(told, dict):
        raise NoAssessment(f"The model gave no assessment, but {shown(text)}.")
    for name in SCHEMA["required"]:
        if name not in told:
            raise NoAssessment(f"Field '{name}' is missing.")
    if isinstance(told["cubic_yards"], str):
        raise NoAssessment(f"Field 'cubic_yards' is a text, {shown(told['cubic_yards'])}, where a number belongs.")
    try:
        assessment = Assessment.model_validate(told)
    except ValidationError as trouble:
        raise NoAssessment(sentence(trouble.errors(include_url=False))) from trouble
    for number, line in enumerate(assessment.items, start=1):
        refuse_foreign_matter(line, number=number)
    return assessment


def refuse_repetition(text: str, *, canary: str) -> None:
    if repeats(text, canary=canary):
        raise CanaryFound("The answer repeats our own instructions: somebody may be trying to steer the AI.")


def json_in(text: str) -> Any:
    """The one JSON value that this text is; None where it is prose. Raises NoAssessment where it is nearly one."""
    bare = text.strip()
    fenced = FENCED.fullmatch(bare)
    bare = fenced[1].strip() if fenced else bare
    if not bare:
        raise NoAssessment("The model gave no assessment: its answer is empty.")
    try:
        return json.loads(bare, parse_float=Decimal, parse_constant=refuse_constant, object_pairs_hook=without_doubles)
    except NoAssessment:
        raise
    except json.JSONDecodeError as trouble:
        if trouble.msg == "Extra data":
            raise NoAssessment("There is more in the answer than one JSON object.") from trouble
        if bare.startswith("{"):
            raise NoAssessment(f"The answer is not whole JSON: line {trouble.lineno} column {trouble.colno}.") from trouble
        return None
    except (ValueError, RecursionError) as trouble:  # a number of thousands of digits, or thousands of brackets
        raise NoAssessment("The answer is no JSON that can be read.") from trouble


def refuse_constant(name: str) -> NoReturn:
    raise NoAssessment(f"The answer has {name} where a number belongs.")


def without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    told = dict(pairs)
    if len(told) < len(pairs):
        raise NoAssessment("The answer names a field twice.")
    return told


def sentence(errors: list[ErrorDetails]) -> str:
    """The first thing that is wrong, with the name of its field, and how many more there are."""
    first, more = errors[0], len(errors) - 1
    name = ".".join(map(str, first["loc"]))
    if first["type"] == "missing":
        said = f"Field '{name}' is missing"
    elif first["type"] == "extra_forbidden":
        said = f"Field '{shown(name)[1:-1]}' is not accepted"
    elif first["type"] == "string_unicode":
        said = "A text is no Unicode"
    elif not first["loc"]:
        said = first["msg"].removeprefix("Value error, ").capitalize()
    else:
        said = f"Field '{name}' is {shown(first['input'])}: {first['msg'][0].lower()}{first['msg'][1:]}"
    return f"{said} (and {more} more)." if more else f"{said}."


def refuse_foreign_matter(line: str, *, number: int) -> None:
    """A line that mails and pages may show: plain words that reach nobody."""
    what = reached_by(line) or ("markup" if MARKUP.search(line) else "") or ("" if line.isprintable() else "a control character")
    if what:
        raise NoAssessment(f"Field 'items' has {what} in line {number}: {shown(line)}.")


def shown(value: Any) -> str:
    """A value as staff may read it: short, in quotes where it is text, without control characters."""
    text = repr(value) if isinstance(value, str) else str(value)
    text = printable(text[: SHOWN * 2])
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"
