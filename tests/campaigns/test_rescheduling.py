"""After a change, the contacts it touches are planned anew, and nobody else; what cannot be planned now goes on waiting."""

from datetime import date, timedelta

import pytest

from campaigns import rescheduling, runs, targeting
from campaigns.models import CampaignChange, CampaignInstance, CampaignType, Contact, ContactToPlan, EmailSchedule, SchedulerRun, Targeted
from campaigns.rescheduling import Tally
from campaigns.runs import Order
from campaigns.settings import SchedulerSettings
from tests.campaigns.rows import make_campaign, make_contact

pytestmark = pytest.mark.django_db
TODAY, TRIGGER = date(2026, 6, 1), date(2026, 7, 10)


def order():
    rules = SchedulerSettings(campaign_types=CampaignType.objects.behaviours())
    return Order(day=TODAY, settings=rules, versions={"timing": 0}, without_backup="A test")


def reschedule():
    return rescheduling.reschedule(order())


def target(campaign, *contacts):
    some = Contact.objects.filter(pk__in=[one.pk for one in contacts])
    return targeting.add(some, instance_id=campaign.pk, plan=targeting.Plan(trigger_on=TRIGGER), targeted=Targeted.HAND)


def send_days(campaign):
    return dict(EmailSchedule.objects.filter(campaign_instance=campaign).values_list("contact_id", "send_on"))


def waiting():
    return set(ContactToPlan.objects.values_list("contact_id", flat=True))


@pytest.fixture
def planned():
    """A campaign that means two of three contacts, and everybody planned once."""
    campaign, contacts = make_campaign(), [make_contact(birth_date=date(1960, 9, 9)) for _ in range(3)]
    target(campaign, *contacts[:2])
    runs.run(order())
    return campaign, contacts


def test_a_change_of_a_campaign_plans_those_it_means_anew_and_nobody_else(planned):
    campaign, contacts = planned
    assert set(send_days(campaign)) == {contacts[0].pk, contacts[1].pk}
    CampaignInstance.objects.filter(pk=campaign.pk).update(active_until=TODAY + timedelta(days=3))

    assert reschedule() == Tally(changes=1, contacts=2, runs=1)

    run = SchedulerRun.objects.order_by("-pk").first()
    assert (run.contacts, run.scope, run.reason) == (2, "some", f"Campaign “{campaign}” changed")
    assert CampaignChange.objects.get().rescheduled_at is not None
    assert reschedule() == Tally()
    assert SchedulerRun.objects.count() == 2


def test_a_change_of_a_type_moves_the_mails_of_its_campaigns(planned):
    campaign, _ = planned
    before = send_days(campaign)
    CampaignType.objects.filter(pk=campaign.campaign_type_id).update(days_before_event=campaign.campaign_type.days_before_event - 5)

    tally = reschedule()

    assert (tally.changes, tally.contacts) == (1, 2)
    assert send_days(campaign) == {contact: day + timedelta(days=5) for contact, day in before.items()}


def test_a_change_that_moves_no_mail_starts_no_run(planned):
    campaign, _ = planned
    CampaignInstance.objects.filter(pk=campaign.pk).update(name="Another name")

    assert reschedule() == Tally()


def test_contacts_newly_meant_are_planned_at_the_next_chance(planned):
    campaign, contacts = planned
    assert target(campaign, *contacts) == 1
    assert waiting() == {contacts[2].pk}

    assert reschedule() == Tally(contacts=1, runs=1)

    assert set(send_days(campaign)) == {one.pk for one in contacts}
    assert waiting() == set()


def test_an_event_and_a_target_taken_out_plan_that_contact_anew(planned):
    campaign, contacts = planned
    assert targeting.target(contacts[2].pk, instance_id=campaign.pk, trigger_on=TRIGGER)
    assert not targeting.target(contacts[2].pk, instance_id=campaign.pk, trigger_on=TRIGGER)
    assert targeting.take_out(campaign.targets.filter(contact=contacts[0])) == 1

    assert reschedule() == Tally(contacts=2, runs=1)

    assert set(send_days(campaign)) == {contacts[1].pk, contacts[2].pk}


def test_a_contact_whose_birthday_was_corrected_is_planned_alone(planned):
    _, contacts = planned
    Contact.objects.filter(pk=contacts[0].pk).update(birth_date=date(1960, 8, 8))
    targeting.wait_for_run([contacts[0].pk])
    targeting.wait_for_run([contacts[0].pk])

    assert reschedule() == Tally(contacts=1, runs=1)

    event = EmailSchedule.objects.get(contact=contacts[0], email_type="birthday").event_on
    assert event == date(2026, 8, 8)
    assert SchedulerRun.objects.order_by("-pk").first().reason == "1 contact changed"


def test_while_a_run_is_under_way_they_go_on_waiting(planned):
    _, contacts = planned
    targeting.wait_for_run([contacts[0].pk])
    under_way = runs.start(order())

    with pytest.raises(runs.RunUnderWay):
        reschedule()
    assert waiting() == {contacts[0].pk}

    runs.work(under_way.pk)
    assert waiting() == set(), "the run over everybody has covered it"


def test_a_contact_edited_while_it_is_planned_waits_again(planned):
    _, contacts = planned
    targeting.wait_for_run([contacts[0].pk])
    found = rescheduling.waiting()
    targeting.wait_for_run([contacts[0].pk])

    rescheduling.settle(found)

    assert waiting() == {contacts[0].pk}


def test_a_run_told_to_stop_leaves_all_of_them_waiting(planned):
    campaign, contacts = planned
    targeting.wait_for_run([contacts[0].pk])
    CampaignInstance.objects.filter(pk=campaign.pk).update(active_until=TODAY)

    tally = rescheduling.reschedule(order(), stop=lambda: True)

    assert tally.unfinished
    assert waiting() == {contacts[0].pk}
    assert CampaignChange.objects.get().rescheduled_at is None


def test_many_contacts_are_planned_in_several_runs(planned, monkeypatch):
    _, contacts = planned
    monkeypatch.setattr(rescheduling, "AT_ONCE", 2)
    targeting.wait_for_run(one.pk for one in contacts)

    assert reschedule() == Tally(contacts=3, runs=2)


@pytest.mark.parametrize(("before", "after"), [(False, True), (True, False), (True, True)])
def test_a_type_that_means_or_meant_everybody_is_left_to_one_run_over_everybody(planned, before, after):
    campaign, _ = planned
    kind = CampaignType.objects.filter(pk=campaign.campaign_type_id)
    if before:
        kind.update(target_all_contacts=True)
        runs.run(order())
    kind.update(target_all_contacts=after, priority=3)

    tally = reschedule()

    assert (tally.contacts, tally.runs) == (3, 1)
    assert SchedulerRun.objects.order_by("-pk").first().scope == "all"
    assert not CampaignChange.objects.filter(rescheduled_at=None).exists()
