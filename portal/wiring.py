"""The settings, read at the door and built into what the lower floors are told."""

import json
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from email.utils import parseaddr
from typing import Any

import numpy as np
from django.conf import settings
from django.utils import timezone

from campaigns import hand_over
from campaigns.impact import Impact, impact
from campaigns.importing.invariants import OF_IMPORTS
from campaigns.invariants import OF_SCHEDULES
from campaigns.links import Links
from campaigns.mail_writing import Office
from campaigns.settings import SchedulerSettings
from campaigns.state_table import states_concerned
from messaging import delivery, notes
from messaging.gateways.cms import CmsClient, HttpCms, ManualCms
from messaging.gateways.mail import MailServer, from_url
from messaging.invariants import Invariant
from messaging.models import Mode
from messaging.outbox import Sender
from messaging.retry import RetryPolicy
from portal import shutdown
from portal.config import kinds, scheduler
from portal.quotes import legs, pricing, retries
from portal.quotes.gateways.ai import AiService
from portal.quotes.gateways.assessors import Assessor
from portal.quotes.gateways.estimator import Estimator
from portal.quotes.invariants import of_quotes
from portal.quotes.replies import MailTerms
from portal.summaries.invariants import of_summaries

MANUAL = "manual:"
JSON_OPTIONS = ("headers", "body")


class ModeRefused(ValueError):
    """Production mail was asked for where this deployment sends test mail only."""


def mode(asked: Mode | None = None) -> Mode:
    """The mode that mail queued now gets: as asked, at most what MAIL_MODE allows, which is also the default."""
    allowed = Mode(settings.MAIL_MODE)
    if asked == Mode.PRODUCTION and allowed == Mode.TEST:
        raise ModeRefused(
            f"This portal is in test mode: every e-mail goes to {settings.TEST_RECIPIENT}. To write to customers, set MAIL_MODE=production."
        )
    return asked or allowed


def sender(asked: Mode | None = None) -> Sender:
    """How mail queued now leaves. Raises ModeRefused for production mail in a test deployment."""
    return Sender(
        address=settings.DEFAULT_FROM_EMAIL,
        mode=mode(asked),
        test_recipient=settings.TEST_RECIPIENT,
        max_attempts=settings.MAIL_MAX_ATTEMPTS,
    )


def mail_servers() -> list[MailServer]:
    """The servers in the order they are tried. A ValueError names the one whose address is not understood."""
    servers = [from_url(settings.EMAIL_URL, name="primary")]
    return servers + [from_url(url, name=f"backup-{number}") for number, url in enumerate(settings.EMAIL_BACKUP_URLS, start=1)]


def cms_client() -> CmsClient:
    """The case-management system of this deployment. A ValueError says what of its settings is not understood."""
    if settings.CMS_URL == MANUAL:
        return ManualCms()
    scheme, _, rest = settings.CMS_URL.partition("://")
    if scheme not in ("http", "https") or not rest:
        raise ValueError(f"CMS_URL is http://…, https://… or {MANUAL}; got scheme {scheme[:20]!r}")
    return HttpCms(url=settings.CMS_URL, token=settings.CMS_TOKEN, **cms_options())


def cms_options() -> dict[str, Any]:
    options: dict[str, Any] = dict(settings.CMS_OPTIONS)
    for name in JSON_OPTIONS:
        if name in options:
            options[name] = _names(options[name], setting=f"CMS_{name.upper()}")
    return options


def assessor() -> Assessor:
    """Who says what is to be taken away. A ValueError says what of its settings is not understood."""
    if not settings.AI_URL:
        return Estimator()
    scheme, _, rest = settings.AI_URL.partition("://")
    if scheme not in ("http", "https") or not rest:
        raise ValueError(f"AI_URL is http://…, https://… or empty; got scheme {scheme[:20]!r}")
    if not settings.AI_MODEL:
        raise ValueError("AI_MODEL is empty, and AI_URL is not: name the model to ask")
    return AiService(
        url=settings.AI_URL,
        api_key=settings.AI_API_KEY,
        model=settings.AI_MODEL,
        price_per_million_in=Decimal(str(settings.AI_PRICE_IN)),
        price_per_million_out=Decimal(str(settings.AI_PRICE_OUT)),
    )


def retry_policy() -> RetryPolicy:
    return RetryPolicy(max_tries=settings.MAIL_MAX_ATTEMPTS)


def mail_terms(*, pause_seconds: float | None = None, stop: Callable[[], bool] = shutdown.told) -> delivery.Terms:
    """How this deployment delivers; `pause_seconds` between two mails replaces the setting."""
    return delivery.Terms(
        servers=mail_servers(),
        policy=retry_policy(),
        lease=settings.MESSAGE_LEASE,
        spool_dir=settings.SPOOL_DIR,
        pause_seconds=settings.MAIL_PAUSE_SECONDS if pause_seconds is None else pause_seconds,
        rate_per_second=settings.MAIL_RATE_PER_SECOND,
        stop=stop,
    )


def note_terms(*, stop: Callable[[], bool] = shutdown.told) -> notes.Terms:
    """How this deployment posts notes."""
    return notes.Terms(
        client=cms_client(),
        lease=settings.NOTE_LEASE,
        settle=timedelta(seconds=settings.CMS_SETTLE_SECONDS),
        today=today(),
        pause_seconds=settings.CMS_PAUSE_SECONDS,
        stop=stop,
    )


def pricing_terms(*, stop: Callable[[], bool] = shutdown.told) -> pricing.Terms:
    """How this deployment prices quotes. A ValueError says what of its settings is not understood."""
    return pricing.Terms(
        assessor=assessor(),
        book=lambda: kinds.read_version("price_book", at=timezone.now(), environment=settings.CONFIG_ENVIRONMENT),
        mail=quote_mail_terms(),
        lock=settings.QUOTE_LOCK,
        today=today(),
        day_start=day_start(),
        daily_budget=Decimal(str(settings.AI_DAILY_BUDGET)),
        quote_budget=Decimal(str(settings.AI_QUOTE_BUDGET)),
        pause_seconds=settings.AI_PAUSE_SECONDS,
        stop=stop,
    )


def quote_mail_terms() -> MailTerms:
    """How this deployment writes about quotes: one try per round (reliability §7), and somebody is always told."""
    told = [address.strip() for address in settings.ADMIN_NOTIFY if address.strip()]
    return MailTerms(
        sender=replace(sender(), max_attempts=1),
        site_url=settings.SITE_URL,
        office=office(),
        admins=tuple(told) or (parseaddr(settings.DEFAULT_FROM_EMAIL)[1],),
    )


def retry_terms(*, pause_seconds: float, stop: Callable[[], bool] = shutdown.told) -> retries.Terms:
    """How this deployment tries the mails of quotes again."""
    return retries.Terms(mail=quote_mail_terms(), delivery=mail_terms(pause_seconds=0, stop=stop), pause_seconds=pause_seconds)


def scheduler_settings(*, at: datetime | None = None) -> tuple[SchedulerSettings, dict[str, int]]:
    """Every number of the campaign rules in force at that moment, now if untold; and by kind the version it comes from.

    Read from the database each time. Raises ConfigRefused if a version cannot be used any more.
    """
    return scheduler.in_force(at=at or timezone.now(), environment=settings.CONFIG_ENVIRONMENT)


def impact_of(kind: str, data: Any, *, at: datetime, environment: str) -> Impact | None:
    """What the plan of today would be with this data; None where the kind, or the environment, has nothing to do with plans made here.

    Raises ConfigRefused where what holds besides cannot be used.
    """
    ours = settings.CONFIG_ENVIRONMENT
    if not kinds.kind_named(kind).is_of_scheduler or environment not in ("", ours):
        return None
    old, new = scheduler.without_and_with(kind, data, at=at, environment=ours, is_own=bool(environment))
    return impact(old=old, new=new, day=np.datetime64(today(), "D"))


def newly_ignoring_windows(kind: str, data: Any, *, at: datetime, environment: str) -> str:
    """Which campaign types would write on excluded days once this data holds and do not now, and in which states; empty where none would.

    Raises ConfigRefused where what holds besides cannot be used.
    """
    ours = settings.CONFIG_ENVIRONMENT
    if kind != "campaign_types" or environment not in ("", ours):
        return ""
    old, new = scheduler.without_and_with(kind, data, at=at, environment=ours, is_own=bool(environment))
    names = sorted(new.types_ignoring_windows - old.types_ignoring_windows)
    return f"{', '.join(names)} would ignore exclusion windows. {states_concerned(new).sentence}" if names else ""


def run_safety() -> dict[str, Any]:
    """Where a run backs up what it may change before it begins; or that this deployment does not."""
    if settings.BACKUP_BEFORE_RUN:
        return {"backup_to": settings.BACKUP_DIR.resolve()}
    return {"without_backup": "BACKUP_BEFORE_RUN is off"}


def hand_over_terms(*, seconds: float) -> hand_over.Terms:
    """How this deployment writes to contacts, by the rules of this moment; no batch is begun after so many seconds."""
    ends_at = time.monotonic() + seconds
    return hand_over.Terms(
        sender=sender(),
        settings=scheduler_settings()[0],
        links=links(),
        office=Office(name=settings.OFFICE_NAME, phone=settings.OFFICE_PHONE, address=settings.OFFICE_ADDRESS, plans_url=plans_url()),
        now=timezone.now(),
        stop=lambda: shutdown.told() or time.monotonic() > ends_at,
    )


def plans_url() -> str:
    """The page where contacts look at plans."""
    return settings.PLANS_URL


def links() -> Links:
    """The signed addresses in campaign mails. They outlive a change of SECRET_KEY where LINK_KEY is set, or the old key is told."""
    return Links(
        site_url=settings.SITE_URL,
        key=settings.LINK_KEY or settings.SECRET_KEY,
        old_keys=tuple(map(str, [*settings.LINK_OLD_KEYS, *settings.SECRET_KEY_FALLBACKS])),
    )


def mail_servers_down() -> str:
    """Why no mail can leave at present; empty while one of our servers may be used."""
    return legs.servers_down([server.name for server in mail_servers()])


def invariants() -> list[Invariant]:
    """What this floor promises beyond the record's own invariants."""
    return [*of_quotes(lock=settings.QUOTE_LOCK), *of_summaries(), *OF_SCHEDULES, *OF_IMPORTS]


def office(by: Any = None) -> dict[str, str]:
    """Who signs a mail, by the names of `merge_fields.Sender`: the person `by`, or the office where nobody is known."""
    return {
        "name": (by.get_full_name() if by else "") or settings.OFFICE_NAME,
        "office_name": settings.OFFICE_NAME,
        "office_phone": settings.OFFICE_PHONE,
        "office_address": settings.OFFICE_ADDRESS,
    }


def today() -> date:
    """The office's date."""
    return timezone.localdate()


def day_start() -> datetime:
    """When the office's day began."""
    return timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)


def _names(text: str, *, setting: str) -> dict[str, str]:
    try:
        told = json.loads(text)
    except ValueError as trouble:
        raise ValueError(f"{setting} is not JSON: {trouble}") from trouble
    if not isinstance(told, dict) or not all(isinstance(value, str) for value in told.values()):
        raise ValueError(f'{setting} is a JSON object of texts, such as {{"X-Office": "7"}}')
    return told
