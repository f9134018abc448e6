"""Our own checks of a deployment: each names what is wrong, and stays silent about its valid twin."""

import os
import secrets
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings as project
from django.contrib import admin
from django.core.checks import run_checks
from django_q.models import Failure, OrmQ, Schedule, Success

from campaigns.models import CampaignInstance, CampaignType
from portal import cadence

MAIL = {"timeout": 1800, "retry": 5400, "workers": 4, "queue_limit": 4}
PRODUCTION = {
    "MAIL_MODE": "production",
    "EMAIL_URL": "smtp+tls://user:pass-word@mail.office.com:587",
    "CMS_URL": "https://cms.office.com/api",
    "DEFAULT_FROM_EMAIL": "Office <office@office.com>",
    "TEST_RECIPIENT": "inbox@office.com",
}

CASES = [  # the finding, the settings that are refused, the twin that is accepted
    ("E002", {"SECRET_KEY": "x" * 49}, {"SECRET_KEY": "x" * 50}),
    ("E002", {"SECRET_KEY": "django-insecure-" + "x" * 50}, {"SECRET_KEY": "insecure-django-" + "x" * 50}),
    ("E003", {"MAIL_MODE": "live"}, {"MAIL_MODE": "production"}),
    ("E003", {"MAIL_MODE": ""}, {"MAIL_MODE": "test"}),
    ("E004", {"MAIL_MAX_ATTEMPTS": 0}, {"MAIL_MAX_ATTEMPTS": 1}),
    ("E004", {"MAIL_MAX_ATTEMPTS": 11}, {"MAIL_MAX_ATTEMPTS": 10}),
    ("E005", {"MAIL_WORKERS": 0}, {"MAIL_WORKERS": 1}),
    ("E006", {"MAIL_RATE_PER_SECOND": -1.0}, {"MAIL_RATE_PER_SECOND": 0.0}),
    ("E006", {"MAIL_PAUSE_SECONDS": -0.1}, {"MAIL_PAUSE_SECONDS": 2.0}),
    ("E007", {"TEST_RECIPIENT": "inbox"}, {"TEST_RECIPIENT": "inbox@office.example"}),
    ("E007", {"TEST_RECIPIENT": "a@b.example\nBcc: c@d.example"}, {"TEST_RECIPIENT": "a@b.example"}),
    ("E007", {"DEFAULT_FROM_EMAIL": "Office"}, {"DEFAULT_FROM_EMAIL": "Office <office@office.example>"}),
    ("E007", {"ADMIN_NOTIFY": ["a@office.example", "b"]}, {"ADMIN_NOTIFY": ["a@office.example", "b@office.example"]}),
    ("E008", {"EMAIL_URL": "mail.office.com:587"}, {"EMAIL_URL": "smtp+tls://mail.office.com:587"}),
    ("E008", {"EMAIL_URL": "smtp://mail.office.com:port"}, {"EMAIL_URL": "smtp://mail.office.com:25"}),
    ("E008", {"EMAIL_BACKUP_URLS": ["http://b.office.com"]}, {"EMAIL_BACKUP_URLS": ["smtps://b.office.com"]}),
    ("E008", {"CMS_URL": "cms.office.com"}, {"CMS_URL": "https://cms.office.com"}),
    ("E008", {"CMS_URL": "manual"}, {"CMS_URL": "manual:"}),
    ("E008", {"CMS_OPTIONS": {"headers": "X-Office: 7"}}, {"CMS_OPTIONS": {"headers": '{"X-Office": "7"}'}}),
    ("E008", {"AI_URL": "ai.office.com/v1", "AI_MODEL": "m"}, {"AI_URL": "https://ai.office.com/v1", "AI_MODEL": "m"}),
    ("E008", {"AI_URL": "https://ai.office.com/v1", "AI_MODEL": ""}, {"AI_URL": "", "AI_MODEL": ""}),
    (
        "E008",
        {"AI_URL": "https://a.b", "AI_MODEL": "m", "AI_API_KEY": "a b"},
        {"AI_URL": "https://a.b", "AI_MODEL": "m", "AI_API_KEY": "ab"},
    ),
    ("E010", {"MESSAGE_LEASE": timedelta(seconds=600)}, {"MESSAGE_LEASE": timedelta(seconds=660)}),
    ("E011", {"NOTE_LEASE": timedelta(seconds=70)}, {"NOTE_LEASE": timedelta(seconds=120)}),
    ("E012", {"WORK_SLICE": timedelta(seconds=1140)}, {"WORK_SLICE": timedelta(seconds=1139)}),
    ("E013", {"Q_CLUSTER": {"ALT_CLUSTERS": {"mail": MAIL | {"retry": 1800}}}}, {"Q_CLUSTER": {"ALT_CLUSTERS": {"mail": MAIL}}}),
    ("E014", {"Q_CLUSTER": {"timeout": 600}}, {"Q_CLUSTER": {"timeout": 599}}),
    ("E015", {"CLUSTER_SILENT_AFTER": timedelta(seconds=3)}, {"CLUSTER_SILENT_AFTER": timedelta(seconds=4)}),
    ("E016", {"Q_CLUSTER": {"queue_limit": 3}}, {"Q_CLUSTER": {"queue_limit": 2}}),
    ("E016", {"Q_CLUSTER": {"bulk": 10}}, {"Q_CLUSTER": {"bulk": 1}}),
    ("E017", {"QUOTE_LOCK": timedelta(seconds=910)}, {"QUOTE_LOCK": timedelta(seconds=911)}),
    ("E018", {"AI_DAILY_BUDGET": -0.1}, {"AI_DAILY_BUDGET": 0.0}),
    ("E018", {"AI_PRICE_IN": float("nan")}, {"AI_PRICE_IN": 0.15}),
    ("E018", {"AI_PAUSE_SECONDS": float("inf")}, {"AI_PAUSE_SECONDS": 1.0}),
    ("E021", {"SPOOL_DIR": Path("/proc/nothing/here")}, {}),
    ("W001", PRODUCTION | {"EMAIL_URL": "smtp://127.0.0.1:8025"}, PRODUCTION),
    ("W001", PRODUCTION | {"CMS_URL": "http://127.0.0.1:8026/cms"}, PRODUCTION | {"CMS_URL": "manual:"}),
    ("W001", PRODUCTION | {"EMAIL_URL": "smtp://127.0.0.1:8025"}, PRODUCTION | {"EMAIL_URL": "smtp://127.0.0.1:8025", "MAIL_MODE": "test"}),
    ("W002", PRODUCTION | {"DEFAULT_FROM_EMAIL": "office@portal.example"}, PRODUCTION),
    ("W002", PRODUCTION | {"TEST_RECIPIENT": "a@example.com"}, PRODUCTION | {"TEST_RECIPIENT": "a@anexample.com"}),
    ("W003", {"EMAIL_URL": "smtp://mail.office.com"}, {"EMAIL_URL": "smtp://127.0.0.1:25"}),
    ("W001", PRODUCTION | {"AI_URL": "http://127.0.0.1:8026/ai/v1"}, PRODUCTION | {"AI_URL": ""}),
    ("W005", {"AI_URL": "http://ai.office.com/v1"}, {"AI_URL": "http://localhost:9000/v1"}),
    ("W006", {"AI_URL": "https://ai.office.com/v1"}, {"AI_URL": "https://ai.office.com/v1", "AI_PRICE_OUT": 0.6}),
    ("W004", {"CMS_URL": "http://cms.office.com"}, {"CMS_URL": "http://localhost:9000/cms"}),
]


@pytest.fixture(autouse=True)
def a_spool_of_its_own(settings, tmp_path):
    settings.SPOOL_DIR = tmp_path / "spool"


def findings(*, databases: list[str] | None = None) -> list[str]:
    found = run_checks(include_deployment_checks=True, databases=databases)
    return sorted(finding.id.removeprefix("portal.") for finding in found if (finding.id or "").startswith("portal."))


def findings_about_schedules() -> list[str]:
    return [number for number in findings(databases=["default"]) if number.startswith("E03")]


def tell(settings, told: dict[str, object]) -> None:
    for name, value in told.items():
        setattr(settings, name, project.Q_CLUSTER | value if name == "Q_CLUSTER" else value)


@pytest.mark.parametrize(("number", "refused", "accepted"), CASES)
def test_each_wrong_setting_is_named_and_its_twin_is_not(settings, number, refused, accepted):
    before = {name: getattr(settings, name) for name in refused}

    tell(settings, refused)
    assert number in findings()

    tell(settings, before | accepted)
    assert number not in findings()


def test_a_missing_secret_key_is_named_without_a_traceback(settings):
    settings.SECRET_KEY = ""

    assert "E001" in findings()


def test_no_finding_shows_a_password_or_a_token(settings):
    tell(settings, {"EMAIL_URL": "smtp://user:pass-word@mail.office.com:port", "CMS_URL": "ftp://:pass-word@cms", "CMS_TOKEN": "pass-word"})

    told = [str(finding) for finding in run_checks(include_deployment_checks=True)]

    assert any("E008" in finding for finding in told)
    assert not any("pass-word" in finding for finding in told)


@pytest.mark.parametrize(("debug", "faults", "refused"), [(False, "mail.after_body=kill", True), (True, "x", False), (False, "", False)])
def test_injected_faults_are_refused_outside_development(settings, monkeypatch, debug, faults, refused):
    settings.DEBUG = debug
    monkeypatch.setenv("PORTAL_FAULTS", faults)

    assert ("E020" in findings()) == refused


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("row", "number"),
    [
        ({"name": "Send due messages", "func": "portal.tasks.send_due_messages"}, None),
        ({"name": "Send due messages", "func": "portal.tasks.send_due_messages", "args": "1, 'two'"}, None),
        ({"name": "Send due messages", "func": "portal.tasks.send_due_messages", "args": "1, two"}, "E030"),
        ({"name": "Send due messages", "func": "portal.tasks.send_due_messages", "args": "[1"}, "E030"),
        ({"name": "Send due messages", "func": "os.system"}, "E031"),
        ({"name": "Backdoor", "func": "portal.tasks.send_due_messages"}, "E031"),
    ],
)
def test_a_schedule_that_cannot_be_read_or_is_not_ours_is_named_until_the_cadence_is_synced(row, number):
    Schedule.objects.create(**row)

    assert findings_about_schedules() == ([number] if number else [])
    cadence.sync()
    assert findings_about_schedules() == []


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("password", "debug", "embedded", "refused"),
    [
        ("demo", False, False, True),
        ("demo", False, True, True),
        ("demo", True, False, True),
        ("demo", True, True, False),
        ("another-password", False, False, False),
    ],
)
def test_the_demo_login_is_refused_outside_of_trying_out(settings, django_user_model, password, debug, embedded, refused):
    settings.DEBUG, settings.EMBEDDED_POSTGRES = debug, embedded
    django_user_model.objects.create_user("demo", password=password)

    assert ("E032" in findings(databases=["default"])) == refused


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("number", "refused", "accepted"),
    [
        ("W007", {"PLANS_URL": "https://www.example.com/plans"}, {"PLANS_URL": "https://www.anexample.com/plans"}),
        ("W007", {"PLANS_URL": "https://plans.example/"}, {"PLANS_URL": "https://plans.office.com/"}),
        ("W008", {"OFFICE_ADDRESS": " "}, {"OFFICE_ADDRESS": "1 Main Street, Chicago, IL 60601"}),
    ],
)
def test_what_campaign_mails_cannot_do_without_is_named_once_there_are_campaigns(settings, number, refused, accepted):
    tell(settings, refused)
    assert number not in findings(databases=["default"])

    CampaignInstance.objects.create(campaign_type=CampaignType.objects.get(name="rate_increase"), name="Spring letter")
    assert number in findings(databases=["default"])

    tell(settings, accepted)
    assert number not in findings(databases=["default"])


@pytest.mark.parametrize("model", [Schedule, Success, Failure, OrmQ])
def test_nobody_can_reach_the_rows_that_run_code_through_the_admin(model):
    assert not admin.site.is_registered(model)


def test_the_documented_production_settings_pass_every_check_of_django_and_ours(tmp_path):
    told = PRODUCTION | {
        "SECRET_KEY": secrets.token_urlsafe(50),
        "ALLOWED_HOSTS": "portal.office.com",
        "SITE_URL": "https://portal.office.com",
        "ADMIN_NOTIFY": "office@office.com",
        "SPOOL_DIR": str(tmp_path),
        "DATABASE_URL": "postgres://portal@127.0.0.1:1/nothing",  # settings alone are looked at
    }
    inherited = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG")}
    check = [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"]

    done = subprocess.run(check, cwd=project.BASE_DIR, env=inherited | told, capture_output=True, text=True, check=False)

    assert (done.stderr, done.returncode) == ("", 0)
    assert "no issues" in done.stdout
