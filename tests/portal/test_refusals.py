"""Pages that say no, and who hears of it."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import InterfaceError, OperationalError
from django.test import Client
from django.utils import timezone

from campaigns.models import SchedulerRun
from messaging.models import SystemEvent
from portal import wiring
from portal.models import ConfigVersion
from portal.refusals import FORM
from tests.campaigns.rows import make_contact
from tests.portal.desk_rows import superuser
from tests.portal.test_states_page import put

pytestmark = pytest.mark.django_db
AWAY = [
    (OperationalError("connection refused"), 503, "Our records cannot be reached just now"),
    (InterfaceError("connection already closed"), 503, "Our records cannot be reached just now"),
    (ValueError("a mistake of ours"), 500, "The portal could not finish this"),
]


def test_staff_without_the_right_are_refused_and_the_refusal_is_an_event():
    client = Client()
    client.force_login(User.objects.create_user("clerk", password="x", is_staff=True))

    answer = client.get("/admin/messaging/message/")

    assert answer.status_code == 403
    assert "Your login may not do this" in answer.text
    assert SystemEvent.objects.get(component="access").text == "clerk was refused GET /admin/messaging/message/."


def test_those_with_the_right_leave_no_event():
    client = Client()
    client.force_login(User.objects.create_superuser("boss", password="x"))

    assert client.get("/admin/messaging/message/").status_code == 200
    assert not SystemEvent.objects.filter(component="access").exists()


def test_an_unknown_address_is_told_without_internals(client):
    answer = client.get("/nope")

    assert answer.status_code == 404
    assert "Traceback" not in answer.text


@pytest.mark.parametrize("charset", ["latin-1", "cp1252", "utf-16"])
@pytest.mark.parametrize("page", ["/quote/", "/admin/login/"])
@pytest.mark.parametrize("debug", [True, False])
def test_a_form_that_is_not_utf_8_is_told_so(settings, page, charset, debug):
    settings.DEBUG = debug
    told = Client(enforce_csrf_checks=True, raise_request_exception=False)

    answer = told.generic("POST", page, b"a=b", content_type=f"{FORM}; charset={charset}")

    assert (answer.status_code, "cannot read what it was sent" in answer.text) == (400, True)
    for same in ("UTF-8", "utf8", "us-ascii", "", "utf-99"):
        assert told.generic("POST", page, b"a=b", content_type=f"{FORM}; charset={same}").status_code == 403  # read, and without its token


def test_a_form_with_too_many_fields_is_told_so():
    told = Client(enforce_csrf_checks=True, raise_request_exception=False)
    told.cookies["csrftoken"] = "a" * 32

    fields = "&".join(f"a{n}=1" for n in range(20_000)).encode()
    answer = told.generic("POST", "/quote/", fields, content_type=FORM, headers={"X-CSRFToken": "a" * 32})

    assert (answer.status_code, "cannot read what it was sent" in answer.text) == (400, True)


@pytest.mark.parametrize(("trouble", "status", "words"), AWAY)
def test_a_page_without_the_database_says_when_to_come_again(monkeypatch, trouble, status, words):
    def fail(*_args, **_told):
        raise trouble

    monkeypatch.setattr("portal.contact_links.unsubscribing.unsubscribe", fail)
    token = wiring.links().unsubscribe(7).rstrip("/").rpartition("/")[2]

    answer = Client(raise_request_exception=False).post(f"/unsubscribe/{token}/", {"List-Unsubscribe": "One-Click"})

    assert (answer.status_code, answer.get("Retry-After")) == (status, "60" if status == 503 else None)
    assert words in answer.text
    assert "Traceback" not in answer.text


@pytest.mark.parametrize("debug", [False, True], ids=["deployed", "make run"])
def test_nobody_logs_in_without_the_database_and_is_told_so(monkeypatch, settings, debug):
    settings.DEBUG = debug
    monkeypatch.setattr("django.contrib.auth.backends.ModelBackend.authenticate", is_away)
    answer = Client(raise_request_exception=False).post("/admin/login/", {"username": "a", "password": "b"})

    assert (answer.status_code, answer["Retry-After"]) == (503, "60")


def is_away(*_args, **_told):
    raise OperationalError("connection refused")


def test_the_themes_own_search_cannot_be_broken_by_its_page_number():
    client = Client()
    client.force_login(User.objects.create_superuser("boss", password="x"))

    assert client.get("/admin/search/?s=x&page=abc").status_code == 302


@pytest.fixture
def rules_that_cannot_be_used():
    version, now = put(), timezone.now()
    ConfigVersion.objects.filter(pk=version.pk).update(in_force=(version.valid_from, now))
    ConfigVersion.objects.create(series=version.series, number=2, data={"ZZ": {}}, in_force=(now, None), note="old")


@pytest.mark.parametrize("page", ["campaigns/contact/{}/explain/", "campaigns/contact/{}/change/", "campaigns/emailschedule/"])
def test_a_page_that_needs_rules_which_cannot_be_used_says_which_and_what_to_do(rules_that_cannot_be_used, page):
    answer = superuser().get("/admin/" + page.format(make_contact(state="CA").pk))

    assert answer.status_code == 503
    assert "The rules in force cannot be used." in answer.text
    assert "State rules (state_rules, version 2)" in answer.text
    assert 'href="/admin/portal/configversion/"' in answer.text
    assert "Traceback" not in answer.text


def test_the_dashboard_says_it_beside_all_else(rules_that_cannot_be_used):
    make_contact(state="CA")

    answer = superuser().get("/admin/")

    assert answer.status_code == 200
    assert "State rules (state_rules, version 2)" in answer.text


def test_a_run_of_which_nothing_is_heard_needs_somebody():
    run = SchedulerRun.objects.create(day=timezone.localdate(), without_backup="A test")
    boss, noun = superuser(), "scheduler run does not get on"

    assert noun not in boss.get("/admin/").text
    SchedulerRun.objects.filter(pk=run.pk).update(heartbeat_at=timezone.now() - timedelta(minutes=3))
    assert noun in boss.get("/admin/").text
