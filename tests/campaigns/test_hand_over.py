"""Planned mails become messages, once, and only where everything is still so at that moment."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from django.utils import timezone

from campaigns.hand_over import NoPostalAddress, hand_over
from campaigns.models import EmailSchedule, SkipReason, Status
from campaigns.rules.email_types import FIRST_CAMPAIGN_TYPES
from campaigns.rules.states import FIRST_STATE_RULES, Anchor, Window
from messaging.models import Lane, Message, Mode, Suppression
from tests.campaigns.mails import DAY, TERMS, make_campaign, make_contact, make_template, plan, sent, terms

pytestmark = pytest.mark.django_db
TOMORROW = DAY + timedelta(days=1)


@pytest.fixture(autouse=True)
def templates(db):
    for name in ("birthday", "effective_date", "aep", "post_window", "campaign_rate_increase", "followup_1_cold"):
        make_template(name)


def again(mail: EmailSchedule) -> EmailSchedule:
    return EmailSchedule.objects.select_related("message").get(pk=mail.pk)


def test_a_mail_whose_day_has_come_gets_its_message_by_the_key_of_its_event():
    contact = make_contact()
    mail = plan(contact)

    tally = hand_over(day=DAY, terms=TERMS)

    message = again(mail).message
    assert (tally.handed_over, dict(tally.stopped_by), tally.attention) == (1, {}, {})
    assert (again(mail).status, again(mail).email_template) == (Status.SCHEDULED, "birthday")
    assert (message.key, message.kind, message.lane) == (f"birthday:{contact.pk}:2026", "birthday", Lane.BULK)
    assert (message.recipient, message.needs_note, message.template_version.template.name) == (contact.email, False, "birthday")
    assert message.due_at == datetime(2026, 3, 2, 14, 30, tzinfo=UTC)
    assert message.expires_at == datetime(2026, 3, 10, 5, tzinfo=UTC)  # seven days later is still before the event; summer time by then


def test_after_the_time_of_sending_a_mail_is_due_at_once():
    mail = plan()

    hand_over(day=DAY, terms=replace(TERMS, now=datetime(2026, 3, 2, 20, tzinfo=UTC)))

    assert again(mail).message.due_at <= timezone.now()


def test_a_waiting_mail_expires_before_a_window_opens_and_with_its_event():
    soon = plan(make_contact(birth_date=date(1955, 3, 4)), event_on=date(2026, 3, 4), catch_up=True)
    contact = make_contact(state="OR", birth_date=date(1955, 5, 5), effective_date=date(2020, 4, 1))
    window = plan(contact, email_type="effective_date", event_on=date(2026, 4, 1))

    hand_over(day=DAY, terms=TERMS)

    assert again(soon).message.expires_at == datetime(2026, 3, 5, 6, tzinfo=UTC)
    assert again(window).message.expires_at == datetime(2026, 3, 6, 6, tzinfo=UTC)  # the window opens on 6 March


def test_a_mail_carries_its_unsubscribe_headers_reason_address_and_counted_links():
    mail = plan()

    hand_over(day=DAY, terms=TERMS)

    message = again(mail).message
    unsubscribe = TERMS.links.unsubscribe(mail.pk)
    assert message.headers == {"List-Unsubscribe": f"<{unsubscribe}>", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"}
    for body in (message.text, message.html):
        assert unsubscribe in body
        assert "1 Elm Street, Chicago, IL 60601" in body
        assert "You get this e-mail because you are a client of Elm Insurance" in body
    assert TERMS.links.click(mail.pk, target="https://plans.example/look") + ".\n" in message.text
    assert TERMS.links.click(mail.pk, target="https://plans.example/a?b=1&c=2") in message.html
    assert "https://plans.example" not in message.text + message.html


def test_a_link_that_a_contacts_name_brings_in_is_not_signed_by_us():
    mail = plan(make_contact(first_name="https://evil.example/x"))

    hand_over(day=DAY, terms=TERMS)

    assert "Hello https://evil.example/x, see" in again(mail).message.text


def test_a_second_call_hands_nothing_over_again_and_a_message_without_its_schedule_is_taken_up():
    mail = plan()
    hand_over(day=DAY, terms=TERMS)
    message = again(mail).message
    EmailSchedule.objects.filter(pk=mail.pk).update(status=Status.SCHEDULED)

    assert hand_over(day=DAY, terms=TERMS).handed_over == 0
    assert list(Message.objects.all()) == [message]


def test_a_test_deployment_hands_over_test_mails_with_working_links():
    mail = plan()
    sender = replace(TERMS.sender, mode=Mode.TEST)

    hand_over(day=DAY, terms=replace(TERMS, sender=sender))

    message = again(mail).message
    assert (message.key.startswith("test:birthday:"), message.recipient) == (True, sender.test_recipient)
    assert TERMS.links.read_unsubscribe(message.headers["List-Unsubscribe"].strip("<>").split("/")[-2]) == mail.pk


def test_nothing_leaves_without_a_postal_address():
    plan()

    with pytest.raises(NoPostalAddress, match="OFFICE_ADDRESS"):
        hand_over(day=DAY, terms=replace(TERMS, office=replace(TERMS.office, address=" ")))


def test_a_post_window_mail_lists_what_was_skipped():
    make_template("campaign_policy_update")
    template = "{% for mail in skipped_emails %}- {{ mail.title }}\n{% endfor %}"
    changed = make_template("own", text=template, html="")
    changed.name, kept = "post_window", type(changed).objects.get(name="post_window")
    type(changed).objects.filter(pk=kept.pk).update(name="old")
    changed.save()
    contact = make_contact(state="OR", birth_date=date(1955, 1, 29))
    facts = {
        "email_type": "post_window",
        "event_on": date(2026, 3, 1),
        "metadata": {"skipped_emails": ["birthday", "campaign_policy_update"]},
    }
    mail = plan(contact, **facts)

    hand_over(day=DAY, terms=TERMS)

    assert again(mail).message.text.startswith("- a greeting for your birthday\n- news about your policy\n")
    assert again(mail).message.key == f"post_window:{contact.pk}:2026-03-01"


def test_a_missing_template_is_named_and_only_its_mails_stay():
    missing, fine = plan(campaign_instance=make_campaign("policy_update"), event_on=date(2026, 3, 9)), plan()

    tally = hand_over(day=DAY, terms=TERMS)

    (sentence,) = tally.attention
    assert "there is no template campaign_policy_update" in sentence
    assert (tally.handed_over, dict(tally.stopped_by), tally.attention[sentence]) == (1, {"template": 1}, 1)
    assert (again(missing).status, again(fine).status) == (Status.PRE_SCHEDULED, Status.SCHEDULED)


def test_a_variable_without_a_value_is_named_and_its_mail_stays():
    make_template("greeting", text="Dear {{ carrier }}", html="")
    campaign = make_campaign(email_template=type(make_template("x")).objects.get(name="greeting"))
    without, with_one = (plan(make_contact(carrier=name), campaign_instance=campaign) for name in ("", "Acme"))

    tally = hand_over(day=DAY, terms=TERMS)

    assert [sentence for sentence in tally.attention if "carrier" in sentence and "greeting" in sentence]
    assert (again(without).status, again(with_one).email_template) == (Status.PRE_SCHEDULED, "greeting")
    assert tally.stopped_by == {"missing_variables": 1}


def suppress(mail, until=None):
    Suppression.objects.create(address=mail.contact.email, reason="asked", suppressed_until=until)


CORRECTED = [  # what is changed after the mail was planned; why it is stopped; what it is then, and why
    (lambda mail: suppress(mail), "suppressed", Status.CANCELLED, ""),
    (lambda mail: suppress(mail, timezone.now() + timedelta(days=9)), "suppressed_for_now", Status.PRE_SCHEDULED, ""),
    (lambda mail: change(mail, birth_date=date(1955, 3, 17)), "event_gone", Status.SKIPPED, SkipReason.MISSED),
    (lambda mail: change(mail, birth_date=None), "event_gone", Status.SKIPPED, SkipReason.MISSED),
    (lambda mail: change(mail, state="OR"), "exclusion_window", Status.SKIPPED, SkipReason.EXCLUSION_WINDOW),
    (lambda mail: change(mail, state="NY"), "year_round_exclusion", Status.SKIPPED, SkipReason.YEAR_ROUND_EXCLUSION),
]


def change(mail, **facts):
    type(mail.contact).objects.filter(pk=mail.contact_id).update(**facts)


@pytest.mark.parametrize(("change_it", "why", "status", "reason"), CORRECTED, ids=[f"{case[1]} {n}" for n, case in enumerate(CORRECTED)])
def test_what_is_no_longer_so_stops_the_mail(change_it, why, status, reason):
    mail, control = plan(), plan()
    change_it(mail)

    tally = hand_over(day=DAY, terms=TERMS)

    assert (tally.handed_over, tally.stopped_by) == (1, {why: 1})
    assert (again(mail).status, again(mail).skip_reason, again(control).status) == (status, reason, Status.SCHEDULED)
    assert status == Status.PRE_SCHEDULED or again(mail).metadata["stopped_by"] == why


def test_a_rule_that_was_changed_stops_what_it_excludes_now():
    mail = plan()
    rules = dict(FIRST_STATE_RULES) | {"TX": Window(anchor=Anchor.BIRTHDAY, before=14, after=30)}

    tally = hand_over(day=DAY, terms=terms(state_rules=rules))

    assert tally.stopped_by == {"exclusion_window": 1}
    assert again(mail).window_end == date(2026, 4, 15)


def test_a_window_that_moved_stops_its_post_window_mail():
    mail = plan(make_contact(state="OR", birth_date=date(1955, 1, 29)), email_type="post_window", event_on=date(2026, 3, 1))
    rules = dict(FIRST_STATE_RULES) | {"OR": Window(anchor=Anchor.BIRTHDAY, before=0, after=25)}

    assert hand_over(day=DAY, terms=terms(state_rules=rules)).stopped_by == {"event_gone": 1}
    assert again(mail).status == Status.SKIPPED


OVER = {
    "it has ended": lambda mail: type(mail.campaign_instance).objects.update(active_until=DAY - timedelta(days=1)),
    "it has not begun": lambda mail: type(mail.campaign_instance).objects.update(active_from=TOMORROW),
    "the contact is no target any more": lambda mail: mail.contact.campaigns.all().delete(),
    "the trigger is another day": lambda mail: mail.contact.campaigns.update(trigger_on=date(2026, 3, 20)),
}


@pytest.mark.parametrize("how", OVER)
def test_a_campaign_that_is_over_stops_its_mail(how):
    mail = plan(campaign_instance=make_campaign())
    OVER[how](mail)

    assert hand_over(day=DAY, terms=TERMS).stopped_by == {"campaign_over": 1}


def test_a_campaign_type_that_is_off_stops_its_mails():
    plan(campaign_instance=make_campaign())
    types = dict(FIRST_CAMPAIGN_TYPES)

    off = terms(campaign_types=types | {"rate_increase": replace(types["rate_increase"], active=False)})
    assert hand_over(day=DAY, terms=off).stopped_by == {"campaign_over": 1}

    del types["rate_increase"]
    plan(campaign_instance=make_campaign())
    assert hand_over(day=DAY, terms=terms(campaign_types=types)).stopped_by == {"campaign_over": 1}


def test_an_overdue_mail_goes_out_for_so_many_days_then_it_is_missed():
    late = plan(send_on=DAY - timedelta(days=7))
    too_late = plan(send_on=DAY - timedelta(days=8))
    event_over = plan(make_contact(birth_date=date(1955, 3, 1)), send_on=DAY - timedelta(days=3), event_on=date(2026, 3, 1))

    tally = hand_over(day=DAY, terms=TERMS)

    assert (tally.handed_over, tally.stopped_by) == (1, {"missed": 2})
    assert (again(late).send_on, again(late).moved_from) == (DAY, DAY - timedelta(days=7))
    assert {again(mail).skip_reason for mail in (too_late, event_over)} == {SkipReason.MISSED}


def test_what_the_days_cap_has_no_room_for_goes_out_on_the_next_days_the_best_first():
    mails = [plan(priority=priority) for priority in (5, 1, 5, 3)]
    reported = plan(priority=9, over_cap=True)
    small = terms(daily_send_percentage_cap=0.4, organisation_contacts=5)

    first = hand_over(day=DAY, terms=small)
    once_more = hand_over(day=DAY, terms=small)
    next_day = hand_over(day=TOMORROW, terms=small)

    assert (first.handed_over, first.stopped_by) == (3, {"daily_cap": 2})
    assert (once_more.handed_over, once_more.stopped_by) == (0, {"daily_cap": 2})
    assert next_day.handed_over == 2
    assert [again(mail).send_on for mail in [*mails, reported]] == [TOMORROW, DAY, TOMORROW, DAY, DAY]


def test_the_frequency_limit_holds_at_that_moment_but_not_for_follow_ups():
    contact = make_contact(effective_date=date(2020, 4, 1))
    first = plan(contact, priority=1)
    over = plan(contact, email_type="effective_date", event_on=date(2026, 4, 1))
    one = terms(max_emails_per_period=1)

    tally = hand_over(day=DAY, terms=one)

    assert (tally.handed_over, tally.stopped_by) == (1, {"frequency_limit": 1})
    assert (again(first).status, again(over).skip_reason) == (Status.SCHEDULED, SkipReason.FREQUENCY_LIMIT)

    parent = sent(first)
    follow_up = plan(contact, email_type="followup_1_cold", event_on=DAY, parent=parent, send_on=TOMORROW)
    assert hand_over(day=TOMORROW, terms=one).handed_over == 1
    assert again(follow_up).message.key == f"followup:{parent.message_id}"


def test_of_two_campaigns_on_one_day_the_worse_one_waits():
    make_template("campaign_seasonal_promo")
    contact = make_contact()
    better = plan(contact, campaign_instance=make_campaign(), priority=1)
    worse = plan(contact, campaign_instance=make_campaign("seasonal_promo"), priority=5, send_on=DAY - timedelta(days=1))

    assert hand_over(day=DAY, terms=TERMS).stopped_by == {"campaign_conflict": 1}
    assert (again(better).status, again(worse).status) == (Status.SCHEDULED, Status.PRE_SCHEDULED)
    assert hand_over(day=TOMORROW, terms=TERMS).handed_over == 1


def test_a_limit_is_kept_and_the_rest_is_handed_over_later():
    for _ in range(3):
        plan()

    assert [hand_over(day=DAY, terms=TERMS, limit=2).handed_over for _ in range(3)] == [2, 1, 0]


def test_one_event_has_one_mail_also_where_its_date_was_corrected():
    contact = make_contact()
    plan(contact)
    hand_over(day=DAY, terms=TERMS)
    change_to = date(1955, 3, 17)
    type(contact).objects.update(birth_date=change_to)
    second = plan(contact, event_on=date(2026, 3, 17), send_on=TOMORROW)

    assert hand_over(day=TOMORROW, terms=TERMS).stopped_by == {"already_mailed": 1}
    assert again(second).status == Status.CANCELLED
