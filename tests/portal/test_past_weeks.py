"""The weeks that a first start shows: they break no promise, and look like weeks in which people were written to."""

from dataclasses import replace
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.utils import timezone

from campaigns import proving
from campaigns.models import EmailSchedule, EngagementEvent, SchedulerRun
from messaging import invariants
from messaging.models import Message
from portal import wiring
from portal.sample_data import past_weeks

SITE = "http://127.0.0.1:8123"


@pytest.fixture
def lived(db, settings):
    settings.MAIL_MODE = "test"
    settings.OFFICE_PHONE, settings.OFFICE_ADDRESS = "312-555-0100", "1 Example Plaza, Chicago, IL 60601"
    call_command("load_sample_data", verbosity=0)
    terms = wiring.hand_over_terms(seconds=3_600)
    terms = replace(terms, links=replace(terms.links, site_url=SITE))
    return past_weeks.live(today=wiring.today(), terms=terms, versions=wiring.scheduler_settings()[1])


def test_three_weeks_lie_behind_a_first_start_and_no_promise_is_broken(lived):
    today = wiring.today()
    sent, queued = Message.objects.sent().order_by("sent_at"), Message.objects.unfinished()

    assert invariants.verify(*wiring.invariants()) == []
    assert 15 <= lived == queued.due().count() == queued.count() <= 140
    assert sent.filter(is_test=True).count() == sent.count() >= 300
    assert timezone.localdate(sent.first().sent_at) <= today - timedelta(days=past_weeks.DAYS - 3)
    assert sent.last().sent_at < timezone.now()
    assert SchedulerRun.objects.completed().count() == past_weeks.DAYS // past_weeks.PLANNED_EVERY_DAYS + 1
    assert EngagementEvent.objects.filter(message__isnull=False, kind="clicked").count() >= 30
    assert EmailSchedule.objects.handed_over().filter(parent__isnull=False).values("email_type").distinct().count() >= 3
    assert EmailSchedule.objects.planned().filter(send_on__gt=today, send_on__lte=today + timedelta(days=30)).count() >= 300
    assert all(f"{SITE}/unsubscribe/" in mail.text for mail in queued)


def test_what_the_runs_of_those_weeks_wrote_was_edited_by_nobody(lived):
    proofs = [proving.prove(run) for run in SchedulerRun.objects.completed()]

    assert [one.says for proof in proofs for one in proof.differences] == []
    assert sum(proof.chunks for proof in proofs) >= len(proofs) > 1
