"""Every way a delivery can go: what becomes of the message, of its attempts, and of the server (reliability §2.5)."""

import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.db.models import F
from django.db.models.functions import Now

from messaging import answers, decisions, delivery, reaper
from messaging.gateways.mail import MailServer
from messaging.models import (
    Attempt,
    CmsNote,
    Decision,
    Lane,
    Message,
    Mode,
    Phase,
    Provider,
    Reason,
    Status,
    Suppression,
    SystemEvent,
    Verdict,
)
from messaging.models.message import POISON_CLAIMS
from messaging.retry import RetryPolicy
from portal.sandbox import Sandbox
from tests.factories import SENDER, make_case, make_message
from tests.fakes import HANG_UP, FakeMailServer

pytestmark = pytest.mark.django_db
LEASE = timedelta(minutes=11)
PAST = timedelta(seconds=-1)
LOST_PRE, REJECTED, LOST_POST, ACCEPTED = Phase.LOST_PRE, Phase.REJECTED, Phase.LOST_POST, Phase.ACCEPTED

STRUCK = [  # the server's fault; then status, attempts, the last try's phase and reply code, is the server paused, is the mail there
    ("banner-421", Status.QUEUED, 0, None, None, True, 0),
    ("banner-554", Status.QUEUED, 0, None, None, True, 0),
    ("banner-drop", Status.QUEUED, 0, None, None, True, 0),
    ("banner-silent", Status.QUEUED, 0, None, None, True, 0),
    ("banner-garbage", Status.QUEUED, 0, None, None, True, 0),
    ("banner-long", Status.QUEUED, 0, None, None, True, 0),
    ("down", Status.QUEUED, 0, None, None, True, 0),
    ("mail-451", Status.QUEUED, 1, REJECTED, 451, False, 0),
    ("mail-550", Status.FAILED, 1, REJECTED, 550, False, 0),
    ("drop-at-mail", Status.QUEUED, 0, LOST_PRE, None, False, 0),
    ("refuse-421", Status.QUEUED, 0, LOST_PRE, None, False, 0),
    ("refuse-450", Status.QUEUED, 1, REJECTED, 450, False, 0),
    ("refuse-451", Status.QUEUED, 1, REJECTED, 451, False, 0),
    ("refuse-452", Status.QUEUED, 1, REJECTED, 452, False, 0),
    ("refuse-550", Status.FAILED, 1, REJECTED, 550, False, 0),
    ("refuse-551", Status.FAILED, 1, REJECTED, 551, False, 0),
    ("refuse-553", Status.FAILED, 1, REJECTED, 553, False, 0),
    ("refuse-hostile", Status.FAILED, 1, REJECTED, 550, False, 0),
    ("drop-at-rcpt", Status.QUEUED, 0, LOST_PRE, None, False, 0),
    ("data-451", Status.QUEUED, 1, REJECTED, 451, False, 0),
    ("data-554", Status.FAILED, 1, REJECTED, 554, False, 0),
    ("drop-before-body", Status.QUEUED, 0, LOST_PRE, None, False, 0),
    ("drop-in-body", Status.IN_DOUBT, 1, LOST_POST, None, False, 0),
    ("after-dot-421", Status.QUEUED, 1, REJECTED, 421, False, 0),
    ("after-dot-451", Status.QUEUED, 1, REJECTED, 451, False, 0),
    ("after-dot-552", Status.FAILED, 1, REJECTED, 552, False, 0),
    ("after-dot-554", Status.FAILED, 1, REJECTED, 554, False, 0),
    ("drop-before-accept", Status.IN_DOUBT, 1, LOST_POST, None, False, 0),
    ("drop-after-accept", Status.IN_DOUBT, 1, LOST_POST, None, False, 1),
    ("silent-after-accept", Status.IN_DOUBT, 1, LOST_POST, None, False, 1),
    ("odd-reply", Status.IN_DOUBT, 1, LOST_POST, None, False, 1),
    ("garbage-reply", Status.IN_DOUBT, 1, LOST_POST, None, False, 1),
    ("long-reply", Status.IN_DOUBT, 1, LOST_POST, None, False, 1),
    ("tarpit-30", Status.IN_DOUBT, 1, LOST_POST, None, False, 1),
    ("slow-0.05", Status.SENT, 1, ACCEPTED, 250, False, 1),
    ("no-queue-id", Status.SENT, 1, ACCEPTED, 250, False, 1),
    ("quit-500", Status.SENT, 1, ACCEPTED, 250, False, 1),
    ("drop-at-quit", Status.SENT, 1, ACCEPTED, 250, False, 1),
    ("no-smtputf8", Status.SENT, 1, ACCEPTED, 250, False, 1),
]


@pytest.mark.parametrize(("fault", "status", "attempts", "phase", "code", "paused", "mails"), STRUCK)
def test_each_fault_of_a_mail_server_has_its_one_result(sandbox, terms, impatient, fault, status, attempts, phase, code, paused, mails):
    message = make_message(case=make_case())
    sandbox.use(mail={"modes": [fault]})

    delivery.send_due(terms())

    message.refresh_from_db()
    last = message.history.last()
    assert (message.status, message.attempts, message.lease) == (status, attempts, None)
    assert (last.phase, last.reply_code) == (phase, code) if phase else last is None
    assert Provider.objects.get(name="primary").paused_until is not None if paused else not Provider.objects.down().exists()
    assert [line["message_id"] for line in sandbox.mail_ledger()] == [message.message_id] * mails
    assert CmsNote.objects.count() == (status == Status.SENT)
    assert (message.due_at > message.created_at) == (status == Status.QUEUED and not paused)  # it waits, unless the server does


@pytest.mark.parametrize("fault", [row[0] for row in STRUCK if row[1] == Status.QUEUED])
def test_whatever_only_delays_a_mail_ends_with_one_sent_mail_and_one_note(sandbox, terms, impatient, fault):
    make_message(case=make_case())
    sandbox.use(mail={"modes": [fault]})
    delivery.send_due(terms())
    sandbox.use(mail={})

    settle_down()
    delivery.send_due(terms())

    assert (Message.objects.get().status, CmsNote.objects.count(), len(sandbox.mail_ledger())) == (Status.SENT, 1, 1)


def test_recipient_refused_with_450_is_tried_three_times_then_the_message_fails(sandbox, terms):
    message = make_message()
    sandbox.use(mail={"modes": ["refuse-450"]})

    ends = []
    for _ in range(4):
        tally = delivery.send_due(terms())
        ends.append((tally.requeued, tally.failed))
        settle_down()

    message.refresh_from_db()
    assert ends == [(1, 0), (1, 0), (0, 1), (0, 0)]
    assert (message.status, message.attempts, message.error) == (Status.FAILED, 3, "the server answered 450: 4.2.1 Mailbox busy, try later")
    assert list(message.history.values_list("number", "round", "phase", "reply_code")) == [(n, 1, REJECTED, 450) for n in (1, 2, 3)]


def test_a_persons_try_again_opens_a_new_round_of_three(sandbox, terms):
    message = make_message()
    sandbox.use(mail={"modes": ["refuse-450x3"]})
    for _ in range(3):
        delivery.send_due(terms())
        settle_down()

    decisions.decide(Message.objects.all(), verdict=Verdict.TRY_AGAIN_NOW, reason="they fixed it", source="test")
    delivery.send_due(terms())

    message.refresh_from_db()
    assert (message.status, message.round, message.attempts, message.tries) == (Status.SENT, 2, 1, 4)
    assert list(message.history.values_list("round", "phase")) == [(1, REJECTED)] * 3 + [(2, ACCEPTED)]


def test_unreachable_server_pauses_the_provider_and_uses_up_no_attempt(sandbox, terms):
    message = make_message()
    sandbox.use(mail={"modes": ["down"]})

    tally = delivery.send_due(terms())

    message.refresh_from_db()
    assert (tally.claimed, tally.held_back, message.status, message.attempts, message.tries) == (1, 1, Status.QUEUED, 0, 0)
    assert Provider.objects.paused().get().reason.startswith("primary (127.0.0.1:")
    assert SystemEvent.objects.get().text.startswith("primary is paused for 0:00:01: primary (127.0.0.1:")


def test_a_long_outage_holds_no_message_for_poison(sandbox, terms, tmp_path):
    make_message()
    sandbox.use(mail={"modes": ["down"]})

    for _ in range(POISON_CLAIMS + 2):
        delivery.send_due(terms())
        Provider.objects.update(paused_until=Now() + PAST)
    reaper.sweep(spool_dir=tmp_path)

    assert Message.objects.values_list("status", "claims").get() == (Status.QUEUED, 0)


def test_a_pause_grows_with_each_failure_and_ends_when_the_server_answers(sandbox, terms):
    make_message()
    sandbox.use(mail={"modes": ["down"]})
    pauses = []
    for _ in range(4):
        delivery.send_due(terms())
        pauses.append(SystemEvent.objects.latest("pk").text.partition(": ")[0].rpartition(" ")[2])
        Provider.objects.update(paused_until=Now() + PAST)
    sandbox.use(mail={})

    tally = delivery.send_due(terms())

    assert pauses == ["0:00:01", "0:00:02", "0:00:04", "0:00:08"]
    assert tally.sent == 1
    assert Provider.objects.values_list("paused_until", "reason", "failures_in_row").get() == (None, "", 0)


def test_five_connections_in_a_row_that_break_before_the_body_pause_the_server(sandbox, terms):
    for _ in range(7):
        make_message()
    sandbox.use(mail={"modes": ["drop-at-rcpt"]})

    tally = delivery.send_due(terms())

    assert (tally.requeued, tally.held_back) == (5, 2)
    assert Provider.objects.get().reason.startswith("5 connections in a row broke before the body; last: primary broke off")
    assert set(Message.objects.values_list("attempts", flat=True)) == {0}


def test_our_sender_address_refused_three_times_in_a_row_holds_the_account(sandbox, terms):
    for _ in range(5):
        make_message()
    sandbox.use(mail={"modes": ["mail-550"]})

    tally = delivery.send_due(terms())

    assert (tally.failed, tally.held_back) == (3, 2)
    assert SystemEvent.objects.alarms().get().text.startswith("primary is paused for 0:15:00: our sender address is refused")


def test_refusals_of_our_sender_with_sent_mails_in_between_hold_nothing(sandbox, terms):
    for _ in range(6):
        make_message()
    sandbox.use(mail={"modes": ["mail-550x2"]})
    delivery.send_due(terms(), limit=3)
    sandbox.use(mail={"modes": ["mail-550x2"]})
    delivery.send_due(terms(), limit=3)

    assert sorted(Message.objects.values_list("status", flat=True)) == [Status.FAILED] * 4 + [Status.SENT] * 2
    assert not Provider.objects.down().exists()


HELD = [  # what of the account is wrong; the server's tls and login
    ({}, {"tls": "starttls"}, "offers no STARTTLS, which is required: nothing is sent in plain text"),
    ({"modes": ["auth-535"]}, {"user": "portal", "password": "wrong"}, "refused our login: 535"),
]


@pytest.mark.parametrize(("script", "login", "why"), HELD)
def test_a_wrong_account_is_held_for_a_person_and_no_message_is_touched(sandbox, terms, script, login, why):
    make_message()
    sandbox.use(mail=script)

    delivery.send_due(terms(**login))

    assert Message.objects.values_list("status", "attempts", "tries").get() == (Status.QUEUED, 0, 0)
    assert why in Provider.objects.filter(paused_until__gt=Now() + timedelta(minutes=14)).get().reason
    assert why in SystemEvent.objects.alarms().get().text
    assert sandbox.mail_ledger() == []


def test_535_and_then_a_good_login_sends_without_a_burnt_attempt(sandbox, terms):
    make_message()
    sandbox.use(mail={"modes": ["auth-535x1"]})
    delivery.send_due(terms(user="portal", password="right"))
    settle_down()

    delivery.send_due(terms(user="portal", password="right"))

    assert Message.objects.values_list("status", "attempts").get() == (Status.SENT, 1)


def test_several_servers_are_tried_in_their_order_and_the_first_is_back_when_it_works(sandbox, terms, tmp_path):
    with Sandbox(tmp_path / "backup") as backup:
        both = terms(server_of(sandbox), server_of(backup, name="backup-1"))
        sandbox.use(mail={"modes": ["down"]})
        make_message(key="during")
        during = delivery.send_due(both)
        sandbox.use(mail={})
        make_message(key="paused")
        paused = delivery.send_due(both)
        Provider.objects.update(paused_until=F("paused_until") - timedelta(hours=1))
        make_message(key="after")
        after = delivery.send_due(both)

        assert (during.sent, paused.sent, after.sent) == (1, 1, 1)
        assert dict(Message.objects.values_list("key", "provider")) == {"during": "backup-1", "paused": "backup-1", "after": "primary"}
        assert (len(sandbox.mail_ledger()), len(backup.mail_ledger())) == (1, 2)


def test_a_server_that_goes_down_in_the_middle_hands_the_rest_to_the_next(sandbox, terms, tmp_path):
    for _ in range(4):
        make_message()
    with FakeMailServer({"banner": [b"220 fake\r\n", HANG_UP], "MAIL": [b"250 ok\r\n", b"250 ok\r\n", HANG_UP]}) as first:
        tally = delivery.send_due(terms(MailServer(name="first", host="127.0.0.1", port=first.port), server_of(sandbox)))

    assert (tally.sent, len(first.bodies), len(sandbox.mail_ledger())) == (4, 2, 2)
    assert Message.objects.filter(status=Status.SENT, attempts=1).count() == 4


def test_an_idle_connection_that_the_server_has_closed_is_opened_again_at_no_cost(terms):
    for _ in range(2):
        make_message()
    with FakeMailServer({"body": [b"250 ok\r\n421 too many mails, closing\r\n", b"250 ok\r\n"]}) as server:
        tally = delivery.send_due(terms(MailServer(name="fake", host="127.0.0.1", port=server.port)))

    assert (tally.sent, tally.requeued, len(server.connections), len(server.bodies)) == (2, 0, 2, 2)
    assert Attempt.objects.filter(phase=Phase.ACCEPTED).count() == Attempt.objects.count() == 2


def test_a_persons_mail_goes_before_bulk_and_the_oldest_first_within_a_lane(sandbox, terms):
    for key, lane in [("bulk 1", Lane.BULK), ("system", Lane.SYSTEM), ("bulk 2", Lane.BULK), ("person", Lane.PERSON)]:
        make_message(key=key, subject=key, lane=lane)

    delivery.send_due(terms())

    assert [line["subject"] for line in sandbox.mail_ledger()] == ["person", "system", "bulk 1", "bulk 2"]


def test_a_mail_waits_for_its_time_and_goes_then(sandbox, terms, now):
    make_message(not_before=now + timedelta(hours=1))

    early = delivery.send_due(terms())
    Message.objects.update(due_at=Now())
    late = delivery.send_due(terms())

    assert (early.claimed, late.sent) == (0, 1)


def test_a_mail_whose_time_has_passed_is_cancelled_instead_of_sent(sandbox, terms, now, tmp_path):
    make_message(key="found by the sweep", expires_at=now - timedelta(hours=1))
    reaper.sweep(spool_dir=tmp_path)
    make_message(key="found at the fence", expires_at=now - timedelta(hours=1))
    make_message(key="in time", expires_at=now + timedelta(hours=1))

    tally = delivery.send_due(terms())

    assert (tally.cancelled, tally.sent) == (1, 1)
    assert dict(Message.objects.values_list("key", "reason")) == {
        "found by the sweep": Reason.EXPIRED.label,
        "found at the fence": Reason.EXPIRED.label,
        "in time": "",
    }
    assert len(sandbox.mail_ledger()) == 1


def test_a_suppressed_address_gets_nothing_but_a_test_mail_goes_to_the_test_recipient(sandbox, terms):
    Suppression.objects.create(address="anna@firm.example", reason="asked to stop")
    make_message(key="real", recipient="Anna@Firm.example")
    make_message(key="test", recipient="anna@firm.example", sender=SENDER.__class__(**vars(SENDER) | {"mode": Mode.TEST}))

    tally = delivery.send_due(terms())

    assert (tally.cancelled, tally.sent) == (1, 1)
    assert dict(Message.objects.values_list("key", "status")) == {"real": Status.CANCELLED, "test:test": Status.SENT}
    assert [line["recipient"] for line in sandbox.mail_ledger()] == ["inbox@portal.example"]


def test_a_suppression_that_is_over_stops_nothing(sandbox, terms, now):
    Suppression.objects.create(address="anna@firm.example", reason="on leave", suppressed_until=now - timedelta(days=1))
    make_message()

    assert delivery.send_due(terms()).sent == 1


def test_many_suppressed_mails_do_not_end_the_work_before_the_others_are_sent(sandbox, terms):
    Suppression.objects.create(address="anna@firm.example", reason="asked to stop")
    for _ in range(delivery.AT_ONCE + 1):
        make_message()
    make_message(recipient="ben@firm.example")

    tally = delivery.send_due(terms(), until_empty=True)

    assert (tally.cancelled, tally.sent) == (delivery.AT_ONCE + 1, 1)


def test_an_address_suppressed_between_claim_and_fence_gets_nothing(sandbox, terms, at):
    make_message()
    at("mail.before_fence", lambda: Suppression.objects.create(address="anna@firm.example", reason="just unsubscribed"))

    tally = delivery.send_due(terms())

    assert (tally.cancelled, tally.sent, sandbox.mail_ledger()) == (1, 0, [])
    assert Message.objects.values_list("status", "reason", "attempts").get() == (Status.CANCELLED, Reason.SUPPRESSED.label, 0)
    assert not Attempt.objects.exists()


def test_a_worker_whose_lease_ran_out_before_the_fence_sends_nothing(sandbox, terms, at, tmp_path):
    make_message()
    at("mail.before_fence", lambda: Message.objects.update(leased_until=Now() + PAST))

    tally = delivery.send_due(terms(), limit=1)
    reaper.sweep(spool_dir=tmp_path)

    assert (tally.sent, sandbox.mail_ledger()) == (0, [])
    assert Message.objects.values_list("status", "attempts", "claims").get() == (Status.QUEUED, 0, 1)


def test_worker_that_lost_its_lease_cannot_settle_but_the_servers_yes_settles_the_doubt(sandbox, terms, at, tmp_path):
    message = make_message(case=make_case())
    at("mail.after_body", lambda: lapse(tmp_path))

    delivery.send_due(terms())

    message.refresh_from_db()
    assert (message.status, message.doubt_since, len(sandbox.mail_ledger())) == (Status.SENT, None, 1)
    assert Decision.objects.values_list("verdict", "from_status", "source").get() == (
        Verdict.MARK_AS_SENT,
        Status.IN_DOUBT,
        "local journal",
    )
    assert message.history.get().phase == Phase.LOST_POST  # what was believed then stands
    assert CmsNote.objects.count() == 1


def test_worker_that_lost_its_lease_cannot_settle_what_a_person_has_decided(sandbox, terms, at, tmp_path):
    make_message(case=make_case())

    def give_up() -> None:
        lapse(tmp_path)
        decisions.decide(Message.objects.all(), verdict=Verdict.GIVE_UP, reason="called them instead", source="test")

    at("mail.after_body", give_up)
    delivery.send_due(terms())

    assert Message.objects.values_list("status", "reason").get() == (Status.CANCELLED, "called them instead")
    assert (Decision.objects.count(), CmsNote.objects.count()) == (1, 0)


def test_a_refusal_heard_after_the_lease_ran_out_leaves_the_doubt_to_a_person(sandbox, terms, at, tmp_path):
    make_message()
    sandbox.use(mail={"modes": ["after-dot-451"]})
    at("mail.mid_body", lambda: lapse(tmp_path))

    delivery.send_due(terms())

    assert Message.objects.values_list("status", "attempts").get() == (Status.IN_DOUBT, 1)


def test_a_server_that_leaves_after_the_fence_and_before_the_first_byte_costs_no_attempt(terms, at):
    make_message()
    with FakeMailServer({"DATA": [b"354 go on\r\n", b"354 go on\r\n"]}) as server:
        at("mail.after_fence", lambda: server.connections[0].sendall(b"421 shutting down\r\n"))
        tally = delivery.send_due(terms(MailServer(name="fake", host="127.0.0.1", port=server.port)))

    message = Message.objects.get()
    assert (tally.requeued, message.status, message.attempts, message.tries, server.bodies) == (1, Status.QUEUED, 0, 1, [])
    assert message.history.values_list("phase", flat=True).get() == Phase.LOST_PRE


def test_a_message_that_cannot_be_written_as_a_mail_fails_and_holds_up_no_other(sandbox, terms):
    make_message(key="bad", recipient="jürgen@firm.example")
    make_message(key="good")

    delivery.send_due(terms())

    assert dict(Message.objects.values_list("key", "status")) == {"bad": Status.FAILED, "good": Status.SENT}
    assert "the server cannot take the address jürgen@firm.example" in Message.objects.get(key="bad").error


def test_every_try_of_a_mail_is_the_same_mail(sandbox, terms):
    message = make_message(text="Grüße\r\n.\r\nMAIL FROM:<x@y.example>\n", subject="Überfällig")
    sandbox.use(mail={"modes": ["drop-after-accept"]})
    delivery.send_due(terms())
    decisions.decide(Message.objects.all(), verdict=Verdict.SEND_AGAIN, reason="they have nothing", source="test")
    sandbox.use(mail={})
    delivery.send_due(terms())

    first, second = (sandbox.mailbox.raw(number) for number in (1, 2))
    assert first == second
    assert [line["message_id"] for line in sandbox.mail_ledger()] == [message.message_id] * 2


def test_the_work_ends_at_its_limit_or_when_told_to_stop_and_what_was_taken_is_given_back(sandbox, terms):
    for _ in range(5):
        make_message()

    limited = delivery.send_due(terms(), limit=2)
    told = iter([False, False, True, True, True])
    stopped = delivery.send_due(terms(stop=lambda: next(told)))

    assert (limited.claimed, limited.sent) == (2, 2)
    assert (stopped.claimed, stopped.sent, stopped.held_back) == (3, 1, 2)
    assert sorted(Message.objects.values_list("status", "claims")) == [(Status.QUEUED, 0)] * 2 + [(Status.SENT, 0)] * 3


def test_a_pause_between_two_mails_is_kept_with_the_result_already_recorded(sandbox, terms, monkeypatch):
    for _ in range(2):
        make_message()
    seen = []
    monkeypatch.setattr(delivery.time, "sleep", lambda seconds: seen.append((seconds, Message.objects.sent().count())))

    delivery.send_due(terms(pause_seconds=2))

    assert seen == [(2, 1), (2, 2)]


@pytest.mark.django_db(transaction=True)
def test_the_rate_is_shared_by_all_workers(sandbox, terms, monkeypatch):
    for _ in range(6):
        make_message()
    waits: list[float] = []
    monkeypatch.setattr(delivery.time, "sleep", waits.append)
    slow = terms(rate_per_second=0.001)

    in_parallel(lambda: delivery.send_due(slow, limit=3), workers=2)

    assert Message.objects.sent().count() == 6
    assert sorted(round(wait, -3) for wait in waits) == [0, 1000, 2000, 3000, 4000, 5000]


@pytest.mark.django_db(transaction=True)
def test_when_a_pause_is_over_one_worker_alone_probes_the_server():
    Provider.objects.create(name="primary", purpose="mail", paused_until=Now() + PAST, reason="was down")

    told = in_parallel(lambda: Provider.objects.get().may_try(probe_for=timedelta(minutes=1)), workers=8)

    assert sorted(told) == [False] * 7 + [True]


@pytest.mark.django_db(transaction=True)
def test_several_workers_send_each_mail_once(sandbox, terms):
    for _ in range(60):
        make_message()

    in_parallel(lambda: delivery.send_due(terms(), until_empty=True), workers=4)

    assert sorted(line["message_id"] for line in sandbox.mail_ledger()) == sorted(
        Message.objects.sent().values_list("message_id", flat=True)
    )
    assert Message.objects.sent().count() == 60


def test_a_disk_that_takes_nothing_does_not_matter_while_the_database_does(sandbox, terms, tmp_path):
    for _ in range(2):
        make_message(case=make_case())
    (tmp_path / "a file").touch()

    tally = delivery.send_due(terms(spool_dir=tmp_path / "a file" / "spool"))

    assert (tally.sent, len(sandbox.mail_ledger()), CmsNote.objects.count()) == (2, 2, 2)


def test_an_answer_that_only_the_spool_knows_is_recorded_by_the_next_sweep_before_it_becomes_a_doubt(sandbox, terms, at, tmp_path):
    make_message(case=make_case())

    def die() -> None:
        raise ConnectionAbortedError("the worker dies here")

    at("mail.after_journal", die, module=answers)
    with pytest.raises(ConnectionAbortedError):
        delivery.send_due(terms())
    Message.objects.update(leased_until=Now() + PAST)

    swept = reaper.sweep(spool_dir=tmp_path / "spool")

    assert (swept["answers"], swept["doubted"]) == (1, 0)
    assert (Message.objects.get().status, CmsNote.objects.count(), len(sandbox.mail_ledger())) == (Status.SENT, 1, 1)
    assert reaper.sweep(spool_dir=tmp_path / "spool")["answers"] == 0


@pytest.mark.django_db(transaction=True)
def test_the_first_answer_of_a_line_survives_a_database_that_goes_away_just_then(sandbox, terms, monkeypatch, tmp_path):
    make_message(case=make_case())

    def is_away(_provider: Provider) -> None:
        raise OperationalError("terminating connection due to administrator command")

    monkeypatch.setattr(Provider, "works", is_away)
    with pytest.raises(OperationalError):
        delivery.send_due(terms())
    Message.objects.update(leased_until=Now() + PAST)

    swept = reaper.sweep(spool_dir=tmp_path / "spool")

    assert (swept["answers"], swept["doubted"]) == (1, 0)
    assert (Message.objects.get().status, len(sandbox.mail_ledger())) == (Status.SENT, 1)


@pytest.fixture
def terms(sandbox: Sandbox, tmp_path: Path) -> Callable[..., delivery.Terms]:
    """How to deliver: to the sandbox, unless other servers are named."""

    def told(*servers: MailServer, **changes: Any) -> delivery.Terms:
        login = {name: changes.pop(name) for name in ("tls", "user", "password") if name in changes}
        plain = {"policy": RetryPolicy(), "lease": LEASE, "spool_dir": tmp_path / "spool"}
        return delivery.Terms(servers=servers or [server_of(sandbox, **login)], **plain | changes)

    return told


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Do something at a fault point, the first time a worker comes by."""

    def arrange(point: str, act: Callable[[], object], *, module: Any = delivery) -> None:
        acts = [act]
        monkeypatch.setattr(module, "fault", lambda name: acts.pop()() if name == point and acts else None)

    return arrange


@pytest.fixture
def now(db: None) -> Any:
    with connection.cursor() as cursor:
        cursor.execute("SELECT now()")
        return cursor.fetchone()[0]


def server_of(sandbox: Sandbox, *, name: str = "primary", **login: str) -> MailServer:
    return MailServer(name=name, host="127.0.0.1", port=sandbox.smtp_port, **login)


def settle_down() -> None:
    """Every wait is over, of messages and of servers."""
    Message.objects.filter(status=Status.QUEUED).update(due_at=Now())
    Provider.objects.filter(paused_until__isnull=False).update(paused_until=Now() + PAST)


def lapse(folder: Path) -> None:
    """The worker was frozen for so long that its lease ran out, and the sweep came by."""
    Message.objects.update(leased_until=Now() + PAST)
    assert reaper.sweep(spool_dir=folder / "nothing here")["doubted"] == 1


def in_parallel(work: Callable[[], Any], *, workers: int) -> list[Any]:
    """What each of several workers returned, each with a database connection of its own."""
    results: list[Any] = []

    def one() -> None:
        try:
            results.append(work())
        finally:
            connection.close()

    threads = [threading.Thread(target=one) for _ in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results
