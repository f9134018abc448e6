"""Two hand-overs at once, one that dies half-way, and the next one: every event has one message, and every schedule knows its own."""

import threading

import pytest
from django.db import connection

from campaigns import hand_over as module
from campaigns.hand_over import hand_over
from campaigns.models import EmailSchedule
from messaging import faults
from messaging.faults import InjectedFault
from messaging.models import Message
from tests.campaigns.mails import DAY, TERMS, make_template, plan

pytestmark = pytest.mark.django_db(transaction=True)
MAILS = 12


@pytest.fixture
def planned(monkeypatch):
    monkeypatch.setattr(module, "AT_ONCE", 3)
    make_template("birthday")
    return [plan() for _ in range(MAILS)]


def assert_each_has_its_own() -> None:
    keys = {f"birthday:{mail.contact_id}:2026": mail.message.key for mail in EmailSchedule.objects.handed_over().select_related("message")}
    assert len(keys) == Message.objects.count() == MAILS
    assert all(wanted == key for wanted, key in keys.items())


@pytest.mark.parametrize("point", ["enqueue.before_commit", "enqueue.after_commit", "hand_over.after_queue", "hand_over.before_commit"])
def test_a_batch_that_dies_leaves_nothing_behind_and_the_next_call_does_it(planned, monkeypatch, point):
    monkeypatch.setattr(faults, "_plans", faults.parse(f"{point}=raise@2"))

    with pytest.raises(InjectedFault):
        hand_over(day=DAY, terms=TERMS)
    assert (Message.objects.count(), EmailSchedule.objects.handed_over().count()) == (3, 3)

    monkeypatch.setattr(faults, "_plans", {})
    assert hand_over(day=DAY, terms=TERMS).handed_over == MAILS - 3
    assert_each_has_its_own()


def test_while_one_is_in_a_batch_another_says_so_and_does_nothing(planned, monkeypatch):
    inside, may_go_on, told = threading.Event(), threading.Event(), []
    real = module.fault

    def wait(point: str) -> None:
        if point == "hand_over.before_commit" and threading.current_thread() is not threading.main_thread() and not inside.is_set():
            inside.set()
            may_go_on.wait(20)
        real(point)

    def first() -> None:
        try:
            told.append(hand_over(day=DAY, terms=TERMS))
        finally:
            connection.close()

    monkeypatch.setattr(module, "fault", wait)
    worker = threading.Thread(target=first)
    worker.start()
    assert inside.wait(20)
    second = hand_over(day=DAY, terms=TERMS)
    may_go_on.set()
    worker.join(30)

    assert (second.handed_over, second.already_running) == (0, True)
    assert (told[0].handed_over, told[0].already_running) == (MAILS, False)
    assert_each_has_its_own()


def test_many_at_once_hand_each_over_once(planned):
    def one() -> None:
        try:
            hand_over(day=DAY, terms=TERMS)
        finally:
            connection.close()

    workers = [threading.Thread(target=one) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(30)
    hand_over(day=DAY, terms=TERMS)

    assert_each_has_its_own()


def test_a_schedule_that_a_run_is_writing_is_left_for_the_next_call(planned):
    locked, done = threading.Event(), threading.Event()

    def run() -> None:
        with connection.cursor() as cursor:
            cursor.execute("BEGIN; SELECT id FROM campaigns_emailschedule ORDER BY id LIMIT 1 FOR UPDATE")
            locked.set()
            done.wait(20)
            cursor.execute("ROLLBACK")
        connection.close()

    worker = threading.Thread(target=run)
    worker.start()
    assert locked.wait(20)
    now = hand_over(day=DAY, terms=TERMS).handed_over
    done.set()
    worker.join(20)

    assert (now, hand_over(day=DAY, terms=TERMS).handed_over) == (MAILS - 1, 1)
