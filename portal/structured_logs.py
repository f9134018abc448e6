"""Log lines for machines: one JSON object each, with the request or task it belongs to, and no e-mail address in clear.

Servers write them to stdout. A command keeps stdout for its answer: what it logs goes to stderr, in words.
"""

import json
import logging
import re
import sys
import uuid
from collections.abc import Callable
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

from django.http import HttpRequest, HttpResponse

ADDRESS = re.compile(r"([A-Za-z0-9._%+\-]{1,64})@([A-Za-z0-9.\-]{1,255})")
SERVERS = ("gunicorn", "run_cluster", "qcluster")
KNOWN_ID = re.compile(r"[A-Za-z0-9\-]{8,64}")

request_id: ContextVar[str] = ContextVar("request_id", default="")
task_id: ContextVar[str] = ContextVar("task_id", default="")


def masked(text: str) -> str:
    """The text with each address shortened to its first letter and its domain."""
    return ADDRESS.sub(lambda found: f"{found[1][0]}***@{found[2]}", text)


class JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        told: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "text": masked(record.getMessage()),
        }
        told |= {name: value for name, value in (("request", request_id.get()), ("task", task_id.get())) if value}
        if record.exc_info:
            told["trouble"] = masked(self.formatException(record.exc_info))
        return json.dumps(told, ensure_ascii=False)


class Words(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return masked(super().format(record))


def is_server() -> bool:
    return any(name in argument for argument in sys.argv[:2] for name in SERVERS)


def names_requests(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Middleware: what is logged during a request carries its id, ours or the proxy's, and so does the answer."""

    def middleware(request: HttpRequest) -> HttpResponse:
        given = request.headers.get("X-Request-ID", "")
        ours = given if KNOWN_ID.fullmatch(given) else uuid.uuid4().hex
        before = request_id.set(ours)
        try:
            response = get_response(request)
        finally:
            request_id.reset(before)
        response["X-Request-ID"] = ours
        return response

    return middleware


def name_task(sender: Any, task: dict[str, Any], **told: Any) -> None:
    """What django-q2 calls before each task: what is logged from now on carries the task's id."""
    task_id.set(str(task.get("id", "")))


def settings(*, as_json: bool, level: str) -> dict[str, Any]:
    """Django's LOGGING."""
    words = {"()": "portal.structured_logs.Words", "format": "%(levelname)s %(name)s: %(message)s"}
    form = {"()": "portal.structured_logs.JsonLines"} if as_json and is_server() else words
    stream = "ext://sys.stdout" if is_server() else "ext://sys.stderr"
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"lines": form},
        "handlers": {"lines": {"class": "logging.StreamHandler", "stream": stream, "formatter": "lines"}},
        "root": {"handlers": ["lines"], "level": level},
        "loggers": {"django": {"handlers": ["lines"], "level": level, "propagate": False}},
    }
