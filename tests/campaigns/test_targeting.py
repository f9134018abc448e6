"""Who is meant by a campaign: by hand, by a filter, by an event; once, and evenly."""

from collections import Counter
from datetime import date, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from campaigns import targeting
from campaigns.changes import made_by
from campaigns.models import CampaignChange, CampaignInstance, CampaignType, Contact, ContactCampaign, ContactToPlan, Targeted
from campaigns.targeting import Filter, Plan, TargetRefused
from tests.campaigns.rows import make_campaign, make_contact, make_mail

pytestmark = pytest.mark.django_db
DAY = date(2026, 12, 1)


def add(contacts, campaign, **plan):
    return targeting.add(contacts, instance_id=campaign.pk, plan=Plan(**{"trigger_on": DAY} | plan), targeted=Targeted.FILTER)


def some(count, **facts):
    return [make_contact(**facts) for _ in range(count)]


def test_a_filter_means_contacts_of_these_states_and_carriers():
    here, there, other = make_contact(state="CA", carrier="A"), make_contact(state="KS", carrier="A"), make_contact(state="CA", carrier="B")

    assert set(Filter().contacts()) == {here, there, other}
    assert set(Filter(states=("CA",)).contacts()) == {here, other}
    assert set(Filter(carriers=("A",)).contacts()) == {here, there}
    assert set(Filter(states=("CA", "TX"), carriers=("B", "C")).contacts()) == {other}


def test_a_second_time_adds_nobody_and_another_trigger_date_is_another_target():
    some(3)
    campaign = make_campaign()

    assert [add(Contact.objects.all(), campaign) for _ in range(2)] == [3, 0]
    assert add(Contact.objects.all(), campaign, trigger_on=DAY + timedelta(days=1)) == 3
    assert [add(Contact.objects.all(), campaign, trigger_on=None) for _ in range(2)] == [3, 0]
    assert ContactCampaign.objects.filter(targeted="filter").count() == 9


def test_a_whole_filter_is_one_statement():
    some(3)
    campaign = make_campaign()
    with CaptureQueriesContext(connection) as queries:
        add(Contact.objects.all(), campaign)

    assert len([query for query in queries if "INSERT" in query["sql"]]) == 1
    assert ContactToPlan.objects.count() == 3


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(people=st.integers(0, 40), days=st.integers(2, 60))
def test_trigger_dates_lie_evenly_on_the_days_of_the_period(people, days):
    campaign, contacts = make_campaign(), some(people)
    chosen = Contact.objects.filter(pk__in=[one.pk for one in contacts])

    assert add(chosen, campaign, spread_days=days) == people

    dates = [one.trigger_on for one in campaign.targets.order_by("contact_id")]
    loads = Counter(dates)
    assert dates == sorted(dates)
    assert all(DAY <= day < DAY + timedelta(days=days) for day in dates)
    if people >= days:
        assert len(loads) == days
        assert max(loads.values()) - min(loads.values()) <= 1
    assert add(chosen, campaign, spread_days=days) == 0


def test_whoever_has_a_trigger_date_keeps_it_when_more_are_spread():
    campaign, first = make_campaign(), some(4)
    add(Contact.objects.all(), campaign, spread_days=4)
    before = dict(campaign.targets.values_list("contact", "trigger_on"))
    some(4)

    assert add(Contact.objects.all(), campaign, spread_days=4) == 4
    assert {pk: day for pk, day in campaign.targets.values_list("contact", "trigger_on") if pk in before} == before
    assert campaign.targets.filter(contact__in=first).count() == 4


@pytest.mark.parametrize(
    ("plan", "sentence"),
    [
        ({"trigger_on": DAY, "spread_days": 0}, "can be spread over 1 to 365 days; got 0"),
        ({"trigger_on": DAY, "spread_days": 366}, "can be spread over 1 to 365 days; got 366"),
        ({"trigger_on": None, "spread_days": 2}, "only from a first one on: name it"),
    ],
)
def test_a_plan_that_cannot_be_is_refused(plan, sentence):
    with pytest.raises(TargetRefused, match=sentence):
        Plan(**plan)


def test_an_event_told_twice_is_one_target():
    contact, campaign = make_contact(), make_campaign()
    told = {"instance_id": campaign.pk, "trigger_on": DAY, "metadata": {"policy": "7"}}

    assert [targeting.target(contact.pk, **told) for _ in range(2)] == [True, False]
    assert targeting.target(contact.pk, **told | {"trigger_on": None})
    assert [(one.targeted, one.metadata) for one in ContactCampaign.objects.all()] == [("event", {"policy": "7"})] * 2


def test_an_event_about_nobody_is_refused():
    with pytest.raises(TargetRefused, match="There is no contact 4711"):
        targeting.target(4711, instance_id=make_campaign().pk, trigger_on=DAY)
    with pytest.raises(TargetRefused, match="There is no campaign 4711"):
        targeting.target(make_contact().pk, instance_id=4711, trigger_on=DAY)


def test_contacts_are_named_by_id_or_address_and_each_line_that_fits_none_is_told():
    one, other = make_contact(email="Ada@example.com"), make_contact()
    twins = [make_contact(email="twin@example.com") for _ in range(2)]

    ids, problems = targeting.named(
        [f" {one.pk} ", "ADA@example.com", other.email, "", "twin@example.com", "nobody@example.com", "x", "9" * 5000]
    )

    assert ids == sorted([one.pk, other.pk])
    assert problems == [
        f"twin@example.com is the address of 2 contacts: name one by its id, {twins[0].pk}, {twins[1].pk}.",
        "'nobody@example.com' is neither the id nor the e-mail address of a contact.",
        "'x' is neither the id nor the e-mail address of a contact.",
        f"'{'9' * 60}' is neither the id nor the e-mail address of a contact.",
    ]


def test_too_many_names_are_refused_before_anybody_is_looked_up():
    with pytest.raises(TargetRefused, match="5,001 contacts are named; at most 5,000 at once"):
        targeting.named(map(str, range(5_001)))


def test_carriers_are_listed_once_each_and_no_empty_one():
    for carrier in ("B", "", "A", "B", "C"):
        make_contact(carrier=carrier)

    assert targeting.carriers() == ["A", "B", "C"]


def test_a_change_touches_those_who_are_meant_and_those_who_have_a_mail_planned():
    meant, planned, skipped, handed_over, outside = some(5)
    campaign = make_campaign()
    targeting.target(meant.pk, instance_id=campaign.pk, trigger_on=DAY)
    targeting.target(outside.pk, instance_id=make_campaign("policy_update").pk, trigger_on=DAY)
    make_mail(planned, campaign_instance=campaign)
    make_mail(skipped, campaign_instance=campaign, status="skipped", skip_reason="missed")
    make_mail(handed_over, campaign_instance=campaign, status="cancelled")

    with made_by(None):
        CampaignInstance.objects.filter(pk=campaign.pk).update(active_until=DAY)
    assert list(targeting.touched_by(CampaignChange.objects.all())) == [meant.pk, planned.pk, skipped.pk]
    with made_by(None):
        CampaignType.objects.filter(name="rate_increase").update(priority=4)
    assert list(targeting.touched_by(CampaignChange.objects.filter(field="priority"))) == [meant.pk, planned.pk, skipped.pk]
    assert not list(targeting.touched_by([]))


def test_a_change_of_a_campaign_for_all_touches_everybody():
    contacts, campaign = some(3), make_campaign("initial_blast")
    with made_by(None):
        CampaignInstance.objects.filter(pk=campaign.pk).update(active_until=DAY)

    assert list(targeting.touched_by(CampaignChange.objects.all())) == [one.pk for one in contacts]
