"""The dashboard: each figure counts exactly its rows, and the list behind it shows the same number."""

import html
import re
import uuid
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection, transaction
from django.db.models.functions import Now
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from messaging.models import Case, CmsNote, ErrorGroup, Lane, Message, MessageSession, Mode, NoteStatus, Provider, Purpose, Status
from portal.dashboard import banner, charts, figures, needs
from portal.models import DailySummary, Heartbeat, SummaryTick
from tests.factories import make_preference
from tests.portal.quotes.rows import make_quote

NOON = datetime(2026, 3, 10, 17, 0, tzinfo=UTC)  # noon in Chicago
CHICAGO = ZoneInfo("America/Chicago")
FACTS = {
    Status.SENT: {"sent_at": NOON},
    Status.IN_DOUBT: {"doubt_since": NOON},
    Status.HELD: {"reason": "somebody said so"},
    Status.CANCELLED: {"reason": "somebody said so"},
    Status.CLAIMED: {"lease": uuid.uuid4(), "leased_until": NOON},
    Status.TRANSMITTING: {"lease": uuid.uuid4(), "leased_until": NOON, "transmitting_since": NOON},
}


@pytest.fixture
def portal(db, settings) -> Client:
    settings.STORAGES = {**settings.STORAGES, "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}}
    return Client(headers={"host": "localhost"})


@pytest.fixture
def boss(portal) -> Client:
    portal.force_login(User.objects.create_superuser("boss"))
    return portal


def plant(status: Status, count: int = 1, **facts) -> list[Message]:
    rows = []
    for _ in range(count):
        name = uuid.uuid4().hex
        fields = {"kind": "notice", "sender": "office@portal.example", "recipient": "a@firm.example", "intended_for": "a@firm.example"}
        fields |= {
            "subject": "Hello",
            "text": "Hello",
            "key": name,
            "message_id": f"<{name}@portal.example>",
            "is_test": False,
            "needs_note": False,
        }
        rows.append(Message(**fields | {"status": status} | FACTS.get(status, {}) | facts))
    return Message.objects.bulk_create(rows)


def plant_note(pid: str = "", **facts) -> CmsNote:
    number = Case.objects.count() + 9_000
    case = Case.objects.create(pid=pid, pv=str(number), patient_name="Ana Ortiz", firm="Alder LLP", attorney_email="a@firm.example")
    with transaction.atomic():
        [message] = plant(Status.SENT, case=case, needs_note=True)
        return CmsNote.objects.create(message=message, **facts)


def plant_everything() -> None:
    """So many rows of each kind that no two figures are equal by chance, and some of every other kind beside them."""
    for status, count in zip(Status, (3, 1, 1, 2, 5, 7, 4, 6), strict=True):
        plant(status, count)
    plant_note(pid="1001")
    plant_note(pid="1002", status=NoteStatus.UNKNOWN, unclear_since=NOON)
    plant_note(pid="1003", status=NoteStatus.PROCESSED, remote_id="77", processed_at=NOON)
    for pid in ("1004", "1005", "1006"):
        plant_note(pid=pid, attention="The case is closed in the CMS.")
    for _ in range(4):
        plant_note()
    for status, count, facts in [("ai_error", 2, {"review_reason": "unsure"}), ("ai_quoted", 11, {}), ("accepted", 6, {})]:
        for _ in range(count):
            make_quote(status=status, **facts)
    plant_summaries()
    Provider.objects.create(name="primary", purpose=Purpose.MAIL)
    Provider.objects.create(name="backup-1", purpose=Purpose.MAIL, paused_until=Now() + timedelta(minutes=5), reason="refused")


def plant_summaries() -> None:
    """Eight that failed for good, two that are tried again, and no run for a long time."""
    user = make_preference().user
    SummaryTick.objects.create(ran_at=NOON)
    at = {"due_at": NOON, "open_until": NOON + timedelta(hours=9), "zone": "America/Chicago", "failed_at": NOON}
    for ago in range(10):
        facts = {"status": "failed", "error": "550 no", "retry_at": None if ago < 8 else NOON + timedelta(minutes=5)}
        DailySummary.objects.create(user=user, day=NOON.date() - timedelta(days=ago), **at, **facts)


EXPECTED = {
    "in_doubt": 7,
    "failed": 5,
    "held": 4,
    "notes_pending": 9,
    "notes_needing_pid": 4,
    "notes_needing_attention": 3,
    "quotes_to_review": 2,
    "quotes_owing_mail": 11,
    "quotes_to_follow_up": 6,
    "drill_late": 0,
    "providers_down": 1,
    "cluster_silent": 2,
    "summaries_silent": 1,
    "summaries_failed": 8,
}
OF_CAMPAIGNS = {"run_failed", "run_silent", "over_cap", "exclusion_unknown"}  # test_campaign_figures.py


def test_each_figure_counts_exactly_its_rows(db):
    plant_everything()

    assert {need.name: need.count for need in needs.all_of_them() if need.name not in OF_CAMPAIGNS} == EXPECTED


@pytest.mark.parametrize("name", [name for name in EXPECTED if not name.endswith("_silent")])
def test_the_list_behind_a_figure_shows_as_many_rows(boss, name):
    plant_everything()
    need = next(need for need in needs.all_of_them() if need.name == name)

    shown = boss.get(need.href)

    assert shown.status_code == 200
    assert shown.context["cl"].result_count == need.count == EXPECTED[name]


@pytest.mark.parametrize("name", ["failed", "held", "notes_pending", "providers_down", "summaries_failed"])
def test_the_button_beside_a_figure_asks_about_exactly_its_rows_and_changes_nothing_yet(boss, name):
    plant_everything()
    page = boss.get("/admin/").content.decode()
    form = next(form for form in re.findall(r"<form method=\"post\".*?</form>", page, re.S) if f'id="act-{name}"' in form)
    fields = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', form))
    before = {need.name: need.count for need in needs.all_of_them()}

    asked = boss.post(html.unescape(re.search(r'action="([^"]+)"', form)[1]), fields)

    assert asked.status_code == 200
    assert asked.context["count"] == EXPECTED[name]
    assert {need.name: need.count for need in needs.all_of_them()} == before


def test_a_button_is_shown_only_to_those_who_may_press_it(portal):
    plant_everything()
    clerk = User.objects.create_user("clerk", is_staff=True)
    portal.force_login(clerk)

    assert "act-failed" not in portal.get("/admin/").content.decode()

    clerk.user_permissions.add(Permission.objects.get(codename="decide_message"))
    assert "act-failed" in portal.get("/admin/").content.decode()


def test_with_nothing_to_do_the_dashboard_says_so(boss):
    for cluster in needs.CLUSTERS:
        Heartbeat.objects.create(key=f"{cluster}@here-1", cluster=cluster, beat_at=Now(), acknowledged_at=Now())

    page = boss.get("/admin/").content.decode()

    assert "Nothing needs a person" in page
    assert "All e-mails have CMS notes!" in page
    assert "op-need " not in page


def test_more_rows_than_are_counted_are_shown_as_more(boss, monkeypatch):
    monkeypatch.setattr(figures, "CAP", 6)
    plant_everything()

    shown = {need.name: need.shown for need in needs.all_of_them()}

    assert (shown["in_doubt"], shown["failed"]) == ("6+", "5")


def test_a_cluster_is_silent_when_none_of_its_heartbeats_is_young(db):
    def heard(key: str, cluster: str, seconds_ago: int) -> None:
        Heartbeat.objects.create(key=key, cluster=cluster, acknowledged_at=Now() - timedelta(seconds=seconds_ago))

    heard("mail@gone-1", "mail", 600)
    heard("mail@here-2", "mail", 5)
    heard("short@here-3", "short", 90)

    silent = figures.silent_clusters(["short", "mail", "third"], after=timedelta(seconds=60))

    assert set(silent) == {"short", "third"}
    assert silent["short"] is not None
    assert silent["third"] is None


def test_what_was_sent_is_counted_per_local_hour_test_and_production_apart(db):
    plant(Status.SENT, 2, sent_at=NOON - timedelta(minutes=1))
    plant(Status.SENT, 1, sent_at=NOON)
    plant(Status.SENT, 3, sent_at=NOON + timedelta(minutes=59), is_test=True)
    plant(Status.SENT, 1, sent_at=NOON - timedelta(hours=23, minutes=30))
    plant(Status.FAILED, 1)

    hours = figures.sent_by_hour(until=NOON + timedelta(minutes=59), hours=24, zone=CHICAGO)

    assert len(hours) == 24
    assert [(hour.starts_at.hour, hour.production, hour.test) for hour in hours if hour.total] == [(11, 2, 0), (12, 1, 3)]
    assert charts.data(hours)["labels"][-2:] == ["11:00", "12:00"]


def test_every_hour_of_a_day_when_the_clock_changes_is_counted_once(db):
    """On November 1, 2026 the hour from 1:00 happens twice in Chicago."""
    first = datetime(2026, 11, 1, 6, 30, tzinfo=UTC)
    plant(Status.SENT, 1, sent_at=first)
    plant(Status.SENT, 2, sent_at=first + timedelta(hours=1))

    hours = figures.sent_by_hour(until=first + timedelta(hours=2), hours=4, zone=CHICAGO)

    assert [(hour.starts_at.hour, hour.production) for hour in hours] == [(0, 0), (1, 1), (1, 2), (2, 0)]


def test_queued_mail_is_counted_by_mode_also_while_a_worker_holds_it(db):
    plant(Status.QUEUED, 2)
    plant(Status.CLAIMED, 1, is_test=True)
    plant(Status.TRANSMITTING, 1)
    plant(Status.SENT, 5)

    queued = figures.queued()

    assert (queued.production, queued.test, queued.shown) == (3, 1, "4")


def test_the_next_due_mail_is_the_earliest_of_all_lanes(db):
    assert figures.next_due_at() is None

    plant(Status.QUEUED, due_at=NOON + timedelta(hours=2), lane=Lane.PERSON)
    plant(Status.QUEUED, due_at=NOON + timedelta(hours=1), lane=Lane.BULK)
    plant(Status.SENT, due_at=NOON)

    assert figures.next_due_at() == NOON + timedelta(hours=1)


def test_a_session_runs_while_one_of_its_mails_is_on_its_way(db):
    running, done = (MessageSession.objects.create(name=name, mode=Mode.TEST, started_at=NOON) for name in ("running", "done"))
    plant(Status.QUEUED, session=running)
    plant(Status.SENT, session=running)
    plant(Status.SENT, session=done)

    assert figures.running_sessions(limit=5) == [running]


def test_errors_that_were_seen_to_are_not_among_the_newest(db):
    old = ErrorGroup.objects.create(fingerprint="a", component="delivery", shape="old", sample="old", last_at=NOON)
    new = ErrorGroup.objects.create(fingerprint="b", component="delivery", shape="new", sample="new", last_at=NOON + timedelta(hours=1))
    ErrorGroup.objects.create(fingerprint="c", component="delivery", shape="seen to", sample="x", resolved_at=NOON)

    assert figures.newest_errors(limit=5) == [new, old]


def test_the_moving_part_alone_is_what_the_page_asks_for(boss):
    plant(Status.IN_DOUBT, 3)

    part = boss.get("/admin/dashboard/live/")

    assert "<html" not in part.content.decode()
    assert "<b>3</b> in doubt" in part.content.decode()
    assert "no-store" in part["Cache-Control"]


def test_whoever_was_logged_out_gets_the_page_anew_instead_of_a_login_inside_it(portal):
    part = portal.get("/admin/dashboard/live/")

    assert (part.status_code, part["HX-Refresh"], part.content) == (401, "true", b"")


def test_the_moving_part_asks_a_fixed_number_of_questions(boss):
    def questions() -> int:
        boss.get("/admin/dashboard/live/")
        with CaptureQueriesContext(connection) as asked:
            boss.get("/admin/dashboard/live/")
        return len(asked)

    plant(Status.IN_DOUBT, 1)
    few = questions()
    plant_everything()

    assert questions() == few


def test_the_chart_is_refreshed_with_the_very_data_it_was_drawn_from(boss):
    plant(Status.SENT, 2, sent_at=timezone.now())

    drawn = boss.get("/admin/")
    fresh = boss.get("/admin/dashboard/chart/").json()

    assert sum(fresh["datasets"][0]["data"]) == 2
    assert [dataset["label"] for dataset in fresh["datasets"]] == ["Production", "Test"]
    assert sum(hour.total for hour in drawn.context["hours"]) == 2


@pytest.mark.parametrize("path", ["/admin/", "/admin/messaging/message/", "/admin/messaging/cmsnote/", "/admin/bulk-send/"])
def test_every_page_says_where_the_mail_goes(boss, settings, path):
    settings.MAIL_MODE, settings.TEST_RECIPIENT = "test", "only-here@portal.example"

    page = boss.get(path).content.decode()

    assert "Every mail goes to only-here@portal.example. No customer is written to." in page


def test_in_production_there_is_a_badge_and_no_banner(boss, settings):
    settings.MAIL_MODE = "production"

    page = boss.get("/admin/").content.decode()

    assert "Production" in page
    assert "No customer is written to" not in page
    assert banner.environment(None)[0] == "Production"


@pytest.mark.parametrize("path", ["/admin/", "/admin/bulk-send/"])
def test_pages_bring_no_script_of_their_own_inside_them(boss, path):
    """The content security policy forbids it, so it would not run."""
    page = boss.get(path).content.decode()

    assert all("src=" in tag for tag in re.findall(r"<script[^>]*>", page))
    assert not re.findall(r"\son(click|submit|change|load)=", page)


def test_the_front_door_leads_to_the_desk(portal):
    assert portal.get("/")["Location"] == "/admin/"
