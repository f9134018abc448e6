"""Configuration as nested data: read into its type with sentences about what is wrong, merged, compared. No database, no Django."""

from collections.abc import Iterator, Sequence
from decimal import Decimal, InvalidOperation
from difflib import get_close_matches
from itertools import zip_longest
from typing import Any, NamedTuple

from pydantic import TypeAdapter, ValidationError

LONGEST_SHOWN = 60  # characters of a refused value
MISSING = object()

SENTENCES = {  # what pydantic calls it: what people read
    "missing": "is missing",
    "extra_forbidden": "is not known here",
    "unexpected_keyword_argument": "is not known here",
    "greater_than": "must be above {gt}; got {input}",
    "greater_than_equal": "must be at least {ge}; got {input}",
    "less_than": "must be below {lt}; got {input}",
    "less_than_equal": "must be at most {le}; got {input}",
    "finite_number": "must be a number; got {input}",
    "decimal_parsing": "must be a number; got {input}",
    "decimal_type": "must be a number; got {input}",
    "decimal_max_places": "must have at most {decimal_places} digits after the point; got {input}",
    "decimal_max_digits": "must have at most {max_digits} digits; got {input}",
    "int_parsing": "must be a whole number; got {input}",
    "int_type": "must be a whole number; got {input}",
    "int_from_float": "must be a whole number; got {input}",
    "float_parsing": "must be a number; got {input}",
    "float_type": "must be a number; got {input}",
    "bool_parsing": "must be true or false; got {input}",
    "bool_type": "must be true or false; got {input}",
    "string_type": "must be a text; got {input}",
    "string_pattern_mismatch": "is not of the right form; got {input}",
    "string_too_short": "must have at least {min_length} characters",
    "string_too_long": "must have at most {max_length} characters",
    "too_short": "must have at least {min_length} entries; it has {actual_length}",
    "too_long": "must have at most {max_length} entries; it has {actual_length}",
    "enum": "must be {expected}; got {input}",
    "model_type": "must be a table of named entries; got {input}",
    "dict_type": "must be a table of named entries; got {input}",
    "tuple_type": "must be a list; got {input}",
    "list_type": "must be a list; got {input}",
    "value_error": "{error}",
    "assertion_error": "{error}",
}


class Problem(NamedTuple):
    """One thing that is wrong. The path names the field: names and numbers with dots between, entries of lists counted from 1."""

    path: str
    sentence: str

    def __str__(self) -> str:
        return f"{self.path} {self.sentence}".lstrip()


class ConfigRefused(ValueError):
    """This data is no configuration of its kind; `problems` says field by field why. Nothing was stored."""

    def __init__(self, kind: str, problems: Sequence[Problem]) -> None:
        super().__init__(f"{kind}: {'; '.join(map(str, problems))}.")
        self.problems = list(problems)


class Difference(NamedTuple):
    """A value that two versions do not share; None where one of them does not have it."""

    path: str
    before: Any
    after: Any


def typed(adapter: TypeAdapter[Any], data: Any, *, kind: str) -> Any:
    """The data as its own type. Raises ConfigRefused."""
    try:
        return adapter.validate_python(data)
    except ValidationError as refusal:
        names = field_names(adapter.json_schema())
        raise ConfigRefused(kind, [problem_of(error, names) for error in refusal.errors(include_url=False)]) from None


def field_names(schema: dict[str, Any]) -> list[str]:
    """The names of all fields, those of tables within tables too."""
    tables = [schema, *schema.get("$defs", {}).values()]
    return [name for table in tables for name in table.get("properties", {})]


def problem_of(error: Any, names: Sequence[str] = ()) -> Problem:
    place = [part for part in error["loc"] if part != "[key]"]
    facts = {**error.get("ctx", {}), "input": shown(error["input"])}
    if error["loc"][-1:] == ("[key]",):  # of a table of names, a name that does not belong there
        return Problem(
            dotted(place), f"is not known here; known are {facts['expected']}" if "expected" in facts else "is no name for an entry"
        )
    said = SENTENCES.get(error["type"])
    if error["type"] == "extra_forbidden" and (near := get_close_matches(str(place[-1]), names, n=1)):
        return Problem(dotted(place), f"is not known here; did you mean {near[0]}")
    return Problem(dotted(place), said.format(**facts) if said else f"{error['msg']}; got {facts['input']}")


def merged(base: Any, overrides: Any) -> Any:
    """The base with every entry that `overrides` names replaced, tables within tables likewise."""
    if not (isinstance(base, dict) and isinstance(overrides, dict)):
        return overrides
    return base | {name: merged(base[name], value) if name in base else value for name, value in overrides.items()}


def in_order_of(model: Any, data: Any) -> Any:
    """The same data, its tables in the order of the model's; the database keeps none."""
    if isinstance(data, dict) and isinstance(model, dict):
        names = [*(name for name in model if name in data), *(name for name in data if name not in model)]
        return {name: in_order_of(model.get(name), data[name]) for name in names}
    return data


def differences(old: Any, new: Any) -> list[Difference]:
    """What `new` says otherwise than `old`, in the order in which it stands there; 1.0 and "1" are the same number."""
    return list(compared(old, new, ()))


def compared(old: Any, new: Any, place: tuple[Any, ...]) -> Iterator[Difference]:
    if isinstance(old, dict) and isinstance(new, dict):
        for name in dict.fromkeys([*old, *new]):
            yield from compared(old.get(name, MISSING), new.get(name, MISSING), (*place, name))
    elif isinstance(old, list) and isinstance(new, list):
        for index, (before, after) in enumerate(zip_longest(old, new, fillvalue=MISSING)):
            yield from compared(before, after, (*place, index))
    elif not same(old, new):
        yield Difference(dotted(place), None if old is MISSING else old, None if new is MISSING else new)


def same(one: Any, other: Any) -> bool:
    numbers = as_number(one), as_number(other)
    return type(one) is type(other) and one == other if None in numbers else numbers[0] == numbers[1]


def as_number(value: Any) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        return None
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def is_storable(data: Any) -> bool:
    """No text in it has a NUL or half a character, which PostgreSQL refuses."""
    if isinstance(data, dict):
        return all(is_storable(name) and is_storable(value) for name, value in data.items())
    if isinstance(data, list | tuple):
        return all(map(is_storable, data))
    return not isinstance(data, str) or not any(letter == "\0" or "\ud800" <= letter <= "\udfff" for letter in data)


def dotted(place: Sequence[Any]) -> str:
    return ".".join(str(part + 1) if isinstance(part, int) else str(part) for part in place)


def shown(value: Any) -> str:
    text = "nothing" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
    return f"{text[:LONGEST_SHOWN]}…" if len(text) > LONGEST_SHOWN else text or "nothing"
