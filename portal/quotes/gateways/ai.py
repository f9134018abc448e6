"""An AI behind an OpenAI-compatible address. It is shown text and pictures and says what is there; nothing else it says is taken."""

import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, ROUND_UP, Decimal
from secrets import token_hex
from typing import Any, TypeGuard
from urllib.parse import urlsplit

import httpx

from messaging.gateways import http_call
from messaging.gateways.cms import readable, retry_after
from messaging.gateways.http_call import Answer, TooSlow
from portal.quotes.gateways.assessors import (
    LONGEST_MODEL,
    AiUnavailable,
    AssessmentRefused,
    InstructionsRepeated,
    Reading,
    Request,
    storable,
)
from portal.quotes.gateways.model_answers import CanaryFound, NoAssessment, assessment_in, shown
from portal.quotes.prompt import PROMPT_VERSION, RESPONSE_FORMAT, messages

NOT_THIS_ONE = frozenset({400, 409, 413, 414, 415, 422, 431})  # asked again, it would be refused again: others can go on
CONNECT_SECONDS = 10
READ_SECONDS = 300
TOTAL_SECONDS = 600
LONGEST_SAID = 160  # characters of an error that staff read
MOST_COMPLETION_TOKENS = 4_000
MOST_TOKENS_PER_IMAGE = 3_000
MOST_TOKENS = 10_000_000  # more than that is no count of one call
BYTES_PER_TOKEN = 3
MILLION = 1_000_000
PLACES = Decimal("0.000001")  # USD

REFUSED_ENDS = {  # how a model may say that it stopped
    "length": "Answer was cut off.",
    "content_filter": "The AI's provider held the answer back (content filter).",
    "tool_calls": "The model asked for a tool, and none was offered.",
    "function_call": "The model asked for a tool, and none was offered.",
}


@dataclass(frozen=True, kw_only=True)
class Usage:
    """What a call took. Where the AI does not say, the most it can have taken."""

    prompt_tokens: int
    completion_tokens: int
    cost: Decimal


@dataclass(frozen=True, kw_only=True)
class AiService:
    """Asks `{url}/chat/completions`. Prices are in USD per million tokens."""

    url: str
    api_key: str = field(default="", repr=False)
    model: str
    price_per_million_in: Decimal = Decimal(0)
    price_per_million_out: Decimal = Decimal(0)
    kind: str = "model"

    def __post_init__(self) -> None:
        if not (self.api_key.isascii() and self.api_key.isprintable()) or " " in self.api_key:
            raise ValueError("AI_API_KEY has a character that no key has, such as a space")

    def most_cost(self, request: Request) -> Decimal:
        return self._most(self._body(request, canary=token_hex(8)), images=len(request.images)).cost

    def assess(self, request: Request) -> Reading:
        canary = token_hex(8)
        body = self._body(request, canary=canary)
        most = self._most(body, images=len(request.images))
        answered = self._call(body)
        if answered.flaw:
            raise AssessmentRefused(f"The answer {answered.flaw}.", model=self.model, **vars(most))
        answer = self._envelope(answered.content)
        told = {
            "raw": storable(self._without_key(answered.content.decode("utf-8", "replace"))),
            "model": named(answer, self.model),
            **vars(self._usage(answer, most=most)),
        }
        try:
            assessment = assessment_in(written(answer), canary=canary)
        except CanaryFound as trouble:
            raise InstructionsRepeated(str(trouble), **told) from trouble
        except NoAssessment as trouble:
            raise AssessmentRefused(str(trouble), **told) from trouble
        return Reading(assessment=assessment, prompt_version=PROMPT_VERSION, **told)

    def _body(self, request: Request, *, canary: str) -> dict[str, Any]:
        return {
            "model": self.model,
            "messages": messages(request, canary=canary),
            "response_format": RESPONSE_FORMAT,
            "max_completion_tokens": MOST_COMPLETION_TOKENS,
            "temperature": 0,
        }

    def _most(self, body: dict[str, Any], *, images: int) -> Usage:
        system, (text, *_) = body["messages"][0]["content"], body["messages"][1]["content"]
        said = len(f"{system}{text['text']}{json.dumps(RESPONSE_FORMAT)}".encode())
        tokens = -(-said // BYTES_PER_TOKEN) + images * MOST_TOKENS_PER_IMAGE
        return Usage(
            prompt_tokens=tokens,
            completion_tokens=MOST_COMPLETION_TOKENS,
            cost=self._cost(tokens, MOST_COMPLETION_TOKENS, rounding=ROUND_UP),
        )

    def _usage(self, answer: dict[str, Any], *, most: Usage) -> Usage:
        told = answer.get("usage")
        tokens_in, tokens_out = (told.get("prompt_tokens"), told.get("completion_tokens")) if isinstance(told, dict) else (None, None)
        if not (is_count(tokens_in) and is_count(tokens_out)):
            return most
        cost = self._cost(tokens_in, tokens_out, rounding=ROUND_HALF_UP)
        return Usage(prompt_tokens=tokens_in, completion_tokens=tokens_out, cost=cost)

    def _cost(self, tokens_in: int, tokens_out: int, *, rounding: str) -> Decimal:
        whole = tokens_in * self.price_per_million_in + tokens_out * self.price_per_million_out
        return (whole / MILLION).quantize(PLACES, rounding=rounding)

    def _call(self, body: dict[str, Any]) -> Answer:
        """A good answer, as far as its status says. Raises AiUnavailable."""
        headers = {"Authorization": f"Bearer {self.api_key}"} if self.api_key else {}
        limits = {"connect_seconds": CONNECT_SECONDS, "read_seconds": READ_SECONDS, "total_seconds": TOTAL_SECONDS}
        try:
            answer = http_call.call("POST", f"{self.url.rstrip('/')}/chat/completions", headers=headers, json=body, **limits)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.UnsupportedProtocol, httpx.InvalidURL, ssl.SSLError) as trouble:
            what = "certificate is not valid" if "CERTIFICATE_VERIFY_FAILED" in str(trouble) else f"at {host(self.url)} cannot be reached"
            raise AiUnavailable(f"The AI {what}: {trouble}") from trouble
        except TooSlow as trouble:
            raise AiUnavailable(f"The AI's answer did not end within {TOTAL_SECONDS} s.", may_cost=True) from trouble
        except httpx.TimeoutException as trouble:
            raise AiUnavailable(f"The AI did not answer within {READ_SECONDS} s.", may_cost=True) from trouble
        except httpx.HTTPError as trouble:
            raise AiUnavailable(f"The AI's answer was lost: {trouble or type(trouble).__name__}", may_cost=True) from trouble
        self._refuse_status(answer.status, answer.headers, answer.content)
        return answer

    def _refuse_status(self, status: int, headers: Mapping[str, str], content: bytes) -> None:
        if status == 200:
            return
        said = self._without_key(readable(content))[:LONGEST_SAID]
        wait = retry_after(headers.get("Retry-After", ""), now=datetime.now(UTC))
        if status in (401, 403):
            reason = f"The AI does not let us in: {status}, {said}"
        elif status == 402 or "insufficient_quota" in said:
            reason = f"The quota at the AI is used up: {status}, {said}"
        elif 300 <= status < 400:
            reason = f"The AI redirected ({status}); redirects are not followed. Check AI_URL."
        elif status in (429, 503, 529):
            reason = f"The AI asks to come back later: {status}, {said}"
        elif status in NOT_THIS_ONE:
            raise AssessmentRefused(f"The AI does not take this request: {status}, {said}", raw=said, model=self.model)
        else:
            reason = f"The AI answered {status}: {said}"
        raise AiUnavailable(reason, retry_after_seconds=wait)

    def _envelope(self, content: bytes) -> dict[str, Any]:
        """The answer as the protocol wraps it: an object with one or more choices. Raises AiUnavailable."""
        try:
            answer = json.loads(content)
        except (ValueError, RecursionError):
            answer = None
        if not isinstance(answer, dict) or not isinstance(answer.get("choices"), list):
            said = self._without_key(readable(content))[:LONGEST_SAID]
            raise AiUnavailable(f"The AI's answer does not follow the protocol; is AI_URL right? It says: {said}", may_cost=True)
        return answer

    def _without_key(self, text: str) -> str:
        """Some servers repeat the key they were given."""
        return text.replace(self.api_key, "***") if self.api_key else text


def is_count(value: Any) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST_TOKENS


def written(answer: dict[str, Any]) -> str:
    """What the model wrote. Raises NoAssessment where it wrote nothing, something unfinished, or something besides."""
    choices = answer["choices"]
    choice = choices[0] if len(choices) == 1 and isinstance(choices[0], dict) else None
    message = choice.get("message") if choice else None
    if choice is None or not isinstance(message, dict):
        raise NoAssessment(f"The AI gave {len(choices)} answers where one belongs.")
    if message.get("tool_calls") or message.get("function_call"):
        raise NoAssessment(REFUSED_ENDS["tool_calls"])
    if message.get("refusal"):
        raise NoAssessment(f"The model refused: {shown(message['refusal'])}.")
    if (reason := choice.get("finish_reason")) in list(REFUSED_ENDS):
        raise NoAssessment(REFUSED_ENDS[reason])
    content = message.get("content")
    if content is not None and not isinstance(content, str):
        raise NoAssessment("The model's answer is no text.")
    return content or ""


def named(answer: dict[str, Any], asked_for: str) -> str:
    """The model that says it answered, or the one we asked for."""
    told = answer.get("model")
    return told if isinstance(told, str) and told.isprintable() and 0 < len(told) <= LONGEST_MODEL else asked_for


def host(url: str) -> str:
    """The address without what may be secret in it."""
    try:
        return urlsplit(url).netloc.rpartition("@")[2] or "no address"
    except ValueError:
        return "no address"
