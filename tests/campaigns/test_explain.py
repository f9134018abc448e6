"""One contact, explained: the verdict and when it changes, each mail's sentence, each rule, and what the stored schedule says."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from django.utils import timezone

from campaigns import runs
from campaigns.explain import as_json, as_text, explain
from campaigns.explaining.words import said
from campaigns.models import (
    CampaignInstance,
    CampaignType,
    Contact,
    ContactCampaign,
    EmailSchedule,
    EngagementEvent,
    RunStatus,
    SchedulerRun,
    Status,
)
from campaigns.rules.states import STATES, Window
from campaigns.settings import SchedulerSettings
from campaigns.what_if import what_if
from messaging.models import Message, Suppression
from tests.campaigns import slow_model
from tests.campaigns.asking import day
from tests.factories import make_message
from tests.portal.desk_rows import bring

pytestmark = pytest.mark.django_db

TODAY = date(2026, 5, 1)
JULY_10, DECEMBER_1 = date(1950, 7, 10), date(2010, 12, 1)
ZIPS = {"CA": "90210", "NV": "89101", "NY": "10001", "MO": "63101", "TX": "75001", "OR": "97201", "ID": "83702", "PR": "00901"}
PLAIN = SchedulerSettings()
PRIORITIES = {"birthday": 5, "effective_date": 3, "aep": 7, "post_window": 6}


def make(state="CA", **facts):
    told = {"birth_date": JULY_10, "effective_date": DECEMBER_1, "email": "ada@client.example", "first_name": "Ada"}
    return Contact.objects.create(state=state, **told | {"zip_code": ZIPS[state]} | facts)


def asked(contact, *, on=TODAY, today=TODAY, settings=PLAIN, versions=None):
    return explain(contact.pk, on=day(str(on)), day=day(str(today)), settings=settings, versions=versions or {})


def target(contact, kind="rate_increase", name="Spring", **facts):
    instance, _ = CampaignInstance.objects.get_or_create(campaign_type=CampaignType.objects.get(name=kind), name=name)
    return ContactCampaign.objects.create(contact=contact, instance=instance, **facts)


def planned(contact, **facts):
    told = {"send_time": "08:30", "status": Status.PRE_SCHEDULED, "priority": PRIORITIES[facts["email_type"]]}
    return EmailSchedule.objects.create(contact=contact, **told | facts)


def a_run(**facts):
    return SchedulerRun.objects.create(status=RunStatus.COMPLETED, ended_at=timezone.now(), day=TODAY, without_backup="A test", **facts)


CALIFORNIA = "California excludes from 11 April to 8 September 2026: 90 days before to 60 days after the birthday on 10 July"
VERDICTS = [  # state, facts, day asked about, what is said, and when it changes
    ("CA", {}, "2026-04-10", "may be written to, because no window of California covers the day", "2026-04-11"),
    ("CA", {}, "2026-04-11", f"may not be written to, because {CALIFORNIA}", "2026-09-09"),
    ("CA", {}, "2026-09-08", f"may not be written to, because {CALIFORNIA}", "2026-09-09"),
    ("CA", {}, "2026-09-09", "the last ended on 8 September 2026, the next begins on 11 April 2027", "2027-04-11"),
    (
        "NV",
        {},
        "2026-05-02",
        "Nevada excludes from 2 May to 30 August 2026: 60 days before to 60 days after 1 July, the",
        "2026-08-31",
    ),
    ("MO", {}, "2025-12-31", "from 2 September 2025 to 3 January 2026: 90 days before to 33 days after the policy anniv", "2026-01-04"),
    ("NY", {}, "2026-05-01", "may not be written to, because New York excludes every day of the year", None),
    ("TX", {}, "2026-05-01", "may be written to, because Texas has no exclusion rule", None),
    ("PR", {}, "2026-05-01", "may be written to, because no state's rule covers this address", None),
    (
        "CA",
        {"birth_date": None},
        "2026-05-01",
        "may be written to, because the birth date that California counts its window",
        None,
    ),
    ("TX", {"email": "ada@"}, "2026-05-01", "may not be written to, because 'ada@' is no e-mail address", None),
    ("TX", {"zip_code": ""}, "2026-05-01", "may not be written to, because The contact has no ZIP code", None),
]


@pytest.mark.parametrize(("state", "facts", "on", "words", "changes_on"), VERDICTS)
def test_the_verdict_names_rule_window_and_anchor_and_the_day_it_changes(state, facts, on, words, changes_on):
    verdict = as_json(asked(make(state, **facts), on=on))["verdict"]

    assert words in verdict["sentence"]
    assert verdict["changes_on"] == changes_on
    assert verdict["may_be_written_to"] == ("may be" in verdict["sentence"])


def test_the_change_is_the_first_day_on_which_the_slow_model_answers_otherwise():
    for number, state in enumerate(ZIPS):
        contact = make(state, birth_date=date(1944, 2, 29), email=f"c{number}@client.example")
        person = slow_model.Person(state if state in STATES else "other", contact.birth_date, contact.effective_date)
        for on in (TODAY + timedelta(days=17 * step) for step in range(20)):
            answers = [bool(slow_model.excluded(person, on + timedelta(days=ahead))) for ahead in range(500)]
            other = next((ahead for ahead, answer in enumerate(answers) if answer != answers[0]), None)

            verdict = asked(contact, on=on).verdict

            assert verdict.may == (not answers[0]), (state, on)
            assert verdict.changes_on == (None if other is None else day(str(on + timedelta(days=other)))), (state, on)


def test_unknown_days_are_flagged_and_blocked_where_that_is_set():
    contact = make(birth_date=None)

    allowed, blocked = asked(contact), asked(contact, settings=SchedulerSettings(block_when_anchor_missing=True))

    assert as_json(allowed)["flags"] == as_json(blocked)["flags"] == ["exclusion_unknown"]
    assert allowed.verdict.may
    assert "which is not known, and unknown days are blocked" in blocked.verdict.sentence
    assert set(allowed.days.values()) == {"free"}
    assert set(blocked.days.values()) == {"unknown"}


def test_an_age_from_which_every_day_is_excluded_is_told():
    rules = {**PLAIN.state_rules, "TX": Window(anchor=PLAIN.rules.of("TX").anchor, year_round_from_age=76)}

    told = asked(make("TX"), settings=SchedulerSettings(state_rules=rules))

    assert told.verdict.may
    assert told.verdict.changes_on == day("2026-07-10")
    late = asked(Contact.objects.get(), on="2026-07-10", settings=SchedulerSettings(state_rules=rules))
    assert "Texas excludes every day from the 76th birthday on" in late.verdict.sentence


SUPPRESSIONS = [  # until, the day asked about, whether it may be written to, when that changes
    (None, "2026-05-01", False, None),
    (datetime(2026, 5, 20, 13, 0, tzinfo=UTC), "2026-05-19", False, "2026-05-20"),  # 08:00 in the office: over before mails leave
    (datetime(2026, 5, 20, 14, 0, tzinfo=UTC), "2026-05-20", False, "2026-05-21"),  # 09:00
    (datetime(2026, 5, 20, 14, 0, tzinfo=UTC), "2026-05-21", True, None),
]


@pytest.mark.parametrize(("until", "on", "may", "changes_on"), SUPPRESSIONS)
def test_a_suppressed_address_is_told_until_it_ends(until, on, may, changes_on):
    Suppression.objects.create(address="ada@client.example", reason="asked by phone", suppressed_until=until)

    verdict = as_json(asked(make("TX", email="Ada@Client.example"), on=on))["verdict"]

    assert (verdict["may_be_written_to"], verdict["changes_on"]) == (may, changes_on)
    assert verdict["reasons"] == ([] if may else ["suppressed"])


def test_every_mail_says_why():
    contact = make()
    target(contact, trigger_on=date(2026, 6, 1))
    target(contact, kind="regulatory_notice", name="Notice", trigger_on=date(2026, 6, 3))

    mails = {mail["email_type"]: mail["sentence"] for mail in asked(contact).mails}

    assert mails == {
        "birthday": f"Skipped on 26 June 2026: {CALIFORNIA}.",
        "campaign_rate_increase": f"Skipped on 18 May 2026: {CALIFORNIA}.",
        "campaign_regulatory_notice": "Goes out on 3 June 2026, campaign “Notice”, on its trigger date, 3 June 2026. "
        "It ignores exclusion windows.",
        "post_window": "Goes out on 9 September 2026, after the window that ends on 8 September 2026, in place of the birthday mail and "
        "rate increase mail.",
        "aep": "Goes out on 15 September 2026, the AEP day.",
        "effective_date": "Goes out on 1 November 2026, 30 days before the policy anniversary on 1 December 2026.",
    }


def test_conflicts_limits_and_missed_triggers_say_why():
    contact = make("TX")
    for number, trigger in enumerate(["2026-06-20", "2026-06-20", "2026-04-20"]):
        target(contact, name=f"Letter {number}", trigger_on=trigger)

    told = asked(contact, settings=SchedulerSettings(max_emails_per_period=1))

    said = " ".join(mail["sentence"] for mail in told.mails if mail["status"] == "skipped")
    assert "another campaign of this contact goes first on that day" in said
    assert "its trigger date, 20 April 2026, was over before it could go out" in said
    assert "with it more than 1 mail would fall within 30 days, and others go first" in said


def test_each_rule_stands_in_order_with_its_version_and_source():
    rules = as_json(asked(make(), versions={"state_rules": 3}))["rules"]

    assert [rule["rule"] for rule in rules] == [
        *("contact", "suppression", "known_events", "anniversaries", "aep", "campaigns"),
        *("exclusion", "post_window", "conflicts", "load_balancing", "frequency", "follow_ups"),
    ]
    exclusion = rules[6]
    assert (exclusion["kind"], exclusion["version"]) == ("state_rules", 3)
    assert exclusion["source"] == "seed 4; business_logic.md §4 (not legally verified)"
    assert exclusion["inputs"]["windows"][0] == {
        "start": "2026-04-11",
        "statutory_start": "2026-06-10",
        "end": "2026-09-08",
        "anchor": "2026-07-10",
    }
    assert all(rule["answer"] and rule["source"] and "inputs" in rule for rule in rules)


def test_the_days_tell_the_lead_from_the_statutory_part():
    days = asked(make()).days

    assert [days[date(2026, *each)] for each in [(6, 9), (6, 10), (9, 8), (9, 9)]] == ["lead", "statutory", "statutory", "free"]
    assert (min(days), max(days)) == (date(2026, 5, 1), date(2027, 5, 31))


def test_what_the_last_run_moved_is_told_on_its_new_day():
    contact = make("TX")
    a_run(contacts=1_000, contacts_done=1_000, by_day={"2026-11-03": 70})
    planned(contact, email_type="effective_date", send_on="2026-11-03", event_on="2026-12-01", moved_from="2026-11-01")

    told = asked(contact)

    (mail,) = [mail for mail in told.mails if mail["email_type"] == "effective_date"]
    assert (mail["date"], mail["moved_from"]) == ("2026-11-03", "2026-11-01")
    assert "The last run moved it from 1 November 2026 to spread the load." in mail["sentence"]
    balance = next(step for step in told.steps if step.rule == "load_balancing")
    assert (balance.inputs["daily_cap"], balance.inputs["mails_on_these_days"]["2026-11-03"]) == (70, 70)


def test_where_the_schedule_says_something_else_it_says_so_and_why():
    contact = make("TX")
    run = a_run(config_versions={"timing": 1}, settings={"birthday_email_days_before": 20, "send_time": "08:30"})
    planned(contact, email_type="birthday", send_on="2026-06-20", event_on="2026-07-10", run=run)
    planned(contact, email_type="aep", send_on="2026-09-15", event_on="2026-09-15", run=run)
    planned(contact, email_type="post_window", send_on="2026-07-01", event_on="2026-06-30", run=run)

    told = asked(contact, versions={"timing": 2})

    assert [one.sentence for one in told.differences] == [
        "Policy anniversary mail: not in the schedule yet; by the rules now pre-scheduled on 1 November 2026.",
        "Birthday mail: in the schedule pre-scheduled on 20 June 2026; by the rules now pre-scheduled on 26 June 2026.",
        "Post-window mail: in the schedule pre-scheduled on 1 July 2026; by the rules now none is planned.",
    ]
    assert told.since_then[:2] == [
        f"The configuration has changed since run {run.pk}: timing.",
        f"Settings have changed since run {run.pk}: birthday_email_days_before from 20 to 14.",
    ]


TIGHT = SchedulerSettings(daily_send_percentage_cap=0.05, ed_daily_soft_limit=1, max_emails_per_period=2)


@pytest.mark.parametrize("settings", [PLAIN, TIGHT], ids=["plain", "tight"])
def test_what_a_run_has_written_differs_in_nothing_also_on_the_day_after(settings):
    names = sorted(ZIPS)
    for number in range(60):
        told = {"email": f"c{number}@client.example", "birth_date": date(1950, 1 + number % 12, 1 + number % 28)}
        target(make(names[number % len(names)], **told), name=f"Letter {number % 3}", trigger_on=TODAY + timedelta(days=number))
    for today in (TODAY, TODAY + timedelta(days=1)):
        run = runs.run(runs.Order(day=today, settings=settings, versions={}, without_backup="A test"))
        assert run.added

        told = {contact.pk: asked(contact, today=today, settings=settings) for contact in Contact.objects.all()}

        assert {number: one.story for number, one in told.items() if one.story} == {}
        looked_at = (today, date(2027, 5, 31))
        rows = EmailSchedule.objects.filter(send_on__range=looked_at).values_list("contact_id", "email_type", "send_on", "status")
        assert sorted(rows) == sorted(
            (number, mail["email_type"], date.fromisoformat(mail["date"]), mail["status"])
            for number, one in told.items()
            for mail in one.mails
            if mail["date"] >= str(today)
        )


def test_a_mail_that_a_person_stopped_is_told_and_not_planned_again():
    contact = make("TX")
    planned(contact, email_type="birthday", send_on="2026-06-26", event_on="2026-07-10", status=Status.CANCELLED)

    told = asked(contact)

    assert "settled by the one of 26 June 2026, so none is planned" in told.steps[3].answer
    assert [mail["sentence"] for mail in told.mails if mail["email_type"] == "birthday"] == [
        "Would have gone out on 26 June 2026; a person stopped it, about the birthday on 10 July 2026."
    ]


def test_a_mail_that_went_out_is_told_and_so_is_its_follow_up_by_what_the_contact_did():
    contact = make("TX")
    message = make_message(kind="birthday")
    bring(message, "sent")
    sent_on = Message.objects.get(pk=message.pk).sent_at.astimezone(ZoneInfo(PLAIN.time_zone)).date()
    event_on = sent_on + timedelta(days=14)
    contact.birth_date = event_on.replace(year=1952)
    contact.save()
    planned(contact, email_type="birthday", send_on=sent_on, event_on=event_on, status=Status.SCHEDULED, message=message)
    EngagementEvent.objects.create(key="click:1", contact=contact, kind="clicked", at=timezone.now())

    told = asked(contact, on=sent_on, today=sent_on)

    mails = {mail["email_type"]: (mail["status"], mail["sentence"]) for mail in told.mails}
    assert mails["birthday"] == ("sent", f"Went out on {said(sent_on)}, about the birthday on {said(event_on)}.")
    follow_up = (
        f"Goes out on {said(sent_on + timedelta(days=2))}, 2 days after a mail of {said(sent_on)}: follow-up to a click without answers."
    )
    assert mails["followup_2_clicked_no_hq"] == ("pre-scheduled", follow_up)
    assert "settled by the one of" in told.steps[3].answer


def test_the_text_has_the_verdict_every_mail_and_every_rule():
    told = asked(make())
    text = as_text(told)

    assert told.verdict.sentence in text
    assert all(mail["sentence"] in text for mail in told.mails)
    assert all(step.answer in text for step in told.steps)
    assert "The schedule has no mail of this contact yet." in text


def test_what_if_answers_the_same():
    random = np.random.default_rng(4)
    names = sorted(ZIPS)
    for number in range(40):
        contact = make(
            names[number % len(names)],
            email=f"c{number}@client.example",
            birth_date=date(1940, 1, 1) + timedelta(days=int(random.integers(0, 9_000))) if number % 9 else None,
            effective_date=date(2011, 1 + number % 12, 1) if number % 7 else None,
        )
        targets = [target(contact, name=f"L{each}", trigger_on=TODAY + timedelta(days=int(random.integers(-9, 200)))) for each in range(2)]

        plan = as_plain(asked(contact).facts)

        assert plan == rows_of_what_if(contact, targets), contact


def as_plain(facts):
    names = facts.settings.email_types.names
    return sorted(
        (names[row["kind"]], str(row["send_on"]), str(row["event_on"]), int(row["status"]) == 1) for row in facts.plan.by_rules_alone
    )


def rows_of_what_if(contact, targets):
    told = {"id": contact.pk, "zip_code": contact.zip_code} | {
        name: value.isoformat() for name in ("birth_date", "effective_date") if (value := getattr(contact, name))
    }
    told["targets"] = [
        {"campaign_type": "rate_increase", "instance": each.instance_id, "trigger_date": each.trigger_on.isoformat()} for each in targets
    ]
    (answer,) = what_if([told], day=day(str(TODAY)), settings=PLAIN, rules_only=True).contacts
    return sorted((row["email_type"], row["date"], str(row["event_date"]), row["status"] == "skipped") for row in answer["rows"])


def test_it_asks_the_database_few_questions_however_many_mails_there_are(django_assert_max_num_queries):
    contact = make()
    for number in range(20):
        target(contact, name=f"Letter {number}", trigger_on=TODAY + timedelta(days=number))
        planned(contact, email_type="birthday", send_on=f"20{10 + number}-06-26", event_on=f"20{10 + number}-07-10")

    with django_assert_max_num_queries(6):  # besides the COPYs of loading
        asked(contact)


def test_a_contact_that_is_not_there_is_refused():
    with pytest.raises(Contact.DoesNotExist):
        explain(404, on=day("2026-05-01"), day=day("2026-05-01"), settings=PLAIN, versions={})
