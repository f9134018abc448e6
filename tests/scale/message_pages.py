"""Every list that grows with the messages: each filter's every choice, its searches, its last page; and the pages that count."""

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from statistics import median
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode

from messaging import analytics
from messaging.models import Case, CmsNote, Message, MessageSession
from tests.scale import databases
from tests.scale.message_rows import BIG_SESSION

REPEATS = 5
GOAL_MS = 200
MODELS = ["message", "cmsnote", "case", "messagesession", "systemevent", "deliveryevent", "errorgroup", "suppression", "backuphistory"]
DATED = {"message": "created_at", "messagesession": "started_at", "systemevent": "at", "deliveryevent": "received_at"}
SHAPES = {"one day long ago": (700, 699), "the first year": (1095, 730), "the last month": (30, 0)}  # days ago, from and to
SEARCHES = {
    "message": [
        "bench:000004711",
        "<000004711@portal.example>",
        "c4711@d",
        "c47",
        "C4",
        "1004711",
        "4711",
        "nobody@at.all",
        "About your case",
    ],
    "cmsnote": ["N000004711", "1004711", "4711", "nothing"],
    "case": ["1000471", "Patient", "Firm 17", "a4", "patient c4", "nobody at all"],
    "messagesession": ["Batch 17", "nothing"],
    "systemevent": ["delivery", "quotes", "nothing"],
    "errorgroup": ["variant 17", "nothing"],
    "suppression": ["c4711@d1.example", "c47", "nothing"],
}
Page = tuple[str, str]  # name, address


@dataclass(frozen=True)
class Timed:
    """A page: its milliseconds by the clock, and those that this process and PostgreSQL computed for it."""

    name: str
    milliseconds: float
    computed: float


def timed(client: Client) -> Iterator[Timed]:
    """Every page, printed as it is measured."""
    for name, address in pages(client):
        spent(client, address)  # warms up
        began, computed = database_cpu(), time.process_time()
        milliseconds = median(spent(client, address) for _ in range(REPEATS))
        here = 1000 * (time.process_time() - computed) / REPEATS
        there = 1000 * (database_cpu() - began) / REPEATS
        say(f"{milliseconds:7.0f} ms {here:6.0f} + {there:<4.0f} {name}")
        yield Timed(name, milliseconds, here + there)


def database_cpu() -> float:
    """The seconds that our connection's own process has computed so far; 0 where it is not on this machine."""
    connection.ensure_connection()
    try:
        fields = databases.stat(connection.connection.info.backend_pid)
    except OSError:
        return 0.0
    return sum(int(ticks) for ticks in fields[11:13]) / databases.TICKS_PER_SECOND


def a_client() -> Client:
    client = Client()
    user, _ = get_user_model().objects.get_or_create(username="bench", defaults={"is_superuser": True, "is_staff": True})
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def spent(client: Client, address: str) -> float:
    began = time.perf_counter()
    answer = client.get(address)
    assert answer.status_code == 200, f"{address} answered {answer.status_code}"
    return 1000 * (time.perf_counter() - began)


def pages(client: Client) -> Iterator[Page]:
    yield "dashboard", reverse("admin:index")
    yield "dashboard, the part that moves", reverse("dashboard_live")
    yield "analytics", counted(days=30)
    yield "analytics of 90 days", counted(days=90)
    yield "health", reverse("health")
    for model in MODELS:
        yield from lists(client, model)
    yield from records()


def counted(*, days: int) -> str:
    """The page's address; its figures have been counted, which is the background's work."""
    began = time.perf_counter()
    analytics.rebuild(days=days, at=timezone.now(), zone=str(settings.TIME_ZONE))
    say(f"          (its figures were counted in {time.perf_counter() - began:.1f} s, in the background)")
    return f"{reverse('analytics')}?days={days}&mails=production"


def lists(client: Client, model: str) -> Iterator[Page]:
    address = reverse(f"admin:messaging_{model}_changelist")
    listed: Any = client.get(address).context_data["cl"]  # type: ignore[attr-defined]
    title = f"list of {listed.opts.verbose_name_plural}"
    yield title, address
    yield f"{title}, its last whole page", f"{address}?p={max(listed.paginator.num_pages - 1, 1)}"
    for spec in listed.filter_specs:
        yield from ((f"{title}, {what}", f"{address}?{urlencode(query)}") for what, query in choices(spec))
    for name, (first, until) in SHAPES.items() if model in DATED else ():
        yield f"{title}, {name}", f"{address}?{urlencode(between(DATED[model], first, until))}"
    yield from ((f"{title}, search {term!r}", f"{address}?{urlencode({'q': term})}") for term in SEARCHES.get(model, ()))
    yield from ((f"{title}, {name}", f"{address}?{urlencode(query)}") for name, query in combined(model))


def choices(spec: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every choice of a filter that offers some."""
    if hasattr(spec, "lookup_choices") and hasattr(spec, "parameter_name"):
        chosen = spec.lookup_choices[:15]
        yield from ((f"{spec.title}: {title}", {spec.parameter_name: value}) for value, title in chosen if value)
    elif hasattr(spec, "lookup_kwarg") and spec.lookup_kwarg.endswith("__exact") and getattr(spec.field, "choices", None):
        yield from ((f"{spec.title}: {title}", {spec.lookup_kwarg: value}) for value, title in spec.field.flatchoices)
    elif hasattr(spec, "lookup_kwarg") and spec.lookup_kwarg.endswith("__isempty"):
        yield from ((f"{spec.title} empty: {value}", {spec.lookup_kwarg: value}) for value in "10")


def between(field: str, first: int, until: int) -> dict[str, str]:
    today = timezone.localdate()
    days = {"from": today - timedelta(days=first), "to": today - timedelta(days=until)}
    return {f"{field}_{end}": day.isoformat() for end, day in days.items()}


def combined(model: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Filters together, as staff set them, and as the portal's own links do."""
    if model == "message":
        month, year = between("created_at", 430, 400), between("created_at", 1095, 730)
        case = Case.objects.latest("pk").pk
        yield "a rare kind in its year", year | {"kind": "long_ago"}
        yield "a rare kind in another month", month | {"kind": "long_ago"}
        yield "tests in a month without any", month | {"mode": "test"}
        yield "failed in an old month", month | {"state": "failed"}
        yield "cancelled production mail of a kind", {"state": "cancelled", "mode": "production", "kind": "kind_3"}
        yield "the biggest session", {"session__id__exact": BIG_SESSION}
        yield "the biggest session, page 100", {"session__id__exact": BIG_SESSION, "p": 100}
        yield "the biggest session, needs a person", {"session__id__exact": BIG_SESSION, "state": "needs_a_person"}
        yield "the biggest session, test mail", {"session__id__exact": BIG_SESSION, "mode": "test"}
        yield "a small session", {"session__id__exact": 7}
        yield "of a case", {"case__id__exact": case}
        midnight = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
        yield "sent since midnight", {"state": "sent", "sent_at__gte": midnight.isoformat()}
    if model == "cmsnote":
        yield "pending test notes", {"state": "pending", "mode": "test"}
        yield "of a case", {"message__case__id__exact": Case.objects.latest("pk").pk}


def records() -> Iterator[Page]:
    """Pages of one row."""
    for name, model, row in [
        ("one message", "message", Message.objects.sent().order_by("pk").first()),
        ("one note", "cmsnote", CmsNote.objects.order_by("pk").first()),
        ("one case", "case", Case.objects.order_by("pk").first()),
        ("one session", "messagesession", MessageSession.objects.get(pk=7)),
        ("the biggest session", "messagesession", MessageSession.objects.get(pk=BIG_SESSION)),
    ]:
        yield name, reverse(f"admin:messaging_{model}_change", args=[row.pk])  # type: ignore[union-attr]


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
