"""The scheduler's runs on the desk: how far, what they planned and changed; one is started, a failed one is resumed; once at a time."""

from datetime import date, timedelta

import pytest
from django.utils import timezone
from django_q.models import OrmQ

from campaigns import runs, targeting
from campaigns.models import Contact, ContactToPlan, EmailSchedule, RunChunk, RunStatus, SchedulerRun, Step
from portal import planning, tasks, wiring
from portal.admin import run_progress
from portal.dashboard import campaign_needs, campaigns_section
from tests.campaigns.rows import make_campaign, make_contact
from tests.portal.desk_rows import said, staff, superuser

pytestmark = pytest.mark.django_db
RUNS = "/admin/campaigns/schedulerrun/"


@pytest.fixture
def planned():
    """A run over three contacts, with mails planned and skipped."""
    soon = wiring.today() + timedelta(days=40)
    for state, zip_code in (("KS", "66842"), ("TX", "75001"), ("NY", "10001")):
        make_contact(state=state, zip_code=zip_code, birth_date=date(1956, soon.month, min(soon.day, 28)))
    return runs.run(planning.order())


def rung():
    return [ring.task["func"] for ring in OrmQ.objects.all()]


def shown(response):
    return response.content.decode().replace("&amp;", "&").replace("&#x27;", "'")


def test_a_run_tells_what_it_planned_and_each_count_leads_to_its_mails(planned):
    boss = superuser()

    page = boss.get(f"{RUNS}{planned.pk}/change/")
    text = shown(page)

    assert planned.scheduled
    assert planned.skipped
    assert "/admin/campaigns/emailschedule/?state=planned&type=birthday" in text
    assert "/admin/campaigns/emailschedule/?state=skipped&reason=" in text
    assert planned.after_checksum in text
    assert "Mails planned, by day" in text
    assert "Changed in the schedule, by the contact's state" in text
    assert "/admin/portal/configversion/" in text or "as shipped" in text
    listed = boss.get("/admin/campaigns/emailschedule/?state=planned&type=birthday").context["cl"].result_count
    assert listed == planned.by_type["birthday"] == EmailSchedule.objects.planned().filter(email_type="birthday").count()


def test_the_list_tells_each_run_in_a_line(planned):
    page = shown(superuser().get(RUNS))

    assert f"{planned.added:,} added, 0 changed, 0 removed" in page
    assert "Plan now" in page
    assert "everybody" in page


def test_days_above_a_cap_are_listed_with_their_mails(planned):
    day = str(wiring.today() + timedelta(days=3))
    SchedulerRun.objects.update(over_cap=[{"day": day, "cap": "daily", "limit": 10, "mails": 13}])

    page = shown(superuser().get(f"{RUNS}{planned.pk}/change/"))

    assert f"/admin/campaigns/emailschedule/?state=planned&send_on_from={day}&send_on_to={day}" in page


def test_plan_now_starts_one_run_and_a_second_one_is_led_to_it(planned, django_capture_on_commit_callbacks):
    boss = superuser()
    assert "All 3 contacts" in shown(boss.get(f"{RUNS}plan/"))

    with django_capture_on_commit_callbacks(execute=True):
        first = boss.post(f"{RUNS}plan/")
    second = boss.post(f"{RUNS}plan/", follow=True)

    run = SchedulerRun.objects.running().get()
    assert first["Location"] == f"{RUNS}{run.pk}/change/"
    assert second.redirect_chain == [(f"{RUNS}{run.pk}/change/", 302)]
    assert "A run is under way already, this one; nothing was started." in said(second)
    assert (run.started_by.username, run.reason) == ("boss", "Asked for by hand")
    assert rung() == ["portal.tasks.join_run"]
    assert tasks.join_run() == {"run_id": run.pk, "status": "completed"}
    assert tasks.join_run() == {"run_id": None}


def test_whoever_may_only_look_starts_nothing(planned):
    clerk = staff("campaigns.view_schedulerrun", "campaigns.view_emailschedule")

    assert "Plan now" not in shown(clerk.get(RUNS))
    assert clerk.get(f"{RUNS}plan/").status_code == clerk.post(f"{RUNS}plan/").status_code == 403
    assert SchedulerRun.objects.count() == 1


def test_a_run_under_way_tells_how_far_it_is_and_its_page_is_fresh_at_the_end(planned):
    boss = superuser()
    run = runs.start(planning.order())
    runs.once(run.pk, write=True)

    text = shown(boss.get(f"{RUNS}{run.pk}/change/"))
    assert f'hx-get="{RUNS}{run.pk}/live/?stage=running"' in text
    assert "<b>3</b> of 3 contacts" in text
    assert "The rules are asked for each contact: chunk 1 of 1 done" in text
    assert "Watch the run under way" in shown(boss.get(RUNS))

    assert "HX-Refresh" not in boss.get(f"{RUNS}{run.pk}/live/?stage=running", headers={"HX-Request": "true"})
    runs.work(run.pk)
    over = boss.get(f"{RUNS}{run.pk}/live/?stage=running", headers={"HX-Request": "true"})
    assert over["HX-Refresh"] == "true"
    assert "hx-get" not in over.content.decode()


def test_the_time_left_follows_from_what_is_done():
    run = runs.start(planning.order())
    RunChunk.objects.bulk_create(RunChunk(run=run, number=n, first_id=n, last_id=n, contacts=100, step=Step.SETTLE) for n in range(1, 3))
    RunChunk.objects.bulk_create(RunChunk(run=run, number=n, first_id=n, last_id=n) for n in range(3, 5))
    run.contacts = 400

    told = run_progress.of(run, now=run.started_at + timedelta(seconds=60))

    assert (told.done, told.of, told.chunks_done, told.chunks) == (200, 400, 2, 4)
    assert told.share == pytest.approx(0.2)
    assert told.left == timedelta(seconds=240)
    assert told.left_in_words == "4 minutes"
    assert told.rate == pytest.approx(400 * 0.2 / 60)


def test_a_failed_run_says_why_is_named_on_the_dashboard_and_can_be_resumed(planned, django_capture_on_commit_callbacks):
    boss = superuser()
    run = runs.start(planning.order())
    runs.fail(run.pk, "Chunk 1 (contacts 1 to 3), plan, try 3: the disk is full")

    page = shown(boss.get(f"{RUNS}{run.pk}/change/"))
    assert "the disk is full" in page
    assert f"{RUNS}{run.pk}/act/resume/" in page
    assert [need.href for need in campaign_needs.campaigns() if need.name == "run_failed"] == [f"{RUNS}{run.pk}/change/"]
    assert campaigns_section.moving()["run_href"] == f"{RUNS}{run.pk}/change/"

    with django_capture_on_commit_callbacks(execute=True):
        boss.post(f"{RUNS}{run.pk}/act/resume/", {"confirmed": "yes"})

    assert SchedulerRun.objects.get(pk=run.pk).status == RunStatus.RUNNING
    assert rung() == ["portal.tasks.join_run"]
    assert tasks.join_run() == {"run_id": run.pk, "status": "completed"}


def test_a_failed_run_is_not_resumed_while_another_is_under_way(planned):
    boss, failed = superuser(), runs.start(planning.order())
    runs.fail(failed.pk, "It was told to stop.")
    runs.start(planning.order())

    answer = boss.post(f"{RUNS}{failed.pk}/act/resume/", {"confirmed": "yes"})

    assert "Another run is under way." in shown(answer)
    assert SchedulerRun.objects.get(pk=failed.pk).status == RunStatus.FAILED


def test_a_date_corrected_on_the_desk_is_planned_within_minutes(planned, django_capture_on_commit_callbacks):
    boss, contact = superuser(), make_contact(birth_date=date(1960, 5, 5))
    form = {"email": contact.email, "zip_code": contact.zip_code, "birth_date": "1960-05-05", "seen_at": contact.updated_at.isoformat()}

    with django_capture_on_commit_callbacks(execute=True):
        assert boss.post(f"/admin/campaigns/contact/{contact.pk}/change/", form | {"last_name": "Marsh"}).status_code == 302
    assert (rung(), ContactToPlan.objects.count()) == ([], 0)

    contact.refresh_from_db()
    form |= {"birth_date": "1960-05-06", "last_name": "Marsh", "seen_at": contact.updated_at.isoformat()}
    with django_capture_on_commit_callbacks(execute=True):
        assert boss.post(f"/admin/campaigns/contact/{contact.pk}/change/", form).status_code == 302
    assert rung() == ["portal.tasks.reschedule_changes"]
    assert tasks.reschedule_changes()["contacts"] == 1
    assert EmailSchedule.objects.filter(contact=contact, email_type="birthday").exists()
    assert ContactToPlan.objects.count() == 0


def test_while_a_run_is_under_way_the_task_leaves_the_changes_waiting(planned):
    campaign = make_campaign()
    targeting.target(Contact.objects.first().pk, instance_id=campaign.pk, trigger_on=None)
    campaign.active_until = wiring.today()
    campaign.save()
    run = runs.start(planning.order())

    assert tasks.reschedule_changes() == {
        "already_running": True,
        "run_id": run.pk,
        "changes": 0,
        "contacts": 0,
        "runs": 0,
        "unfinished": False,
    }
    assert tasks.run_scheduler() == {"already_running": True, "run_id": run.pk}


def test_a_run_begun_now_is_timed_from_now(planned):
    assert run_progress.took(planned, now=timezone.now()) == planned.ended_at - planned.started_at
