"""What a summary says: yesterday on the person's own calendar, only what they may see, each figure with its list, short on an empty day."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from html import unescape

import pytest
from django.contrib.auth.models import Group, User
from django.utils import timezone

from campaigns.models import SchedulerRun
from messaging.models import CmsNote, Message
from portal import summary_wiring
from portal.quotes.models import Quote
from portal.summaries import contents, figures
from portal.summaries.contents import Pending
from portal.summaries.figures import Day
from portal.summaries.models import DailySummary
from tests.campaigns.rows import make_mail
from tests.factories import make_message, make_note, make_preference, make_quote
from tests.portal.desk_rows import superuser
from tests.portal.summaries.runs import desk, only, run

pytestmark = pytest.mark.django_db
NINE = datetime(2026, 3, 4, 15, 0, tzinfo=UTC)
YESTERDAY = (datetime(2026, 3, 3, 6, tzinfo=UTC), datetime(2026, 3, 4, 6, tzinfo=UTC))  # in Chicago
DAY = Day(start=YESTERDAY[0], end=YESTERDAY[1], now=NINE)
A_SECOND = timedelta(seconds=1)


@dataclass(frozen=True)
class A:
    """Something that needs a person."""

    name: str = "failed"
    count: int = 2
    shown: str = "2"
    noun: str = "failed"
    says: str = "They were refused for good."
    href: str = "/admin/messaging/message/?state=failed"


def figure(part, label):
    (line,) = [line for line in part.lines if line.label == label]
    return line.figure


def sent_at(moment: datetime, **facts) -> Message:
    note = make_note(**facts)
    Message.objects.filter(pk=note.message_id).update(sent_at=moment)
    return Message.objects.get(pk=note.message_id)


def held_message() -> Message:
    message = make_message()
    Message.objects.filter(pk=message.pk).update(status="held", reason="suppressed")
    return message


def draft(user: User, **told):
    summary = DailySummary(user=user, day=date(2026, 3, 4), zone="America/Chicago", notification_email="ann@portal.example")
    return contents.compose(summary, desk=desk(**told), now=NINE)


def test_mails_of_yesterday_are_counted_from_midnight_to_midnight_of_the_person():
    for moment in (YESTERDAY[0] - A_SECOND, YESTERDAY[0], YESTERDAY[1] - A_SECOND, YESTERDAY[1]):
        sent_at(moment)

    assert figure(figures.of_mails(DAY), "Sent") == "2"


def test_yesterdays_summaries_are_no_news_of_yesterday():
    message = sent_at(YESTERDAY[0])
    Message.objects.filter(pk=message.pk).update(kind="daily_summary")

    assert figures.of_mails(DAY).is_empty


def test_notes_pending_are_told_with_the_age_of_the_oldest():
    for hours in (30, 3):
        CmsNote.objects.filter(pk=make_note().pk).update(created_at=NINE - timedelta(hours=hours))

    part = figures.of_notes(DAY)

    assert (figure(part, "Pending now"), figure(part, "The oldest has waited")) == ("2", "1\xa0day")


def test_quotes_and_what_their_customers_answered():
    Quote.objects.filter(pk=make_quote().pk).update(created_at=YESTERDAY[0])
    answered = make_quote(status="accepted", customer_response="accepted", customer_response_date=YESTERDAY[0])
    Quote.objects.filter(pk=answered.pk).update(created_at=NINE)

    part = figures.of_quotes(DAY)

    assert (figure(part, "Asked for"), figure(part, "Answer: accept")) == ("1", "1")


def test_campaigns_are_told_as_planned_handed_over_skipped_held_and_above_a_cap():
    of_the_day = {"send_on": DAY.in_office}
    make_mail(**of_the_day)
    make_mail(**of_the_day, status="skipped", skip_reason="exclusion_window")
    for facts in ({"sent_at": YESTERDAY[0]}, {"sent_at": YESTERDAY[1]}):
        make_mail(**of_the_day, status="scheduled", message=sent_at(facts["sent_at"]))
    make_mail(**of_the_day, status="scheduled", message=held_message())
    sent_at(YESTERDAY[0])  # no campaign's
    held_message()  # likewise
    for ahead in (0, 1, 2):
        make_mail(send_on=DAY.in_office + timedelta(days=ahead), over_cap=True)

    part = figures.of_campaigns(DAY)

    assert [(line.label, line.figure) for line in part.lines] == [
        ("Sent", "1"),
        ("Handed over for that day", "3"),
        ("Not handed over, still planned", "2"),
        ("Skipped by a rule", "1"),
        ("Held now", "1"),
        ("To come on days above a cap", "2"),
    ]


def test_runs_are_told_by_how_they_ended_and_by_what_they_changed():
    of_the_day = {"day": DAY.in_office, "started_at": YESTERDAY[0], "added": 10, "changed": 3, "without_backup": "A test"}
    for ended_at in (YESTERDAY[0], YESTERDAY[1] - A_SECOND, YESTERDAY[1]):
        SchedulerRun.objects.create(**of_the_day, status="completed", ended_at=ended_at)
    SchedulerRun.objects.create(**of_the_day, status="failed", ended_at=YESTERDAY[0], error="The disk is full.")
    SchedulerRun.objects.create(**of_the_day, status="running")

    part = figures.of_runs(DAY)

    assert {line.label: line.figure for line in part.lines if not line.is_quiet} == {
        "Completed": "2",
        "Failed": "1",
        "Begun, and still under way": "1",
        "Planned mails added": "20",
        "Planned mails changed": "6",
    }


@pytest.mark.parametrize(
    ("start", "hours", "on"),
    [("2026-03-03T06:00", 24, "2026-03-03"), ("2026-03-02T10:00", 24, "2026-03-02"), ("2026-11-01T05:00", 25, "2026-11-01")],
)
def test_a_day_elsewhere_is_the_office_s_day_that_it_mostly_is(settings, start, hours, on):
    settings.TIME_ZONE = "America/Chicago"
    start = datetime.fromisoformat(start).replace(tzinfo=UTC)

    assert Day(start=start, end=start + timedelta(hours=hours), now=NINE).in_office == date.fromisoformat(on)


def test_an_empty_day_is_a_short_mail():
    mail = draft(make_preference().user)

    assert mail.subject == "Daily summary of Tuesday, March 3: nothing recorded"
    assert "Nothing was recorded on Tuesday, March 3, and nothing waits for anybody." in mail.text
    assert len(mail.text.splitlines()) < 10
    assert "Nothing was recorded on" in mail.html


def test_a_full_day_tells_its_figures_and_what_needs_somebody_with_links():
    sent_at(YESTERDAY[0])

    mail = draft(make_preference().user, pending=lambda: [Pending(need=A(), permission="messaging.view_message")])

    assert mail.subject == "Daily summary of Tuesday, March 3: 1 thing needs somebody"
    assert re.search(r"^  Sent {29,} +1$", mail.text, re.M)
    assert "  2 failed. They were refused for good.\n  http://portal.example/admin/messaging/message/?state=failed" in mail.text
    assert 'href="http://portal.example/admin/messaging/message/?state=failed"' in mail.html
    assert "Sent as a test" not in mail.text, "what did not happen is not told"


def test_nobody_is_told_of_what_they_may_not_see():
    clerk = User.objects.create_user("clerk", is_staff=True)
    make_preference(user=clerk)
    sent_at(YESTERDAY[0])
    needs = [Pending(need=A(), permission="messaging.view_message"), Pending(need=A(name="cluster", noun="silent"), permission="")]

    before = draft(clerk, pending=lambda: needs)
    clerk.groups.add(Group.objects.get(name="Viewer"))
    after = draft(User.objects.get(pk=clerk.pk), pending=lambda: needs)

    assert ("Sent" in before.text, "2 failed" in before.text, "2 silent" in before.text) == (False, False, True)
    assert ("Sent" in after.text, "2 failed" in after.text) == (True, True)


def test_what_a_customer_typed_is_text_and_the_name_of_a_person_too():
    user = make_preference().user
    user.first_name = "<b>Ann</b>"

    mail = draft(user, pending=lambda: [Pending(need=A(says="<script>x</script>"), permission="")])

    assert "<script>" not in mail.html
    assert "<b>Ann" not in mail.html
    assert "<b>Ann</b>" in mail.text


def campaigns_of(moment: datetime) -> None:
    """Every line of campaigns and of runs has something to tell."""
    day, held = timezone.localdate(moment), held_message()
    for facts in ({}, {"status": "skipped", "skip_reason": "missed"}, {"status": "scheduled", "message": held}):
        make_mail(send_on=day, **facts)
    make_mail(send_on=day + timedelta(days=3), over_cap=True)
    for status in ("completed", "failed", "undone"):
        counts = {"added": 1, "changed": 1, "removed": 1, "without_backup": "A test", "error": "Its disk is full."}
        SchedulerRun.objects.create(day=day, status=status, ended_at=moment, **counts)
    SchedulerRun.objects.create(day=day, status="running", started_at=moment, without_backup="A test")


def test_every_link_of_a_mail_leads_to_a_page_that_answers(settings):
    now = timezone.now()
    make_preference(zone=settings.TIME_ZONE, summary_time_local=time(0), changed_at=now - timedelta(days=3))
    sent_at(now - timedelta(days=1))
    make_note()
    make_message()
    quote = make_quote()
    Quote.objects.filter(pk=quote.pk).update(created_at=now - timedelta(days=1))
    campaigns_of(now - timedelta(days=1))
    terms = summary_wiring.summary_terms()
    summary = DailySummary(
        user=User.objects.get(), day=timezone.localdate(now), zone=settings.TIME_ZONE, notification_email="a@portal.example"
    )
    mail = contents.compose(summary, desk=terms.desk(), now=now)
    boss = superuser()

    paths = {unescape(link).removeprefix(settings.SITE_URL) for link in re.findall(r'href="([^"]+)"', mail.html)}

    assert len(paths) >= 15
    for path in paths - {"/readyz"}:
        answer = boss.get(path)
        assert answer.status_code == 200 or answer["Location"].startswith("/admin/portal/summarypreference/"), path
        assert "e=1" not in answer.get("Location", ""), path


def test_the_figures_of_one_day_are_asked_for_once_however_many_are_told(django_assert_num_queries):
    for _ in range(3):
        make_preference()
    asked = desk()
    of_the_day = {"day": date(2026, 3, 4), "zone": "America/Chicago", "notification_email": "a@b.example"}
    summaries = [DailySummary(user=user, **of_the_day) for user in User.objects.all()]

    contents.compose(summaries[0], desk=asked, now=NINE)
    with django_assert_num_queries(0):
        contents.compose(summaries[1], desk=asked, now=NINE)


def test_the_mail_of_a_run_is_addressed_signed_and_marked_as_a_programs():
    make_preference(notification_email="ann@home.example")
    run(NINE)

    message = only().message
    assert (message.recipient, message.kind, message.key) == ("ann@home.example", "daily_summary", f"summary:{only().user_id}:20260304")
    assert (message.headers, message.max_attempts, message.needs_note) == ({"Auto-Submitted": "auto-generated"}, 3, False)
