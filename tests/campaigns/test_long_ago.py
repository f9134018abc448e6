"""What no rule asks for any more, because it is so old, still stands in the schedule: no run stumbles over it, none repeats it."""

from datetime import date, timedelta

import pytest

from campaigns import runs
from campaigns.models import CampaignType, ContactCampaign, EmailSchedule, RunStatus
from campaigns.settings import read
from tests.campaigns.mails import make_campaign, make_contact

DAY = date(2026, 3, 2)
WITHOUT_END = {"active_from": None, "active_until": None}
SETTINGS = read({"campaign_types": {"initial_blast": {"respect_exclusion_windows": False}}})


@pytest.mark.django_db
@pytest.mark.parametrize("ago", [1, 390, 399, 400, 401, 420, 900])
@pytest.mark.parametrize("days_before", [-300, 0, 14, 300])
def test_a_campaign_without_an_end_goes_on_being_planned(ago: int, days_before: int) -> None:
    CampaignType.objects.filter(name="rate_increase").update(days_before_event=days_before)
    settings = read({"campaign_types": {"rate_increase": {"days_before_event": days_before}}})
    target = {"contact": make_contact(), "instance": make_campaign(**WITHOUT_END), "trigger_on": DAY - timedelta(days=ago)}
    ContactCampaign.objects.create(**target)
    first = target["trigger_on"] + timedelta(days=1)
    for day in (first, DAY, DAY + timedelta(days=1), DAY + timedelta(days=420)):
        assert runs.run(runs.Order(day=day, settings=settings, versions={}, without_backup="A test")).status == RunStatus.COMPLETED
    assert EmailSchedule.objects.filter(campaign_instance=target["instance"]).count() == 1


@pytest.mark.django_db
def test_a_mail_without_an_event_goes_out_once_however_long_its_campaign_runs() -> None:
    target = {"contact": make_contact(), "instance": make_campaign("initial_blast", **WITHOUT_END), "trigger_on": None}
    ContactCampaign.objects.create(**target)
    runs.run(runs.Order(day=DAY, settings=SETTINGS, versions={}, without_backup="A test"))
    mail = EmailSchedule.objects.filter(campaign_instance=target["instance"])
    mail.update(status="cancelled")
    for days in (1, 399, 401, 900):
        runs.run(runs.Order(day=DAY + timedelta(days=days), settings=SETTINGS, versions={}, without_backup="A test"))
    assert [row.status for row in mail] == ["cancelled"]
