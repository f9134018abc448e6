"""What other settings would change in the plan, counted by hand on a few contacts."""

from datetime import date
from typing import Any

import numpy as np
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from campaigns import impact as impact_module
from campaigns.impact import impact
from campaigns.models import CampaignInstance, CampaignType, Contact, ContactCampaign
from campaigns.rules.states import FIRST_STATE_RULES, Anchor, Window
from campaigns.settings import SchedulerSettings

pytestmark = pytest.mark.django_db

TODAY = np.datetime64("2026-03-02", "D")
BORN = date(1950, 7, 10)
OLD = SchedulerSettings(daily_send_percentage_cap=1.0)  # nothing moves for load


def people(state: str, count: int = 1, **facts: Any) -> list[Contact]:
    made = [Contact(email=f"{state}{n}@x.example", zip_code="00000", state=state, **{"birth_date": BORN} | facts) for n in range(count)]
    return Contact.objects.bulk_create(made)


def changed(**told: Any) -> SchedulerSettings:
    return SchedulerSettings(**{"daily_send_percentage_cap": 1.0} | told)


def with_rule(state: str, **rule: Any) -> SchedulerSettings:
    return changed(state_rules={**FIRST_STATE_RULES, state: Window(**rule)})


def figures(found: Any) -> tuple[int, int, int]:
    return found.excluded, found.released, found.moved


def test_the_same_settings_change_nothing():
    people("TX", 3)

    found = impact(old=OLD, new=OLD, day=TODAY)
    assert (figures(found), found.before, found.after, found.looked_at) == ((0, 0, 0), 6, 6, 3)  # a birthday and an AEP mail each
    assert (found.by_state, found.by_day, found.is_sample) == ({}, {}, False)


def test_a_year_round_rule_excludes_every_mail_of_the_state():
    people("TX", 2)
    people("FL", 1)

    found = impact(old=OLD, new=with_rule("TX", anchor=Anchor.ALWAYS), day=TODAY)
    assert (figures(found), found.before, found.after) == ((4, 0, 0), 6, 2)
    assert found.by_state == {"TX": {"excluded": 4}}
    assert found.by_day == {"2026-06-26": {"excluded": 2}, "2026-09-15": {"excluded": 2}}
    assert found.by_reason == {"year_round_exclusion": 4}


def test_a_rule_that_falls_releases_what_it_held():
    people("NY", 2)

    found = impact(old=OLD, new=with_rule("NY", anchor=Anchor.NONE), day=TODAY)
    assert (figures(found), found.by_state) == ((0, 4, 0), {"NY": {"released": 4}})
    assert found.by_day == {"2026-06-26": {"released": 2}, "2026-09-15": {"released": 2}}


def test_a_window_swallows_a_mail_and_owes_one_after_it():
    people("TX")  # the birthday mail of June 26 would lie before July 10, the mail after the window on August 10

    found = impact(old=OLD, new=with_rule("TX", anchor=Anchor.BIRTHDAY, after=30), day=TODAY)
    assert figures(found) == (1, 1, 0)
    assert found.by_day == {"2026-06-26": {"excluded": 1}, "2026-08-10": {"released": 1}}
    assert found.by_reason == {"exclusion_window": 1}


def test_a_longer_window_moves_the_mail_after_it():
    people("MD")  # its window ends on August 9

    found = impact(old=OLD, new=with_rule("MD", anchor=Anchor.BIRTHDAY, after=33), day=TODAY)
    assert (figures(found), found.by_state) == ((0, 0, 1), {"MD": {"moved": 1}})
    assert found.by_day == {"2026-08-10": {"moved_away": 1}, "2026-08-13": {"moved_here": 1}}


def test_another_lead_moves_birthday_mails_and_another_aep_day_aep_mails():
    people("TX", 2)

    birthdays = impact(old=OLD, new=changed(birthday_email_days_before=7), day=TODAY)
    aep = impact(old=OLD, new=changed(aep_dates={"2026": "2026-09-20"}), day=TODAY)
    assert (figures(birthdays), birthdays.by_day) == ((0, 0, 2), {"2026-06-26": {"moved_away": 2}, "2026-07-03": {"moved_here": 2}})
    assert (figures(aep), aep.by_day) == ((0, 0, 2), {"2026-09-15": {"moved_away": 2}, "2026-09-20": {"moved_here": 2}})


def test_a_campaign_type_that_rests_takes_its_mails_along():
    (contact,) = people("TX")
    kind = CampaignType.objects.get(name="rate_increase")
    instance = CampaignInstance.objects.create(campaign_type=kind, name="March")
    ContactCampaign.objects.create(contact=contact, instance=instance, trigger_on=date(2026, 4, 1))
    types = OLD.campaign_types

    resting = changed(
        campaign_types={**types, "rate_increase": type(types["rate_increase"])(days_before_event=14, priority=1, active=False)}
    )
    found = impact(old=OLD, new=resting, day=TODAY)
    assert (figures(found), found.by_day) == ((1, 0, 0), {"2026-03-18": {"excluded": 1}})
    assert found.by_reason == {"not_planned": 1}


def test_without_contacts_there_is_nothing_to_change():
    found = impact(old=OLD, new=with_rule("TX", anchor=Anchor.ALWAYS), day=TODAY)

    assert (figures(found), found.contacts, found.factor) == ((0, 0, 0), 0, 1.0)


def test_of_many_contacts_a_sample_is_looked_at_and_that_is_told(monkeypatch):
    monkeypatch.setattr(impact_module, "CHUNK", 37)
    people("TX", 400)

    found = impact(old=OLD, new=with_rule("TX", anchor=Anchor.ALWAYS), day=TODAY, most=100)
    again = impact(old=OLD, new=with_rule("TX", anchor=Anchor.ALWAYS), day=TODAY, most=100)
    assert found.is_sample
    assert 60 <= found.looked_at <= 100
    assert found.excluded == 2 * found.looked_at
    assert found.sentence.startswith("About 800 planned mails become 0: about 800 excluded, about 0 released, about 0 moved.")
    assert f"a sample of {found.looked_at} of 400 contacts" in found.sentence
    assert found.facts() == again.facts()


def test_the_figures_do_not_depend_on_how_the_contacts_are_cut(monkeypatch):
    people("TX", 20)
    people("CA", 20)
    new = with_rule("CA", anchor=Anchor.NONE)
    whole = impact(old=OLD, new=new, day=TODAY).facts()

    monkeypatch.setattr(impact_module, "CHUNK", 7)
    assert impact(old=OLD, new=new, day=TODAY).facts() == whole


def test_contacts_are_loaded_also_while_queries_are_watched():
    people("TX", 2)

    with CaptureQueriesContext(connection):  # as with DEBUG on
        assert impact(old=OLD, new=OLD, day=TODAY).before == 4
