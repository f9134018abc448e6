"""A batch leaves alone what it must, says why, and queues the rest together."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.conf import settings

from messaging import batches, outbox
from messaging.batches import BUSY, ListRefused, Selection, Skip
from messaging.models import Acknowledgment, Case, EmailTemplate, Message, MessageSession, Mode, Status, Suppression, TemplateVersion
from messaging.models.case import DAYS_OF_SILENCE, Category, category_of
from messaging.text_input import TextRefused

TODAY = date(2026, 3, 2)
NOW = datetime(2026, 3, 2, 18, 0, tzinfo=UTC)
OFFICE = {"name": "Pat Lee", "office_name": "Field Office", "office_phone": "555-0100", "office_address": "1 Main St"}
TEST = outbox.Sender(address="office@portal.example", mode=Mode.TEST, test_recipient="inbox@portal.example")
PRODUCTION = outbox.Sender(address="office@portal.example", mode=Mode.PRODUCTION, test_recipient="inbox@portal.example")


def make_case(number: int, **facts) -> Case:
    told = {"pid": str(100 + number), "patient_name": f"Patient {number}", "firm": "Hill Law", "attorney_email": f"a{number}@hill.example"}
    return Case.objects.create(pv=str(9000 + number), **told | facts)


def make_version(text: str = "How is {{ patient_name }}?") -> TemplateVersion:
    template = EmailTemplate.objects.create(name="status-request", title="Status request", kind="bulk_status_request")
    return template.versions.create(number=1, subject="PID {{ pid }}", text=text)


def mailed(case: Case, *, status: str, mode: Mode = Mode.PRODUCTION, at: datetime = NOW) -> Message:
    """A message about the case that stands where we want it, and owes no note."""
    facts = {
        "claimed": {"lease": "11111111-1111-1111-1111-111111111111", "leased_until": at},
        "transmitting": {"lease": "11111111-1111-1111-1111-111111111111", "leased_until": at},
        "sent": {"sent_at": at},
        "in_doubt": {"doubt_since": at},
        "held": {"reason": "because"},
        "cancelled": {"reason": "because"},
    }.get(status, {})
    number = Message.objects.count()
    addresses = {"sender": "o@portal.example", "recipient": "a@hill.example", "intended_for": "a@hill.example"}
    words = {"key": f"k{number}", "message_id": f"<{number}@portal.example>", "kind": "general", "subject": "s", "text": "t"}
    return Message.objects.create(case=case, status=status, is_test=mode == Mode.TEST, needs_note=False, **addresses, **words, **facts)


def chosen(selection: Selection, **options) -> tuple[list[str], dict[str, str]]:
    cases, skips = batches.select(selection, on=TODAY, **options)
    return [case.pv for case in cases], {skip.what: skip.why for skip in skips}


def test_cases_are_chosen_by_pid_and_by_pv_and_unknown_numbers_are_told(db):
    make_case(1)
    make_case(2)

    assert chosen(Selection(pids=("101", "777"), pvs=("9002", "888"))) == (
        ["9001", "9002"],
        {"PID 777": "no case has this PID", "PV 888": "no case has this PV"},
    )


def test_a_pv_given_as_a_pid_is_recognised(db):
    case = make_case(1)

    assert chosen(Selection(pids=("9001",))) == ([], {"PID 9001": f"no case has this PID; it is the PV of {case}"})
    assert chosen(Selection(pvs=("101",))) == ([], {"PV 101": f"no case has this PV; it is the PID of {case}"})


def test_a_firm_is_found_whatever_its_letters_and_no_other(db):
    make_case(1)
    make_case(2, firm="Hill Law LLP")

    assert chosen(Selection(firm=" hill LAW ")) == (["9001"], {})


def test_the_longest_silent_come_first_and_the_rest_is_over_the_limit(db):
    make_case(1, last_sent_on=TODAY - timedelta(days=100))
    make_case(2, last_sent_on=TODAY - timedelta(days=300), last_reply_on=TODAY - timedelta(days=200))
    make_case(3)
    make_case(4, last_sent_on=TODAY - timedelta(days=120))

    assert chosen(Selection(firm="Hill Law", limit=2)) == (["9003", "9002"], {"2 more cases": "over the limit of 2"})
    assert chosen(Selection(firm="Hill Law", limit=4)) == (["9003", "9002", "9004", "9001"], {})


REASONS = [
    ({"status": "closed"}, "it is not active but closed"),
    ({"attorney_email": ""}, "it has no attorney e-mail"),
    ({"attorney_email": "No@Mail.example"}, "No@Mail.example is suppressed"),
]


@pytest.mark.parametrize(("facts", "why"), REASONS)
def test_what_must_be_left_alone_is_and_its_twin_is_not(db, facts, why):
    Suppression.objects.create(address="no@mail.example", reason="asked us to stop")
    case = make_case(1, **facts)
    make_case(2)

    assert chosen(Selection(firm="Hill Law")) == (["9002"], {str(case): why})


def test_the_first_reason_is_the_one_that_is_told(db):
    case = make_case(1, status="closed", attorney_email="")

    assert chosen(Selection(pids=("101",))) == ([], {str(case): "it is not active but closed"})


def test_a_suppression_that_has_run_out_stops_nobody(db):
    Suppression.objects.create(address="a1@hill.example", reason="away", suppressed_until=NOW - timedelta(days=3000))
    make_case(1)

    assert chosen(Selection(pids=("101",))) == (["9001"], {})


SNOOZES = [(None, False), (TODAY + timedelta(days=1), False), (TODAY, True)]


@pytest.mark.parametrize(("review_on", "is_taken"), SNOOZES)
def test_a_snoozed_case_sleeps_until_its_review_day(db, review_on, is_taken):
    case = make_case(1)
    Acknowledgment.objects.create(case=case, reason="They called", review_on=review_on)

    assert chosen(Selection(pids=("101",))) == ((["9001"], {}) if is_taken else ([], {str(case): "it is snoozed"}))


@pytest.mark.parametrize("status", Status.values)
def test_a_mail_that_may_still_go_out_or_may_have_gone_stands_in_the_way(db, status):
    case = make_case(1)
    mailed(case, status=status)

    is_free = status in ("sent", "failed", "cancelled")
    assert chosen(Selection(pids=("101",))) == ((["9001"], {}) if is_free else ([], {str(case): BUSY}))


def test_a_test_mail_stands_in_the_way_of_tests_only(db):
    case = make_case(1)
    mailed(case, status="in_doubt", mode=Mode.TEST)

    assert chosen(Selection(pids=("101",)), mode=Mode.PRODUCTION) == (["9001"], {})
    assert chosen(Selection(pids=("101",)), mode=Mode.TEST) == ([], {str(case): BUSY})


SILENCE = [*Category][:5]
CATEGORIES = [  # days since the last mail out, since the last mail in, and the category by silence
    (None, None, Category.NEVER_CONTACTED),
    (0, None, Category.RECENTLY_SENT),
    (29, None, Category.RECENTLY_SENT),
    (30, None, Category.NEEDS_FOLLOW_UP),
    (400, 59, Category.NEEDS_FOLLOW_UP),
    (60, None, Category.HIGH_PRIORITY),
    (89, 400, Category.HIGH_PRIORITY),
    (90, None, Category.CRITICAL),
    (95, 95, Category.CRITICAL),
    (None, 10, Category.RECENTLY_SENT),
]


@pytest.mark.parametrize(("sent_ago", "reply_ago", "category"), CATEGORIES)
def test_a_case_is_in_exactly_one_category_of_silence(db, sent_ago, reply_ago, category):
    ago = {"last_sent_on": sent_ago, "last_reply_on": reply_ago}
    make_case(1, **{name: None if days is None else TODAY - timedelta(days=days) for name, days in ago.items()})

    assert [one for one in SILENCE if chosen(Selection(category=one))[0]] == [category]
    assert category_of(min((days for days in ago.values() if days is not None), default=None)) == category


SEED = [
    pytest.param(95, "critical", id="S0-017"),
    pytest.param(90, "critical", id="S0-018"),
    pytest.param(30, "needs_follow_up", id="S0-022"),
    pytest.param(None, "never_contacted", id="S0-024"),
]


@pytest.mark.parametrize(("days", "category"), SEED)
def test_the_categories_of_the_seed(days, category):
    assert category_of(days) == category


def test_our_own_production_mail_counts_as_contact_the_moment_it_is_sent_and_a_test_never_does(db):
    first, second = (make_case(number, last_sent_on=TODAY - timedelta(days=200)) for number in (1, 2))
    mailed(first, status="sent", at=NOW - timedelta(days=50))
    mailed(first, status="sent", at=NOW - timedelta(days=5))
    mailed(first, status="sent", at=NOW - timedelta(days=20))
    mailed(second, status="sent", mode=Mode.TEST)
    mailed(second, status="failed")

    assert chosen(Selection(category=Category.RECENTLY_SENT))[0] == ["9001"]
    assert chosen(Selection(category=Category.CRITICAL))[0] == ["9002"]
    assert Case.objects.with_last_contact().get(pv="9001").mailed_on == TODAY - timedelta(days=5)


@pytest.mark.parametrize(
    ("days", "category"),
    [
        (29, "recently_sent"),
        (30, "needs_follow_up"),
        (59, "needs_follow_up"),
        (60, "high_priority"),
        (89, "high_priority"),
        (90, "critical"),
    ],
)
@pytest.mark.parametrize("at", [time(0, 5), time(23, 55)], ids=["after midnight", "before midnight"])
def test_days_of_silence_are_days_of_the_office(db, days, category, at):
    mailed(make_case(1), status="sent", at=datetime.combine(TODAY - timedelta(days=days), at, tzinfo=ZoneInfo(settings.TIME_ZONE)))

    assert [one for one in DAYS_OF_SILENCE if chosen(Selection(category=one))[0]] == [category]


def test_a_case_that_only_we_have_mailed_has_no_response_yet(db):
    case = make_case(1)
    assert chosen(Selection(category=Category.NO_RESPONSE))[0] == []

    mailed(case, status="sent")

    assert chosen(Selection(category=Category.NO_RESPONSE))[0] == ["9001"]


def test_each_case_gets_its_own_mail_and_a_gap_is_named(db):
    cases = [make_case(1), make_case(2, injured_on=date(2025, 1, 31))]

    prepared, skips = batches.prepare(cases, version=make_version("Injured {{ date_of_injury }}"), office=OFFICE, on=TODAY)

    assert [(one.case.pv, one.subject, one.recipient) for one in prepared] == [("9002", "PID 102", "a2@hill.example")]
    assert "2025" in prepared[0].text
    assert skips == [Skip(what=str(cases[0]), why="no value for date_of_injury")]


def begin(cases, *, sender=TEST, skipped=()):
    version = TemplateVersion.objects.first() or make_version()
    prepared, _ = batches.prepare(cases, version=version, office=OFFICE, on=TODAY)
    return batches.start(prepared, name="March", version=version, sender=sender, skipped=list(skipped), by=None, at=NOW)


def test_a_started_batch_is_a_session_whose_mails_are_queued_and_owe_notes(db):
    cases = [make_case(1), make_case(2)]

    session = begin(cases, skipped=[Skip(what="PID 7", why="no case has this PID")])

    assert session.totals() == {"queued": 2}
    assert session.skipped == [{"what": "PID 7", "why": "no case has this PID"}]
    first = session.messages.get(case=cases[0])
    assert first.key == f"test:bulk_status_request:{session.pk}:{cases[0].pk}"
    assert (first.recipient, first.intended_for) == ("inbox@portal.example", "a1@hill.example")
    assert (first.is_test, first.needs_note, first.email_type, first.lane) == (True, True, "test_bulk_status_request", 9)


def test_a_case_that_somebody_mailed_meanwhile_is_left_out_and_told(db):
    first, second = make_case(1), make_case(2)
    begin([first])

    session = begin([first, second])

    assert [message.case for message in session.messages.all()] == [second]
    assert session.skipped == [{"what": str(first), "why": BUSY}]


def test_a_test_batch_does_not_hold_up_the_production_batch(db):
    case = make_case(1)
    begin([case])

    assert begin([case], sender=PRODUCTION).totals() == {"queued": 1}


def test_a_start_that_fails_leaves_neither_session_nor_message(db, monkeypatch):
    version = make_version()
    prepared, _ = batches.prepare([make_case(1)], version=version, office=OFFICE, on=TODAY)
    monkeypatch.setattr(batches, "draft", lambda *args, **facts: 1 / 0)

    with pytest.raises(ZeroDivisionError):
        batches.start(prepared, name="March", version=version, sender=TEST, skipped=[], by=None, at=NOW)

    assert (MessageSession.objects.count(), Message.objects.count()) == (0, 0)


LISTS = [("1,3,5-8", [1, 3, 5, 6, 7, 8]), (" 8 - 10, 9 ,", [8, 9, 10]), ("", []), ("10-10,10", [10])]
REFUSED_LISTS = [
    ("0", "outside 1-10"),
    ("11", "outside 1-10"),
    ("8-5", "outside 1-10"),
    ("a", "not a number"),
    ("1-", "not a number"),
    ("-1", "not a number"),
    ("1e3", "not a number"),
    ("٣", "not a number"),
    ("9" * 50, "not a number"),
]


@pytest.mark.parametrize(("text", "numbers"), LISTS)
def test_a_list_of_numbers_is_read(text, numbers):
    assert batches.numbers(text, most=10) == numbers


@pytest.mark.parametrize(("text", "why"), REFUSED_LISTS)
def test_a_list_that_cannot_be_read_says_which_part(text, why):
    with pytest.raises(ListRefused, match=why):
        batches.numbers(text, most=10)


def test_pasted_numbers_may_stand_in_any_of_the_usual_ways():
    assert batches.pasted("101, 102;103\n104\t0105 101", field="PID") == ("101", "102", "103", "104", "0105")
    with pytest.raises(TextRefused, match="PID must be digits 0-9 only; got '10a'"):
        batches.pasted("101 10a", field="PID")
