"""What mail providers tell is taken when it is signed, applied once, and never taken back; everything else is refused and counted."""

import base64
import hashlib
import hmac
import json
import time
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from django.db import DatabaseError
from django.db.models.functions import Now
from django.test import Client

from messaging import delivery_facts
from messaging.models import CmsNote, DeliveryEvent, HookTally, Message, Mode, Status, Suppression, SystemEvent
from tests.factories import SENDER, make_case, make_message, make_note

pytestmark = pytest.mark.django_db
KEY = "signing-key"
PASSWORD = "hook:word"


@pytest.fixture(autouse=True)
def set_up(settings) -> None:
    settings.ANYMAIL = {"MAILGUN_WEBHOOK_SIGNING_KEY": KEY}


def mailgun(event: str, message: Message | str, **more: Any) -> dict[str, Any]:
    """A signed call of Mailgun about that mail."""
    message_id = message if isinstance(message, str) else message.message_id
    token, timestamp = more.pop("token", uuid4().hex), str(int(time.time()) - more.pop("age", 0))
    signature = hmac.new(more.pop("key", KEY).encode(), f"{timestamp}{token}".encode(), hashlib.sha256).hexdigest()
    data = {"event": event, "id": token, "timestamp": more.pop("at", time.time()), "recipient": "anna@firm.example"}
    data |= {"message": {"headers": {"message-id": message_id.strip("<>")}}} | more
    return {"signature": {"timestamp": timestamp, "token": token, "signature": signature}, "event-data": data}


def signed_at(timestamp: str, message: Message) -> dict[str, Any]:
    body = mailgun("delivered", message)
    signed = f"{timestamp}{body['signature']['token']}".encode()
    body["signature"] |= {"timestamp": timestamp, "signature": hmac.new(KEY.encode(), signed, hashlib.sha256).hexdigest()}
    return body


def call(body: Any, provider: str = "mailgun", **headers: str) -> Any:
    data = body if isinstance(body, str | bytes) else json.dumps(body)
    return Client().post(f"/hooks/mail/{provider}/", data, content_type="application/json", headers=headers)


def tallies() -> dict[str, int]:
    return dict(HookTally.objects.values_list("outcome", "count"))


EVENTS = [  # event, more, times that are set
    ("delivered", {}, {"delivered_at"}),
    ("opened", {}, {"delivered_at", "read_at"}),
    ("failed", {"severity": "permanent", "reason": "bounce"}, {"bounced_at"}),
    ("failed", {"severity": "temporary"}, set()),
    ("complained", {}, {"delivered_at", "complained_at"}),
]


@pytest.mark.parametrize(("event", "more", "times"), EVENTS)
def test_an_event_is_a_time_on_the_mail_and_no_state_of_it(event, more, times):
    message = make_note().message

    assert call(mailgun(event, message, **more)).status_code == 200

    message.refresh_from_db()
    assert {name for name in ("delivered_at", "read_at", "bounced_at", "complained_at") if getattr(message, name)} == times
    assert message.status == Status.SENT
    assert Suppression.objects.exists() is bool(times & {"bounced_at", "complained_at"})
    assert DeliveryEvent.objects.get().raw["event-data"]["event"] == event


FORGED = [  # what, status, counted as, the call
    ("wrong key", 401, "forged", lambda message: mailgun("delivered", message, key="guessed")),
    ("no signature", 401, "forged", lambda message: {"event-data": mailgun("delivered", message)["event-data"]}),
    ("signed six minutes ago", 401, "too_old", lambda message: mailgun("delivered", message, age=360)),
    ("signed for the future", 401, "too_old", lambda message: mailgun("delivered", message, age=-360)),
    ("no JSON", 400, "garbage", lambda message: "{not json"),
    ("a thousand brackets", 400, "garbage", lambda message: "[" * 100_000),
    ("signed, and no event in it", 400, "garbage", lambda message: mailgun("delivered", message) | {"event-data": {}}),
    ("half a character", 400, "garbage", lambda message: mailgun("delivered", message, recipient="\ud800")),
    ("half a character beside", 400, "garbage", lambda message: mailgun("delivered", message, tags=["\ud800"])),
    ("no number", 400, "garbage", lambda message: mailgun("delivered", message, score=float("nan"))),
    ("no end", 400, "garbage", lambda message: json.dumps(mailgun("delivered", message, score=0.25)).replace("0.25", "1e999")),
    ("signed at no time", 400, "garbage", lambda message: signed_at("soon", message)),
    ("signed at a time that is no number", 401, "too_old", lambda message: signed_at("nan", message)),
    ("more than a thousand events", 413, "too_large", lambda message: [{}] * 1_001),
    ("six million bytes", 413, "too_large", lambda message: "x" * 6_000_000),
]


@pytest.mark.parametrize(("status", "outcome", "forge"), [case[1:] for case in FORGED], ids=[case[0] for case in FORGED])
def test_a_call_that_is_not_what_it_says_is_refused_and_counted_and_its_twin_is_taken(status, outcome, forge):
    message = make_note().message

    refused = call(forge(message))

    assert (refused.status_code, bool(refused.json()["error"])) == (status, True)
    assert (tallies(), DeliveryEvent.objects.count(), Message.objects.filter(delivered_at=None).count()) == ({outcome: 1}, 0, 1)
    assert call(mailgun("delivered", message)).json() == {"applied": 1}
    assert Message.objects.filter(delivered_at=None).count() == 0


def test_a_replay_changes_nothing_and_is_counted():
    message = make_note().message
    body = mailgun("delivered", message, token="the same")

    assert [call(body).json() for _ in range(3)] == [{"applied": 1}, {"repeated": 1}, {"repeated": 1}]
    assert tallies() == {"applied": 1, "repeated": 2}


def test_a_signature_that_was_overheard_tells_of_no_other_event():
    message = make_note().message
    body = mailgun("delivered", message, token="the same")
    call(body)
    forged = body | {"event-data": body["event-data"] | {"id": "another", "event": "complained"}}

    refused = call(forged)

    assert (refused.status_code, tallies()) == (401, {"applied": 1, "forged": 1})
    assert (call(body).json(), Suppression.objects.count()) == ({"repeated": 1}, 0)


def test_late_words_take_nothing_back():
    message = make_note().message
    call(mailgun("opened", message, at=2_000))
    call(mailgun("delivered", message, at=1_000))
    call(mailgun("opened", message, at=3_000))

    message.refresh_from_db()
    assert (message.read_at.timestamp(), message.delivered_at.timestamp()) == (2_000, 2_000)


def test_a_provider_that_is_not_set_up_or_not_known_is_told_so_and_counted():
    assert [call({}, provider).status_code for provider in ("postmark", "nobody", "x" * 40)] == [404, 404, 404]
    assert dict(HookTally.objects.values_list("provider", "count")) == {"postmark": 1, "unknown": 2}


def test_a_provider_without_signatures_is_known_by_the_password(settings):
    settings.ANYMAIL = {"WEBHOOK_SECRET": PASSWORD}
    message = make_note().message
    told = {"RecordType": "Delivery", "MessageID": message.message_id.strip("<>"), "Recipient": message.recipient}
    word = base64.b64encode(PASSWORD.encode()).decode()

    assert [call(told, "postmark", authorization=f"Basic {given}").status_code for given in ("", "d3Jvbmc6d29yZA==", word)] == [
        401,
        401,
        200,
    ]
    assert tallies() == {"forged": 2, "applied": 1}


@pytest.mark.parametrize("content_type", ["application/json", "text/plain"])
@pytest.mark.parametrize(("events", "status", "stored"), [(2, 200, 2), (1_000, 200, 1_000), (1_001, 413, 0), (-2, 400, 0)])
def test_all_events_of_a_call_are_taken_or_none(settings, content_type, events, status, stored):
    settings.ANYMAIL = {"WEBHOOK_SECRET": PASSWORD}
    told = [{"event": "delivered", "email": "a@b.example", "timestamp": 1_700_000_000, "sg_event_id": f"e{n}"} for n in range(abs(events))]
    if events < 0:  # the last of them cannot be kept
        told[-1]["sg_event_id"] = "\ud800"
    word = base64.b64encode(PASSWORD.encode()).decode()

    answer = Client().post("/hooks/mail/sendgrid/", json.dumps(told), content_type=content_type, headers={"authorization": f"Basic {word}"})

    assert (answer.status_code, DeliveryEvent.objects.count()) == (status, stored)


def test_characters_that_postgresql_does_not_know_are_left_out():
    call(mailgun("delivered", "<strange@elsewhere.example>", tags=["a\0b", r"\u0000", {"c\0": "d\0"}]))

    assert DeliveryEvent.objects.get().raw["event-data"]["tags"] == ["ab", r"\u0000", {"c": "d"}]


@pytest.mark.parametrize("method", ["get", "head", "options", "put", "delete"])
def test_only_post_is_taken(method):
    assert getattr(Client(), method)("/hooks/mail/mailgun/").status_code == 405


def test_an_unknown_mail_is_kept_as_unmatched_and_suppresses_nobody():
    assert call(mailgun("complained", "<strange@elsewhere.example>")).json() == {"unmatched": 1}
    assert (DeliveryEvent.objects.unmatched().count(), Suppression.objects.count()) == (1, 0)


def test_a_mail_is_also_known_by_the_provider_s_own_name_for_it():
    message = make_note().message
    Message.objects.update(remote_id="queue-77")

    assert call(mailgun("delivered", "queue-77", recipient=message.intended_for)).json() == {"applied": 1}


def test_a_test_mail_that_bounces_suppresses_nobody():
    message = doubtful(sender=replace(SENDER, mode=Mode.TEST))

    assert call(mailgun("failed", message, severity="permanent")).json() == {"applied": 1}
    assert Suppression.objects.count() == 0


def doubtful(**facts: Any) -> Message:
    message = make_message(**facts)
    Message.objects.update(status=Status.CLAIMED, lease=uuid4(), leased_until=Now())
    Message.objects.update(status=Status.TRANSMITTING, transmitting_since=Now())
    Message.objects.update(status=Status.IN_DOUBT, doubt_since=Now(), lease=None, leased_until=None)
    return message


def test_a_mail_in_doubt_that_was_delivered_had_been_sent_and_owes_its_note():
    message = doubtful(case=make_case(pid="123"))

    assert call(mailgun("delivered", message)).json() == {"applied": 1}

    message.refresh_from_db()
    assert (message.status, message.decisions.get().source) == ("sent", "webhook mailgun")
    assert CmsNote.objects.get().message == message


def test_a_bounce_of_a_mail_that_we_call_queued_is_an_alarm():
    message = make_message()

    assert call(mailgun("failed", message, severity="permanent")).json() == {"noted": 1}

    message.refresh_from_db()
    assert (message.status, message.bounced_at) == ("queued", None)
    assert SystemEvent.objects.alarms().get().message == message


def test_with_the_record_away_the_provider_is_asked_to_come_again(monkeypatch):
    def away(fact):
        raise DatabaseError("away")

    monkeypatch.setattr(delivery_facts, "record", away)

    answer = call(mailgun("delivered", "<1@portal.example>"))

    assert (answer.status_code, answer["Retry-After"]) == (503, "60")


def test_the_figures_are_there_for_prometheus_and_want_a_token_where_one_is_set(client, settings):
    call("{not json")
    settings.METRICS_TOKEN = "word"

    assert client.get("/metrics").status_code == 401
    text = client.get("/metrics", headers={"authorization": "Bearer word"}).content.decode()
    assert 'portal_mail_hook_events_total{provider="mailgun",outcome="garbage"} 1\n' in text
    assert "portal_database_up 1\n" in text
