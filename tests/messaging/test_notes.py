"""Every way the posting of a note can go: what becomes of the note, of the CMS, and of the other notes (reliability §2.6)."""

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest
from django.db.models import F
from django.db.models.functions import Now

from messaging import note_decisions, note_outcomes, notes, reaper
from messaging.gateways.cms import HttpCms, ManualCms
from messaging.models import CmsNote, ErrorGroup, Mode, NoteAttempt, NoteStatus, Provider, SystemEvent
from portal.sandbox import Sandbox
from tests.factories import SENDER, make_case, make_note
from tests.fakes import HANG_UP, FakeMailServer

pytestmark = pytest.mark.django_db
LEASE, SETTLE = timedelta(minutes=2), timedelta(minutes=2)
TODAY = date(2026, 1, 31)
PENDING, UNKNOWN, PROCESSED = NoteStatus.PENDING, NoteStatus.UNKNOWN, NoteStatus.PROCESSED

STRUCK = [  # the CMS's fault; the note's state after one try, the outcome on record, is a person needed, is everybody paused, is it there
    ("down", UNKNOWN, "lost_post", False, False, 0),
    ("401", PENDING, "lost_pre", False, True, 0),
    ("403", PENDING, "lost_pre", False, True, 0),
    ("404", PENDING, "rejected", True, False, 0),
    ("409", PROCESSED, "exists", False, False, 1),
    ("422", PENDING, "rejected", True, False, 0),
    ("422-hostile", PENDING, "rejected", True, False, 0),
    ("429-7", PENDING, "lost_pre", False, True, 0),
    ("429-odd", PENDING, "lost_pre", False, False, 0),
    ("429-for-ever", PENDING, "lost_pre", False, True, 0),
    ("503", PENDING, "lost_pre", False, False, 0),
    ("500-before-commit", UNKNOWN, "lost_post", False, False, 0),
    ("500-after-commit", UNKNOWN, "lost_post", False, False, 1),
    ("timeout-before-commit", UNKNOWN, "lost_post", False, False, 0),
    ("timeout-after-commit", UNKNOWN, "lost_post", False, False, 1),
    ("drop-before-commit", UNKNOWN, "lost_post", False, False, 0),
    ("drop-after-commit", UNKNOWN, "lost_post", False, False, 1),
    ("slow-answer-0.05", PROCESSED, "created", False, False, 1),
    ("html", UNKNOWN, "lost_post", False, False, 0),
    ("empty", UNKNOWN, "lost_post", False, False, 1),
    ("204", UNKNOWN, "lost_post", False, False, 1),
    ("null-id", UNKNOWN, "lost_post", False, False, 1),
    ("zero-id", UNKNOWN, "lost_post", False, False, 1),
    ("garbage", UNKNOWN, "lost_post", False, False, 1),
    ("truncated", UNKNOWN, "lost_post", False, False, 1),
    ("error-inside", UNKNOWN, "lost_post", False, False, 0),
    ("redirect", PENDING, "rejected", True, False, 0),
    ("huge", UNKNOWN, "lost_post", False, False, 1),
]


@pytest.mark.parametrize(("fault", "status", "outcome", "person", "paused", "kept"), STRUCK)
def test_each_fault_of_the_cms_has_its_one_result_and_then_one_note(
    sandbox, terms, impatient, fault, status, outcome, person, paused, kept
):
    note = make_note()
    sandbox.use(notes={"modes": [fault]})

    notes.post_due(terms())

    note.refresh_from_db()
    attempt = note.history.get()
    assert (note.status, attempt.outcome, bool(note.attention), note.lease) == (status, outcome, person, None)
    assert len(attempt.detail) <= 2_000
    assert Provider.objects.paused().exists() == paused
    assert len(sandbox.note_ledger()) == kept

    sandbox.use(notes={})
    note_decisions.try_again_now(CmsNote.objects.all())
    settle_down()
    notes.post_due(terms())

    note.refresh_from_db()
    assert (note.status, note.attention, note.error) == (PROCESSED, "", "")
    assert [line["id"] for line in sandbox.note_ledger()] == [note.remote_id]


def test_a_note_is_processed_with_the_id_and_the_words_the_cms_got(sandbox, terms):
    note = make_note()

    tally = notes.post_due(terms())

    note.refresh_from_db()
    attempt = note.history.get()
    assert (tally.attempted, tally.processed, tally.failed, tally.unknown, tally.pending) == (1, 1, 0, 0, 0)
    assert (note.status, note.remote_id, note.attempts) == (PROCESSED, sandbox.note_ledger()[0]["id"], 1)
    assert (attempt.act, attempt.outcome, attempt.http_status) == ("add", "created", 201)
    assert (attempt.text, attempt.type_code, attempt.pid) == ("STATUS REQUEST SENT TO ANNA@FIRM.EXAMPLE", "COR", note.message.case.pid)
    assert attempt.next_contact_on == date(2026, 3, 2)


def test_the_note_of_a_test_mail_is_marked_and_counts_like_any_other(sandbox, terms):
    make_note(sender=SENDER.__class__(**vars(SENDER) | {"mode": Mode.TEST}))

    notes.post_due(terms())

    assert sandbox.note_ledger()[0]["text"] == "🧪 TEST MODE - STATUS REQUEST SENT TO inbox@portal.example (intended for anna@firm.example)"


def test_one_failure_never_stops_the_others(sandbox, terms):
    first, second, third = (make_note() for _ in range(3))
    sandbox.use(notes={"table": {str(second.reference): "422"}})

    tally = notes.post_due(terms())

    assert (tally.attempted, tally.processed, tally.failed, tally.pending) == (3, 2, 1, 1)
    assert [line["reference"] for line in sandbox.note_ledger()] == [str(first.reference), str(third.reference)]


def test_a_note_stays_pending_for_ever_however_often_it_fails(sandbox, terms):
    note = make_note()
    sandbox.use(notes={"modes": ["503"]})
    for _ in range(25):
        notes.post_due(terms())
        settle_down()

    note.refresh_from_db()
    assert (note.status, note.attempts, note.history.count()) == (PENDING, 25, 25)
    sandbox.use(notes={})
    assert notes.post_due(terms()).processed == 1


def test_a_case_without_a_pid_waits_for_one_and_is_not_dropped(sandbox, terms):
    note = make_note(case=make_case(pid=""))

    before = notes.post_due(terms())
    note.message.case.pid = "777"
    note.message.case.save()
    after = notes.post_due(terms())

    assert (before.attempted, before.pending, after.processed) == (0, 1, 1)
    assert sandbox.note_ledger()[0]["pid"] == "777"


def test_after_a_lost_answer_the_cms_gets_its_settle_time_before_it_is_asked(sandbox, terms):
    make_note()
    sandbox.use(notes={"modes": ["500-after-commit"]})
    notes.post_due(terms())
    sandbox.use(notes={})

    at_once = notes.post_due(terms())
    CmsNote.objects.update(unclear_since=F("unclear_since") - SETTLE)
    later = notes.post_due(terms())

    assert (at_once.attempted, later.processed, len(sandbox.note_ledger())) == (0, 1, 1)
    assert list(NoteAttempt.objects.values_list("act", "outcome")) == [("add", "lost_post"), ("look_up", "exists")]


def test_a_slow_commit_after_our_time_out_is_one_note(sandbox, terms, impatient):
    make_note()
    sandbox.use(notes={"modes": ["slow-commit-0.2"]})
    notes.post_due(terms())
    sandbox.use(notes={})
    until_kept(sandbox, 1)
    settle_down()

    notes.post_due(terms())

    assert (CmsNote.objects.get().status, len(sandbox.note_ledger())) == (PROCESSED, 1)


def test_a_note_that_the_cms_does_not_have_is_added_at_once(sandbox, terms):
    make_note()
    sandbox.use(notes={"modes": ["500-before-commit"]})
    notes.post_due(terms())
    sandbox.use(notes={})
    settle_down()

    tally = notes.post_due(terms())

    assert (tally.attempted, tally.processed, len(sandbox.note_ledger())) == (1, 1, 1)
    assert list(NoteAttempt.objects.values_list("act", "outcome")) == [("add", "lost_post"), ("look_up", "absent"), ("add", "created")]


@pytest.mark.parametrize("fault", ["look-up-broken", "look-up-timeout", "look-up-drop", "look-up-html", "no-look-up"])
def test_nothing_is_added_blindly_while_the_look_up_is_broken(sandbox, terms, impatient, fault):
    note = unknown_note(sandbox, terms)
    sandbox.use(notes={"modes": [fault]})
    for _ in range(2):
        notes.post_due(terms())
        settle_down()

    note.refresh_from_db()
    assert (note.status, len(sandbox.note_ledger())) == (UNKNOWN, 1)
    sandbox.use(notes={})
    assert notes.post_due(terms()).processed == 1
    assert len(sandbox.note_ledger()) == 1


def test_a_note_found_twice_is_processed_with_the_older_id_and_an_alarm(sandbox, terms):
    note = unknown_note(sandbox, terms)
    sandbox.use(notes={"modes": ["look-up-two-notes"]})

    notes.post_due(terms())

    note.refresh_from_db()
    assert (note.status, note.remote_id) == (PROCESSED, "1")
    assert SystemEvent.objects.alarms().get().text == "The CMS has note 1 twice; delete 1000001."


def test_another_persons_note_is_an_alarm_and_never_a_confirmation(sandbox, terms):
    make_note()
    notes.post_due(terms())
    note = unknown_note(sandbox, terms)
    sandbox.use(notes={"modes": ["look-up-foreign"]})

    notes.post_due(terms())

    note.refresh_from_db()
    assert (note.status, note.attention) == (UNKNOWN, notes.NOT_OURS)
    assert SystemEvent.objects.alarms().get().text == f"The CMS answered our reference {note.reference} with a note that is not ours."
    settle_down()
    assert notes.post_due(terms()).attempted == 0


def test_an_id_that_belongs_to_another_note_is_an_alarm_and_never_a_confirmation(sandbox, terms):
    first = make_note()
    notes.post_due(terms())
    second = make_note()
    sandbox.use(notes={"modes": ["foreign-id"]})

    notes.post_due(terms())

    second.refresh_from_db()
    why = f"The CMS returned note id 1, which belongs to e-mail {first.message_id}."
    assert (second.status, second.remote_id, second.attention) == (UNKNOWN, None, why)
    assert SystemEvent.objects.alarms().get().text == why


def test_without_look_up_and_without_key_a_lost_answer_goes_to_a_person(sandbox, terms):
    blind = terms(find_path="")
    note = unknown_note(sandbox, lambda: blind)

    notes.post_due(blind)

    note.refresh_from_db()
    assert (note.status, note.attention, note.lease) == (UNKNOWN, notes.LOOK_YOURSELF, None)
    assert len(sandbox.note_ledger()) == 1
    settle_down()
    assert notes.post_due(blind).attempted == 0


def test_without_look_up_but_with_a_key_it_is_repeated_and_stays_one_note(sandbox, terms):
    keyed = terms(find_path="", key_header="Idempotency-Key")
    sandbox.use(notes={"modes": ["drop-after-commitx1"], "honours_keys": True})
    make_note()
    notes.post_due(keyed)
    settle_down()

    notes.post_due(keyed)

    assert (CmsNote.objects.get().status, len(sandbox.note_ledger())) == (PROCESSED, 1)


def test_a_manual_cms_is_never_called(terms):
    make_note()

    tally = notes.post_due(terms(client=ManualCms()))

    assert (tally.attempted, tally.pending) == (0, 1)


WAITS = [("429-7", 7), ("429-for-ever", 3_600)]


@pytest.mark.parametrize(("fault", "seconds"), WAITS)
def test_retry_after_is_obeyed_by_everybody_up_to_an_hour(sandbox, terms, fault, seconds):
    for _ in range(3):
        make_note()
    sandbox.use(notes={"modes": [fault]})

    tally = notes.post_due(terms())

    asked = timedelta(seconds=seconds)
    assert (tally.attempted, tally.pending, CmsNote.objects.filter(leased_until=None).count()) == (1, 3, 3)
    assert Provider.objects.filter(paused_until__gt=Now() + asked - timedelta(seconds=5), paused_until__lte=Now() + asked).exists()
    assert CmsNote.objects.filter(due_at__gt=Now() + asked - timedelta(seconds=5), due_at__lte=Now() + asked).count() == 1


def test_a_cms_that_is_away_is_left_alone_for_longer_each_time_and_used_again_when_it_answers(sandbox, terms, tmp_path):
    for _ in range(3):
        make_note()
    with Sandbox(tmp_path / "gone") as gone:
        away = terms(client=HttpCms(url=f"{gone.http_url}/cms"))
    for _ in range(3):
        assert notes.post_due(away).attempted == 1
        assert notes.post_due(away).attempted == 0
        settle_down()

    assert notes.post_due(terms()).processed == 3
    told = SystemEvent.objects.order_by("pk").values_list("text", flat=True)
    assert [text[: text.index(": CMS") + 2] for text in told] == [f"The CMS is left alone for 0:00:{span}: " for span in ("05", "10", "20")]
    assert Provider.objects.values_list("paused_until", "failures_in_row").get() == (None, 0)


def test_an_account_that_the_cms_does_not_let_in_is_an_alarm_and_the_notes_are_untouched(sandbox, terms):
    for _ in range(2):
        make_note()
    sandbox.use(notes={"modes": ["401"]})

    notes.post_due(terms())

    assert SystemEvent.objects.alarms().get().text.startswith("The CMS is left alone for 0:15:00: the CMS does not let us in: 401")
    assert set(CmsNote.objects.values_list("status", "attention")) == {(PENDING, "")}


def test_the_same_failure_is_one_error_that_is_counted(sandbox, terms):
    for _ in range(3):
        make_note()
    sandbox.use(notes={"modes": ["500-before-commit"]})

    notes.post_due(terms())

    assert ErrorGroup.objects.values_list("component", "count").get() == ("notes", 3)


def test_a_note_whose_worker_vanished_in_the_call_is_looked_up(sandbox, terms, at, tmp_path):
    make_note()

    def die() -> None:
        raise ConnectionAbortedError("the worker dies here")

    at("cms.after_post", die)
    with pytest.raises(ConnectionAbortedError):
        notes.post_due(terms())
    CmsNote.objects.update(leased_until=Now() - timedelta(hours=1))
    assert reaper.sweep(spool_dir=tmp_path)["notes"] == 1
    assert CmsNote.objects.get().status == UNKNOWN

    notes.post_due(terms())

    assert (CmsNote.objects.get().status, len(sandbox.note_ledger())) == (PROCESSED, 1)
    assert list(NoteAttempt.objects.values_list("act", "outcome")) == [("add", "lost_post"), ("look_up", "exists")]


def test_a_worker_that_lost_its_lease_adds_nothing(sandbox, terms, at):
    make_note()
    at("cms.before_fence", lambda: CmsNote.objects.update(leased_until=Now() - timedelta(seconds=1)), module=note_outcomes)

    notes.post_due(terms(), limit=1)

    assert (CmsNote.objects.get().status, sandbox.note_ledger(), NoteAttempt.objects.count()) == (PENDING, [], 0)


def test_a_late_answer_changes_nothing_that_a_person_has_confirmed(sandbox, terms, at, django_user_model):
    note = make_note()
    person = django_user_model.objects.create(username="pat")

    def meanwhile() -> None:
        CmsNote.objects.update(leased_until=Now() - timedelta(seconds=1))
        reaper.doubt_notes()
        note_decisions.confirm(note, remote_id="by hand 7", by=person)

    at("cms.after_post", meanwhile)
    notes.post_due(terms())

    note.refresh_from_db()
    assert (note.status, note.remote_id, note.confirmed_by) == (PROCESSED, "by hand 7", person)


def test_the_work_ends_at_its_limit_or_when_told_to_stop_and_what_was_taken_is_given_back(sandbox, terms):
    for _ in range(5):
        make_note()

    limited = notes.post_due(terms(), limit=2)
    told = iter([False, False, True])
    stopped = notes.post_due(terms(stop=lambda: next(told)))

    assert (limited.attempted, limited.processed, stopped.attempted, stopped.pending) == (2, 2, 1, 2)
    assert CmsNote.objects.filter(status=PENDING, lease=None).count() == 2


def test_a_cms_that_speaks_no_http_leaves_the_note_unknown(terms):
    make_note()
    with FakeMailServer({"POST": HANG_UP}) as server:
        notes.post_due(terms(client=HttpCms(url=f"http://127.0.0.1:{server.port}")))

    assert CmsNote.objects.get().status == UNKNOWN


@pytest.fixture
def terms(sandbox: Sandbox) -> Callable[..., notes.Terms]:
    """How to post: to the sandbox, unless another client is given."""

    def told(**changes: Any) -> notes.Terms:
        settings = {name: changes.pop(name) for name in ("find_path", "key_header") if name in changes}
        plain = {"client": HttpCms(url=f"{sandbox.http_url}/cms", **settings), "lease": LEASE, "settle": SETTLE, "today": TODAY}
        return notes.Terms(**plain | changes)

    return told


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Do something at a fault point, the first time a worker comes by."""

    def arrange(point: str, act: Callable[[], object], *, module: Any = notes) -> None:
        acts = [act]
        monkeypatch.setattr(module, "fault", lambda name: acts.pop()() if name == point and acts else None)

    return arrange


def unknown_note(sandbox: Sandbox, terms: Callable[..., notes.Terms]) -> CmsNote:
    """A note that the CMS has, and whose answer was lost a settle time ago."""
    note = make_note()
    sandbox.use(notes={"modes": ["500-after-commit"]})
    notes.post_due(terms())
    sandbox.use(notes={})
    settle_down()
    return note


def settle_down() -> None:
    """Every wait is over, of notes and of the CMS."""
    CmsNote.objects.pending().update(due_at=Now())
    CmsNote.objects.filter(unclear_since__isnull=False).update(unclear_since=Now() - SETTLE)
    Provider.objects.filter(paused_until__isnull=False).update(paused_until=Now() - timedelta(seconds=1))


def until_kept(sandbox: Sandbox, count: int) -> None:
    for _ in range(200):
        if len(sandbox.note_ledger()) >= count:
            return
        sandbox.web.stopping.wait(0.05)
    raise AssertionError(f"the CMS kept {len(sandbox.note_ledger())} notes, not {count}")
