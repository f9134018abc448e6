"""No mail is planned for a contact that is not there, from raw SQL as from the ORM: our own triggers keep what a foreign key would."""

import psycopg
import pytest
from django.db import IntegrityError, connection, transaction
from psycopg.errors import FeatureNotSupported, ForeignKeyViolation, LockNotAvailable

from campaigns.models import EmailSchedule
from tests.campaigns.test_promises import DAY, change, contact, delete, mail

pytestmark = pytest.mark.django_db
NOBODY = 10**9


@pytest.mark.parametrize(
    "act",
    [
        lambda: mail(contact_id=NOBODY),
        lambda: change("campaigns_emailschedule", mail(), {"contact_id": NOBODY}),
        lambda: EmailSchedule.objects.bulk_create([planned_for(contact()), planned_for(NOBODY)]),
    ],
)
def test_a_mail_is_planned_only_for_a_contact_there_is(act):
    with pytest.raises(IntegrityError, match=f"there is no contact {NOBODY}") as refusal, transaction.atomic():
        act()

    assert refusal.value.__cause__.diag.constraint_name == "schedule_has_its_contact"


def planned_for(contact_id: int) -> EmailSchedule:
    return EmailSchedule(
        contact_id=contact_id, email_type="birthday", send_on=DAY, send_time="08:30", status="skipped", skip_reason="missed", priority=5
    )


def at_once(act):
    """What the database would refuse at the end is refused now."""
    act()
    connection.check_constraints()


@pytest.mark.parametrize("parent", [False, True])
def test_a_contact_with_mails_stays(parent):
    row = contact()
    mail(contact_id=row, parent_id=mail() if parent else None)

    for act in (lambda: delete("campaigns_contact", row), lambda: change("campaigns_contact", row, {"id": NOBODY})):
        with pytest.raises(IntegrityError, match=f"contact {row}"), transaction.atomic():
            at_once(act)
    delete("campaigns_contact", contact())


def test_a_contact_goes_with_its_mails_in_any_order():
    row = contact()
    planned = mail(contact_id=row)

    with transaction.atomic():
        delete("campaigns_contact", row)
        delete("campaigns_emailschedule", planned)
        connection.check_constraints()


@pytest.mark.django_db(transaction=True)
def test_contacts_are_not_emptied_under_their_mails():
    mail()

    with pytest.raises(IntegrityError, match="cannot all go"), connection.cursor() as cursor:
        cursor.execute("TRUNCATE campaigns_contact CASCADE")


@pytest.mark.django_db(transaction=True)
def test_whoever_deletes_a_contact_waits_for_the_mail_that_is_being_planned(second_connection):
    row = contact()
    with transaction.atomic():
        mail(contact_id=row)
        second_connection.execute("SET lock_timeout = '300ms'")
        with pytest.raises(LockNotAvailable):
            second_connection.execute("DELETE FROM campaigns_contact WHERE id = %s", [row])
    with pytest.raises(ForeignKeyViolation, match="it stays"):
        second_connection.execute("DELETE FROM campaigns_contact WHERE id = %s", [row])


@pytest.mark.django_db(transaction=True)
def test_nobody_deletes_a_contact_who_cannot_see_what_was_planned_meanwhile(second_connection):
    row = contact()

    with pytest.raises(FeatureNotSupported, match="REPEATABLE READ"):
        second_connection.execute(f"BEGIN ISOLATION LEVEL REPEATABLE READ; DELETE FROM campaigns_contact WHERE id = {row}; COMMIT")


@pytest.fixture
def second_connection():
    with psycopg.connect(**connection.get_connection_params() | {"cursor_factory": psycopg.ClientCursor}, autocommit=True) as other:
        yield other
