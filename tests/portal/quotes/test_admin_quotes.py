"""The desk of quotes: what staff see of one, what they may do to it, and that nothing happens without being asked for and confirmed."""

import uuid

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django_q.models import OrmQ

from messaging.models import Decision, Message, Provider, SystemEvent
from messaging.models import Status as MessageStatus
from portal.admin import quote_acts
from portal.quotes.models import AiCall, Quote, QuoteImage
from tests.portal.desk_rows import bring, said, staff, superuser
from tests.portal.quotes.rows import TEST_TERMS, mail_of, make_quote, quote_with_mails

pytestmark = pytest.mark.django_db
LIST = "/admin/portal/quote/"
JPEG = b"\xff\xd8\xff\xe0 a picture"
YES = {"confirmed": "yes", "reason": "the mailbox is back"}


def act(quote, name):
    return f"{LIST}{quote.pk}/act/{name}/"


def page(quote):
    return f"{LIST}{quote.pk}/change/"


def failed(*legs, **facts):
    quote = quote_with_mails(terms=TEST_TERMS, **facts)
    for leg in legs:
        bring(mail_of(quote, leg), MessageStatus.FAILED)
        Message.objects.filter(pk=mail_of(quote, leg).pk).update(error="550 no such user")
    return Quote.objects.get(pk=quote.pk)


def in_review(**facts):
    return make_quote(status="ai_error", review_reason="Total 868.50 is outside 50…500.", ai_processed_at=None, **facts)


def a_run(quote, **facts):
    plain = {"kind": "estimator", "outcome": "applied", "ended_at": "2026-01-31T10:00Z", "token": uuid.uuid4()}
    return AiCall.objects.create(quote=quote, **plain | facts)


# the list


SEARCHES = ["GC-20260131-", "gc-20260131-", "ADA@", "ada@client.example", "ada b"]


@pytest.mark.parametrize("term", SEARCHES)
def test_a_quote_is_found_by_the_beginning_of_what_staff_have_at_hand(term):
    wanted = make_quote(name="Ada Byron", email="ada@client.example", number="GC-20260131-ADAADA")
    make_quote(name="Zoe", email="zoe@client.example", number="GC-20250101-ZOEZOE")

    found = superuser().get(LIST, {"q": term}).context["cl"].result_list

    assert list(found) == [wanted]


def test_a_quote_is_found_by_its_id():
    wanted, _ = make_quote(), make_quote()

    assert list(superuser().get(LIST, {"q": str(wanted.pk)}).context["cl"].result_list) == [wanted]


def test_a_row_shows_both_mails_with_their_error_and_tries_and_the_button_that_helps():
    quote = failed("customer")
    Quote.objects.filter(pk=quote.pk).update(customer_email_attempts=2)

    row = superuser().get(LIST).content.decode()

    assert "550 no such user" in row
    assert "2 tries" in row
    assert act(quote, "try_customer") in row
    assert act(quote, "try_admin") not in row


def test_while_every_server_is_down_both_mails_are_waiting_for_it():
    quote_with_mails(terms=TEST_TERMS)
    Provider.objects.create(name="primary", purpose="mail", paused_until="2999-01-01T00:00Z", reason="connection refused")

    row = superuser().get(LIST).content.decode()

    assert row.count(">waiting: server down<") == 2
    assert "primary: connection refused" in row


def test_the_list_takes_the_same_number_of_queries_for_few_rows_and_for_many():
    boss = superuser()
    spent = []
    for more in (2, 7):
        for _ in range(more):
            failed("customer")
            in_review()
        with CaptureQueriesContext(connection) as asked:
            boss.get(LIST)
        spent.append(len(asked))
    assert spent[0] == spent[1]


# one quote


def test_the_page_says_who_assessed_it_what_it_costs_and_what_happened():
    quote = failed("admin")
    a_run(quote, model="estimator", seconds=0.01, confidence=86, started_at="2026-01-31T09:59Z")

    shown = superuser().get(page(quote))

    titles = [moment.title for moment in shown.context["story"]]
    assert titles[0] == "Built-in estimator: Applied: the quote was priced from it"
    assert [title for title in titles if title.startswith("Admin's mail: try 1")]
    text = shown.content.decode()
    assert "Assessed by the built-in estimator" in text
    assert "no AI has looked at it" in text
    assert "construction waste; also general" in text
    assert "868.50" in text
    assert "550 no such user" in text


def test_a_mail_that_is_queued_is_shown_as_it_is_and_one_that_is_not_as_it_would_be():
    queued, bare = quote_with_mails(terms=TEST_TERMS), make_quote()
    boss = superuser()

    assert boss.get(f"{LIST}{queued.pk}/mails/customer/").content.decode() == mail_of(queued, "customer").html
    assert bare.number in boss.get(f"{LIST}{bare.pk}/mails/customer/").content.decode()
    assert f"As it would go to {bare.email} now" in boss.get(page(bare)).content.decode()


def test_a_mail_is_shown_in_a_box_that_runs_nothing():
    quote = quote_with_mails(terms=TEST_TERMS)
    boss = superuser()

    assert boss.get(f"{LIST}{quote.pk}/mails/admin/")["Content-Security-Policy"].startswith("sandbox; default-src 'none'")
    assert f'<iframe class="mail-frame" sandbox="" src="{LIST}{quote.pk}/mails/admin/"' in boss.get(page(quote)).content.decode()


def test_a_quote_without_a_price_has_no_mail_to_show_and_says_so():
    bare = make_quote(status="pending", ai_processed_at=None, generated_quote=None, quote_amount=None)
    boss = superuser()

    assert boss.get(f"{LIST}{bare.pk}/mails/customer/").status_code == 404
    assert "There is none yet." in boss.get(page(bare)).content.decode()


def test_a_price_that_cannot_be_read_is_said_and_breaks_no_page():
    odd = make_quote(generated_quote={"total": 12})

    shown = superuser().get(page(odd))

    assert shown.status_code == 200
    assert "no mail names one" in shown.content.decode()


def test_a_picture_is_served_to_those_who_may_see_quotes_as_a_picture_and_nothing_else():
    quote = make_quote()
    QuoteImage.objects.create(quote=quote, position=1, content=JPEG, width=8, height=6, size=len(JPEG), name='"><script>.jpg')
    QuoteImage.objects.create(quote=quote, position=2, content=b"<script>", media_type="text/html", width=8, height=6, size=8)
    reader, address = staff("portal.view_quote", name="reader"), f"{LIST}{quote.pk}/pictures/"

    answer = reader.get(f"{address}1/")

    assert (answer.content, answer["Content-Type"]) == (JPEG, "image/jpeg")
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Content-Disposition"] == f'inline; filename="quote-{quote.pk}-picture-1.jpg"'
    assert "private" in answer["Cache-Control"]
    assert answer["Content-Security-Policy"].startswith("sandbox")
    assert [reader.get(f"{address}{position}/").status_code for position in (2, 3)] == [404, 404]
    assert staff(name="stranger").get(f"{address}1/").status_code == 403
    assert "<script>.jpg" not in reader.get(page(quote)).content.decode()


def test_the_words_of_a_customer_are_text_on_every_page():
    hostile = '<img src=x onerror=alert(1)>"'
    quote = in_review(name=hostile, description=hostile, city=hostile, address=hostile)
    run = a_run(quote, outcome="refused", raw_answer=hostile, error=hostile)
    boss = superuser()

    for address in (LIST, page(quote), f"{LIST}{quote.pk}/review/", f"/admin/portal/aicall/{run.pk}/change/", act(quote, "put_back")):
        assert "<img src=x" not in boss.get(address).content.decode(), address


# notes


def test_the_notes_are_all_that_is_written_when_they_are_saved():
    quote = quote_with_mails(terms=TEST_TERMS)
    boss = superuser()
    boss.get(page(quote))
    bring(mail_of(quote, "customer"), MessageStatus.FAILED)

    done = boss.post(page(quote), {"admin_notes": "Call after 5", "seen": "", "status": "completed", "quote_amount": "1", "_continue": "1"})

    stored = Quote.objects.get(pk=quote.pk)
    assert done.status_code == 302
    assert (stored.admin_notes, stored.status, stored.quote_amount) == ("Call after 5", "ai_quoted", quote.quote_amount)
    assert stored.customer_email_state == "failed"


def test_notes_that_somebody_else_changed_meanwhile_are_not_overwritten():
    quote = make_quote(admin_notes="first")
    boss, stale = superuser(), {"admin_notes": "mine", "seen": "first"}
    Quote.objects.filter(pk=quote.pk).update(admin_notes="theirs")

    refused = boss.post(page(quote), stale)

    assert "Somebody else changed these notes" in refused.content.decode()
    assert Quote.objects.get(pk=quote.pk).admin_notes == "theirs"


def test_who_may_only_look_writes_no_notes():
    quote = make_quote(admin_notes="first")
    reader = staff("portal.view_quote", name="reader")

    assert "Save the notes" not in reader.get(page(quote)).content.decode()
    assert reader.post(page(quote), {"admin_notes": "mine", "seen": "first"}).status_code == 403
    assert Quote.objects.get(pk=quote.pk).admin_notes == "first"


# mails


@pytest.mark.parametrize(("name", "legs"), [("try_customer", ["customer"]), ("try_admin", ["admin"]), ("try_both", ["customer", "admin"])])
def test_trying_again_opens_a_new_round_for_exactly_that_mail(name, legs):
    quote = failed("customer", "admin")

    answer = superuser().post(act(quote, name), YES, follow=True)

    stored = Quote.objects.get(pk=quote.pk)
    assert [leg for leg in ("customer", "admin") if stored.facts_of(leg)["state"] == "queued"] == legs
    assert Decision.objects.filter(reason="the mailbox is back", decided_by__username="boss").count() == len(legs)
    assert "1 quote will be sent now." in said(answer)


def test_one_click_is_enough_and_says_where_it_came_from():
    quote = failed("customer")

    superuser().post(act(quote, "try_customer"), {"confirmed": "yes"})

    assert Decision.objects.get().reason == quote_acts.BY_HAND


def test_a_mail_that_has_gone_out_is_not_sent_a_second_time():
    quote = failed("customer")
    bring(mail_of(quote, "admin"), MessageStatus.SENT)
    boss = superuser()

    both = boss.post(LIST, {"action": "try_both", "index": "0", "_selected_action": [str(quote.pk)]} | YES, follow=True)
    again = boss.post(act(quote, "try_admin"), YES, follow=True)

    assert "1 quote will be sent now." in said(both)
    assert mail_of(quote, "admin").status == MessageStatus.SENT
    assert "There is nothing to try again" in again.content.decode() + said(again)


def test_a_mail_in_doubt_is_settled_on_its_own_page_first():
    quote = quote_with_mails(terms=TEST_TERMS)
    bring(mail_of(quote, "customer"), MessageStatus.IN_DOUBT)

    answer = superuser().get(act(quote, "try_customer"))

    assert "is in doubt: open the message and settle it there" in answer.content.decode()
    assert mail_of(quote, "customer").round == 1


def test_both_mails_are_offered_together_only_where_both_may_be_tried():
    one, two = failed("customer"), failed("customer", "admin")
    boss = superuser()

    assert [label in boss.get(page(quote)).content.decode() for quote in (one, two) for label in ("Try both again",)] == [False, True]


# processing


@pytest.mark.parametrize(("name", "force"), [("process_now", False), ("process_by_force", True)])
def test_processing_rings_for_exactly_this_quote(name, force, django_capture_on_commit_callbacks):
    quote = make_quote(status="pending", ai_processed_at=None)

    with django_capture_on_commit_callbacks(execute=True):
        superuser().post(act(quote, name), YES)

    (ring,) = [ring.task for ring in OrmQ.objects.all()]
    boss = User.objects.get(username="boss")
    assert (ring["func"], ring["kwargs"]) == (
        "portal.tasks.process_quotes",
        {"limit": 1, "force": force, "quote_id": quote.pk, "by_id": boss.pk},
    )


def test_force_needs_a_reason_and_leaves_it_behind():
    quote = make_quote(status="pending", ai_processed_at=None)
    boss = superuser()

    assert "Give a reason" in boss.post(act(quote, "process_by_force"), {"confirmed": "yes", "reason": " "}).content.decode()
    boss.post(act(quote, "process_by_force"), YES)

    event = SystemEvent.objects.get(component="quotes")
    assert (event.level, event.by.username) == ("warning", "boss")
    assert event.text == f"{quote.number} is to be processed by force: the mailbox is back"


def test_more_quotes_than_may_jump_the_queue_are_refused_in_words(monkeypatch):
    monkeypatch.setattr(quote_acts, "MOST_RINGS", 1)
    quotes = [make_quote(status="pending", ai_processed_at=None) for _ in range(2)]

    chosen = {"action": "process_now", "index": "0", "_selected_action": [str(one.pk) for one in quotes], "confirmed": "yes"}
    answer = superuser().post(LIST, chosen)

    assert "At most 1 at once" in answer.content.decode()
    assert not SystemEvent.objects.filter(component="quotes").exists()


def test_put_back_to_pending_forgets_what_went_wrong():
    quote = in_review()

    superuser().post(act(quote, "put_back"), YES)

    stored = Quote.objects.get(pk=quote.pk)
    assert (stored.status, stored.review_reason) == ("pending", "")


MARKS = [("ai_quoted", "contacted"), ("ai_quoted", "accepted"), ("contacted", "completed"), ("talk_to_manager", "rejected")]


@pytest.mark.parametrize(("before", "after"), MARKS)
def test_a_quote_is_marked_as_what_the_office_knows(before, after):
    quote = make_quote(status=before)

    superuser().post(act(quote, f"mark_{after}"), {"confirmed": "yes"})

    assert Quote.objects.get(pk=quote.pk).status == after


@pytest.mark.parametrize(("before", "after"), [("pending", "contacted"), ("completed", "contacted"), ("ai_quoted", "completed")])
def test_a_mark_that_does_not_follow_is_refused_in_words(before, after):
    quote = make_quote(status=before)
    boss, address = superuser(), act(quote, f"mark_{after}")

    assert "this does not apply to it" in boss.get(address).content.decode()
    boss.post(address, {"confirmed": "yes"})
    assert Quote.objects.get(pk=quote.pk).status == before


# review


def lines(*written, **more):
    fields = {"form-TOTAL_FORMS": str(len(written)), "form-INITIAL_FORMS": "0"}
    for number, (label, amount) in enumerate(written):
        fields |= {f"form-{number}-label": label, f"form-{number}-amount": amount}
    return fields | more


RIGHT = [("Collection", "100.00"), ("", ""), ("Volume", "200.50")]


def test_a_review_begins_with_the_lines_of_the_price():
    quote = in_review()

    shown = superuser().get(f"{LIST}{quote.pk}/review/").content.decode()

    assert 'value="Collection, construction waste"' in shown
    assert 'value="648.58"' in shown
    assert "Total 868.50 is outside" in shown


def test_recalculating_shows_the_total_with_taxes_and_its_range_and_changes_nothing():
    quote = in_review()

    shown = superuser().post(f"{LIST}{quote.pk}/review/", lines(*RIGHT, recalculate="1", note="half done"))

    amounts = shown.context["amounts"]
    assert [str(one) for one in (amounts.subtotal, amounts.total, amounts.low, amounts.high)] == ["300.50", "339.57", "288.63", "390.51"]
    text = shown.content.decode()
    assert "339.57" in text
    assert "half done" in text
    assert Quote.objects.get(pk=quote.pk).status == "ai_error"


def test_approved_lines_are_the_price_and_both_mails_go():
    quote = in_review()

    done = superuser().post(f"{LIST}{quote.pk}/review/", lines(*RIGHT, approve="1", note="I saw the pictures."), follow=True)

    stored = Quote.objects.get(pk=quote.pk)
    assert (stored.status, str(stored.quote_amount), stored.review_reason) == ("ai_quoted", "339.57", "")
    assert (stored.customer_email_state, stored.admin_email_state) == ("queued", "queued")
    assert "$339.57" in mail_of(stored, "customer").text
    run = stored.ai_calls.get()
    assert (run.kind, run.by.username, run.raw_answer) == ("manual", "boss", "I saw the pictures.")
    assert "is approved at $339.57; both mails go out now." in said(done)


REFUSED = [
    ([("Collection", "0")], "A price is above 0|come to 0.00 before tax"),
    ([("", "")], "A price has 1 to 40 lines"),
    ([("Collection", "-5")], "come to -5.00"),
    ([("", "12.00")], "Say what this amount is for"),
    ([("Collection", "")], "Collection has no amount"),
    ([("Collection", "1.005")], "no more than 2 decimal places"),
    ([("Collection", "NaN")], "Enter a number"),
    ([("Collection", "900000000.00")], "is no amount in dollars and cents"),
]


@pytest.mark.parametrize(("written", "says"), REFUSED, ids=[says[:30] for _, says in REFUSED])
def test_lines_that_make_no_price_are_refused_in_words_and_no_mail_goes(written, says):
    quote = in_review()

    answer = superuser().post(f"{LIST}{quote.pk}/review/", lines(*written, approve="1", note="fine"))

    assert any(part in answer.content.decode() for part in says.split("|")), says
    assert Quote.objects.get(pk=quote.pk).status == "ai_error"
    assert not Message.objects.exists()


def test_an_approval_without_a_note_is_refused():
    quote = in_review()

    answer = superuser().post(f"{LIST}{quote.pk}/review/", lines(*RIGHT, approve="1", note="  "))

    assert "Say what you checked" in answer.content.decode()
    assert not Message.objects.exists()


def test_a_second_approval_says_that_there_is_nothing_to_review():
    quote = in_review()
    boss, answer = superuser(), lines(*RIGHT, approve="1", note="fine")
    boss.post(f"{LIST}{quote.pk}/review/", answer)

    second = boss.post(f"{LIST}{quote.pk}/review/", answer, follow=True)

    assert "does not wait for a review: it is AI quoted" in said(second)
    assert Message.objects.count() == 2


def test_reviewing_is_for_those_who_may_approve():
    quote = in_review()
    clerk = staff("portal.view_quote", "portal.change_quote", "portal.send_quote", "portal.process_quote", name="clerk")

    assert clerk.get(f"{LIST}{quote.pk}/review/").status_code == 403
    assert clerk.post(f"{LIST}{quote.pk}/review/", lines(*RIGHT, approve="1", note="fine")).status_code == 403
    assert "Review and approve" not in clerk.get(page(quote)).content.decode()
    assert superuser().get(f"{LIST}{quote.pk + 99}/review/").status_code == 404


# runs


def test_a_run_is_listed_with_what_it_cost_and_its_raw_answer_is_one_click_away():
    quote = make_quote()
    run = a_run(
        quote, kind="model", model="vision-1", outcome="refused", prompt_tokens=900, completion_tokens=100, cost="0.012500", seconds=3.25
    )
    AiCall.objects.filter(pk=run.pk).update(raw_answer='{"price": 0}', error="The answer names a price.")
    boss = superuser()

    listed = boss.get("/admin/portal/aicall/").content.decode()

    assert all(told in listed for told in (quote.number, "vision-1", "1,000", "0.0125 USD", "3.2", "The answer names a price."))
    assert f"/admin/portal/aicall/{run.pk}/change/" in boss.get(page(quote)).content.decode()
    assert "{&quot;price&quot;: 0}" in boss.get(f"/admin/portal/aicall/{run.pk}/change/").content.decode()
    assert boss.post(f"/admin/portal/aicall/{run.pk}/change/", {"cost": "0"}).status_code == 403
