"""The guided bulk send, walked through as an operator does; what is refused, and its accepted twin."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import uuid4

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection, transaction
from django.test import Client
from django.utils import timezone
from django_q.models import OrmQ

from messaging import batches
from messaging.models import (
    Acknowledgment,
    Case,
    CmsNote,
    EmailTemplate,
    Message,
    MessageSession,
    Mode,
    Status,
    Suppression,
    TemplateVersion,
)
from portal import wiring
from portal.bulk_send import batch, progress
from portal.bulk_send.models import MOST_MAILS, BulkDraft

START = "/admin/bulk-send/"
FIRM = "Alder & Stone LLP"


@pytest.fixture
def portal(settings) -> None:
    settings.STORAGES = {**settings.STORAGES, "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}}
    settings.MAIL_MODE, settings.TEST_RECIPIENT = "test", "inbox@portal.example"


@pytest.fixture
def office(portal, db) -> Client:
    """Staff who may send, a template, and six cases of one firm, of which the last has no address."""
    client = Client(headers={"host": "localhost"})
    client.force_login(User.objects.create_superuser("dana", first_name="Dana", last_name="Reyes"))
    template = EmailTemplate.objects.create(name="status-request", title="Status request")
    TemplateVersion.objects.create(
        template=template,
        number=1,
        subject="Status of {{ patient_name }}",
        text="Please tell us about {{ patient_name }}, hurt on {{ date_of_injury }}.\n{{ sender_name }}",
        html="<p>Please tell us about <b>{{ patient_name }}</b>, hurt on {{ date_of_injury }}.</p><p>{{ sender_name }}</p>",
    )
    for number in range(1, 7):
        Case.objects.create(
            pid=str(1000 + number),
            pv=str(7000 + number),
            patient_name=f"Patient {number}",
            firm=FIRM,
            attorney_email=f"attorney{number}@firm.example" if number < 6 else "",
            injured_on=timezone.localdate() - timedelta(days=100),
            last_sent_on=timezone.localdate() - timedelta(days=200 - number),
        )
    return client


def answers(**changes) -> dict:
    return {"by": "firm", "firm": FIRM, "limit": "50", "template": EmailTemplate.objects.get().pk, "mode": "test"} | changes


def begun(office: Client, **changes) -> BulkDraft:
    before = set(BulkDraft.objects.values_list("pk", flat=True))
    answer = office.post(START, answers(**changes))
    assert answer.status_code == 302, answer.context["form"].errors
    return BulkDraft.objects.exclude(pk__in=before).get()


def at(draft: BulkDraft, *steps: str) -> str:
    return "/".join([f"{START}{draft.pk}", *steps, ""])


def sent(office: Client, draft: BulkDraft, **typed) -> MessageSession:
    seen = office.get(at(draft, "confirm")).context["batch"].seal
    answer = office.post(at(draft, "confirm"), {"seen": seen, **typed})
    assert answer.status_code == 302, answer.context["form"].errors
    return MessageSession.objects.latest("pk")


def test_a_batch_from_choosing_to_the_last_total(office, django_capture_on_commit_callbacks):
    draft = begun(office)
    look = office.get(at(draft))
    assert [row.mail.recipient for row in look.context["rows"]] == [f"attorney{number}@firm.example" for number in range(1, 6)]
    assert "it has no attorney e-mail" in look.content.decode()

    with django_capture_on_commit_callbacks(execute=True):
        session = sent(office, draft)

    messages = Message.objects.filter(session=session)
    assert messages.count() == 5
    assert set(messages.values_list("status", "is_test", "needs_note", "recipient")) == {("queued", True, True, "inbox@portal.example")}
    assert set(messages.values_list("intended_for", flat=True)) == {f"attorney{number}@firm.example" for number in range(1, 6)}
    assert "Dana Reyes" in messages[0].text
    assert (session.name, session.mode, session.started_by.username) == (f"Status request: {FIRM}", "test", "dana")
    assert [skip["why"] for skip in session.skipped] == ["it has no attorney e-mail"]
    assert [ring.task["func"] for ring in OrmQ.objects.all()] == ["portal.tasks.send_due_messages"]


def test_nothing_is_queued_before_the_last_step(office):
    draft = begun(office)
    office.get(at(draft))
    office.post(at(draft), {"confirm": "1", "shown": draft.pvs, "ticked": draft.pvs})
    office.get(at(draft, "confirm"))

    assert not Message.objects.exists()
    assert not MessageSession.objects.exists()


REFUSED = [  # what is answered, and what the page says about it
    ({"by": "pids", "pids": "1001, 10o2"}, "10o2"),
    ({"by": "pids", "pids": "１００１"}, "digits"),
    ({"by": "pids", "pids": "  \n "}, "Paste at least one PID."),
    ({"by": "pvs", "pvs": "7001;-7002"}, "-7002"),
    ({"by": "pids", "pids": " ".join(map(str, range(1, MOST_MAILS + 2)))}, "These are 501 numbers; a batch holds at most 500."),
    ({"by": "firm", "firm": "Nobody & Sons"}, "No case has the law firm &#x27;Nobody &amp; Sons&#x27;"),
    ({"by": "firm", "firm": ""}, "Name the law firm."),
    ({"by": "category", "category": ""}, "Choose a category."),
    ({"by": "category", "category": "urgent"}, "not one of the available choices"),
    ({"by": "stars"}, "put right"),
    ({"limit": "0"}, "greater than or equal to 1"),
    ({"limit": "501"}, "A batch holds at most 500 mails"),
    ({"limit": "ten"}, "whole number"),
    ({"limit": "1_0"}, "whole number"),
    ({"limit": "٣"}, "whole number"),
    ({"template": ""}, "required"),
    ({"template": "999999999999999999999"}, "no longer in use"),
    ({"mode": "production"}, "Production is switched off here"),
    ({"by": "pids", "pids": "\x00"}, "put right"),
]


@pytest.mark.parametrize(("changes", "says"), REFUSED)
def test_what_cannot_be_meant_is_refused_in_words_and_nothing_is_begun(office, changes, says):
    answer = office.post(START, answers(**changes))

    assert answer.status_code == 422
    assert says.lower() in answer.content.decode().lower()
    assert not BulkDraft.objects.exists()


ACCEPTED = [  # the answer, and the PVs it leads to, those silent for the longest first
    ({"by": "pids", "pids": "1001, 1002"}, ["7001", "7002"]),
    ({"by": "pids", "pids": "1002\n1002;1001"}, ["7001", "7002"]),
    ({"by": "pvs", "pvs": "7001;7002"}, ["7001", "7002"]),
    ({"by": "pids", "pids": " ".join(map(str, range(1001, 1001 + MOST_MAILS)))}, ["7001", "7002", "7003", "7004", "7005"]),
    ({"by": "firm", "firm": FIRM.lower()}, ["7001", "7002", "7003", "7004", "7005"]),
    ({"by": "category", "category": "critical"}, ["7001", "7002", "7003", "7004", "7005"]),
    ({"limit": "1"}, ["7001"]),
    ({"limit": "500"}, ["7001", "7002", "7003", "7004", "7005"]),
    ({"by": "pvs", "pvs": "7003", "pids": "what was left in the other box"}, ["7003"]),
]


@pytest.mark.parametrize(("changes", "pvs"), ACCEPTED)
def test_what_is_meant_begins_a_batch_of_exactly_those_cases(office, changes, pvs):
    assert begun(office, **changes).pvs == pvs


def test_production_is_offered_where_the_portal_may_send_it(office, settings):
    assert "this portal is in test mode" in office.get(START).content.decode()

    settings.MAIL_MODE = "production"

    assert "Every mail goes to the attorney of its case." in office.get(START).content.decode()
    assert begun(office, mode="production").mode == Mode.PRODUCTION


def test_unknown_numbers_are_named_and_the_known_ones_go_on(office):
    draft = begun(office, by="pids", pids="1001 99 7002")

    page = office.get(at(draft)).content.decode()

    assert draft.pvs == ["7001"]
    assert "PID 99" in page
    assert "it is the PV of Patient 2" in page


def test_a_choice_of_nobody_is_told_with_the_reasons(office):
    answer = office.post(START, answers(by="pids", pids="99 1006"))

    assert answer.status_code == 422
    assert "PID 99: no case has this PID" in answer.content.decode()
    assert "it has no attorney e-mail" in answer.content.decode()
    assert not BulkDraft.objects.exists()


def test_every_case_left_alone_is_told_with_its_reason(office):
    cases = {case.pv: case for case in Case.objects.all()}
    Acknowledgment.objects.create(case=cases["7001"], reason="called")
    Suppression.objects.create(address="attorney2@firm.example", reason="asked us to stop")
    Case.objects.filter(pv="7003").update(status="closed")
    Case.objects.filter(pv="7004").update(injured_on=None)

    look = office.get(at(begun(office)))

    assert [row.mail.case.pv for row in look.context["rows"]] == ["7005"]
    assert {why for why, _ in look.context["batch"].reasons()} == {
        "it is snoozed",
        "attorney2@firm.example is suppressed",
        "it is not active but closed",
        "no value for date_of_injury",
        "it has no attorney e-mail",
    }


def test_what_is_unticked_stays_so_and_is_on_record_with_the_session(office):
    draft = begun(office)

    office.post(at(draft), {"shown": draft.pvs, "ticked": ["7001", "7003"]})
    assert [row.number for row in office.get(at(draft)).context["batch"].ticked] == [1, 3]
    session = sent(office, draft)

    assert set(Message.objects.values_list("case__pv", flat=True)) == {"7001", "7003"}
    by_hand = [skip["what"] for skip in session.skipped if skip["why"] == "left out by dana"]
    assert by_hand == [str(Case.objects.get(pv=pv)) for pv in ("7002", "7004", "7005")]


def test_ticks_of_other_pages_stay_as_they_were(office, monkeypatch):
    monkeypatch.setattr("portal.bulk_send.views.ROWS_PER_PAGE", 2)
    draft = begun(office)

    office.post(at(draft), {"at": "1", "page": "3", "shown": ["7001", "7002"], "ticked": ["7002"]})
    answer = office.post(at(draft), {"at": "3", "shown": ["7005"], "ticked": []})

    assert answer["Location"].endswith("?page=3")
    assert [row.mail.case.pv for row in office.get(at(draft)).context["batch"].ticked] == ["7002", "7003", "7004"]
    assert [row.number for row in office.get(at(draft) + "?page=3").context["rows"]] == [5]


NUMBERS = [
    ("1,3,5-8", False),
    ("1,3-5", True),
    (" 2 ", True),
    ("6", False),
    ("0", False),
    ("3-1", False),
    ("one", False),
    ("", False),
    ("1;2", False),
]


@pytest.mark.parametrize(("typed", "is_fine"), NUMBERS)
def test_a_typed_list_of_numbers_ticks_exactly_those_or_is_refused_whole(office, typed, is_fine):
    draft = begun(office)
    expected = {"1,3-5": [1, 3, 4, 5], " 2 ": [2]}.get(typed, [1, 2, 3, 4, 5])

    answer = office.post(at(draft), {"choose_numbers": "1", "numbers": typed})

    assert answer.status_code == (302 if is_fine else 422)
    assert [row.number for row in office.get(at(draft)).context["batch"].ticked] == expected


def test_tick_none_and_tick_all(office):
    draft = begun(office)

    office.post(at(draft), {"none": "1"})
    assert office.get(at(draft)).context["batch"].ticked == []
    assert office.post(at(draft, "confirm"), {"seen": "x"}).status_code == 422

    office.post(at(draft), {"all": "1"})
    assert len(office.get(at(draft)).context["batch"].ticked) == 5


def test_an_edited_mail_reaches_the_queue_in_the_persons_own_words(office):
    draft = begun(office)

    to_edit = office.post(at(draft), {"edit": "7002", "shown": draft.pvs, "ticked": draft.pvs[:3]})
    office.post(to_edit["Location"], {"subject": "  Good morning ", "text": "Dear Pat,\r\n\r\nhow is it going?"})
    sent(office, draft)

    edited, other = (Message.objects.get(case__pv=pv) for pv in ("7002", "7001"))
    assert edited.subject == "[TEST for attorney2@firm.example] Good morning"
    assert (edited.text, edited.html) == ("Dear Pat,\n\nhow is it going?", "")
    assert (other.subject, bool(other.html)) == ("[TEST for attorney1@firm.example] Status of Patient 1", True)
    assert Message.objects.count() == 3  # the ticks of the page were kept on the way to the edit


def test_an_edit_can_be_undone(office):
    draft = begun(office)
    office.post(at(draft, "mails", "7002", "edit"), {"subject": "Good morning", "text": "Dear Pat"})

    office.post(at(draft, "mails", "7002", "edit"), {"undo": "1"})

    assert office.get(at(draft)).context["batch"].row("7002").mail.subject == "Status of Patient 2"


BAD_EDITS = [
    ({"subject": "", "text": "Dear Pat"}, "required"),
    ({"subject": "Two\nlines", "text": "Dear Pat"}, "must be one line"),
    ({"subject": "x" * 251, "text": "Dear Pat"}, "at most 250"),
    ({"subject": "Hello", "text": "   "}, "required"),
    ({"subject": "Hello", "text": "a\x07b"}, "control character"),
    ({"subject": "Hello", "text": "x" * 50_001}, "at most 50,000"),
]


@pytest.mark.parametrize(("words", "says"), BAD_EDITS)
def test_words_that_no_mail_can_have_are_refused_and_the_mail_stays_as_it_was(office, words, says):
    draft = begun(office)

    answer = office.post(at(draft, "mails", "7002", "edit"), words)

    assert answer.status_code == 422
    assert says in answer.content.decode()
    assert not office.get(at(draft)).context["batch"].row("7002").edited


def test_sending_twice_queues_once(office):
    draft = begun(office)
    seen = office.get(at(draft, "confirm")).context["batch"].seal

    first, second = (office.post(at(draft, "confirm"), {"seen": seen}) for _ in range(2))

    assert first["Location"] == second["Location"]
    assert (MessageSession.objects.count(), Message.objects.count()) == (1, 5)
    assert office.get(at(draft))["Location"] == first["Location"]


@pytest.mark.django_db(transaction=True)
def test_two_clicks_at_the_same_moment_queue_once(office):
    draft = begun(office)
    dana = User.objects.get()
    looked_at = batch.look(draft, office=wiring.office(dana), on=timezone.localdate())

    def click(_: int) -> int:
        try:
            with transaction.atomic():
                return batch.send(draft, looked_at, sender=wiring.sender(Mode.TEST), by=dana, at=timezone.now()).pk
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as clicks:
        sessions = set(clicks.map(click, range(4)))

    assert len(sessions) == 1
    assert Message.objects.count() == 5


def test_a_batch_that_changed_since_it_was_seen_is_shown_again_before_it_is_sent(office):
    draft = begun(office)
    seen = office.get(at(draft, "confirm")).context["batch"].seal
    Case.objects.filter(pv="7001").update(attorney_email="new@firm.example")

    refused = office.post(at(draft, "confirm"), {"seen": seen})
    assert refused.status_code == 422
    assert "changed since you looked at it" in refused.content.decode()
    assert not Message.objects.exists()

    sent(office, draft)
    assert Message.objects.filter(intended_for="new@firm.example").count() == 1


def test_a_case_that_somebody_else_mails_meanwhile_is_left_out(office):
    mine, theirs, later = begun(office), begun(office, by="pvs", pvs="7001"), begun(office, by="pvs", pvs="7002")
    sent(office, theirs)
    sent(office, later)
    Message.objects.filter(case__pv="7002").move(Status.CLAIMED, lease=uuid4(), leased_until=timezone.now())
    Message.objects.filter(case__pv="7002").move(Status.TRANSMITTING, transmitting_since=timezone.now())
    with transaction.atomic():
        Message.objects.filter(case__pv="7002").update(status=Status.SENT, sent_at=timezone.now(), lease=None, leased_until=None)
        CmsNote.objects.create(message=Message.objects.get(case__pv="7002"))

    reasons = dict(office.get(at(mine)).context["batch"].reasons())

    assert reasons[batches.BUSY] == [str(Case.objects.get(pv="7001"))]
    assert reasons["it was mailed after this batch was begun"] == [str(Case.objects.get(pv="7002"))]
    sent(office, mine)
    assert sorted(Message.objects.values_list("case__pv", flat=True)) == ["7001", "7002", "7003", "7004", "7005"]


@pytest.mark.parametrize(("typed", "is_sent"), [("", False), ("4", False), ("6", False), ("five", False), ("5", True)])
def test_production_is_sent_only_after_the_number_was_typed(office, settings, typed, is_sent):
    settings.MAIL_MODE = "production"
    draft = begun(office, mode="production")
    seen = office.get(at(draft, "confirm")).context["batch"].seal

    answer = office.post(at(draft, "confirm"), {"seen": seen, "count": typed})

    assert answer.status_code == (302 if is_sent else 422)
    recipients = set(Message.objects.values_list("recipient", "is_test"))
    assert recipients == ({(f"attorney{number}@firm.example", False) for number in range(1, 6)} if is_sent else set())


def test_a_production_batch_is_not_sent_once_the_portal_is_in_test_mode(office, settings):
    settings.MAIL_MODE = "production"
    draft = begun(office, mode="production")
    settings.MAIL_MODE = "test"

    answer = office.post(at(draft, "confirm"), {"seen": "x", "count": "5"}, follow=True)

    assert "Production is switched off here" in answer.content.decode()
    assert not Message.objects.exists()


def test_two_batches_in_two_tabs_do_not_touch_each_other(office):
    one, two = begun(office, limit="2"), begun(office, limit="3")

    office.post(at(one), {"none": "1"})
    office.post(at(two, "mails", "7001", "edit"), {"subject": "Only here", "text": "Hello"})

    assert [row.ticked for row in office.get(at(two)).context["rows"]] == [True, True, True]
    assert [row.edited for row in office.get(at(one)).context["rows"]] == [False, False]


def test_a_dropped_batch_is_gone_and_a_sent_one_cannot_be_dropped(office):
    dropped, kept = begun(office, limit="1"), begun(office, limit="1")
    sent(office, kept)

    office.post(at(dropped, "drop"))
    office.post(at(kept, "drop"))

    assert list(BulkDraft.objects.all()) == [kept]
    assert office.get(at(dropped)).status_code == 404


def test_a_batch_nobody_touched_for_a_week_is_forgotten_when_the_next_one_begins(office):
    old = begun(office)
    BulkDraft.objects.update(touched_at=timezone.now() - batch.FORGET_AFTER - timedelta(minutes=1))

    new = begun(office)

    assert list(BulkDraft.objects.all()) == [new]
    assert old.pk != new.pk


def test_a_mail_is_shown_in_a_frame_that_runs_nothing_and_fetches_nothing(office):
    draft = begun(office)

    mail = office.get(at(draft, "mails", "7001"))
    office.post(at(draft, "mails", "7002", "edit"), {"subject": "Hi", "text": "<script>alert(1)</script>"})
    edited = office.get(at(draft, "mails", "7002"))

    assert "<b>Patient 1</b>" in mail.content.decode()
    assert mail["Content-Security-Policy"] == edited["Content-Security-Policy"]
    assert mail["Content-Security-Policy"].startswith("sandbox; default-src 'none'")
    assert mail["X-Frame-Options"] == "SAMEORIGIN"
    assert "&lt;script&gt;" in edited.content.decode()
    assert office.get(at(draft, "mails", "9999")).status_code == 404


def test_the_progress_page_counts_mails_and_notes_and_stops_asking_when_all_is_done(office):
    session = sent(office, begun(office))
    page = f"{START}sessions/{session.pk}/"
    assert "every 2s" in office.get(page).content.decode()

    Message.objects.move(Status.CLAIMED, lease=uuid4(), leased_until=timezone.now())
    Message.objects.move(Status.TRANSMITTING, transmitting_since=timezone.now())
    first, second, third, *_ = Message.objects.order_by("pk")
    with transaction.atomic():
        for message in (first, second):
            Message.objects.filter(pk=message.pk).move(Status.SENT, sent_at=timezone.now(), lease=None, leased_until=None)
        CmsNote.objects.create(message=first)
        CmsNote.objects.create(message=second, status="processed", remote_id="5", processed_at=timezone.now())
    Message.objects.filter(pk=third.pk).move(Status.IN_DOUBT, doubt_since=timezone.now(), lease=None, leased_until=None)

    so_far = progress.of(session)
    assert (so_far.total, so_far.settled, so_far.waiting, so_far.notes_pending, so_far.notes_processed) == (5, 3, 2, 1, 1)
    assert [(part["status"], part["count"], part["start"], part["width"]) for part in so_far.bar()] == [
        ("sent", 2, 0, 40),
        ("in_doubt", 1, 40, 20),
    ]
    link = next(state["href"] for state in office.get(page).context["states"] if state["name"] == "in_doubt")
    assert office.get(link).context["cl"].result_count == 1

    with transaction.atomic():
        Message.objects.filter(status=Status.TRANSMITTING).move(Status.FAILED, lease=None, leased_until=None)
        CmsNote.objects.filter(message=first).update(status="processed", remote_id="6", processed_at=timezone.now())

    part = office.get(page, headers={"HX-Request": "true"}).content.decode()
    assert "Finished." in part
    assert "hx-get" not in part
    assert "<html" not in part


PAGES = ["", "sessions/1/", "{draft}/", "{draft}/confirm/", "{draft}/mails/7001/", "{draft}/mails/7001/edit/"]


@pytest.mark.parametrize("page", PAGES)
def test_only_staff_who_may_queue_mail_get_in(office, page):
    url = START + page.format(draft=begun(office).pk)
    clerk = User.objects.create_user("clerk", is_staff=True)
    office.force_login(clerk)
    assert office.get(url).status_code == 403

    clerk.user_permissions.add(Permission.objects.get(codename="send_message"))
    assert office.get(url).status_code == (200 if page == "" else 404)  # nobody sees another person's batch

    office.logout()
    assert office.get(url)["Location"].startswith("/admin/login/")
    assert office.get(url, headers={"HX-Request": "true"})["HX-Refresh"] == "true"


@pytest.mark.parametrize("step", ["drop", "confirm"])
def test_nothing_changes_by_a_get_or_without_the_token(office, step):
    draft = begun(office)
    careful = Client(enforce_csrf_checks=True, headers={"host": "localhost"})
    careful.force_login(User.objects.get())

    assert careful.post(at(draft, step), {"seen": "x"}).status_code == 403
    assert office.get(at(draft, "drop")).status_code == 405
    assert BulkDraft.objects.get().session is None


@pytest.mark.parametrize("strange", ["?page=999999999", "?page=-1", "?page=٣", "?page=%00"])
def test_a_strange_page_number_shows_a_page(office, strange):
    assert office.get(at(begun(office)) + strange).status_code == 200


def test_a_session_number_beyond_all_numbers_is_not_found(office):
    assert office.get(f"{START}sessions/99999999999999999999999/").status_code == 404
