"""Pages that say no, and who hears of it."""

import pytest
from django.contrib.auth.models import User
from django.test import Client

from messaging.models import SystemEvent

pytestmark = pytest.mark.django_db


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


def test_the_themes_own_search_cannot_be_broken_by_its_page_number():
    client = Client()
    client.force_login(User.objects.create_superuser("boss", password="x"))

    assert client.get("/admin/search/?s=x&page=abc").status_code == 302
