"""The desks and the page of daily summaries: each person their own, managers everybody's; thirty days as a grid."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client
from django.utils import timezone

from messaging.models import Message
from portal.models import SummaryTick
from portal.summaries import daily
from portal.summaries.models import DailySummary, SummaryPreference
from tests.factories import make_preference
from tests.portal.desk_rows import said, staff
from tests.portal.summaries.runs import end, terms

pytestmark = pytest.mark.django_db
ADD = "/admin/portal/summarypreference/add/"
WORDS = {"enable_daily_summary": "on", "notification_email": "ann@home.example", "summary_time_local": "07:30", "zone": "Europe/Berlin"}


def role(name: str, username: str = "ann") -> Client:
    user = User.objects.create_user(username, f"{username}@portal.example", is_staff=True)
    user.groups.add(Group.objects.get(name=name))
    client = Client()
    client.force_login(user)
    return client


def test_somebody_without_any_right_has_a_summary_of_their_own_and_no_other():
    theirs = make_preference()
    clerk = staff()

    assert clerk.get("/admin/summaries/mine/")["Location"] == ADD
    assert 'value="clerk@portal.example"' in clerk.get(ADD).content.decode()
    made = clerk.post(ADD, WORDS | {"user": theirs.user_id}, follow=True)

    assert made.status_code == 200
    own = SummaryPreference.objects.get(user__username="clerk")
    assert (own.notification_email, f"{own.summary_time_local:%H:%M}", own.zone) == ("ann@home.example", "07:30", "Europe/Berlin")
    assert clerk.get("/admin/summaries/mine/")["Location"] == f"/admin/portal/summarypreference/{own.pk}/change/"
    assert clerk.get(ADD).status_code == 403
    assert clerk.get(f"/admin/portal/summarypreference/{theirs.pk}/change/").status_code in (302, 403)
    clerk.post(f"/admin/portal/summarypreference/{theirs.pk}/change/", WORDS)
    assert SummaryPreference.objects.get(pk=theirs.pk).zone == "America/Chicago"


def test_a_manager_looks_after_everybodys():
    theirs, idle = make_preference(), User.objects.create_user("idle", is_staff=True)
    boss = role("Manager")

    assert theirs.user.username in boss.get("/admin/portal/summarypreference/").content.decode()
    boss.post(f"/admin/portal/summarypreference/{theirs.pk}/change/", WORDS | {"enable_daily_summary": ""})
    boss.post(ADD, WORDS | {"user": idle.pk})

    changed = SummaryPreference.objects.get(pk=theirs.pk)
    assert (changed.enable_daily_summary, changed.zone, changed.user) == (False, "Europe/Berlin", theirs.user)
    assert changed.changed_at > theirs.changed_at
    assert SummaryPreference.objects.filter(user=idle).exists()


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"zone": "Mars/Olympus"}, "No time zone is called Mars/Olympus"),
        ({"notification_email": "ann"}, "email address"),
        ({"summary_time_local": "25:00"}, "Enter a valid time"),
        ({"summary_time_local": ""}, "This field is required"),
    ],
)
def test_what_is_no_preference_is_refused_in_words(wrong, sentence):
    answer = staff().post(ADD, WORDS | wrong)

    assert answer.status_code == 200
    assert sentence in answer.content.decode()
    assert not SummaryPreference.objects.exists()


def test_a_failed_summary_is_sent_from_its_desk_with_a_reason():
    boss = role("Operator")
    preference = make_preference(changed_at=timezone.now() - timedelta(minutes=1), summary_time_local="00:00")
    daily.send_due(terms(), force=True)
    end(Message.objects.get(), "failed", code=550)
    daily.send_due(terms())
    row = DailySummary.objects.get(user=preference.user)
    assert row.status == "failed"

    answer = boss.post(f"/admin/portal/dailysummary/{row.pk}/act/send_now/", {"confirmed": "yes", "reason": "repaired"}, follow=True)

    row.refresh_from_db()
    assert (row.status, row.message.status) == ("scheduled", "queued")
    assert "is on its way" in said(answer)


def test_the_page_shows_the_last_run_who_is_next_and_thirty_days():
    boss = role("Viewer")
    make_preference(changed_at=timezone.now() - timedelta(days=20))
    daily.send_due(terms(), force=True)
    page = boss.get("/admin/summaries/")

    words = page.content.decode()
    assert page.status_code == 200
    assert len(page.context["days"]) == 30
    (line,) = page.context["lines"]
    assert [cell.sign for cell in line.cells if cell.summary_id][-1] == "…"
    assert "missed, no run came by" in words, "wanted for twenty days, and no run came by on the others"
    assert f"/admin/portal/dailysummary/{DailySummary.objects.latest('day').pk}/change/" in words


def test_the_page_says_when_no_run_comes_by():
    boss = role("Viewer")
    make_preference()
    SummaryTick.objects.create(ran_at=timezone.now() - timedelta(hours=1))

    assert "No run came for more than 15 minutes" in boss.get("/admin/summaries/").content.decode()


def test_whoever_may_not_see_all_sees_their_own_line_only():
    make_preference()
    clerk = staff()
    clerk.post(ADD, WORDS)

    page = clerk.get("/admin/summaries/")

    assert [str(line.preference.user) for line in page.context["lines"]] == ["clerk"]


def test_the_grid_is_one_query_for_any_number_of_people(django_assert_max_num_queries):
    boss = role("Viewer")
    for _ in range(20):
        make_preference()

    with django_assert_max_num_queries(25):
        boss.get("/admin/summaries/")
