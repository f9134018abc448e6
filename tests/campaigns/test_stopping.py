"""A person stops planned mails: for good, with a reason, and no run plans them again."""

import numpy as np
import pytest

from campaigns import loading, scheduler, stopping
from campaigns.models import EmailSchedule
from campaigns.settings import SchedulerSettings
from messaging.models import SystemEvent
from tests.campaigns.rows import make_contact, make_mail

pytestmark = pytest.mark.django_db


@pytest.fixture
def mia(django_user_model):
    return django_user_model.objects.create_user("mia")


def test_only_what_is_planned_is_stopped_and_everybody_can_see_why(mia):
    planned, skipped, stopped = make_mail(), make_mail(status="skipped", skip_reason="missed"), make_mail(metadata={"for": ["aep"]})

    assert stopping.stop(EmailSchedule.objects.all(), reason="She died.", by=mia) == 2
    assert stopping.stop(EmailSchedule.objects.all(), reason="Again.", by=mia) == 0

    assert [one.status for one in EmailSchedule.objects.order_by("pk")] == ["cancelled", "skipped", "cancelled"]
    for row in (planned, skipped, stopped):
        row.refresh_from_db()
    assert planned.metadata == {"stopped": {"reason": "She died.", "by": "mia"}}
    assert stopped.metadata == {"for": ["aep"], "stopped": {"reason": "She died.", "by": "mia"}}
    (event,) = SystemEvent.objects.all()
    assert event.text == f"2 planned mails stopped ({planned.pk}, {stopped.pk}): She died."
    assert (event.by, event.detail) == (mia, {"schedules": [planned.pk, stopped.pk]})


def test_no_run_plans_a_stopped_mail_again(mia):
    contact = make_contact(birth_date="1950-07-01")
    settings, day = SchedulerSettings(), np.datetime64("2026-06-01")

    def birthdays():
        (rows,) = scheduler.schedule([loading.chunk([contact.pk], day=day, settings=settings)], day=day, settings=settings)
        return [str(row["event_on"]) for row in rows if settings.email_types.names[row["kind"]] == "birthday"]

    assert birthdays() == ["2026-07-01"]
    make_mail(contact, send_on="2026-06-17", event_on="2026-07-01")
    stopping.stop(EmailSchedule.objects.all(), reason="She asked.", by=mia)

    assert birthdays() == []
