"""The dashboard's figures of campaigns: each counts exactly its rows, and the list behind it shows the same number."""

import html
import json
import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from campaigns.models import SchedulerRun
from portal import wiring
from portal.dashboard import campaign_figures
from tests.campaigns.rows import make_contact, make_mail
from tests.factories import make_message
from tests.portal.desk_rows import staff, superuser

pytestmark = pytest.mark.django_db


def run(status="completed", **facts):
    plain = {"day": wiring.today(), "status": status, "ended_at": timezone.now(), "without_backup": "A test"}
    return SchedulerRun.objects.create(**plain | facts)


def plant():
    """Mails of today, of yesterday, of the coming days, in every state."""
    today, contact = wiring.today(), make_contact(state="CA", birth_date=None)
    for ahead in (0, 0, -1, -30, 3, 3, 3, 29, 30):
        make_mail(send_on=today + timedelta(days=ahead))
    make_mail(send_on=today + timedelta(days=3), over_cap=True)
    for reason in ("missed", "missed", "exclusion_window"):
        make_mail(contact, send_on=today, status="skipped", skip_reason=reason)
    make_mail(contact, send_on=today, status="scheduled", message=make_message())


def test_the_figures_of_today_count_what_is_due_handed_over_and_skipped():
    plant()

    counted = campaign_figures.of_today(today=wiring.today(), overdue_days=7)

    assert (counted.due, counted.handed_over, counted.skipped) == (3, 1, {"missed": 2, "exclusion_window": 1})


def test_the_month_leaves_no_day_out_and_counts_none_twice():
    plant()

    days = campaign_figures.planned_by_day(today=wiring.today(), days=30)

    assert [day.on for day in days] == [wiring.today() + timedelta(days=ahead) for ahead in range(30)]
    assert {ahead: (day.planned, day.over_cap) for ahead, day in enumerate(days) if day.planned} == {0: (2, 0), 3: (4, 1), 29: (1, 0)}


def test_every_figure_leads_to_exactly_its_rows():
    plant()
    boss = superuser()
    page = boss.get("/admin/").content.decode()

    figures = re.findall(r'<a id="([\w-]+)"[^>]*href="([^"]+)"><(?:b|strong)>(\d+)<', page)
    figures = [(name, address, count) for name, address, count in figures if name.startswith(("mails-", "skipped-"))]
    shown = {name: (int(count), len(boss.get(html.unescape(address)).context["cl"].result_list)) for name, address, count in figures}

    assert shown["mails-due"] == (3, 3)
    assert shown["mails-handed-over"] == (1, 1)
    assert shown["skipped-missed"] == (2, 2)
    days = re.findall(r'<td><a href="([^"]+)">(\d+)</a></td>', page)
    assert len(days) == 30
    assert {int(count) for _, count in days} == {0, 1, 2, 4}
    assert len(boss.get(html.unescape(days[3][0])).context["cl"].result_list) == 4


def test_the_chart_shows_the_cap_of_the_last_completed_run():
    plant()
    run(daily_cap=140)
    run("failed", error="Disk full", daily_cap=9)

    month = superuser().get("/admin/").context["month"]

    assert (month["cap"], month["total"]) == (140, 7)
    planned, above, cap = json.loads(month["chart"])["datasets"]
    assert (planned["data"][3], above["data"][3], cap["data"]) == (3, 1, [140] * 30)


def test_what_needs_a_person_is_told_a_failed_run_days_over_the_cap_and_exclusions_nobody_knows():
    plant()
    run("failed", error="Disk full")

    needs = {need.name: need for need in superuser().get("/admin/").context["needs"]}

    assert "Disk full" in needs["run_failed"].says
    assert (needs["over_cap"].count, needs["exclusion_unknown"].count) == (1, 1)
    run()
    assert campaign_figures.failed_run() is None


def test_without_contacts_there_is_no_section_and_without_the_right_neither():
    assert superuser().get("/admin/").context["campaigns"] is None
    plant()
    context = staff().get("/admin/").context

    assert (context["campaigns"], context["month"]) == (None, None)


def test_the_moving_part_takes_the_same_number_of_queries_for_few_rows_and_for_many():
    boss, spent = superuser(), []
    for _ in range(2):
        plant()
        with CaptureQueriesContext(connection) as queries:
            boss.get("/admin/dashboard/live/")
        spent.append(len(queries))

    assert spent[0] == spent[1]
