"""The proof on a button."""

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from messaging.models import Message, SystemEvent

pytestmark = pytest.mark.django_db


def staff(*permissions: str) -> Client:
    user = User.objects.create_user("staff", password="x", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = Client()
    client.force_login(user)
    return client


def a_message_that_counts_a_try_it_never_made() -> None:
    facts = {"kind": "general", "is_test": False, "needs_note": False, "sender": "a@b.example", "recipient": "c@d.example"}
    Message.objects.create(key="k", message_id="<m@b.example>", subject="s", attempts=1, **facts)


def test_looking_at_the_page_asks_nothing_and_pressing_the_button_does():
    client = staff("view_systemevent")

    looked, pressed = client.get("/admin/proof/"), client.post("/admin/proof/")

    assert "Ask now" in looked.text
    assert "promises hold" not in looked.text
    assert "promises hold" in pressed.text


def test_a_broken_promise_is_named_with_its_rows_and_leaves_an_alarm():
    a_message_that_counts_a_try_it_never_made()

    answer = staff("view_systemevent").post("/admin/proof/").text

    assert "promises are broken" in answer
    assert "I-09" in answer
    assert SystemEvent.objects.alarms().filter(component="proof").count() == 1


def test_staff_without_the_permission_are_refused():
    assert staff().get("/admin/proof/").status_code == 403
