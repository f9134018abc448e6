"""Staff, suppressions and what only a superuser may do."""

import pytest
from django.contrib.auth.models import Group, User

from messaging.models import Suppression, SystemEvent
from tests.portal.desk_rows import staff, superuser

pytestmark = pytest.mark.django_db


def test_whoever_edits_staff_cannot_give_rights_to_anybody():
    client = staff("auth.view_user", "auth.change_user", name="editor")
    plain = User.objects.create_user("plain", is_staff=False)
    facts = {"username": "plain", "first_name": "New", "is_active": "on", "is_staff": "on", "is_superuser": "on"}

    client.post(f"/admin/auth/user/{plain.pk}/change/", facts | {"date_joined_0": "2026-01-01", "date_joined_1": "00:00"})

    plain.refresh_from_db()
    assert (plain.first_name, plain.is_staff, plain.is_superuser) == ("New", False, False)


def test_whoever_edits_staff_cannot_change_a_superuser_or_their_password():
    client = staff("auth.view_user", "auth.change_user", name="editor")
    boss = User.objects.create_superuser("boss")

    assert client.post(f"/admin/auth/user/{boss.pk}/change/", {"username": "x"}).status_code == 403
    assert client.post(f"/admin/auth/user/{boss.pk}/password/", {"password1": "Abcdefg-1", "password2": "Abcdefg-1"}).status_code == 403


def test_roles_are_made_by_superusers_only():
    clerk = staff("auth.view_group", "auth.add_group", "auth.change_group", name="clerk")

    assert clerk.post("/admin/auth/group/add/", {"name": "All"}).status_code == 403
    assert not Group.objects.filter(name="All").exists()
    assert superuser().post("/admin/auth/group/add/", {"name": "All"}).status_code == 302
    assert Group.objects.filter(name="All").exists()


@pytest.mark.parametrize("page", ["admin/logentry", "axes/accessattempt", "axes/accesslog", "axes/accessfailurelog"])
def test_who_logged_in_and_did_what_is_for_superusers_alone(page):
    app, model = page.split("/")

    assert staff(f"{app}.view_{model}", f"{app}.change_{model}", name="clerk").get(f"/admin/{page}/").status_code == 403
    assert superuser().get(f"/admin/{page}/").status_code == 200


def test_nobody_is_deleted_whose_name_is_on_a_record():
    user = User.objects.create_user("gone")

    assert superuser().post(f"/admin/auth/user/{user.pk}/delete/", {"post": "yes"}).status_code == 403


REFUSED = [
    ({"address": "nobody"}, "it is not of the form name@firm.example"),
    ({"address": "a@b.example, c@d.example"}, "one e-mail address and nothing else"),
    ({"address": "KNOWN@firm.example"}, "is suppressed already: asked us"),
    ({"reason": "  "}, "This field is required."),
    ({"suppressed_until_0": "2020-01-01", "suppressed_until_1": "00:00:00"}, "has passed already"),
    ({"suppressed_until_0": "9999-12-31", "suppressed_until_1": "23:59:59"}, "leave it empty for good"),
]


@pytest.mark.parametrize(("changes", "sentence"), REFUSED, ids=[sentence for _, sentence in REFUSED])
def test_a_suppression_typed_wrongly_is_refused_in_words(changes, sentence):
    Suppression.objects.create(address="known@firm.example", reason="asked us")

    response = superuser().post("/admin/messaging/suppression/add/", {"address": "a@firm.example", "reason": "moved"} | changes)

    assert sentence in response.content.decode()
    assert Suppression.objects.count() == 1


def test_a_suppression_is_kept_in_small_letters_and_leaves_an_event():
    superuser().post("/admin/messaging/suppression/add/", {"address": "New@Firm.example", "reason": "moved"})

    kept = Suppression.objects.get()
    assert (kept.address, kept.created_by.username) == ("new@firm.example", "boss")
    assert "new@firm.example must not be mailed: moved" in SystemEvent.objects.get().text
