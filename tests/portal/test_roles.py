"""The three roles: there after `migrate`, and never less than what staff made of them."""

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.core.management import call_command
from django.db.migrations.state import StateApps

from portal.roles import MANAGER, OPERATOR, ROLES, VIEWER, after_migrate

pytestmark = pytest.mark.django_db


def rights(role: str) -> set[str]:
    return {
        f"{one.content_type.app_label}.{one.codename}" for one in Group.objects.get(name=role).permissions.select_related("content_type")
    }


def migrate() -> None:
    call_command("migrate", interactive=False, verbosity=0)


@pytest.mark.parametrize(("role", "codenames"), ROLES.items(), ids=ROLES)
def test_a_new_portal_has_each_role_with_exactly_its_rights(role, codenames):
    assert {one.partition(".")[2] for one in rights(role)} == set(codenames)
    assert {one.partition(".")[0] for one in rights(role)} == {"messaging", "campaigns", "portal"}
    assert len(codenames) == len(set(codenames))


def test_each_role_may_do_all_that_the_one_before_may():
    assert set(VIEWER) < set(OPERATOR) < set(MANAGER)
    assert all(codename.startswith("view_") for codename in VIEWER)


def test_no_role_hands_out_rights_or_takes_records_away():
    given = set.union(*map(rights, ROLES))

    assert {one for one in given if not one.startswith(("messaging.", "campaigns.", "portal."))} == set()
    assert {one for one in given if ".delete_" in one} == {
        "messaging.delete_acknowledgment",
        "messaging.delete_suppression",
        "campaigns.delete_contactcampaign",
    }


def test_migrating_again_adds_what_is_missing_and_keeps_what_staff_gave_and_made():
    viewer, operator = Group.objects.get(name="Viewer"), Group.objects.get(name="Operator")
    viewer.permissions.add(Permission.objects.get(codename="send_message"))
    operator.permissions.remove(Permission.objects.get(codename="view_case"))
    Group.objects.get(name="Manager").delete()
    Group.objects.create(name="Auditors")
    clerk = User.objects.create_user("clerk")
    clerk.groups.add(operator)

    migrate()
    migrate()

    assert sorted(Group.objects.values_list("name", flat=True)) == ["Auditors", "Manager", "Operator", "Viewer"]
    assert {one.partition(".")[2] for one in rights("Viewer")} == {*VIEWER, "send_message"}
    assert {one.partition(".")[2] for one in rights("Manager")} == set(MANAGER)
    assert (rights("Auditors"), clerk.has_perm("messaging.view_case")) == (set(), True)


def test_a_migration_that_ends_before_there_are_groups_makes_no_roles():
    Group.objects.all().delete()

    after_migrate(using="default", apps=StateApps([], {}))

    assert not Group.objects.exists()
