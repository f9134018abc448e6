"""Hand-over and follow-ups where something odd has happened meanwhile: nobody is judged by another's dates, nothing stands still."""

import threading
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connection
from django.db.models.functions import Now

from campaigns import runs
from campaigns.following_up import schedule_follow_ups
from campaigns.hand_over import hand_over
from campaigns.models import Contact, EmailSchedule, RunStatus, SkipReason, Status
from messaging.models import Message, Suppression
from tests.campaigns.mails import DAY, NOW, SETTINGS, TERMS, make_contact, make_template, plan, sent

DUE = DAY + timedelta(days=2)


@pytest.fixture(autouse=True)
def templates(db):
    for name in ("birthday", "followup_1_cold"):
        make_template(name)


def could_not_be_sent(mail: EmailSchedule) -> None:
    message = Message.objects.filter(schedules=mail.pk)
    message.update(status="claimed", lease=uuid4(), leased_until=Now())
    Message.objects.filter(schedules=mail.pk).update(status="failed", lease=None, leased_until=None)


def follow(day=DAY):
    return schedule_follow_ups(day=day, at=NOW, settings=SETTINGS).as_dict()


@pytest.mark.parametrize("broken", [{"zip_code": ""}, {"email": "@"}])
@pytest.mark.parametrize("place", ["alone", "before another", "behind another"])
def test_a_contact_who_cannot_be_written_to_any_more_is_skipped_and_never_judged_by_another_ones_dates(broken, place):
    others = [plan(make_contact(state="CA"))] if place == "behind another" else []
    mail = plan()
    others += [plan(make_contact(state="CA"))] if place == "before another" else []
    Contact.objects.filter(pk=mail.contact_id).update(**broken)

    tally = hand_over(day=DAY, terms=TERMS)

    mail.refresh_from_db()
    assert (mail.status, mail.skip_reason, mail.metadata) == (
        Status.SKIPPED,
        SkipReason.INVALID_CONTACT,
        {"stopped_by": "invalid_contact"},
    )
    assert tally.stopped_by == {"invalid_contact": 1} | ({"exclusion_window": 1} if others else {})


def test_a_limit_counts_what_is_handed_over_and_mails_that_are_stopped_hold_up_none():
    for _ in range(5):
        Suppression.objects.create(address=plan(priority=1).contact.email, reason="said so")
    better, worse = [plan(priority=2) for _ in range(3)], [plan() for _ in range(2)]

    tally = hand_over(day=DAY, terms=TERMS, limit=3)

    assert (tally.handed_over, tally.stopped_by) == (3, {"suppressed": 5})
    assert set(EmailSchedule.objects.handed_over()) == set(better)
    assert set(EmailSchedule.objects.planned()) == set(worse)


def test_a_follow_up_that_could_not_be_sent_is_not_planned_again_and_stops_no_other():
    lost = plan()
    hand_over(day=DAY, terms=TERMS)
    sent(lost)
    follow()
    hand_over(day=DUE, terms=replace(TERMS, now=NOW + timedelta(days=2)))
    could_not_be_sent(EmailSchedule.objects.get(parent=lost))
    other = plan(send_on=DUE)
    hand_over(day=DUE, terms=replace(TERMS, now=NOW + timedelta(days=2)))
    sent(other, at=NOW + timedelta(days=2))

    assert follow(DUE) == {"parents": 1, "scheduled": 1, "skipped": 0, "changed": 0}
    assert EmailSchedule.objects.filter(parent=lost).count() == 1


def test_a_mail_that_could_not_be_sent_is_not_planned_again_and_stops_no_run():
    lost, _ = plan(), plan()
    hand_over(day=DAY, terms=TERMS)
    could_not_be_sent(lost)

    told = {"settings": SETTINGS, "versions": {}, "without_backup": "A test"}
    found = [runs.run(runs.Order(day=DAY + timedelta(days=days), **told)) for days in (0, 1)]

    assert [run.status for run in found] == [RunStatus.COMPLETED] * 2
    assert EmailSchedule.objects.filter(contact=lost.contact_id, email_type="birthday").count() == 1


@pytest.mark.django_db(transaction=True)
def test_two_hosts_that_plan_follow_ups_at_once_plan_each_once():
    parents = [plan() for _ in range(20)]
    hand_over(day=DAY, terms=TERMS)
    for parent in parents:
        sent(parent)
    begin, told = threading.Barrier(2), []

    def work() -> None:
        begin.wait()
        try:
            told.append(follow()["scheduled"])
        except Exception as trouble:
            told.append(trouble)
        finally:
            connection.close()

    hosts = [threading.Thread(target=work) for _ in range(2)]
    for host in hosts:
        host.start()
    for host in hosts:
        host.join()

    assert sorted(told, key=str) == [0, 20]
