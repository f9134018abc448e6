"""What an HTTP request asks and what is answered, free of sockets, so that a rule is a function from one to the other."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

CLOSED = (
    "default-src 'none'; style-src 'self'; frame-src 'self'; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


@dataclass(frozen=True)
class Request:
    query: Mapping[str, str]
    form: Mapping[str, list[str]]
    headers: Mapping[str, str]  # names as in HTTP's own spelling
    body: bytes
    number: int = 0


@dataclass(frozen=True)
class Answer:
    """An answer, or the refusal to give one: `cut` closes at once, `silent` waits until the client leaves and then does `afterwards`."""

    status: int = 200
    body: bytes | Iterator[bytes] = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: bool = False
    silent: bool = False
    afterwards: Callable[[], object] | None = None
    afterwards_seconds: float = 0.0
    wait_seconds: float = 0.0
    drip_seconds: float = 0.0


class BadRequest(ValueError):
    """The request cannot be understood; the text says why."""


def as_json(value: Any, status: int = 200, **headers: str) -> Answer:
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return Answer(status, json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"), {"Content-Type": "application/json"} | named)


def as_page(html: str, status: int = 200) -> Answer:
    return Answer(status, html.encode("utf-8", "replace"), {"Content-Type": "text/html; charset=utf-8", "Content-Security-Policy": CLOSED})


def read_json(body: bytes) -> Any:
    """The JSON value of a body. Raises BadRequest."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"the body is not JSON: {error}") from error
