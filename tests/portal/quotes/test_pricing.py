"""A quote is priced once, under a lock, by the price book; whatever goes wrong, no mail goes out that nobody has looked at."""

import threading
from datetime import timedelta
from decimal import Decimal
from uuid import uuid4

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.models.functions import Now

from messaging import invariants
from messaging.models import Message, Provider, SystemEvent
from portal.quotes import pricing, review
from portal.quotes.gateways.assessors import AiUnavailable, AssessmentRefused, InstructionsRepeated
from portal.quotes.gateways.estimator import Estimator
from portal.quotes.invariants import of_quotes
from portal.quotes.models import AiCall, Kind, Outcome, Quote, Status
from tests.factories import make_quote
from tests.portal.quotes.scripted import Scripted, reading, terms
from tests.vectors import expected, of_kind

LOCK = timedelta(minutes=30)


def wrong() -> list[str]:
    return [one.name for one in invariants.verify(*of_quotes(lock=LOCK))]


def process(
    assessor: Scripted | None = None, *, limit: int = 10, force: bool = False, quote_id: int | None = None, **facts
) -> pricing.Tally:
    return pricing.process(terms(assessor, **facts), limit=limit, force=force, quote_id=quote_id)


def taken(quote: Quote, *, minutes_ago: int) -> Quote:
    """Another worker has it, since then."""
    token = uuid4()
    started = Now() - timedelta(minutes=minutes_ago)
    Quote.objects.filter(pk=quote.pk).update(status=Status.AI_PROCESSING, processing_lock=token, ai_processing_started_at=started)
    AiCall.objects.create(quote=quote, token=token, kind=Kind.MODEL, started_at=started)
    return Quote.objects.get(pk=quote.pk)


@pytest.mark.django_db
def test_a_pending_quote_is_priced_by_the_price_book_and_owes_both_its_mails():
    quote = make_quote()

    tally = process()

    quote.refresh_from_db()
    assert tally.as_dict() == pricing.Tally(processed=1, quoted=1).as_dict()
    assert (quote.status, quote.processing_lock, quote.confidence) == (Status.AI_QUOTED, None, Decimal("0.90"))
    assert quote.quote_amount == Decimal("288.15")  # base 60, 8 bags at 15, 2 yd³ at 15, 1 t at 45: 255, and 13 % of it
    assert quote.valid_until.isoformat() == "2026-07-15"
    assert sorted(Message.objects.values_list("key", "recipient")) == [
        (f"quote:{quote.pk}:admin", "boss@portal.example"),
        (f"quote:{quote.pk}:customer", quote.email),
    ]
    assert (quote.customer_email_state, quote.admin_email_state) == ("queued", "queued")
    assert wrong() == []


@pytest.mark.django_db
@pytest.mark.parametrize(("name", "given", "answer"), of_kind("process_selection"))
def test_which_quotes_are_chosen(name, given, answer):
    facts = {"status": given["quote"]["status"]}
    if given["quote"]["ai_processed_at"]:
        facts["ai_processed_at"] = Now() - timedelta(hours=1)
    if facts["status"] == Status.AI_QUOTED:
        facts["quote_amount"] = Decimal(100)
    quote = make_quote(**facts)
    if given["quote"]["processing_lock"]:
        taken(quote, minutes_ago=int(given["quote"]["ai_processing_started_at"].removeprefix("T-").removesuffix("min")))

    tally = process(force=given["force"], quote_id=quote.pk)

    assert bool(tally.processed) == answer["selected"]


@pytest.mark.django_db
@pytest.mark.parametrize(("minutes", "stale"), [(29, False), (30, expected("S3-008")["stale"]), (31, True)])
def test_a_lock_of_exactly_thirty_minutes_is_stale_s3_008(minutes, stale):
    quote = taken(make_quote(), minutes_ago=minutes)

    with transaction.atomic():
        assert Quote.objects.stale(lock=LOCK).filter(pk=quote.pk).exists() == stale

    assert process().processed == stale
    assert wrong() == []


@pytest.mark.django_db
def test_force_without_a_limit_only_clears_stale_locks_s3_009():
    stale, fresh, waiting = taken(make_quote(), minutes_ago=31), taken(make_quote(), minutes_ago=29), make_quote()
    assessor = Scripted()

    tally = process(assessor, limit=0, force=True)

    assert {"stale_locks_cleared": tally.locks_cleared == 1, "quotes_processed": tally.processed} == expected("S3-009")
    assert assessor.asked == []
    statuses = dict(Quote.objects.values_list("pk", "status"))
    assert statuses == {stale.pk: Status.PENDING, fresh.pk: Status.AI_PROCESSING, waiting.pk: Status.PENDING}
    assert AiCall.objects.get(quote=stale).outcome == Outcome.LOST
    assert wrong() == []


@pytest.mark.django_db
@pytest.mark.parametrize(("name", "given", "answer"), of_kind("status_flow"))
def test_the_states_a_quote_goes_through(name, given, answer):
    quote = make_quote()
    seen = [quote.status]

    def look():
        seen.append(Quote.objects.get(pk=quote.pk).status)
        return reading() if given["outcome"] == "ok" else RuntimeError("the assessor broke")

    process(Scripted(look))

    quote.refresh_from_db()
    assert [*seen, quote.status] == answer["statuses"]
    assert quote.processing_lock == answer["processing_lock"]
    assert bool(quote.ai_processed_at) == answer["ai_processed_at_set"]
    assert wrong() == []


REVIEWED = [  # what the assessor says, and what staff read
    (reading(confidence=55), "The assessment is only 55 % sure; 60 % are needed."),
    (reading(confidence=75, compliance_issues=1), "The assessment is only 55 % sure; 60 % are needed."),
    (reading(bags=500, cubic_yards="200", primary_type="hazardous", waste_types=["hazardous"]), "outside 50…10,000."),
    (AssessmentRefused("Field 'bags' is missing."), "Field 'bags' is missing."),
    (AssessmentRefused("The model gave no quote."), "The model gave no quote."),
    (ValueError("a bug of ours"), "The portal itself failed on it"),
]


@pytest.mark.django_db
@pytest.mark.parametrize(("answer", "reason"), REVIEWED)
def test_what_nobody_should_send_unseen_waits_for_review_and_no_mail_is_queued(answer, reason):
    quote = make_quote()

    tally = process(Scripted(answer))

    quote.refresh_from_db()
    assert (tally.processed, tally.quoted, tally.review) == (1, 0, 1)
    assert quote.status == Status.AI_ERROR
    assert reason in quote.review_reason
    assert not Message.objects.exists()
    assert list(Quote.objects.in_review()) == [quote]
    assert wrong() == []


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        ({"quote_budget": Decimal("0.04")}, "The AI budget of this quote is used up: 0.00 of 0.04 USD spent, the next call may cost 0.05."),
        ({"daily_budget": Decimal("0.04")}, "Today's AI budget is used up: 0.00 of 0.04 USD spent, the next call may cost 0.05."),
    ],
)
def test_over_budget_the_ai_is_not_asked(limits, reason):
    quote = make_quote()
    assessor = Scripted()

    process(assessor, **limits)

    quote.refresh_from_db()
    assert (assessor.asked, quote.review_reason) == ([], reason)
    assert AiCall.objects.get().outcome == Outcome.OVER_BUDGET


@pytest.mark.django_db
def test_the_budget_counts_what_was_spent_and_what_may_still_be_charged():
    quotes = [make_quote() for _ in range(4)]
    away = AiUnavailable("timed out", may_cost=True)
    assessor = Scripted(reading(cost="0.03"), away, reading(cost="0.03"), most="0.05")

    process(assessor, daily_budget=Decimal("0.13"))  # 0.03, then 0.05 that may be charged: the AI is paused
    Provider.objects.update(paused_until=None, reason="")
    process(assessor, daily_budget=Decimal("0.13"))  # 0.03 + 0.05 + at most 0.05 is allowed, and then it is used up

    assert len(assessor.asked) == 3
    assert sorted(Quote.objects.filter(pk__in=[q.pk for q in quotes]).values_list("status", flat=True)) == [
        Status.AI_ERROR,
        Status.AI_ERROR,
        Status.AI_QUOTED,
        Status.AI_QUOTED,
    ]


@pytest.mark.django_db
def test_an_ai_that_is_away_is_left_alone_for_a_while_and_the_quote_comes_back_by_itself():
    first, second = make_quote(), make_quote()
    assessor = Scripted(AiUnavailable("The AI answered 503."), reading())

    assert process(assessor).as_dict() == pricing.Tally(processed=1, errors=1, waiting=1).as_dict()
    first.refresh_from_db()
    assert (first.status, first.ai_error_message, first.review_reason) == (Status.AI_ERROR, "The AI answered 503.", "")
    assert Provider.objects.get(name="ai").reason == "The AI answered 503."
    assert process(assessor).as_dict() == pricing.Tally(waiting=1).as_dict(), "it is paused"

    Provider.objects.update(paused_until=Now() - timedelta(seconds=1))
    Quote.objects.filter(pk=first.pk).update(ai_retry_at=Now() - timedelta(seconds=1))

    assert process(assessor).quoted == 2
    assert Provider.objects.get(name="ai").reason == ""
    assert {*Quote.objects.values_list("status", flat=True)} == {Status.AI_QUOTED}
    assert Quote.objects.filter(pk__in=[first.pk, second.pk], ai_tries=0, ai_error_message="").count() == 2
    assert wrong() == []


@pytest.mark.django_db
def test_after_ten_calls_without_an_answer_a_person_must_look():
    quote = make_quote()
    for _ in range(10):
        Provider.objects.update(paused_until=None, reason="")
        Quote.objects.update(ai_retry_at=Now() - timedelta(seconds=1))
        process(Scripted(AiUnavailable("no route"), most="0"))

    quote.refresh_from_db()
    assert (quote.status, quote.review_reason, quote.ai_retry_at) == (Status.AI_ERROR, "no route", None)
    assert AiCall.objects.count() == 10


@pytest.mark.django_db
def test_a_quote_over_which_ten_workers_vanished_waits_for_a_person():
    quote = make_quote()
    for _ in range(10):
        taken(quote, minutes_ago=31)
        pricing.clear_stale(lock=LOCK)

    quote.refresh_from_db()
    assert quote.status == Status.AI_ERROR
    assert "vanished" in quote.review_reason
    assert AiCall.objects.filter(outcome=Outcome.LOST).count() == 10


@pytest.mark.django_db
def test_an_answer_that_repeats_our_instructions_raises_an_alarm():
    make_quote()

    process(Scripted(InstructionsRepeated("The answer repeats our own instructions.")))

    assert SystemEvent.objects.filter(level="alarm", component="quotes").exists()


@pytest.mark.django_db
def test_a_late_answer_is_kept_with_its_cost_and_changes_nothing():
    quote = make_quote()

    def lose_the_lock():
        Quote.objects.update(ai_processing_started_at=Now() - LOCK)
        assert process(Scripted(reading(bags=2, cost="0.020000"))).quoted == 1
        return reading(bags=400, cost="0.030000")

    tally = process(Scripted(lose_the_lock), limit=1)

    quote.refresh_from_db()
    late, applied = AiCall.objects.order_by("pk")
    assert (tally.late, tally.quoted) == (1, 0)
    assert (late.outcome, late.cost, late.assessment["bags"]) == (Outcome.FENCED, Decimal("0.030000"), 400)
    assert (applied.outcome, quote.waste_assessment["bags"]) == (Outcome.APPLIED, 2)
    assert Message.objects.count() == 2
    assert wrong() == []


@pytest.mark.django_db
def test_an_answer_after_the_lock_ran_out_is_late_even_if_nobody_has_taken_over():
    quote = make_quote()

    def too_slow():
        Quote.objects.update(ai_processing_started_at=Now() - LOCK)
        return reading()

    assert process(Scripted(too_slow), limit=1).late == 1

    quote.refresh_from_db()
    assert (quote.status, AiCall.objects.get().outcome) == (Status.AI_PROCESSING, Outcome.FENCED)
    assert process().quoted == 1
    assert wrong() == []


@pytest.mark.django_db
def test_force_takes_a_quote_over_and_the_other_workers_answer_is_fenced():
    quote = make_quote()

    def somebody_forces():
        assert process(Scripted(reading(bags=2)), force=True, quote_id=quote.pk).quoted == 1
        return reading(bags=400)

    assert process(Scripted(somebody_forces)).late == 1

    quote.refresh_from_db()
    assert (quote.status, quote.waste_assessment["bags"]) == (Status.AI_QUOTED, 2)
    assert [call.was_forced for call in AiCall.objects.order_by("pk")] == [False, True]
    assert SystemEvent.objects.filter(text__contains="taken over from another run").exists()
    assert wrong() == []


@pytest.mark.django_db
def test_force_does_not_price_a_quote_twice_that_is_quoted():
    quote = make_quote()
    process()

    tally = process(force=True, quote_id=quote.pk)

    assert (tally.processed, tally.skipped, AiCall.objects.count()) == (0, 1, 1)


@pytest.mark.django_db
def test_nothing_that_names_the_customer_reaches_the_assessor():
    quote = make_quote(name="Zacharias Quill", phone="416-555-0177", email="zq@client.example")
    assessor = Scripted()

    process(assessor)

    told = repr(assessor.asked)
    assert [word for word in (quote.name, quote.phone, quote.email, quote.address) if word in told] == []


@pytest.mark.django_db
def test_the_database_refuses_a_locked_quote_that_nobody_processes_and_a_price_of_nothing():
    quote = make_quote()
    for broken in [
        {"processing_lock": uuid4()},
        {"status": "ai_processing"},
        {"status": "ai_quoted", "quote_amount": 0, "ai_processed_at": Now()},
        {"status": "accepted"},
        {"review_reason": "because"},
        {"customer_response": "accepted"},
    ]:
        with pytest.raises(IntegrityError), transaction.atomic():
            Quote.objects.filter(pk=quote.pk).update(**broken)


@pytest.mark.django_db
def test_a_person_corrects_the_lines_and_approves_and_then_the_mails_go(django_user_model):
    quote, ann = make_quote(), django_user_model.objects.create(username="ann")
    process(Scripted(reading(confidence=10)))
    lines = [("Two truck loads", Decimal("200.00")), ("Stairs", Decimal("50.00"))]

    with pytest.raises(review.NotApproved, match="Say what you checked"):
        review.approve(quote, lines=lines, by=ann, note=" ", terms=terms())
    with pytest.raises(review.NotApproved):
        review.approve(quote, lines=[("Nothing", Decimal(0))], by=ann, note="checked", terms=terms())
    assert not Message.objects.exists()
    approved = review.approve(quote, lines=lines, by=ann, note="I called them", terms=terms())

    assert (approved.status, approved.quote_amount, approved.review_reason) == (Status.AI_QUOTED, Decimal("282.50"), "")
    assert Message.objects.count() == 2
    by_hand = AiCall.objects.get(kind=Kind.MANUAL)
    assert (by_hand.by, by_hand.outcome, by_hand.raw_answer) == (ann, Outcome.APPLIED, "I called them")
    with pytest.raises(review.NotApproved, match="somebody else"):
        review.approve(quote, lines=lines, by=ann, note="again", terms=terms())
    assert wrong() == []


@pytest.mark.django_db
def test_a_quote_in_error_is_put_back_and_priced_anew(django_user_model):
    quote, ann = make_quote(), django_user_model.objects.create(username="ann")
    process(Scripted(reading(confidence=10)))

    assert review.reprocess(Quote.objects.all(), by=ann, reason="better pictures") == 1
    assert review.reprocess(Quote.objects.all(), by=ann, reason="again") == 0
    assert process().quoted == 1
    assert Quote.objects.get(pk=quote.pk).review_reason == ""
    assert wrong() == []


@pytest.mark.django_db(transaction=True)
def test_two_workers_ask_the_ai_once_s3_010():
    make_quote()
    assessor = Scripted()
    start = threading.Barrier(2)

    def work():
        start.wait(10)
        try:
            process(assessor)
        finally:
            connection.close()

    workers = [threading.Thread(target=work) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(30)

    assert {"ai_calls": len(assessor.asked)} == expected("S3-010")
    assert wrong() == []


@pytest.mark.django_db
def test_a_quote_whose_call_gets_no_answer_does_not_hold_the_others_up():
    quotes = [make_quote() for _ in range(3)]
    away = AiUnavailable("timed out", may_cost=True)

    process(Scripted(away, reading(), most="0.01"))
    Provider.objects.update(paused_until=Now())
    Quote.objects.filter(pk=quotes[0].pk).update(ai_retry_at=Now())
    asked = Scripted(most="0.01")
    process(asked, limit=1)

    statuses = list(Quote.objects.order_by("pk").values_list("status", flat=True))
    assert statuses == [Status.PENDING, Status.AI_QUOTED, Status.PENDING], "the next one is asked about, not the one that had no answer"


@pytest.mark.django_db
def test_a_call_that_cannot_have_cost_anything_uses_up_no_budget():
    make_quote()

    process(Scripted(AiUnavailable("connection refused")))

    assert AiCall.objects.get().reserved_cost == 0


@pytest.mark.django_db
def test_a_run_with_nothing_to_ask_leaves_the_question_whether_the_ai_is_back_to_the_next():
    Provider.objects.create(name="ai", purpose="ai", paused_until=Now(), reason="it was away")

    assert process().as_dict() == pricing.Tally().as_dict()
    make_quote()

    assert process().quoted == 1
    assert Provider.objects.get(name="ai").paused_until is None


@pytest.mark.django_db
def test_over_budget_the_next_quote_is_looked_at_at_once():
    for _ in range(3):
        make_quote()
    Provider.objects.create(name="ai", purpose="ai", paused_until=Now(), reason="it was away")

    assert process(Scripted(), daily_budget=Decimal(0)).review == 3


@pytest.mark.django_db
def test_the_estimator_needs_no_ai_and_quotes_that_wait_for_one_are_counted():
    make_quote()
    Provider.objects.create(name="ai", purpose="ai", paused_until=Now() + timedelta(hours=1), reason="it is away")

    assert process().as_dict() == pricing.Tally(waiting=1).as_dict()
    assert process(Estimator()).quoted == 1


@pytest.mark.django_db
def test_what_the_customer_calls_hazardous_is_not_priced_as_harmless():
    quote = make_quote(description="8 bags with asbestos, paint and propane tanks")

    process(Scripted(reading(hazardous_items=0)))

    assert "hazardous" in Quote.objects.get(pk=quote.pk).review_reason


@pytest.mark.django_db
def test_by_force_each_quote_is_taken_over_once():
    quotes = [taken(make_quote(), minutes_ago=1), make_quote(), make_quote(ai_processed_at=Now())]

    assert process(limit=2, force=True).quoted == 2
    assert process(limit=9, force=True).quoted == 1
    assert Quote.objects.filter(pk__in=[quote.pk for quote in quotes], status=Status.AI_QUOTED).count() == 3
    assert wrong() == []
