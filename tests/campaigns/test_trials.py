"""What went out as a test settles nothing: the first run in production plans the event anew, and the customer gets the real mail."""

from dataclasses import replace

import pytest
from django.db import IntegrityError, connection, transaction

from campaigns import runs
from campaigns.hand_over import hand_over
from campaigns.models import EmailSchedule, Status
from messaging.models import Message, Mode
from tests.campaigns.mails import DAY, SETTINGS, TERMS, make_template, plan, sent

pytestmark = pytest.mark.django_db
ORDER = runs.Order(day=DAY, settings=SETTINGS, versions={}, without_backup="A test")
TEST = replace(TERMS, sender=replace(TERMS.sender, mode=Mode.TEST, test_recipient="inbox@portal.example"))
REAL = replace(TERMS, sender=replace(TERMS.sender, mode=Mode.PRODUCTION))


def handed_over(terms) -> EmailSchedule:
    make_template("birthday")
    mail = plan()
    assert hand_over(day=DAY, terms=terms).handed_over == 1
    return sent(mail)


def test_after_going_live_the_customer_gets_the_mail_that_only_a_test_had():
    tried = handed_over(TEST)

    runs.run(replace(ORDER, production=True))
    assert hand_over(day=DAY, terms=REAL).handed_over == 1

    mail = EmailSchedule.objects.get(pk=tried.pk)
    assert (mail.status, mail.message.is_test, mail.message.recipient) == (Status.SCHEDULED, False, mail.contact.email)
    assert Message.objects.get(pk=tried.message_id).is_test, "the test stays in the log"


@pytest.mark.parametrize(("terms", "production"), [(TEST, False), (REAL, True), (REAL, False)], ids=["test", "real", "real, then test"])
def test_otherwise_what_went_out_is_settled(terms, production):
    mail = handed_over(terms)

    runs.run(replace(ORDER, production=production))

    assert EmailSchedule.objects.get(pk=mail.pk).message_id == mail.message_id


def test_a_follow_up_of_a_test_is_gone():
    mail = handed_over(TEST)
    follow_up = plan(mail.contact, email_type="followup_1_cold", parent=mail, event_on=DAY)

    runs.run(replace(ORDER, production=True))

    assert not EmailSchedule.objects.filter(pk=follow_up.pk).exists()


def test_the_database_lets_no_real_mail_be_planned_again():
    mail = handed_over(REAL)

    with pytest.raises(IntegrityError, match="handed over as a real mail"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("UPDATE campaigns_emailschedule SET status = 'pre-scheduled', message_id = NULL WHERE id = %s", [mail.pk])
