"""A mail that was sent has one follow-up, chosen by what its contact did, chosen anew until it is sent, never on an excluded day."""

from datetime import date, timedelta

import pytest

from campaigns import contact_json
from campaigns.engagement import has_conditions, record_engagement
from campaigns.following_up import schedule_follow_ups
from campaigns.hand_over import hand_over
from campaigns.models import Behaviour, Contact, EmailSchedule, SkipReason, Status
from tests.campaigns.mails import DAY, NOW, SETTINGS, TERMS, make_campaign, make_contact, make_template, plan, sent

pytestmark = pytest.mark.django_db
COLD, CLICKED, HEALTHY, ILL = "followup_1_cold", "followup_2_clicked_no_hq", "followup_3_hq_no_yes", "followup_4_hq_with_yes"
DUE = DAY + timedelta(days=2)


@pytest.fixture(autouse=True)
def templates(db):
    for name in ("birthday", "campaign_rate_increase", "campaign_initial_blast", COLD, CLICKED, HEALTHY, ILL):
        make_template(name)


def sent_mail(contact=None, **facts) -> EmailSchedule:
    mail = plan(contact, **facts)
    hand_over(day=DAY, terms=TERMS)
    return sent(mail)


def follow(day: date = DAY, **told):
    return schedule_follow_ups(day=day, at=NOW, settings=SETTINGS, **told).as_dict()


def did(parent: EmailSchedule, kind: Behaviour, **facts) -> None:
    record_engagement(f"{kind}:{parent.pk}:{len(facts)}", contact_id=parent.contact_id, kind=kind, at=NOW, facts=facts)


def only(parent: EmailSchedule) -> EmailSchedule:
    return EmailSchedule.objects.get(parent=parent)


def test_a_mail_that_nobody_answered_is_followed_two_days_later_and_says_why():
    parent = sent_mail(campaign_instance=make_campaign(name="Spring"))

    assert follow() == {"parents": 1, "scheduled": 1, "skipped": 0, "changed": 0}

    mail = only(parent)
    assert (mail.email_type, mail.send_on, mail.status, mail.event_on) == (COLD, DUE, Status.PRE_SCHEDULED, DAY)
    assert (mail.priority, mail.campaign_instance) == (1, parent.campaign_instance)
    assert {name: mail.metadata[name] for name in ("parent_id", "parent_type", "campaign", "behaviour")} == {
        "parent_id": parent.pk,
        "parent_type": "campaign_rate_increase",
        "campaign": "Spring",
        "behaviour": "neither clicked nor answered",
    }


def test_a_second_call_changes_nothing_and_a_click_changes_the_type_in_place():
    parent = sent_mail()
    follow()
    before = only(parent)

    assert follow() == {"parents": 1, "scheduled": 0, "skipped": 0, "changed": 0}
    did(parent, Behaviour.CLICKED)
    assert follow() == {"parents": 1, "scheduled": 0, "skipped": 0, "changed": 1}

    assert (only(parent).pk, only(parent).email_type, only(parent).send_on) == (before.pk, CLICKED, DUE)


@pytest.mark.parametrize(
    ("acts", "expected"),
    [
        ([(Behaviour.CLICKED, {})], CLICKED),
        ([(Behaviour.ANSWERED, {"has_medical_conditions": False})], HEALTHY),
        ([(Behaviour.CLICKED, {}), (Behaviour.ANSWERED, {"main_questions_yes_count": 2})], ILL),
        ([(Behaviour.ANSWERED, {"has_medical_conditions": True})], ILL),
    ],
)
def test_what_the_contact_did_by_the_time_of_hand_over_chooses_the_mail(acts, expected):
    parent = sent_mail()
    follow()
    for kind, facts in acts:
        did(parent, kind, **facts)

    assert hand_over(day=DUE, terms=TERMS).handed_over == 1

    mail = EmailSchedule.objects.select_related("message").get(parent=parent)
    assert (mail.email_type, mail.email_template, mail.message.kind) == (expected, expected, expected)
    assert mail.message.key == f"followup:{parent.message_id}"


def test_a_late_follow_up_is_due_tomorrow_once_and_not_for_ever():
    parent = sent_mail()

    late = DAY + timedelta(days=10)
    follow(late)
    follow(late + timedelta(days=1))

    assert only(parent).send_on == late + timedelta(days=1)


def test_while_a_follow_up_is_overdue_its_contact_has_no_other_one():
    contact, late = make_contact(), DUE + timedelta(days=1)
    first, second = sent_mail(contact), sent_mail(contact, campaign_instance=make_campaign(name="Spring"))
    planned = EmailSchedule.objects.filter(parent__isnull=False, status=Status.PRE_SCHEDULED)
    follow()
    assert [mail.parent for mail in planned] == [first]

    follow(late)  # nobody has handed it over yet
    assert [mail.parent for mail in planned.all()] == [first]

    hand_over(day=late, terms=TERMS)
    sent(only(first))
    follow(late)
    assert [mail.parent for mail in planned.all()] == [second]


def test_a_planned_follow_up_is_the_only_one_though_its_parent_is_longer_ago_by_now_than_one_looks_back():
    contact, last = make_contact(), DAY + timedelta(days=35)
    first, later = sent_mail(contact), DAY + timedelta(days=5)
    second = plan(contact, campaign_instance=make_campaign(name="Spring"), send_on=later)
    hand_over(day=later, terms=TERMS)
    sent(second, at=NOW + timedelta(days=5))

    follow(last)  # late: due tomorrow
    follow(last + timedelta(days=1))

    planned = EmailSchedule.objects.filter(parent__isnull=False, status=Status.PRE_SCHEDULED)
    assert [(mail.parent, mail.send_on) for mail in planned] == [(first, last + timedelta(days=1))]


def test_a_follow_up_that_could_not_leave_in_time_is_missed_before_its_contact_has_another_one():
    contact, late, too_late = make_contact(), DAY + timedelta(days=35), DAY + timedelta(days=44)
    first, later = sent_mail(contact), DAY + timedelta(days=10)
    second = plan(contact, campaign_instance=make_campaign(name="Spring"), send_on=later)
    hand_over(day=later, terms=TERMS)
    sent(second, at=NOW + timedelta(days=10))

    follow(late)  # due tomorrow; nobody hands it over
    assert follow(too_late) == {"parents": 1, "scheduled": 1, "skipped": 1, "changed": 0}
    assert follow(too_late) == {"parents": 1, "scheduled": 0, "skipped": 0, "changed": 0}

    told = EmailSchedule.objects.filter(parent__isnull=False).order_by("pk").values_list("parent", "status", "skip_reason")
    assert list(told) == [(first.pk, Status.SKIPPED, SkipReason.MISSED), (second.pk, Status.PRE_SCHEDULED, "")]


def test_a_follow_up_on_an_excluded_day_is_skipped_and_planned_again_once_the_day_is_free():
    parent = sent_mail()
    Contact.objects.update(state="OR")

    assert follow() == {"parents": 1, "scheduled": 0, "skipped": 1, "changed": 0}
    assert (only(parent).skip_reason, only(parent).window_end) == (SkipReason.EXCLUSION_WINDOW, date(2026, 4, 16))

    Contact.objects.update(state="TX")
    assert follow()["changed"] == 1
    assert (only(parent).status, only(parent).skip_reason) == (Status.PRE_SCHEDULED, "")


def test_neither_unsent_mails_nor_old_ones_nor_campaigns_without_follow_ups_are_followed():
    plan()
    sent_mail(make_contact(), campaign_instance=make_campaign("initial_blast"))
    old = sent_mail(make_contact())

    assert follow(DAY + timedelta(days=36))["parents"] == 0
    assert follow(DAY + timedelta(days=36), lookback_days=36)["parents"] == 1
    assert EmailSchedule.objects.get(parent__isnull=False).parent == old


def test_a_follow_up_that_was_sent_is_never_planned_again():
    parent = sent_mail()
    follow()
    hand_over(day=DUE, terms=TERMS)
    sent(only(parent))

    assert follow(DUE + timedelta(days=1))["parents"] == 0


def test_the_campaign_of_the_parent_may_name_another_template():
    make_template("spring-reminder")
    campaign = make_campaign(metadata={"follow_up_templates": {COLD: "spring-reminder"}})
    parent = sent_mail(campaign_instance=campaign)
    follow()

    hand_over(day=DUE, terms=TERMS)

    assert only(parent).email_template == "spring-reminder"


@pytest.mark.parametrize(
    ("count", "expected"), [(1, True), (2.0, True), ("3", True), (0, False), ("0", False), (True, False), ("x", False)]
)
def test_a_count_of_yeses_means_the_same_wherever_it_comes_from(count, expected):
    facts = {"main_questions_yes_count": count}
    asked = contact_json.event({"type": "eligibility_answered", "at": "2026-03-01", "metadata": facts}, "events[0]", settings=SETTINGS)

    assert (has_conditions(facts), asked["conditions"]) == (expected, expected)


def test_health_questions_are_understood_in_both_ways_and_an_event_is_recorded_once():
    contact = make_contact()
    told = {"contact_id": contact.pk, "kind": Behaviour.ANSWERED, "at": NOW, "facts": {"main_questions_yes_count": 1}}

    assert [record_engagement("api:1", **told), record_engagement("api:1", **told)] == [True, False]
    assert [event.has_conditions for event in contact.engagement.all()] == [True]
