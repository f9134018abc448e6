"""Will this deployment work? What is wrong with its settings, said before it starts. Errors refuse the start of every command.

The checks of rows ask the database, so they run with `check --database default`, with `migrate` and before background work starts.
"""

import os
from ast import literal_eval
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from email.utils import parseaddr
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.core.validators import validate_email
from django.db import DatabaseError
from django_q.models import Failure, OrmQ, Schedule, Success

from campaigns.models import CampaignInstance
from messaging.gateways import cms, mail
from messaging.models import Mode
from portal import wiring
from portal.cadence import CADENCE
from portal.health import is_writable
from portal.one_machine import DEMO
from portal.quotes.gateways import ai

KEY_LENGTH = 50
LOOPBACK = {"127.0.0.1", "localhost", "::1"}
MOST_PER_HOUR = 1_000_000
MOST_SPENT = 100_000  # USD; also seconds
RESERVED = (".example", ".test", ".invalid", "@example.com", "@example.org", "@example.net")
Findings = Iterator[CheckMessage]


def found_by(*tags: str, deploy: bool = False) -> Callable[[Callable[..., Findings]], Callable[..., list[CheckMessage]]]:
    """Django runs the check and gets its findings as a list."""

    def wrap(check: Callable[..., Findings]) -> Callable[..., list[CheckMessage]]:
        return register(lambda **options: list(check(**options)), *tags, deploy=deploy)

    return wrap


def seconds(span: timedelta) -> float:
    return span.total_seconds()


def short(name: str) -> float:
    return settings.Q_CLUSTER[name]


def mail_cluster(name: str) -> float:
    return settings.Q_CLUSTER["ALT_CLUSTERS"]["mail"].get(name, settings.Q_CLUSTER[name])


NESTED: list[tuple[str, str, Callable[[], float], str, Callable[[], float]]] = [  # id, the shorter time, the longer one, in seconds
    ("E010", "a mail server's last answer", lambda: mail.REPLY_SECONDS, "MESSAGE_LEASE_SECONDS", lambda: seconds(settings.MESSAGE_LEASE)),
    (
        "E011",
        "asking the CMS for a note and adding it",
        lambda: 2 * (cms.CONNECT_SECONDS + cms.TOTAL_SECONDS),
        "NOTE_LEASE_SECONDS",
        lambda: seconds(settings.NOTE_LEASE),
    ),
    (
        "E012",
        "WORK_SLICE_SECONDS and one more mail",
        lambda: seconds(settings.WORK_SLICE) + seconds(settings.MESSAGE_LEASE),
        "the mail cluster's timeout",
        lambda: mail_cluster("timeout"),
    ),
    ("E013", "the mail cluster's timeout", lambda: mail_cluster("timeout"), "its retry", lambda: mail_cluster("retry")),
    ("E014", "the short cluster's timeout", lambda: short("timeout"), "its retry", lambda: short("retry")),
    ("E015", "three rings of the watchdog", lambda: 3, "CLUSTER_SILENT_AFTER_SECONDS", lambda: seconds(settings.CLUSTER_SILENT_AFTER)),
    (
        "E017",
        "one call of the AI",
        lambda: ai.CONNECT_SECONDS + ai.TOTAL_SECONDS + ai.READ_SECONDS,  # the clock is looked at between two reads
        "QUOTE_LOCK_SECONDS",
        lambda: seconds(settings.QUOTE_LOCK),
    ),
]


@found_by()
def check_secret_key(**_: Any) -> Findings:
    if not secret_key():
        yield Error("SECRET_KEY is not set.", hint=f"Set it to at least {KEY_LENGTH} random characters of its own.", id="portal.E001")


@found_by(deploy=True)
def check_secret_key_is_strong(**_: Any) -> Findings:
    if secret_key() and (len(secret_key()) < KEY_LENGTH or secret_key().startswith("django-insecure-")):
        yield Error(
            f"SECRET_KEY has {len(secret_key())} characters or begins with django-insecure-; background tasks are signed with it.",
            hint=f"Use at least {KEY_LENGTH} random characters. Let the queue run empty before you change it.",
            id="portal.E002",
        )


@found_by()
def check_mail(**_: Any) -> Findings:
    if settings.MAIL_MODE not in Mode.values:
        yield Error(f"MAIL_MODE is test or production; got {settings.MAIL_MODE!r}.", id="portal.E003")
    if not 1 <= settings.MAIL_MAX_ATTEMPTS <= 10:
        yield Error(f"MAIL_MAX_ATTEMPTS is 1 to 10; got {settings.MAIL_MAX_ATTEMPTS}.", id="portal.E004")
    if not 1 <= settings.MAIL_WORKERS <= 32:
        yield Error(f"MAIL_WORKERS is 1 to 32 processes per host; got {settings.MAIL_WORKERS}.", id="portal.E005")
    for name, value in [("MAIL_RATE_PER_SECOND", settings.MAIL_RATE_PER_SECOND), ("MAIL_PAUSE_SECONDS", settings.MAIL_PAUSE_SECONDS)]:
        if value < 0:
            yield Error(f"{name} is 0 or more; got {value}.", id="portal.E006")
    yield from bad_addresses("TEST_RECIPIENT", [settings.TEST_RECIPIENT])
    yield from bad_addresses("DEFAULT_FROM_EMAIL", [parseaddr(settings.DEFAULT_FROM_EMAIL)[1]])
    yield from bad_addresses("ADMIN_NOTIFY", settings.ADMIN_NOTIFY)


def bad_addresses(setting: str, addresses: Iterable[str]) -> Findings:
    for address in addresses:
        try:
            validate_email(address)
        except ValidationError:
            yield Error(f"{setting} holds {address!r}, which is not an e-mail address.", id="portal.E007")


@found_by()
def check_outside_world(**_: Any) -> Findings:
    """The addresses of mail servers, AI and CMS are understood. Their texts never show a password."""
    for build, hint in [
        (wiring.mail_servers, "EMAIL_URL and EMAIL_BACKUP_URLS look like smtp+tls://user:password@mail.example.com:587"),
        (wiring.assessor, "AI_URL looks like https://api.example.com/v1; the other AI_ settings are in the README."),
        (wiring.cms_client, "CMS_URL looks like https://cms.example.com/api; the other CMS_ settings are in the README."),
    ]:
        try:
            build()
        except ValueError as trouble:
            yield Error(f"{trouble}.", hint=hint, id="portal.E008")


@found_by()
def check_ai_spending(**_: Any) -> Findings:
    for name in ("AI_PRICE_IN", "AI_PRICE_OUT", "AI_DAILY_BUDGET", "AI_QUOTE_BUDGET", "AI_PAUSE_SECONDS"):
        if not 0 <= getattr(settings, name) <= MOST_SPENT:
            yield Error(f"{name} is 0 to {MOST_SPENT:,}; got {getattr(settings, name)}.", id="portal.E018")


@found_by()
def check_limits_let_somebody_in(**_: Any) -> Findings:
    for name in ("QUOTE_REQUESTS_PER_HOUR", "QUOTE_POSTS_PER_HOUR", "QUOTE_POSTS_OF_ALL_PER_HOUR"):
        if not 1 <= getattr(settings, name) <= MOST_PER_HOUR:
            yield Error(f"{name} is 1 to {MOST_PER_HOUR:,}; got {getattr(settings, name)}.", id="portal.E019")


@found_by(deploy=True)
def check_ai_has_a_price(**_: Any) -> Findings:
    if settings.AI_URL and not (settings.AI_PRICE_IN or settings.AI_PRICE_OUT):
        hint = "Set AI_PRICE_IN and AI_PRICE_OUT, in USD per million tokens."
        yield Warning("The AI costs nothing by its settings: the budgets would never be used up.", hint=hint, id="portal.W006")


@found_by()
def check_time_outs_nest(**_: Any) -> Findings:
    """A living worker is never overtaken by the one that would take its place."""
    for number, shorter, least, longer, most in NESTED:
        if least() >= most():
            yield Error(
                f"{shorter[0].upper()}{shorter[1:]} ({least():.0f} s) must be shorter than {longer} ({most():.0f} s).",
                hint="Otherwise work is done twice, or killed half-way.",
                id=f"portal.{number}",
            )
    for name, limit in [("short", short), ("mail", mail_cluster)]:
        if limit("queue_limit") != limit("workers") or limit("bulk") != 1:
            yield Error(f"The {name} cluster must take one task per worker (queue_limit = workers, bulk = 1).", id="portal.E016")


@found_by()
def check_faults(**_: Any) -> Findings:
    if os.environ.get("PORTAL_FAULTS") and not settings.DEBUG:
        yield Error("PORTAL_FAULTS is set: this portal would break on purpose.", hint="Unset it; it is for tests.", id="portal.E020")


@found_by()
def check_spool(**_: Any) -> Findings:
    if not is_writable(settings.SPOOL_DIR):
        yield Error(
            f"SPOOL_DIR {settings.SPOOL_DIR} cannot be written: what mail servers answer could not be kept while the database is away.",
            hint="Name a folder on a local disk that this user may write.",
            id="portal.E021",
        )


@found_by(deploy=True)
def check_task_admin(**_: Any) -> Findings:
    """Whoever may add a schedule may run any function of the server, so nobody may (Q11)."""
    if shown := [model.__name__ for model in (Schedule, Success, Failure, OrmQ) if admin.site.is_registered(model)]:
        yield Error(f"django-q2's admin pages are open: {', '.join(shown)}.", hint="Unregister them.", id="portal.E022")


@found_by(deploy=True)
def check_production(**_: Any) -> Findings:
    """Mail to customers is on: nothing may still point at the sandbox."""
    if settings.MAIL_MODE != Mode.PRODUCTION:
        return
    for setting, url in [("EMAIL_URL", settings.EMAIL_URL), ("CMS_URL", settings.CMS_URL), ("AI_URL", settings.AI_URL)]:
        if urlsplit(url).netloc.rpartition("@")[2] in ("127.0.0.1:8025", "127.0.0.1:8026"):
            yield Warning(f"MAIL_MODE is production, but {setting} is the sandbox: nobody would get anything.", id="portal.W001")
    for setting, text in [("DEFAULT_FROM_EMAIL", settings.DEFAULT_FROM_EMAIL), ("TEST_RECIPIENT", settings.TEST_RECIPIENT)]:
        if parseaddr(text)[1].endswith(RESERVED):
            yield Warning(
                f"MAIL_MODE is production, but {setting} is an invented address.", hint="Set it to one of yours.", id="portal.W002"
            )


@found_by(deploy=True)
def check_connections_are_closed_to_others(**_: Any) -> Findings:
    """Passwords, patients' names and tokens do not cross a network in the clear."""
    try:
        plain = [server.name for server in wiring.mail_servers() if not server.tls and server.host not in LOOPBACK]
    except ValueError:
        return
    if plain:
        yield Warning(f"Mail goes to {', '.join(plain)} without TLS.", hint="Use smtp+tls:// (STARTTLS) or smtps://.", id="portal.W003")
    cms_url = urlsplit(settings.CMS_URL)
    if cms_url.scheme == "http" and cms_url.hostname not in LOOPBACK:
        yield Warning("CMS_URL is http://: notes and token cross the network in the clear.", hint="Use https://.", id="portal.W004")
    ai_url = urlsplit(settings.AI_URL)
    if ai_url.scheme == "http" and ai_url.hostname not in LOOPBACK:
        yield Warning("AI_URL is http://: pictures and key cross the network in the clear.", hint="Use https://.", id="portal.W005")


@found_by(Tags.database)
def check_schedules(*, databases: Iterable[str] | None = None, **_: Any) -> Findings:
    """One row that django-q2 cannot read stops all of them (Q8); a row that is not ours may run anything (S-11)."""
    if not databases:
        return
    try:
        rows = list(Schedule.objects.order_by("pk"))
    except DatabaseError:
        return  # not migrated yet
    hint = "Run `manage.py sync_cadence`: it removes what is not in portal/cadence.py."
    for row in rows:
        if not is_literal(row.args):
            yield Error(f"Schedule {row.name or row.pk} cannot be read, so none would run.", hint=hint, id="portal.E030")
        elif CADENCE.get(row.name, ("",))[0] != row.func:
            yield Error(f"Schedule {row.name or row.pk} runs {row.func}, which is not in the cadence.", hint=hint, id="portal.E031")


@found_by(Tags.database, deploy=True)
def check_campaign_mails_can_leave(*, databases: Iterable[str] | None = None, **_: Any) -> Findings:
    """Whoever has campaigns needs what every campaign mail says."""
    try:
        if not databases or not CampaignInstance.objects.exists():
            return
    except DatabaseError:
        return  # not migrated yet
    if f".{urlsplit(settings.PLANS_URL).hostname}".endswith((".example.com", *RESERVED)):
        told = f"There are campaigns, but PLANS_URL is {settings.PLANS_URL!r}: their links lead nowhere."
        yield Warning(told, hint="Set PLANS_URL to the page where contacts look at plans.", id="portal.W007")
    if not settings.OFFICE_ADDRESS.strip():
        hint = "Set OFFICE_ADDRESS to the office's postal address."
        yield Warning("There are campaigns, but OFFICE_ADDRESS is empty: none of their mails is handed over.", hint=hint, id="portal.W008")


@found_by(Tags.database)
def check_demo_login(*, databases: Iterable[str] | None = None, **_: Any) -> Findings:
    """A login that everybody knows exists only while trying the portal out."""
    if not databases or (settings.DEBUG and settings.EMBEDDED_POSTGRES):
        return
    try:
        demo = get_user_model().objects.filter(username=DEMO, is_active=True).first()
    except DatabaseError:
        return  # not migrated yet
    if demo and demo.check_password(DEMO):
        hint = f"Delete the user {DEMO}, or run `manage.py changepassword {DEMO}`."
        yield Error(f"The login {DEMO} still has the password that everybody knows.", hint=hint, id="portal.E032")


def is_literal(text: str | None) -> bool:
    try:
        literal_eval(text or "None")
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return False
    return True


def secret_key() -> str:
    try:
        return settings.SECRET_KEY
    except ImproperlyConfigured:
        return ""
