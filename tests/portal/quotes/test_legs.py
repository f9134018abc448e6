"""The two mails of a quote: queued with its price, told apart in their states, tried again once however many ask, and never sent twice."""

import threading
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone

from messaging import delivery
from messaging.decisions import decide
from messaging.gateways.mail import MailServer
from messaging.invariants import verify, violation
from messaging.models import Decision, Lane, Message, Provider, Purpose, Verdict
from messaging.models.message import Status
from messaging.retry import RetryPolicy
from portal import wiring
from portal.quotes import legs
from portal.quotes.invariants import ALWAYS
from portal.quotes.legs import Leg
from portal.quotes.models import Quote
from portal.quotes.replies import TotalMissing
from tests.messaging.test_decisions import ROADS
from tests.messaging.test_promises import EMPTY, STANDING
from tests.portal.quotes.rows import TERMS, TEST_TERMS, mail_of, make_quote, quote_with_mails

pytestmark = pytest.mark.django_db
DOWN = "primary: connection refused"


def bring(message: Message, status: Status, **facts) -> None:
    """The message stands there, by the legal road."""
    for step in ROADS[status]:
        Message.objects.filter(pk=message.pk).update(status=step, **EMPTY | STANDING[step] | (facts if step == status else {}))


def standing(status: Status, *, terms=TERMS, leg: str = "customer", **facts) -> Quote:
    quote = quote_with_mails(terms=terms)
    bring(mail_of(quote, leg), status, **facts)
    return Quote.objects.get(pk=quote.pk)


def ask(quote: Quote, leg: str = "customer", *, source: str = "test", terms=TERMS, by=None, tried: int | None = None) -> legs.Tried:
    return legs.try_again(Leg(quote_id=quote.pk, leg=leg, round=tried), by=by, reason="it is wanted", source=source, terms=terms)


@pytest.fixture
def person(django_user_model):
    return django_user_model.objects.create(username="pat")


@pytest.fixture
def post(sandbox, tmp_path):
    """A worker with a real mail server."""
    server = MailServer(name="primary", host="127.0.0.1", port=sandbox.smtp_port)
    return delivery.Terms(servers=[server], policy=RetryPolicy(), lease=timedelta(minutes=11), spool_dir=tmp_path / "spool")


# Queueing


def test_both_mails_are_owed_from_the_price_on_each_linked_and_told():
    quote = make_quote()

    messages = legs.queue_mails(quote, terms=TERMS)

    assert [(message.key, message.lane, message.max_attempts, message.is_test) for message in messages] == [
        (f"quote:{quote.pk}:customer", Lane.SYSTEM, 1, False),
        (f"quote:{quote.pk}:admin", Lane.SYSTEM, 1, False),
    ]
    stored = Quote.objects.get(pk=quote.pk)
    for told in (quote, stored):
        assert [told.customer_message, told.admin_message] == messages
        assert (told.customer_email_state, told.admin_email_state) == ("queued", "queued")
    assert (stored.email_sent_to_customer, stored.email_sent_to_admin, stored.last_email_attempt) == (False, False, None)


def test_queueing_twice_is_once():
    quote = quote_with_mails()

    legs.queue_mails(quote, terms=TERMS)

    assert Message.objects.count() == 2


def test_without_a_total_none_of_the_two_is_queued():
    quote = make_quote(generated_quote={})

    with pytest.raises(TotalMissing):
        legs.queue_mails(quote, terms=TERMS)

    assert not Message.objects.exists()


def test_mails_go_with_the_transaction_that_priced_the_quote():
    with transaction.atomic():
        quote = make_quote()
        legs.queue_mails(quote, terms=TERMS)
        transaction.set_rollback(True)

    assert not Message.objects.exists()


# What a page shows

STATES = {
    "": ("not queued", "grey"),
    "queued": ("waiting", "blue"),
    "claimed": ("waiting", "blue"),
    "transmitting": ("on its way", "blue"),
    "sent": ("sent", "green"),
    "failed": ("failed", "red"),
    "in_doubt": ("unknown", "amber"),
    "held": ("held", "amber"),
    "cancelled": ("given up", "grey"),
}


@pytest.mark.parametrize("leg", legs.LEGS)
@pytest.mark.parametrize("status", STATES)
def test_a_page_shows_the_state_of_each_mail_in_plain_words(status, leg):
    quote = standing(Status(status), leg=leg, error="", reason="as told") if status else make_quote()
    other = next(each for each in legs.LEGS if each != leg)

    state = legs.state_of(quote, leg)

    assert (state.word, state.tone) == STATES[status]
    assert legs.state_of(quote, other).word == ("waiting" if status else "not queued")


@pytest.mark.parametrize("status", ["failed", "in_doubt", "held", "cancelled"])
def test_a_page_shows_why(status):
    quote = standing(Status(status), error="550 no such user", reason="as told")

    assert legs.state_of(quote, "customer").text == "550 no such user"


def test_a_held_mail_without_an_error_shows_its_reason():
    quote = standing(Status.HELD, error="", reason="Claimed more than 20 times")

    assert legs.state_of(quote, "customer").text == "Claimed more than 20 times"


@pytest.mark.parametrize("status", STATES)
def test_only_what_waits_waits_for_the_server(status):
    quote = standing(Status(status), reason="as told") if status else make_quote()

    state = legs.state_of(quote, "customer", servers_down=DOWN)

    waits = status in ("queued", "claimed")
    assert (state.word == "waiting: server down") == waits
    assert (state.text == DOWN) == waits


def test_a_test_that_was_sent_is_no_mail_to_the_customer():
    quote = standing(Status.SENT, terms=TEST_TERMS)

    assert legs.state_of(quote, "customer").word == "sent (test)"
    assert not quote.email_sent_to_customer
    assert quote.is_sent("customer")


def test_servers_are_down_when_none_may_be_used():
    names = ["primary", "backup-1"]
    primary = Provider.objects.create(name="primary", purpose=Purpose.MAIL)
    Provider.objects.create(name="gone since", purpose=Purpose.MAIL)
    assert legs.servers_down(names) == ""

    primary.pause(reason="connection refused", span=timedelta(minutes=1))
    assert legs.servers_down(names) == ""
    assert legs.servers_down(["primary"]) == DOWN

    Provider.objects.create(name="backup-1", purpose=Purpose.MAIL).pause(reason="421 busy", span=timedelta(seconds=-1))
    assert legs.servers_down(names) == f"{DOWN}; backup-1: 421 busy"
    primary.works()
    assert legs.servers_down(names) == ""


# Choosing


def chosen(**told) -> list[tuple[int, str]]:
    plain = {"leg_type": "both", "max_attempts": 3, "limit": 50}
    return [(leg.quote_id, leg.leg) for leg in legs.select(**plain | told)]


def test_mails_are_chosen_from_the_oldest_quote_on_and_counted_one_by_one():
    first, second, third = (quote_with_mails() for _ in range(3))
    Quote.objects.filter(pk=third.pk).update(created_at=Now() - timedelta(days=1))

    order = [third.pk, first.pk, second.pk]
    assert chosen() == [(pk, leg) for pk in order for leg in legs.LEGS]
    assert chosen(limit=3) == [(third.pk, "customer"), (third.pk, "admin"), (first.pk, "customer")]
    assert chosen(leg_type="admin", limit=2) == [(third.pk, "admin"), (first.pk, "admin")]


def test_each_mail_has_a_cap_of_its_own():
    quote = make_quote(customer_email_attempts=3, admin_email_attempts=2)

    assert chosen() == [(quote.pk, "admin")]
    assert chosen(max_attempts=2) == []
    assert chosen(max_attempts=4) == [(quote.pk, "customer"), (quote.pk, "admin")]
    assert chosen(max_attempts=1, quote_id=quote.pk) == [(quote.pk, "customer"), (quote.pk, "admin")]


NEVER = {
    "not priced": {"status": "pending", "ai_processed_at": None},
    "answered": {"status": "accepted"},
    "contacted": {"status": "contacted"},
    "in review": {"status": "ai_error", "review_reason": "unsure"},
    "without its lines": {"generated_quote": None},
}


@pytest.mark.parametrize("facts", NEVER)
def test_quotes_that_have_no_offer_to_make_are_not_chosen(facts):
    quote = make_quote(**NEVER[facts])

    assert chosen() == []
    assert chosen(quote_id=quote.pk) == []


@pytest.mark.parametrize("status", Status)
def test_which_states_are_chosen_by_a_bulk_act_and_by_name(status):
    quote = standing(status, reason="as told")

    is_chosen = (quote.pk, "customer") in chosen()
    is_chosen_by_name = (quote.pk, "customer") in chosen(quote_id=quote.pk)

    assert is_chosen == (status in (Status.QUEUED, Status.CLAIMED, Status.FAILED))
    assert is_chosen_by_name == (status != Status.SENT)


def test_a_test_that_was_sent_counts_as_sent():
    quote = standing(Status.SENT, terms=TEST_TERMS)

    assert chosen(leg_type="customer") == chosen(leg_type="customer", quote_id=quote.pk) == []


@pytest.mark.parametrize("cap", [0, 11, -1])
def test_a_cap_outside_one_to_ten_is_refused(cap):
    with pytest.raises(ValueError, match="1 to 10"):
        chosen(max_attempts=cap)


# Trying again

OUTCOMES = {
    Status.QUEUED: "already_queued",
    Status.CLAIMED: "already_queued",
    Status.TRANSMITTING: "already_queued",
    Status.SENT: "sent",
    Status.FAILED: "queued",
    Status.IN_DOUBT: "in_doubt",
    Status.HELD: "queued",
    Status.CANCELLED: "refused",
}


@pytest.mark.parametrize("status", Status)
def test_only_what_failed_or_is_held_has_another_round(person, status):
    quote = standing(status, reason="as told")

    tried = ask(quote, source="person", by=person)

    message = mail_of(quote, "customer")
    assert (tried.outcome, tried.message_id) == (OUTCOMES[status], message.pk)
    assert tried.text
    if status in (Status.FAILED, Status.HELD):
        decision = Decision.objects.get()
        verdict = Verdict.TRY_AGAIN_NOW if status == Status.FAILED else Verdict.PUT_BACK
        assert (decision.verdict, decision.decided_by, decision.source, decision.reason) == (verdict, person, "person", "it is wanted")
        assert (message.status, message.round, message.lane, message.attempts) == (Status.QUEUED, 2, Lane.PERSON, 0)
        assert Quote.objects.get(pk=quote.pk).customer_email_state == "queued"
    else:
        assert (message.status, message.round, Decision.objects.count()) == (status, 1, 0)


def test_a_quote_whose_mails_were_never_queued_has_one_queued_now(person):
    quote = make_quote()

    tried = ask(quote, "admin", source="person", by=person)

    message = mail_of(quote, "admin")
    assert (tried.outcome, message.key, message.lane, message.queued_by) == ("queued", f"quote:{quote.pk}:admin", Lane.PERSON, person)
    assert Quote.objects.get(pk=quote.pk).customer_message is None


@pytest.mark.parametrize("facts", [{"generated_quote": None}, {"status": "pending"}, {"status": "ai_error", "review_reason": "unsure"}])
def test_without_a_price_nothing_is_queued(facts):
    quote = make_quote(**facts)

    tried = ask(quote)

    assert (tried.outcome, tried.message_id, Message.objects.count()) == ("refused", None, 0)
    assert quote.number in tried.text


def test_an_offer_that_was_answered_is_not_sent_again_but_its_report_may_be():
    quote = standing(Status.FAILED)
    bring(mail_of(quote, "admin"), Status.FAILED)
    Quote.objects.filter(pk=quote.pk).update(status="accepted", customer_response="accepted", customer_response_date=Now())

    assert (ask(quote).outcome, ask(quote, "admin").outcome) == ("refused", "queued")


def test_a_round_that_was_not_the_chosen_one_is_left_alone():
    quote = standing(Status.FAILED)
    leg = next(leg for leg in legs.select(leg_type="customer", max_attempts=3, limit=1))
    assert ask(quote, tried=leg.round).outcome == "queued"
    bring(mail_of(quote, "customer"), Status.FAILED)

    assert ask(quote, tried=leg.round).outcome == "already_queued"
    assert mail_of(quote, "customer").round == 2
    assert ask(quote).outcome == "queued"


def test_a_mail_chosen_before_its_first_round_is_left_alone_when_it_has_failed_since():
    quote = make_quote()
    leg = next(leg for leg in legs.select(leg_type="customer", max_attempts=3, limit=1))
    ask(quote)
    bring(mail_of(quote, "customer"), Status.FAILED)

    assert (leg.round, ask(quote, tried=leg.round).outcome, mail_of(quote, "customer").round) == (0, "already_queued", 1)


# Test mode


def test_after_a_test_a_person_may_have_the_real_mail_sent_and_nobody_else(person):
    quote = standing(Status.SENT, terms=TEST_TERMS)
    test = mail_of(quote, "customer")

    assert [ask(quote, source=source).outcome for source in ("retry command", "operation")] == ["sent", "sent"]
    assert ask(quote, source="person", by=person, terms=TEST_TERMS).outcome == "sent"
    assert ask(quote, source="person", by=person).outcome == "queued"

    real = mail_of(quote, "customer")
    assert (real.key, real.recipient, real.is_test) == (f"quote:{quote.pk}:customer", quote.email, False)
    assert (test.key, test.recipient, test.is_test) == (f"test:quote:{quote.pk}:customer", "tests@portal.example", True)
    assert Message.objects.get(pk=test.pk).status == Status.SENT
    stored = Quote.objects.get(pk=quote.pk)
    assert (stored.customer_email_state, legs.state_of(stored, "customer").word) == ("queued", "waiting")
    assert ask(quote, source="person", by=person).outcome == "already_queued"


def test_a_portal_in_test_mode_never_opens_a_real_mail_again():
    quote = standing(Status.FAILED)

    tried = ask(quote, terms=TEST_TERMS)

    assert (tried.outcome, mail_of(quote, "customer").status) == ("refused", Status.FAILED)
    assert "test mode" in tried.text


# What the quote's own columns say, with a real mail server


def columns(quote: Quote) -> tuple:
    stored = Quote.objects.get(pk=quote.pk)
    return stored.email_sent_to_customer, stored.customer_email_attempts, stored.customer_email_error, stored.last_email_attempt is not None


def test_a_try_is_counted_its_error_told_and_a_later_success_clears_it(post, sandbox):
    quote = quote_with_mails()
    sandbox.use(mail={"table": {quote.email: "refuse-550x1"}})

    delivery.send_due(post)
    sent, attempts, error, was_tried = columns(quote)
    assert (sent, attempts, was_tried) == (False, 1, True)
    assert "550" in error
    assert error == legs.state_of(Quote.objects.get(pk=quote.pk), "customer").text

    assert ask(quote).outcome == "queued"
    assert columns(quote) == (False, 1, error, True)
    delivery.send_due(post)
    assert columns(quote) == (True, 2, "", True)
    assert [line["recipient"] for line in sandbox.mail_ledger()].count(quote.email) == 1
    assert not [found for one in ALWAYS if (found := violation(one)) and one.name in ("I-45", "I-46", "I-47")]


def test_a_temporary_refusal_is_one_try_as_well(post, sandbox):
    quote = quote_with_mails()
    sandbox.use(mail={"table": {quote.email: "refuse-450"}})

    delivery.send_due(post)

    assert (mail_of(quote, "customer").status, columns(quote)[:2]) == (Status.FAILED, (False, 1))


def test_a_server_that_is_down_uses_up_no_try(post, sandbox):
    quote = quote_with_mails()
    sandbox.use(mail={"modes": ["down"]})

    for _ in range(3):
        delivery.send_due(post)
        Provider.objects.update(paused_until=Now())

    assert columns(quote) == (False, 0, "", False)
    state = legs.state_of(quote, "customer", servers_down=legs.servers_down(["primary"]))
    assert state.word == "waiting: server down"
    assert "primary" in state.text
    assert chosen() == [(quote.pk, "customer"), (quote.pk, "admin")]

    sandbox.use(mail={})
    Provider.objects.update(paused_until=Now())
    delivery.send_due(post)
    assert columns(quote) == (True, 1, "", True)


def test_a_lost_answer_is_unknown_counted_and_never_tried_by_itself(post, sandbox):
    quote = quote_with_mails()
    sandbox.use(mail={"table": {quote.email: "drop-after-accept"}})

    delivery.send_due(post)

    assert (legs.state_of(Quote.objects.get(pk=quote.pk), "customer").word, columns(quote)[1]) == ("unknown", 1)
    assert (ask(quote).outcome, chosen(leg_type="customer")) == ("in_doubt", [])
    decide(Message.objects.in_doubt(), verdict=Verdict.MARK_AS_SENT, reason="they have it", source="test")
    assert columns(quote) == (True, 1, "", True)


def test_a_test_mail_that_was_sent_never_sets_the_flag(post, sandbox):
    quote = quote_with_mails(terms=TEST_TERMS)

    delivery.send_due(post)

    stored = Quote.objects.get(pk=quote.pk)
    assert (stored.email_sent_to_customer, stored.customer_email_state, stored.customer_email_attempts) == (False, "sent", 1)
    assert {line["recipient"] for line in sandbox.mail_ledger()} == {"tests@portal.example"}


def test_a_flag_that_was_once_true_stays_true():
    quote = standing(Status.SENT)
    Quote.objects.filter(pk=quote.pk).update(customer_message=None, customer_email_state="")
    other = quote_with_mails()
    failing = mail_of(other, "customer")
    Quote.objects.filter(pk=other.pk).update(customer_message=None)
    Quote.objects.filter(pk=quote.pk).update(customer_message=failing)

    bring(failing, Status.FAILED, error="550", attempts=F("attempts") + 1)

    stored = Quote.objects.get(pk=quote.pk)
    assert (stored.email_sent_to_customer, stored.customer_email_attempts, stored.customer_email_error) == (True, 1, "550")
    assert legs.state_of(stored, "customer").word == "sent"


# Many at once


def all_at_once(work, *, times: int) -> list:
    """`work` by so many threads, each with a connection of its own, begun at the same moment."""
    start, results = threading.Barrier(times), []

    def run() -> None:
        start.wait()
        try:
            results.append(work())
        except Exception as trouble:
            results.append(repr(trouble))
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(times)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    return results


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("status", [Status.FAILED, Status.HELD])
def test_of_many_who_ask_at_once_one_opens_the_round(status):
    quote = standing(status, reason="as told")

    outcomes = [tried.outcome for tried in all_at_once(lambda: ask(quote), times=6)]

    assert sorted(outcomes) == ["already_queued"] * 5 + ["queued"]
    assert (mail_of(quote, "customer").round, Decision.objects.count()) == (2, 1)


@pytest.mark.django_db(transaction=True)
def test_of_many_who_queue_at_once_one_does():
    quote = make_quote()

    outcomes = [tried.outcome for tried in all_at_once(lambda: ask(quote), times=6)]

    assert sorted(outcomes) == ["already_queued"] * 5 + ["queued"]
    assert (Message.objects.count(), mail_of(quote, "customer").status) == (1, Status.QUEUED)


@pytest.mark.django_db(transaction=True)
def test_a_real_mail_after_a_test_is_queued_once(person):
    quote = standing(Status.SENT, terms=TEST_TERMS, leg="customer")

    outcomes = [tried.outcome for tried in all_at_once(lambda: ask(quote, source="person", by=person), times=6)]

    assert sorted(outcomes) == ["already_queued"] * 5 + ["queued"]
    assert Message.objects.filter(intended_for=quote.email, is_test=False).count() == 1


@pytest.mark.django_db(transaction=True)
def test_workers_and_people_on_the_same_mails_never_block_each_other(post, sandbox):
    quotes = [quote_with_mails() for _ in range(10)]
    sandbox.use(mail={"modes": ["refuse-450x8"]})
    work = [lambda: delivery.send_due(post).as_dict(), lambda: [ask(quote, leg).outcome for quote in quotes for leg in legs.LEGS]]
    turns = iter(work * 3)

    results = all_at_once(lambda: next(turns)(), times=6)

    assert not [result for result in results if isinstance(result, str)], "nobody is a victim of a deadlock"
    assert verify() == []


@pytest.mark.parametrize(
    ("notify", "told"),
    [
        ([], ("office@portal.example",)),
        (["", " "], ("office@portal.example",)),
        (["boss@portal.example", " two@portal.example"], ("boss@portal.example", "two@portal.example")),
    ],
)
def test_a_deployment_tries_a_quotes_mail_once_a_round_and_always_tells_somebody(settings, notify, told):
    settings.ADMIN_NOTIFY, settings.DEFAULT_FROM_EMAIL = notify, "Operations <office@portal.example>"

    terms = wiring.quote_mail_terms()

    assert (terms.sender.max_attempts, terms.admins) == (1, told)


@pytest.mark.django_db
def test_an_offer_that_has_run_out_is_neither_chosen_nor_made_and_a_queued_one_ends_with_its_day():
    quote = quote_with_mails()
    Quote.objects.filter(pk=quote.pk).update(customer_message=None, customer_email_state="", valid_until=timezone.localdate())
    assert [leg.leg for leg in legs.select(leg_type="customer", max_attempts=3, limit=9)] == ["customer"]
    assert Message.objects.get(key=f"quote:{quote.pk}:customer").expires_at is not None

    Quote.objects.filter(pk=quote.pk).update(valid_until=timezone.localdate() - timedelta(days=1))

    assert legs.select(leg_type="customer", max_attempts=3, limit=9) == []
    tried = legs.try_again(legs.Leg(quote_id=quote.pk, leg="customer"), by=None, reason="please", source=legs.PERSON, terms=TERMS)
    assert tried.outcome == "refused"
    assert "held until" in tried.text
