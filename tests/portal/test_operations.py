"""A bulk action as a row: started once, carried out item by item, stopped half-way, and gone on with after whatever happens."""

import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from uuid import uuid4

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.db import IntegrityError, InternalError, connection, transaction
from django.db.models.functions import Now
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django_q.models import OrmQ

from messaging import faults
from messaging.models import Decision, ErrorGroup, Message, SystemEvent
from messaging.models import Status as MessageStatus
from portal import tasks
from portal.operations import kinds, progress, running
from portal.operations.models import MOVES, Operation, OperationItem, Outcome, Status
from portal.quotes import pricing
from portal.quotes.models import Quote
from tests import factories
from tests.addresses import database_url
from tests.portal.desk_rows import said, staff, superuser
from tests.portal.quotes.rows import TERMS, mail_of, quote_with_mails
from tests.portal.quotes.scripted import Scripted
from tests.portal.quotes.scripted import terms as pricing_terms

RETRY = "retry_quote_mails"
ALL = {"type": "both", "max_attempts": 10, "limit": 1000}
FORM = "/admin/quotes/retry/"
DESK = "/admin/portal/operation/"


def dana() -> User:
    return User.objects.get_or_create(username="dana", defaults={"first_name": "Dana", "last_name": "Reyes"})[0]


def refused_mails(number: int) -> list[Quote]:
    """So many priced quotes, whose mail to the customer the server refused for good; the office's was sent."""
    quotes = [quote_with_mails() for _ in range(number)]
    for quote in quotes:
        bring(mail_of(quote, "customer"), MessageStatus.FAILED)
        bring(mail_of(quote, "admin"), MessageStatus.SENT)
    return quotes


@transaction.atomic
def bring(message: Message, status: MessageStatus) -> None:
    """Sent or refused, by the moves that a worker makes."""
    row = Message.objects.filter(pk=message.pk)
    row.move(MessageStatus.CLAIMED, lease=uuid4(), leased_until=Now() + timedelta(minutes=9))
    row.move(MessageStatus.TRANSMITTING, transmitting_since=Now(), tries=1, attempts=1)
    facts = {"sent_at": Now()} if status == MessageStatus.SENT else {"error": "550 no such mailbox"}
    row.move(status, lease=None, leased_until=None, **facts)


def terms(assessor: Scripted | None = None, **facts) -> running.Terms:
    told = {"mail": lambda: TERMS, "pricing": lambda: pricing_terms(assessor), "ring": lambda: None}
    return running.Terms(**told | facts)


def start(parameters: dict | None = None, **facts) -> Operation:
    return running.start(RETRY, ALL | (parameters or {}), **{"by": dana(), "reason": "The mail server was set right."} | facts)


def fresh(operation: Operation) -> Operation:
    return Operation.objects.get(pk=operation.pk)


def outcomes(operation: Operation) -> Counter[str]:
    return Counter(operation.items.values_list("outcome", flat=True))


def stop_after(items: int) -> Callable[[], bool]:
    """Told to stop when so many items are done."""
    told = iter([False] * (items + 1))  # once for the claim
    return lambda: next(told, True)


@pytest.mark.django_db
def test_a_bulk_retry_opens_a_new_round_for_exactly_the_refused_mails():
    refused = refused_mails(3)
    quote_with_mails()  # still waits: nobody touches it

    operation = start({"type": "customer"})
    tally = running.run_due(terms())

    assert tally == running.Tally(operations=1, items=4, ended=1)
    assert (fresh(operation).status, fresh(operation).lease) == (Status.DONE, None)
    assert outcomes(operation) == {"queued": 3, "already_queued": 1}
    assert {(mail_of(quote, "customer").status, mail_of(quote, "customer").round) for quote in refused} == {("queued", 2)}
    assert set(Decision.objects.values_list("reason", "decided_by__username", "source")) == {
        ("The mail server was set right.", "dana", f"bulk action {operation.pk}")
    }
    assert progress.mails(fresh(operation)) == {"waiting": 4}


@pytest.mark.django_db
def test_its_items_are_fixed_when_it_is_started_and_a_mail_that_left_meanwhile_is_left_alone():
    first, second = refused_mails(2)
    operation = start({"type": "customer"})
    (late,) = refused_mails(1)
    running.run_due(terms())
    again = start({"type": "customer"})

    assert list(operation.items.values_list("quote", flat=True)) == [first.pk, second.pk]
    assert mail_of(late, "customer").status == "failed"
    running.run_due(terms())
    assert outcomes(again) == {"already_queued": 2, "queued": 1}


@pytest.mark.django_db
def test_quotes_are_priced_one_by_one_and_each_says_what_became_of_it():
    quotes = [factories.make_quote() for _ in range(3)]
    operation = running.start("process_quotes", {"limit": 2}, by=dana())

    running.run_due(terms())

    assert list(operation.items.order_by("pk").values_list("quote", "outcome")) == [(quote.pk, "priced") for quote in quotes[:2]]
    assert {item.text for item in operation.items.all()} == {"$288.15 (CAD)"}
    assert Quote.objects.pending().get() == quotes[2]


WRONG = [  # kind, parameters, what the refusal says
    ("clean_the_desk", {}, "There is no bulk action 'clean_the_desk'"),
    (RETRY, {"type": "all"}, "customer, admin or both, not 'all'"),
    (RETRY, {"max_attempts": 0}, "attempt limit is a whole number from 1 to 10, not 0"),
    (RETRY, {"max_attempts": 11}, "from 1 to 10, not 11"),
    (RETRY, {"max_attempts": "3"}, "from 1 to 10, not '3'"),
    (RETRY, {"max_attempts": True}, "from 1 to 10, not True"),
    (RETRY, {"limit": 0}, "from 1 to 1,000, not 0"),
    (RETRY, {"limit": 1001}, "from 1 to 1,000, not 1001"),
    (RETRY, {"limit": 2.0}, "not 2.0"),
    (RETRY, {"force": True}, "has no 'force'; it is told type, max_attempts, limit"),
    ("process_quotes", {"limit": -1}, "from 1 to 1,000, not -1"),
]


@pytest.mark.django_db
@pytest.mark.parametrize(("kind", "parameters", "says"), WRONG)
def test_what_cannot_be_meant_is_refused_in_a_sentence_and_nothing_is_started(kind, parameters, says):
    with pytest.raises(kinds.ParametersRefused, match=says):
        running.start(kind, parameters, by=dana())

    assert not Operation.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize("parameters", [{"max_attempts": 1}, {"max_attempts": 10}, {"limit": 1}, {"limit": 1000}, {"type": "admin"}])
def test_what_lies_at_the_edges_is_accepted(parameters):
    assert running.preview(RETRY, parameters).chosen == []


@pytest.mark.django_db
def test_nothing_to_do_is_no_operation():
    with pytest.raises(running.NotStarted, match="0 items; an operation has 1 to 10,000"):
        start()


@pytest.mark.django_db
def test_the_same_key_is_the_same_operation_and_only_for_the_same_question():
    refused_mails(1)
    key = uuid4()

    assert start(key=key) == start(key=key)
    assert Operation.objects.count() == 1
    with pytest.raises(running.NotStarted, match="sent already, with other answers"):
        start({"type": "customer"}, key=key)


@pytest.mark.django_db
def test_only_what_was_previewed_starts():
    refused_mails(1)
    seen = running.preview(RETRY, ALL).seal
    refused_mails(1)

    with pytest.raises(running.NotStarted, match="changed since you looked"):
        start(seen=seen)
    assert start(seen=running.preview(RETRY, ALL).seal).total == 2


@pytest.mark.django_db(transaction=True)
def test_two_clicks_at_the_same_moment_start_once():
    refused_mails(2)
    by, key, found = dana(), uuid4(), []

    at_once(lambda: found.append(start(by=by, key=key).pk), times=4)

    assert (len(found), len(set(found)), Operation.objects.count(), OperationItem.objects.count()) == (4, 1, 1, 2)


def at_once(act, *, times: int) -> None:
    together = threading.Barrier(times)

    def with_own_connection() -> None:
        try:
            together.wait()
            act()
        finally:
            connection.close()

    threads = [threading.Thread(target=with_own_connection) for _ in range(times)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


# stopping and going on


@pytest.mark.django_db
def test_cancelled_half_way_it_keeps_what_is_done_and_leaves_the_rest_alone():
    quotes = refused_mails(4)
    operation = start()
    running.run_due(terms(stop=stop_after(2)))

    assert running.cancel(operation, by=dana())

    assert (fresh(operation).status, fresh(operation).cancel_requested_by) == (Status.CANCELLED, dana())
    assert list(operation.items.order_by("pk").values_list("outcome", flat=True)) == ["queued"] * 2 + ["not_done"] * 2
    assert [mail_of(quote, "customer").status for quote in quotes] == ["queued"] * 2 + ["failed"] * 2
    assert not running.cancel(operation, by=dana())
    assert running.run_due(terms()).operations == 0


@pytest.mark.django_db
def test_cancelled_while_a_worker_has_it_it_ends_after_the_item_in_hand():
    refused_mails(3)
    operation = start()
    seen = []

    def between_two_items() -> bool:
        """Before the second item somebody cancels; the look at the clock comes after the look at the row."""
        if outcomes(operation)["queued"] == 1 and not seen:
            running.cancel(operation, by=dana())
            seen.append((fresh(operation).status, fresh(operation).is_stopping))
        return False

    running.run_due(terms(stop=between_two_items))

    assert seen == [("running", True)]
    assert fresh(operation).status == Status.CANCELLED
    assert outcomes(operation) == {"queued": 2, "not_done": 1}


@pytest.mark.django_db
def test_an_operation_nobody_has_begun_is_cancelled_at_once():
    refused_mails(1)
    operation = start()

    running.cancel(operation, by=dana())

    assert (fresh(operation).status, fresh(operation).started_at) == (Status.CANCELLED, None)
    assert outcomes(operation) == {"not_done": 1}


@pytest.mark.django_db
def test_told_to_stop_it_makes_room_at_once_and_the_next_worker_goes_on_where_it_was():
    refused_mails(5)
    operation = start()

    first = running.run_due(terms(stop=stop_after(2)))
    between = fresh(operation)
    second = running.run_due(terms())

    assert (first.items, first.ended, first.left, second.items, second.ended) == (2, 0, True, 3, 1)
    assert (between.status, between.lease, between.claims) == (Status.RUNNING, None, 0)
    assert outcomes(operation) == {"queued": 5}


@pytest.mark.django_db
def test_a_long_operation_does_not_keep_a_short_one_waiting():
    refused_mails(3)
    long = start()
    running.run_due(terms(stop=stop_after(1)))
    short = start({"limit": 1})

    running.run_due(terms(stop=stop_after(1)))

    assert (outcomes(long)[""], outcomes(short)[""]) == (2, 0)


@pytest.mark.django_db
def test_while_a_worker_has_it_nobody_else_does_and_when_its_hold_has_run_out_another_goes_on():
    refused_mails(2)
    operation = start()
    running.claim()  # and vanishes

    assert running.run_due(terms()).operations == 0
    Operation.objects.update(leased_until=Now())
    assert running.run_due(terms()).items == 2
    assert fresh(operation).status == Status.DONE


@pytest.mark.django_db
def test_a_worker_that_lost_its_hold_does_nothing_more():
    (quote,) = refused_mails(1)
    operation = start()
    slow = running.claim()
    Operation.objects.update(leased_until=Now())
    other = running.claim()

    with pytest.raises(running.HoldLost):
        running.carry_out(slow, terms=terms(), tally=running.Tally(), is_time=lambda: False)
    running.let_go(slow)

    assert (mail_of(quote, "customer").status, outcomes(operation)) == ("failed", {"": 1})
    assert fresh(operation).lease == other.lease


@pytest.mark.django_db(transaction=True)
def test_two_workers_race_and_each_mail_gets_one_new_round():
    quotes = refused_mails(12)
    for part in ({"type": "customer"}, {"type": "both"}, {"limit": 5}):
        start(part)
    tallies = []

    at_once(lambda: tallies.append(running.run_due(terms())), times=3)

    assert sum(tally.ended for tally in tallies) == 3
    assert sum(tally.items for tally in tallies) == 12 + 12 + 5
    assert {mail_of(quote, "customer").round for quote in quotes} == {2}
    assert Decision.objects.count() == 12
    assert Counter(OperationItem.objects.values_list("outcome", flat=True)) == {"queued": 12, "already_queued": 17}


# what can go wrong with an item


@pytest.mark.django_db
@pytest.mark.parametrize("point", ["operation.before_item_commit", "operation.after_item_commit"])
def test_an_item_and_its_outcome_are_both_there_or_neither(monkeypatch, point):
    quotes = refused_mails(3)
    operation = start()
    monkeypatch.setattr(faults, "_plans", faults.parse(f"{point}=raise@2"))

    with pytest.raises(faults.InjectedFault):
        running.run_due(terms())

    done = [item.outcome == "queued" for item in operation.items.order_by("pk")]
    assert done == [mail_of(quote, "customer").round == 2 for quote in quotes]
    assert done == ([True, False, False] if "before" in point else [True, True, False])
    running.run_due(terms())
    assert (fresh(operation).status, outcomes(operation)) == (Status.DONE, {"queued": 3})
    assert Decision.objects.count() == 3


@pytest.mark.django_db
def test_an_item_that_breaks_us_leaves_nothing_behind_and_does_not_keep_the_others_waiting(monkeypatch):
    first, second = refused_mails(2)
    operation = start()
    honest = kinds.RetryQuoteMails.do

    def half_way(self, item, **told):
        result = honest(self, item, **told)
        if item.quote == first:
            raise ValueError("the roof is leaking")
        return result

    monkeypatch.setattr(kinds.RetryQuoteMails, "do", half_way)
    running.run_due(terms())

    assert list(operation.items.order_by("pk").values_list("outcome", "text")) == [
        ("broken", "ValueError: the roof is leaking"),
        ("queued", "It is queued again and goes out next."),
    ]
    assert (mail_of(first, "customer").status, mail_of(second, "customer").status) == ("failed", "queued")
    assert ErrorGroup.objects.get().component == "operations"


@pytest.mark.django_db
def test_an_operation_that_every_worker_vanishes_over_is_given_up_with_the_reason():
    refused_mails(1)
    operation = start()
    for _ in range(running.MOST_CLAIMS):
        running.claim()
        Operation.objects.update(leased_until=Now())

    running.run_due(terms())

    assert fresh(operation).status == Status.FAILED
    assert "10 workers took it up and vanished" in fresh(operation).error
    assert outcomes(operation) == {"not_done": 1}
    assert SystemEvent.objects.filter(text__contains=fresh(operation).error).exists()


@pytest.mark.django_db
def test_a_question_that_this_version_does_not_know_any_more_fails_in_words(monkeypatch):
    refused_mails(1)
    operation = start()
    monkeypatch.setattr(kinds, "KINDS", {"process_quotes": kinds.ProcessQuotes})

    running.run_due(terms())

    assert fresh(operation).status == Status.FAILED
    assert fresh(operation).error == "There is no bulk action 'retry_quote_mails'; there are process_quotes."


@pytest.mark.django_db
def test_an_ai_that_is_set_up_wrong_keeps_no_mail_waiting():
    refused_mails(1)
    operation = start()

    def set_up_wrong() -> pricing.Terms:
        raise ValueError("AI_URL is http://…")

    running.run_due(terms(pricing=set_up_wrong))

    assert outcomes(operation) == {"queued": 1}


KILLED = [  # where, the kind; killed the second time it comes by
    ("operation.after_claim=kill", RETRY),
    ("operation.before_item_commit=kill@2", RETRY),
    ("operation.after_item_commit=kill@2", RETRY),
    ("operation.after_effect=kill@2", "process_quotes"),
    ("operation.before_item_commit=kill@2", "process_quotes"),
]
WORKER = "import django; django.setup(); from portal import tasks; print(tasks.run_operations())"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("fault", "kind"), KILLED)
def test_killed_at_any_line_nothing_is_lost_and_nothing_done_twice(fault, kind):
    quotes = refused_mails(3) if kind == RETRY else [factories.make_quote() for _ in range(3)]
    parameters = ALL if kind == RETRY else {"limit": 3}
    operation = running.start(kind, parameters, by=dana())

    assert killed_worker(fault)
    Operation.objects.update(leased_until=Now())
    running.run_due(terms())

    assert fresh(operation).status == Status.DONE
    assert outcomes(operation) == {"queued" if kind == RETRY else "priced": 3}
    if kind == RETRY:
        assert Decision.objects.count() == 3
        assert {mail_of(quote, "customer").round for quote in quotes} == {2}
    else:
        assert {quote.ai_calls.filter(outcome="applied").count() for quote in quotes} == {1}
        assert Message.objects.count() == 6


def killed_worker(fault: str) -> bool:
    """A process of its own, which the fault killed."""
    told = {"PATH": os.defpath, "DATABASE_URL": database_url(), "DJANGO_SETTINGS_MODULE": "portal.settings", "PORTAL_FAULTS": fault}
    told |= {"SECRET_KEY": settings.SECRET_KEY, "MAIL_MODE": "production", "AI_URL": ""}
    return subprocess.run([sys.executable, "-c", WORKER], cwd=settings.BASE_DIR, env=told, check=False).returncode == -signal.SIGKILL


# what the database itself keeps


BROKEN_ROWS = [  # what is written to a finished operation, and which promise refuses it
    ("UPDATE portal_operation SET status = 'running', ended_at = NULL", "cannot go from done to running"),
    ("UPDATE portal_operation SET ended_at = NULL", "has a time of ending exactly when it has ended"),
    ("UPDATE portal_operation SET lease = gen_random_uuid(), leased_until = now()", "is held by a worker only while it is running"),
    ("UPDATE portal_operation SET total = 7", "this record is final"),
    ("UPDATE portal_operationitem SET text = 'never happened'", "this record is final"),
]


@pytest.mark.django_db
@pytest.mark.parametrize(("sql", "says"), BROKEN_ROWS)
def test_the_database_refuses_to_rewrite_what_has_happened(sql, says):
    refused_mails(1)
    start()
    running.run_due(terms())

    with pytest.raises((IntegrityError, InternalError), match=says), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql)


@pytest.mark.django_db
def test_no_operation_ends_while_an_item_is_open():
    refused_mails(1)
    operation = start()
    running.claim()

    with pytest.raises(IntegrityError, match="has ended while an item has no outcome"), transaction.atomic():
        Operation.objects.filter(pk=operation.pk).move(Status.DONE, ended_at=Now(), lease=None, leased_until=None)


def test_what_has_ended_stays_so():
    assert {status for status, ends in MOVES.items() if not ends} == {Status.DONE, Status.CANCELLED, Status.FAILED}


# the door of the bulk retry


@pytest.fixture
def boss(db) -> Client:
    return superuser()


def answers(client: Client, **changes) -> dict[str, str]:
    """What the form holds after its preview, and the changes somebody makes to it."""
    plain = {"type": "customer", "max_attempts": "10", "limit": "100", "reason": "The server is back."}
    shown = client.post(FORM, plain | {key: value for key, value in changes.items() if key in plain} | {"preview": "1"}).context
    hidden = {"seen": shown["found"].seal, "key": str(shown["key"])} if shown["found"] else {}
    return plain | hidden | {"start": "1"} | changes


def test_the_page_counts_and_starts_exactly_what_it_counted(boss, django_capture_on_commit_callbacks):
    refused_mails(12)
    page = boss.get(FORM)
    assert (page.context["count"], len(page.context["first"]), page.context["more"]) == (12, 10, 2)

    with django_capture_on_commit_callbacks(execute=True):
        answer = boss.post(FORM, answers(boss))

    operation = Operation.objects.get()
    assert answer["Location"] == f"{DESK}{operation.pk}/change/"
    assert (operation.total, operation.author.username, operation.reason) == (12, "boss", "The server is back.")
    assert operation.asked == "Try again: customer mails with fewer than 10 attempts, at most 100"
    assert [ring.task["func"] for ring in OrmQ.objects.all()] == ["portal.tasks.run_operations"]
    assert "Under way already" in boss.get(FORM).content.decode()


def test_the_form_sent_twice_starts_one_operation(boss):
    refused_mails(2)
    told = answers(boss)

    first, second = boss.post(FORM, told), boss.post(FORM, told)

    assert first["Location"] == second["Location"]
    assert Operation.objects.count() == 1


BAD_ANSWERS = [
    ({"type": "all"}, "The type is customer, admin or both."),
    ({"type": ""}, "Choose which e-mails."),
    ({"max_attempts": "0"}, "The attempt limit is a whole number from 1 to 10."),
    ({"max_attempts": "11"}, "The attempt limit is a whole number from 1 to 10."),
    ({"max_attempts": "three"}, "The attempt limit is a whole number from 1 to 10."),
    ({"max_attempts": ""}, "The attempt limit is a whole number from 1 to 10."),
    ({"limit": "0"}, "The number of e-mails is a whole number from 1 to 1,000."),
    ({"limit": "1001"}, "The number of e-mails is a whole number from 1 to 1,000."),
    ({"limit": "1e3"}, "The number of e-mails is a whole number from 1 to 1,000."),
    ({"reason": "  "}, "Give a reason"),
    ({"key": "x"}, "Nothing was started."),
    ({"seen": "0" * 64}, "changed since you looked. Nothing was started"),
]


@pytest.mark.parametrize(("changes", "says"), BAD_ANSWERS)
def test_what_the_form_cannot_take_is_refused_in_words_and_nothing_is_started(boss, changes, says):
    refused_mails(1)

    answer = boss.post(FORM, answers(boss, **changes))

    assert (answer.status_code, Operation.objects.count()) == (422, 0)
    assert says in answer.content.decode()


def test_with_nothing_to_do_the_page_says_what_would_help(boss):
    assert "Raise the attempt limit" in boss.get(FORM).content.decode()
    assert "0 items; an operation has 1 to 10,000. Nothing was started." in boss.post(FORM, answers(boss)).content.decode()


def test_while_one_types_only_the_count_is_fetched(boss):
    refused_mails(3)

    part = boss.post(FORM, {"type": "customer", "max_attempts": "10", "limit": "2"}, headers={"HX-Request": "true"}).content.decode()

    assert "<b>2</b> e-mails would be tried again" in part
    assert "<html" not in part


def test_counting_changes_nothing(boss):
    refused_mails(1)
    boss.get(FORM)
    answers(boss)

    assert not Operation.objects.exists()


# the desk


def test_the_page_shows_what_who_how_far_and_what_came_of_it(boss):
    (quote, *_) = refused_mails(3)
    operation = start({"type": "customer"})
    running.run_due(terms(stop=stop_after(2)))
    bring(mail_of(quote, "customer"), MessageStatus.SENT)

    page = boss.get(f"{DESK}{operation.pk}/change/")
    part = boss.get(f"{DESK}{operation.pk}/live/").content.decode()

    for text in ("Dana Reyes", "The mail server was set right.", quote.number, "It is queued again and goes out next."):
        assert text in page.content.decode()
    for text in ("<b>2</b> of 3 done", "Tried again", "What became of the mails since", "hx-get", f"{DESK}{operation.pk}/act/cancel/"):
        assert text in page.content.decode()
        assert text in part
    assert progress.mails(operation) == {"sent": 1, "waiting": 1}
    found = boss.get(f"/admin/portal/operationitem/?operation__id__exact={operation.pk}&mail=sent").context["cl"]
    assert [item.quote for item in found.result_list] == [quote]
    assert boss.get(f"/admin/portal/operationitem/?operation__id__exact={operation.pk}&outcome=open").context["cl"].result_count == 1


def test_once_nothing_moves_any_more_the_page_stops_asking(boss):
    (quote,) = refused_mails(1)
    operation = start({"type": "customer"})
    running.run_due(terms())
    bring(mail_of(quote, "customer"), MessageStatus.SENT)

    part = boss.get(f"{DESK}{operation.pk}/live/").content.decode()

    assert "Every item had its turn." in part
    assert "hx-get" not in part
    assert "act/cancel" not in part


def test_at_a_new_stage_the_whole_page_is_shown_anew(boss):
    refused_mails(1)
    operation = start()
    stage = boss.get(f"{DESK}{operation.pk}/change/").context["stage"]
    live = f"{DESK}{operation.pk}/live/?stage={stage}"

    assert "HX-Refresh" not in boss.get(live).headers
    running.run_due(terms())
    assert boss.get(live).headers["HX-Refresh"] == "true"


def test_cancelling_asks_first_and_says_what_it_did(boss):
    refused_mails(2)
    operation = start()
    act = f"{DESK}{operation.pk}/act/cancel/"

    assert "It ends after the item in hand." in boss.get(act).content.decode()
    assert fresh(operation).status == Status.QUEUED
    assert "is cancelled" in said(boss.post(act, {"confirmed": "yes"}, follow=True))
    assert (fresh(operation).status, fresh(operation).cancel_requested_by.username) == (Status.CANCELLED, "boss")
    assert "It is cancelled already" in boss.post(act, {"confirmed": "yes"}, follow=True).content.decode()


MAY = ["portal.view_operation", "portal.cancel_operation", "portal.send_quote"]
DOORS = [  # an address, the permission that opens it
    (FORM, "portal.send_quote"),
    (DESK, "portal.view_operation"),
    (DESK + "{pk}/change/", "portal.view_operation"),
    (DESK + "{pk}/live/", "portal.view_operation"),
    ("/admin/portal/operationitem/", "portal.view_operation"),
    (DESK + "{pk}/act/cancel/", "portal.cancel_operation"),
]


@pytest.mark.django_db
@pytest.mark.parametrize(("address", "needed"), DOORS)
def test_each_door_opens_to_its_permission_alone(address, needed):
    refused_mails(1)
    url = address.format(pk=start().pk)
    seeing = {needed, "portal.view_operation"} if needed == "portal.cancel_operation" else {needed}

    assert staff(*sorted(seeing), name="may").get(url).status_code == 200
    assert staff(*sorted(set(MAY) - {needed}), name="may-not").get(url).status_code == 403
    assert Client().get(url)["Location"].startswith("/admin/login/")
    if url == FORM or url.endswith("/live/"):
        assert Client().get(url, headers={"HX-Request": "true"}).headers["HX-Refresh"] == "true"


@pytest.mark.django_db
def test_a_stranger_to_the_form_cannot_start_and_a_get_never_does():
    refused_mails(1)
    careful = Client(enforce_csrf_checks=True)
    careful.force_login(User.objects.create_superuser("careful"))

    assert careful.post(FORM, {"start": "1"}).status_code == 403
    assert careful.get(FORM + "?start=1&type=both&max_attempts=3&limit=5&reason=x").status_code == 200
    assert staff("portal.view_operation").post(FORM, {"start": "1"}).status_code == 403
    assert not Operation.objects.exists()


@pytest.mark.parametrize("address", [DESK, "/admin/portal/operationitem/"])
def test_a_list_asks_as_many_queries_for_one_row_as_for_ten(boss, address):
    refused_mails(2)

    def queries() -> int:
        with CaptureQueriesContext(connection) as asked:
            assert boss.get(address).status_code == 200
        return len(asked)

    start()
    running.run_due(terms())
    few = queries()
    for _ in range(9):
        start({"limit": 2})
        running.run_due(terms())

    assert queries() == few


@pytest.mark.django_db
def test_the_progress_of_many_is_one_query(django_assert_num_queries):
    refused_mails(2)
    both = [start(), start()]

    with django_assert_num_queries(1):
        assert progress.of_all(both)[both[1].pk] == progress.Progress(total=2, by_outcome={"": 2})


PARTS = [  # the items by outcome, and the parts of the bar: outcome, tone, width in per cent
    ({"": 4}, []),
    ({"queued": 1, "": 3}, [("queued", "green", 25)]),
    ({"refused": 1, "queued": 2, "not_done": 1}, [("queued", "green", 50), ("refused", "red", 25), ("not_done", "grey", 25)]),
    ({"word_of_tomorrow": 4}, [("word_of_tomorrow", "amber", 100)]),
]


@pytest.mark.parametrize(("by_outcome", "parts"), PARTS)
def test_the_bar_shows_each_outcome_in_its_order(by_outcome, parts):
    so_far = progress.Progress(total=4, by_outcome=by_outcome)

    assert [(part.outcome, part.tone, part.width) for part in so_far.parts()] == parts
    assert so_far.done == 4 - by_outcome.get("", 0) - by_outcome.get("not_done", 0)


def test_every_outcome_has_its_words_and_a_word_of_tomorrow_is_shown_as_it_is():
    assert all(progress.told(outcome) == outcome.label for outcome in Outcome)
    assert (progress.told("word_of_tomorrow"), progress.told("")) == ("Word of tomorrow", "Its turn has not come")


@pytest.mark.django_db
def test_the_task_runs_what_is_due_and_rings_for_the_mail(django_capture_on_commit_callbacks, settings):
    settings.MAIL_MODE = "production"
    refused_mails(1)
    operation = start()

    with django_capture_on_commit_callbacks(execute=True):
        summary = tasks.run_operations(seconds=5)

    assert summary == {"operations": 1, "items": 1, "ended": 1, "left": False}
    assert fresh(operation).status == Status.DONE
    assert [ring.task["func"] for ring in OrmQ.objects.all()] == ["portal.tasks.send_due_messages"]
