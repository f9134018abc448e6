"""Every knob of the portal, once, with its default and its unit in the name. Values come from the environment or `.env`."""

import socket
import zoneinfo
from datetime import timedelta
from pathlib import Path

from csp.constants import NONE, SELF, UNSAFE_EVAL, UNSAFE_INLINE
from django.templatetags.static import static
from django.urls import reverse_lazy

from portal import embedded_postgres, local_secret, structured_logs
from portal.environment import Environment

BASE_DIR = Path(__file__).resolve().parent.parent
VAR_DIR = BASE_DIR / "var"  # what the portal writes on this machine: never in git, never shared between hosts

env = Environment()
env.read_env(BASE_DIR / ".env", overwrite=False)

# --- the deployment --------------------------------------------------------------------------------------------------

DEBUG = env.bool("DEBUG", default=False)
DATABASE_URL = env.str("DATABASE_URL", default="")
EMBEDDED_POSTGRES = not DATABASE_URL  # a portal on its own machine, with its own database and its own secret
SECRET_KEY = env.str("SECRET_KEY", default="") or (local_secret.key(VAR_DIR / "secret_key") if EMBEDDED_POSTGRES else "")
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])
SITE_URL = env.str("SITE_URL", default="http://127.0.0.1:8000").rstrip("/")
HTTPS = SITE_URL.startswith("https://")

CONFIG_ENVIRONMENT = env.str("CONFIG_ENVIRONMENT", default="production")  # whose versions of the configuration hold here

ROOT_URLCONF = "portal.urls"
WSGI_APPLICATION = "portal.wsgi.application"
ASGI_APPLICATION = "portal.asgi.application"

INSTALLED_APPS = [
    "unfold",
    "unfold.contrib.filters",
    "unfold.contrib.import_export",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "django.contrib.postgres",
    "axes",
    "csp",
    "django_q",
    "import_export",
    "messaging",
    "campaigns",
    "portal",
]

MIDDLEWARE = [
    "portal.structured_logs.names_requests",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "portal.refusals.Charset",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "axes.middleware.AxesMiddleware",
    "portal.refusals.Unusable",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    }
]

# --- the database ----------------------------------------------------------------------------------------------------

HOST_NAME = env.str("HOST_NAME", default="") or socket.gethostname()  # this machine, in PostgreSQL's list of who is connected
DATABASES = {"default": env.db_url("DATABASE_URL") if DATABASE_URL else embedded_postgres.database(VAR_DIR / "postgres")}
DATABASES["default"] |= {"CONN_MAX_AGE": 60, "CONN_HEALTH_CHECKS": True}
# A silent peer must become an error, never a wait without end (reliability §2.1).
DATABASES["default"].setdefault("OPTIONS", {})
DATABASES["default"]["OPTIONS"] |= {
    "application_name": f"portal@{HOST_NAME}",
    "connect_timeout": 5,
    "keepalives_idle": 15,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
    "options": f"-c jit=off -c statement_timeout={env.int('DATABASE_STATEMENT_TIMEOUT_SECONDS', default=60)}s"
    " -c idle_in_transaction_session_timeout=60s -c client_connection_check_interval=10s",
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- mail ------------------------------------------------------------------------------------------------------------

MAIL_MODE = env.str("MAIL_MODE", default="test")  # a ceiling: with `test`, nothing reaches a customer whatever is asked
TEST_RECIPIENT = env.str("TEST_RECIPIENT", default="test-inbox@portal.example")
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", default="Operations Portal <office@portal.example>")
ADMIN_NOTIFY = env.list("ADMIN_NOTIFY", default=[])
OFFICE_NAME = env.str("OFFICE_NAME", default="Operations Portal")  # what templates say about us
OFFICE_PHONE = env.str("OFFICE_PHONE", default="312-555-0100" if EMBEDDED_POSTGRES else "")  # without it no template that names it is sent
OFFICE_ADDRESS = env.str("OFFICE_ADDRESS", default="1 Example Plaza, Chicago, IL 60601" if EMBEDDED_POSTGRES else "")
PLANS_URL = env.str("PLANS_URL", default="https://www.example.com/plans")  # where campaign mails send contacts to look at plans
LINK_KEY = env.str("LINK_KEY", default="")  # signs the links in campaign mails; empty: SECRET_KEY
LINK_OLD_KEYS = env.list("LINK_OLD_KEYS", default=[])  # what these have signed still works
EMAIL_URL = env.str("EMAIL_URL", default="smtp://127.0.0.1:8025")  # the sandbox
EMAIL_BACKUP_URLS = env.list("EMAIL_BACKUP_URLS", default=[])  # tried in this order when the first one is down
MAIL_RATE_PER_SECOND = env.float("MAIL_RATE_PER_SECOND", default=0.0)  # per provider, shared by all workers; 0 = no limit
MAIL_PAUSE_SECONDS = env.float("MAIL_PAUSE_SECONDS", default=0.0)  # between two mails of one worker; the seed's is 2
MAIL_MAX_ATTEMPTS = env.int("MAIL_MAX_ATTEMPTS", default=3)  # within a round, 1-10
MESSAGE_LEASE = timedelta(seconds=env.int("MESSAGE_LEASE_SECONDS", default=660))  # longer than the final dot's 600 s
WORK_SLICE = timedelta(seconds=env.int("WORK_SLICE_SECONDS", default=50))  # a task works this long, then makes room

MAIL_HOOK_SECRET = env.str("MAIL_HOOK_SECRET", default="")  # name:password that providers put into the address of /hooks/mail/<provider>/
MAILGUN_WEBHOOK_SIGNING_KEY = env.str("MAILGUN_WEBHOOK_SIGNING_KEY", default="")
ANYMAIL = {"WEBHOOK_SECRET": MAIL_HOOK_SECRET, "MAILGUN_WEBHOOK_SIGNING_KEY": MAILGUN_WEBHOOK_SIGNING_KEY}

# --- the case-management system --------------------------------------------------------------------------------------

CMS_URL = env.str("CMS_URL", default="http://127.0.0.1:8026/cms")  # the sandbox; `manual:` = an operator pastes and confirms
CMS_TOKEN = env.str("CMS_TOKEN", default="")
CMS_PAUSE_SECONDS = env.float("CMS_PAUSE_SECONDS", default=0.0)  # between two notes; a real CMS wants 1
CMS_OPTIONS = {  # how another CMS differs from the sandbox: paths, names, places in its answers (README, "Connect your CMS")
    name: env.str(f"CMS_{name.upper()}")
    for name in (
        *("headers", "add_path", "body", "date_format", "key_header", "id_at"),
        *("find_path", "notes_at", "note_id_at", "note_pid_at", "note_reference_at"),
    )
    if f"CMS_{name.upper()}" in env.ENVIRON
}
CMS_SETTLE_SECONDS = env.int("CMS_SETTLE_SECONDS", default=120)  # before looking for a note whose answer was lost
NOTE_LEASE = timedelta(seconds=env.int("NOTE_LEASE_SECONDS", default=120))  # longer than look-up and post together

# --- who says what a customer wants taken away -----------------------------------------------------------------------

AI_URL = env.str("AI_URL", default="")  # an OpenAI-compatible address, such as https://api.openai.com/v1; empty = the built-in estimator
AI_API_KEY = env.str("AI_API_KEY", default="")
AI_MODEL = env.str("AI_MODEL", default="")
AI_PRICE_IN = env.float("AI_PRICE_IN", default=0.0)  # USD per million tokens
AI_PRICE_OUT = env.float("AI_PRICE_OUT", default=0.0)
AI_DAILY_BUDGET = env.float("AI_DAILY_BUDGET", default=10.0)  # USD per day of the office; a call that might exceed it is not made
AI_QUOTE_BUDGET = env.float("AI_QUOTE_BUDGET", default=0.5)  # USD per quote
AI_PAUSE_SECONDS = env.float("AI_PAUSE_SECONDS", default=1.0 if AI_URL else 0.0)  # between two calls
QUOTE_POSTS_PER_HOUR = env.int("QUOTE_POSTS_PER_HOUR", default=60)  # of one address, at the customers' pages; refused ones count
QUOTE_POSTS_OF_ALL_PER_HOUR = env.int("QUOTE_POSTS_OF_ALL_PER_HOUR", default=600)
QUOTE_REQUESTS_PER_HOUR = env.int("QUOTE_REQUESTS_PER_HOUR", default=10)  # of one address, that become quotes
QUOTE_LOCK = timedelta(seconds=env.int("QUOTE_LOCK_SECONDS", default=1800))  # longer than one call of the AI

# --- where facts wait, and what keeps them ---------------------------------------------------------------------------

SPOOL_DIR = Path(env.str("SPOOL_DIR", default=str(VAR_DIR / "spool")))
BACKUP_DIR = Path(env.str("BACKUP_DIR", default=str(VAR_DIR / "backups")))
BACKUP_BEFORE_RUN = env.bool("BACKUP_BEFORE_RUN", default=True)  # off only where something else does it; each run notes that
MEDIA_ROOT = Path(env.str("MEDIA_ROOT", default=str(VAR_DIR / "media")))
METRICS_TOKEN = env.str("METRICS_TOKEN", default="")  # what /metrics asks for; empty = anybody who reaches it
SANDBOX_URL = env.str("SANDBOX_URL", default="http://127.0.0.1:8026")  # the sandbox's mailbox and control pages

# --- background work: a doorbell, not the queue (reliability §7) -----------------------------------------------------

CLUSTER_SILENT_AFTER = timedelta(seconds=env.int("CLUSTER_SILENT_AFTER_SECONDS", default=60))
MAIL_WORKERS = env.int("MAIL_WORKERS", default=2)  # processes of this host that send at the same time
# One place each: notes, quotes, bulk actions, imports, hand-over, runs, and what comes by night; one is free to answer the watchdog.
_MAIL_CLUSTER = MAIL_WORKERS + 8
Q_CLUSTER = {
    "name": "short",
    "label": "Background tasks",
    "orm": "default",
    "broker_class": "portal.doorbell.Doorbell",
    "workers": 2,
    "queue_limit": 2,
    "bulk": 1,
    "timeout": 120,
    "retry": 600,
    "max_attempts": 1,
    "ack_failures": True,
    "catch_up": False,
    "save_limit": -1,
    "recycle": 200,
    "poll": 1,
    "log_level": env.str("CLUSTER_LOG_LEVEL", default="WARNING"),
    "ALT_CLUSTERS": {"mail": {"timeout": 1800, "retry": 5400, "workers": _MAIL_CLUSTER, "queue_limit": _MAIL_CLUSTER}},
}

# --- log lines ---------------------------------------------------------------------------------------------------------

LOGGING = structured_logs.settings(
    as_json=env.bool("LOG_AS_JSON", default=not DEBUG),
    level=env.str("LOG_LEVEL", default="WARNING"),
)

# --- staff -----------------------------------------------------------------------------------------------------------

AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator", "NumericPasswordValidator")
]
LOGIN_URL = reverse_lazy("admin:login")
LOGIN_REDIRECT_URL = reverse_lazy("admin:index")
AXES_FAILURE_LIMIT = 10
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_IPWARE_PROXY_COUNT = env.int("PROXY_COUNT", default=0)
AXES_CLIENT_IP_CALLABLE = "portal.rate_limits.address_behind_our_proxies"
SESSION_COOKIE_AGE = 12 * 60 * 60  # seconds: a working day
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
SECURE_SSL_REDIRECT = env.bool("SECURE_SSL_REDIRECT", default=HTTPS)
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if AXES_IPWARE_PROXY_COUNT else None
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$"]  # asked from inside, without TLS
SECURE_HSTS_SECONDS = env.int("SECURE_HSTS_SECONDS", default=31_536_000 if HTTPS else 0)
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = HTTPS
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"  # a mail's preview, which is shown in a frame of its own, says otherwise for itself
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "script-src": [SELF, UNSAFE_EVAL],  # the admin theme's Alpine evaluates its attributes
        "style-src": [SELF, UNSAFE_INLINE],
        "img-src": [SELF, "data:"],
        "frame-ancestors": [NONE],
        "object-src": [NONE],
        "base-uri": [SELF],
        "form-action": [SELF],
    }
}

IMPORT_EXPORT_IMPORT_PERMISSION_CODE = "import"
IMPORT_EXPORT_EXPORT_PERMISSION_CODE = "view"
IMPORT_EXPORT_ESCAPE_FORMULAE_ON_EXPORT = True
DATA_UPLOAD_MAX_NUMBER_FIELDS = 5_000
DATA_UPLOAD_MAX_MEMORY_SIZE = FILE_UPLOAD_MAX_MEMORY_SIZE = 5 * 1024 * 1024

# --- the desk's looks ------------------------------------------------------------------------------------------------

UNFOLD = {
    "SITE_TITLE": "Operations portal",
    "SITE_HEADER": "Operations portal",
    "SITE_SYMBOL": "mark_email_read",
    "SITE_URL": None,
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": lambda request: static("portal/icon.svg")}],
    "SHOW_VIEW_ON_SITE": False,
    "SHOW_BACK_BUTTON": True,
    "BORDER_RADIUS": "8px",
    "ENVIRONMENT": "portal.dashboard.banner.environment",
    "DASHBOARD_CALLBACK": "portal.dashboard.views.gather",
    "STYLES": [lambda request: static("portal/desk.css")],
    "SCRIPTS": [lambda request: static("portal/desk.js")],
    "SIDEBAR": {"show_search": False, "show_all_applications": False, "navigation": "portal.admin.navigation.sections"},
    "COLORS": {  # one blue, deep enough for white text on it
        "primary": {
            "50": "#eff6ff",
            "100": "#dbeafe",
            "200": "#bfdbfe",
            "300": "#93c5fd",
            "400": "#60a5fa",
            "500": "#3b82f6",
            "600": "#2563eb",
            "700": "#1d4ed8",
            "800": "#1e40af",
            "900": "#1e3a8a",
            "950": "#172554",
        }
    },
}

# --- language, time, files -------------------------------------------------------------------------------------------

LANGUAGE_CODE = "en-us"
zoneinfo.reset_tzpath(to=())  # the zones of the package tzdata, on every host the same
TIME_ZONE = env.zone("TIME_ZONE", default="America/Chicago")
USE_TZ = True
USE_I18N = False
STATIC_URL = "static/"
STATIC_ROOT = VAR_DIR / "static"
STATICFILES_DIRS = [BASE_DIR / "portal" / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}
WHITENOISE_USE_FINDERS = DEBUG
