"""`/hooks/mail/<provider>/`: what mail providers tell of mails that have left. Signed, or refused and counted.

django-anymail checks each provider's signature and reads its events into one form; what they mean for us is messaging's.
401 not signed, or too old · 400 not understood · 404 a provider that is not set up · 413 too much at once · 503 try again later.
"""

import hashlib
import json
import time
import warnings
from collections.abc import Sequence, Sized
from datetime import datetime, timedelta
from importlib import import_module
from typing import Any

from anymail.exceptions import AnymailConfigurationError, AnymailWebhookValidationFailure
from anymail.signals import AnymailTrackingEvent
from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.db import DataError, Error
from django.db.models.functions import Now
from django.http import HttpRequest, JsonResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from messaging import delivery_facts, journal
from messaging.models import DeliveryEvent, Level, Told

MOST_EVENTS = 1_000  # in one call
GARBAGE, UNREADABLE = "garbage", "The events cannot be read."
OLDEST_SECONDS = 5 * 60  # of a signature
VIEWS = {  # provider: where django-anymail reads it
    name: (f"anymail.webhooks.{name}", f"{spelled}TrackingWebhookView")
    for name, spelled in {
        "brevo": "Brevo",
        "mailgun": "Mailgun",
        "mailjet": "Mailjet",
        "postmark": "Postmark",
        "sendgrid": "SendGrid",
        "sparkpost": "SparkPost",
    }.items()
}
SIGNS_ITSELF = {"mailgun": "MAILGUN_WEBHOOK_SIGNING_KEY"}  # the others are known by the password in their address
MEANS = {
    "delivered": Told.DELIVERED,
    "opened": Told.READ,
    "clicked": Told.READ,
    "bounced": Told.BOUNCED,
    "deferred": Told.DEFERRED,
    "complained": Told.COMPLAINED,
    "unsubscribed": Told.UNSUBSCRIBED,
}


class CallRefused(Exception):
    """The call is not taken; `outcome` is what it is counted as."""

    def __init__(self, status: int, outcome: str, text: str) -> None:
        super().__init__(text)
        self.status, self.outcome = status, outcome


@csrf_exempt
@require_POST
def mail(request: HttpRequest, provider: str) -> JsonResponse:
    """Every event of the call is stored and applied, or the call is refused and the provider may try again."""
    known = provider if provider in VIEWS else "unknown"
    try:
        facts = read(request, provider)
        refuse_second_use(facts, provider)
        outcomes = [delivery_facts.record(fact) for fact in facts]
        for outcome in set(outcomes):
            delivery_facts.count(known, outcome, calls=outcomes.count(outcome))
    except CallRefused as refusal:
        count_refused(known, refusal.outcome)
        return JsonResponse({"error": str(refusal)}, status=refusal.status)
    except DataError:  # signed, and still nothing that a row could hold: trying again would not help
        count_refused(known, GARBAGE)
        return JsonResponse({"error": UNREADABLE}, status=400)
    except Error:
        return JsonResponse({"error": "The record is away at this moment: try again later."}, status=503, headers={"Retry-After": "60"})
    return JsonResponse({outcome: outcomes.count(outcome) for outcome in sorted(set(outcomes))})


def read(request: HttpRequest, provider: str) -> list[delivery_facts.Fact]:
    """The events of a call that is what it says it is; else CallRefused."""
    view = reader(provider)
    try:
        refuse_too_much(request)
        view.run_validators(request)
        refuse_old(request, provider)
        events = view.parse_events(request)
        refuse_many(events)
        return [fact_of(event, provider, number) for number, event in enumerate(events)]
    except AnymailWebhookValidationFailure:
        raise CallRefused(401, "forged", "The signature is missing or wrong.") from None
    except RequestDataTooBig:
        raise CallRefused(413, "too_large", f"At most {settings.DATA_UPLOAD_MAX_MEMORY_SIZE:,} bytes at once.") from None
    except CallRefused:
        raise
    except Exception as trouble:  # signed, and still not of the provider's own form
        journal.record(Level.WARNING, "webhooks", f"{provider} sent what cannot be read: {type(trouble).__name__}")
        raise CallRefused(400, GARBAGE, UNREADABLE) from None


def reader(provider: str) -> Any:
    """django-anymail's view of that provider, where this deployment has a secret to check it by."""
    needed = SIGNS_ITSELF.get(provider, "WEBHOOK_SECRET")
    if provider not in VIEWS or not settings.ANYMAIL.get(needed):
        raise CallRefused(404, "not_set_up", "This portal expects no events from there.")
    module, name = VIEWS[provider]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return getattr(import_module(module), name)()
    except AnymailConfigurationError as trouble:
        raise CallRefused(404, "not_set_up", str(trouble)) from None


def refuse_too_much(request: HttpRequest) -> None:
    """More than a provider ever sends at once, judged before the signature is, and where it says that it is JSON."""
    body = request.body
    if request.content_type != "application/json":
        return
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        raise CallRefused(400, GARBAGE, "The body is not JSON.") from None
    refuse_many(data if isinstance(data, list) else [])


def refuse_many(events: Sized) -> None:
    if len(events) > MOST_EVENTS:
        raise CallRefused(413, "too_large", f"At most {MOST_EVENTS:,} events at once.")


def refuse_old(request: HttpRequest, provider: str) -> None:
    """A signature that was made long ago, or is of the future, is a recording."""
    if provider != "mailgun":
        return
    is_json = request.content_type == "application/json"
    signed_at = json.loads(request.body)["signature"]["timestamp"] if is_json else request.POST["timestamp"]
    if not abs(time.time() - float(signed_at)) <= OLDEST_SECONDS:  # nor is "nan" within them
        raise CallRefused(401, "too_old", f"The signature is more than {OLDEST_SECONDS // 60} minutes from now.")


def refuse_second_use(facts: Sequence[delivery_facts.Fact], provider: str) -> None:
    """Mailgun signs a token and not the event: whoever overhears a call could tell another event by it."""
    if provider != "mailgun":
        return
    lately = DeliveryEvent.objects.filter(provider=provider, received_at__gt=Now() - timedelta(seconds=2 * OLDEST_SECONDS))
    for fact in facts:
        signed = fact.raw.get("signature")
        named = {"raw__signature__token": signed["token"]} if isinstance(signed, dict) else {"raw__token": fact.raw.get("token")}
        if lately.filter(**named).exclude(event_id=fact.event_id).exists():
            raise CallRefused(401, "forged", "This signature has told of another event.")


def fact_of(event: AnymailTrackingEvent, provider: str, number: int) -> delivery_facts.Fact:
    raw = as_json(event.esp_event)
    digest = hashlib.sha256(json.dumps(raw, sort_keys=True).encode()).hexdigest()
    now = timezone.now()
    at = event.timestamp if isinstance(event.timestamp, datetime) else now
    said = " ".join(str(part) for part in (event.reject_reason, event.mta_response or event.description) if part)
    return delivery_facts.Fact(
        provider=provider,
        event_id=f"{event.event_type}:{event.event_id or digest}".replace("\x00", "")[:200],
        told=MEANS.get(event.event_type, Told.OTHER),
        at=min(at, now),
        message_id=str(event.message_id or ""),
        recipient=str(event.recipient or "").replace("\x00", "")[:254],
        detail=said.replace("\x00", ""),
        raw=raw,
    )


def as_json(raw: Any) -> dict[str, Any]:
    """The event as it came, in what PostgreSQL can keep. Raises ValueError: half a character, a number that is none."""
    plain = dict(raw.lists()) if hasattr(raw, "lists") else raw
    text = json.dumps(plain, default=str, allow_nan=False, ensure_ascii=False)
    text.encode()
    kept = json.loads(text, object_hook=without_nul)
    return kept if isinstance(kept, dict) else {"event": kept}


def without_nul(table: dict[str, Any]) -> dict[str, Any]:
    return {name.replace("\0", ""): text_without_nul(value) for name, value in table.items()}


def text_without_nul(value: Any) -> Any:
    if isinstance(value, list):
        return [text_without_nul(one) for one in value]
    return value.replace("\0", "") if isinstance(value, str) else value


def count_refused(provider: str, outcome: str) -> None:
    """Counted where that can be; a refusal never becomes a failure."""
    try:
        delivery_facts.count(provider, outcome)
    except Error:
        journal.record(Level.WARNING, "webhooks", f"A call of {provider} was refused and could not be counted: {outcome}")
