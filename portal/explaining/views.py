"""Why is this contact written to, or not: the verdict, a calendar, every mail and each rule."""

from datetime import date
from typing import Any

import numpy as np
from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import NoReverseMatch, reverse
from django.views.decorators.http import require_safe

from campaigns.explain import Explanation, explain, origin
from campaigns.explaining.step import Step
from campaigns.explaining.words import capital, mail_name
from campaigns.models import Contact
from messaging.text_input import TextRefused, calendar_date
from portal import wiring
from portal.explaining.calendar import KINDS, months, state_of

HIGHEST_ID = 2**63 - 1
TONES = {"planned": "green", "sent": "blue", "skipped": "grey", "stopped": "red"}


@require_safe
def explain_contact(request: HttpRequest, contact_id: int) -> HttpResponse:
    """The page of one contact; `on` asks about another day than today."""
    today = wiring.today()
    asked = request.GET.get("on", "").strip()
    on, refusal = read_day(asked, today=today)
    told = explained(contact_id, on=on, today=today)
    shown = {
        **admin.site.each_context(request),
        "title": f"Why {told.facts.contact} is written to, or not",
        "told": told,
        "asked": on.isoformat(),
        "refusal": refusal,
        "months": months(told),
        "legend": legend(told),
        "mails": [mail_told(mail) for mail in told.mails],
        "steps": [step_told(step) for step in told.steps],
        "contact_url": contact_url(told.facts.contact),
    }
    return render(request, "explaining/contact.html", shown, status=400 if refusal else 200)


def read_day(asked: str, *, today: date) -> tuple[date, str]:
    """The day that was asked about, today where none was; and why it cannot be read."""
    try:
        return (calendar_date(asked, field="The day") if asked else today), ""
    except TextRefused as refusal:
        return today, refusal.sentence


def explained(contact_id: int, *, on: date, today: date) -> Explanation:
    settings, versions = wiring.scheduler_settings()
    if contact_id > HIGHEST_ID:
        raise Http404("no contact has such an id")
    try:
        return explain(contact_id, on=np.datetime64(on, "D"), day=np.datetime64(today, "D"), settings=settings, versions=versions)
    except Contact.DoesNotExist:
        raise Http404(f"there is no contact {contact_id}") from None


def legend(told: Explanation) -> list[tuple[str, str]]:
    """The shades that appear, and what they mean."""
    seen = set(told.days.values())
    return [(kind, capital(words)) for kind, words in KINDS.items() if words and kind in seen]


def mail_told(mail: dict[str, Any]) -> dict[str, Any]:
    state = state_of(mail)
    name = capital(mail_name(mail["email_type"]))
    return {
        "name": name,
        "date": date.fromisoformat(mail["date"]),
        "tone": TONES[state],
        "word": mail["status"].replace("pre-scheduled", "planned"),
    } | {key: mail[key] for key in ("sentence", "campaign_instance")}


def step_told(step: Step) -> dict[str, Any]:
    pairs = [(label(name), plain(value)) for name, value in {**step.inputs, **step.numbers}.items()]
    return {"title": step.title, "answer": step.answer, "pairs": pairs, "origin": capital(origin(step))}


def label(name: str) -> str:
    return capital(name.replace("_", " "))


def plain(value: Any) -> str:
    """What went into a rule, as people read it."""
    if value is None or value == [] or value == {}:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return ", ".join(f"{label(key)} {plain(part)}" for key, part in value.items())
    if isinstance(value, list):
        return ("; " if isinstance(value[0], dict) else ", ").join(plain(part) for part in value)
    return str(value)


def contact_url(contact: Contact) -> str:
    """The contact's own page, where this deployment has one."""
    try:
        return reverse("admin:campaigns_contact_change", args=[contact.pk])
    except NoReverseMatch:
        return ""
