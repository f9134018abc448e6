"""Configuration as people type it: JSON, with a sentence about the place where it is none."""

import json
import math
from typing import Any

from portal.config.data import shown

LONGEST_DATA = 200_000  # characters
MOST_DIGITS = 100


def from_json(text: str, *, longest: int = LONGEST_DATA) -> Any:
    """The data that was typed. A ValueError says where it is no JSON, or which name stands in it twice."""
    if len(text) > longest:
        raise ValueError(f"This has {len(text):,} characters; at most {longest:,}")
    try:
        return json.loads(
            text, object_pairs_hook=without_doubles, parse_int=whole_number, parse_float=finite_number, parse_constant=no_constant
        )
    except json.JSONDecodeError as trouble:
        raise ValueError(f"Line {trouble.lineno}, column {trouble.colno}: this is no JSON: {trouble.msg}") from None
    except RecursionError:
        raise ValueError("This JSON is nested too deeply") from None


def without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table: dict[str, Any] = {}
    for name, value in pairs:
        if name in table:
            raise ValueError(f"{shown(name)} stands twice in the same table; keep one of them")
        table[name] = value
    return table


def whole_number(text: str) -> int:
    if len(text) > MOST_DIGITS:
        raise ValueError(f"{shown(text)} is too large a number")
    return int(text)


def finite_number(text: str) -> float:
    if math.isinf(number := float(text)):
        raise ValueError(f"{shown(text)} is too large a number")
    return number


def no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no value; write a number")


def as_json(data: Any) -> str:
    return json.dumps(data, indent=2, ensure_ascii=False)
