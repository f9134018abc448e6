"""An answer is given by pressing a button, once; links that are old, changed or made up say so kindly."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
import time_machine
from django.core import signing
from django.db import connections
from django.test import Client

from messaging.models import Message, SystemEvent
from portal.quotes import answers
from portal.quotes.answers import AlreadyAnswered, NotALink, PriceHoldsNoLonger, look, record, token
from portal.quotes.models import Answer, Quote, Status
from tests.portal.quotes.asking import TERMS, TODAY, a_priced_quote

NOON = datetime(2026, 3, 2, 18, 0, tzinfo=UTC)  # noon in Chicago
LAST_DAY = TODAY + timedelta(days=30)


@pytest.fixture
def quote(db) -> Quote:
    return a_priced_quote()


@pytest.fixture(autouse=True)
def noon():
    with time_machine.travel(NOON, tick=False) as clock:
        yield clock


def page_of(quote: Quote, answer: Answer = Answer.ACCEPT) -> str:
    return answers.link(quote, answer, site_url="")


@pytest.mark.parametrize("answer", Answer)
@pytest.mark.parametrize("status", [Status.AI_QUOTED, Status.CONTACTED, Status.QUOTED])
def test_each_answer_is_recorded_and_the_office_is_told(db, answer: Answer, status: Status) -> None:
    quote = a_priced_quote(status=status)

    said = record(token(quote, answer), at=NOON, terms=TERMS)

    assert (said.status, said.customer_response, said.customer_response_date) == (answer, answer, NOON)
    told = Message.objects.order_by("pk").values_list("key", "kind", "recipient", "subject")
    subject = f"{quote.number}: customer answered {answer.label}"
    assert list(told) == [
        (f"quote:{quote.pk}:answer", "quote_answer", "boss@portal.example", subject),
        (f"quote:{quote.pk}:answer:2", "quote_answer", "desk@portal.example", subject),
    ]
    assert f"https://portal.example/admin/portal/quote/{quote.pk}/change/" in Message.objects.all()[0].text
    assert SystemEvent.objects.get(component="quotes").text == f"{quote.number}: the customer answered {answer.label}."


@pytest.mark.parametrize("method", ["get", "head"])
def test_looking_at_a_link_changes_nothing(client: Client, quote: Quote, method: str) -> None:
    for answer in Answer:
        assert getattr(client, method)(page_of(quote, answer)).status_code == 200

    quote.refresh_from_db()
    assert (quote.status, quote.customer_response) == (Status.AI_QUOTED, "")
    assert not Message.objects.exists()


@pytest.mark.parametrize("answer", Answer)
def test_the_page_says_what_the_answer_means_and_leads_to_the_others(client: Client, quote: Quote, answer: Answer) -> None:
    page = client.get(page_of(quote, answer)).content.decode()

    assert [text for text in (quote.number, "$868.50", "April 1, 2026") if text not in page] == []
    assert page.count("<button") == 1
    assert page.count("/quote/answer/") == 3
    assert not [private for private in ("Byron", quote.email, quote.phone, quote.address) if private in page]
    for other in Answer:
        assert (page_of(quote, other) in page) == (other != answer)


def test_the_button_answers_and_every_link_says_so_from_then_on(client: Client, quote: Quote) -> None:
    first = client.post(page_of(quote))

    assert (first.status_code, first.url) == (302, page_of(quote))
    for answer in Answer:
        page = client.get(page_of(quote, answer)).content.decode()
        assert "You answered Accept on March 2, 2026." in page
        assert "<button" not in page
        assert "You answered Accept" in client.post(page_of(quote, answer)).content.decode()
    quote.refresh_from_db()
    assert quote.status == Status.ACCEPTED
    assert Message.objects.filter(kind="quote_answer").count() == 1


def test_an_answer_needs_its_csrf_token(quote: Quote) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.get(page_of(quote))

    assert strict.post(page_of(quote)).status_code == 403
    assert strict.post(page_of(quote), {"csrfmiddlewaretoken": strict.cookies["csrftoken"].value}).status_code == 302


def test_an_answers_page_is_kept_by_nobody(client: Client, quote: Quote) -> None:
    headers = client.get(page_of(quote)).headers

    assert "no-store" in headers["Cache-Control"]
    assert (headers["X-Robots-Tag"], headers["Referrer-Policy"]) == ("noindex, nofollow", "same-origin")


@pytest.mark.parametrize(("day", "status"), [(LAST_DAY, 200), (LAST_DAY + timedelta(days=1), 410)])
def test_a_price_holds_to_the_end_of_its_last_day_by_the_offices_clock(client: Client, quote: Quote, noon, day, status: int) -> None:
    noon.move_to(datetime(day.year, day.month, day.day, 4, 59, tzinfo=UTC) + timedelta(days=1))  # one minute to midnight in Chicago

    page = client.get(page_of(quote))

    assert page.status_code == status
    if status == 410:
        assert "This price was good until April 1, 2026." in page.content.decode()
        assert client.post(page_of(quote)).status_code == 410


def test_a_new_price_makes_the_old_links_worthless_and_new_ones_work(client: Client, quote: Quote) -> None:
    old = page_of(quote)
    Quote.objects.update(quote_amount=Decimal("900.00"))

    page = client.post(old)

    assert page.status_code == 410
    assert "There is a newer price for this quote." in page.content.decode()
    assert client.post(page_of(Quote.objects.get())).status_code == 302


@pytest.mark.parametrize("status", [Status.COMPLETED, Status.AI_ERROR, Status.PENDING])
def test_a_quote_that_is_not_open_takes_no_answer(client: Client, db, status: Status) -> None:
    quote = a_priced_quote(status=status)

    assert client.post(page_of(quote)).status_code == 410
    assert not Message.objects.exists()


def altered(link: str, at: int) -> str:
    return link[:at] + ("A" if link[at] != "A" else "B") + link[at + 1 :]


def test_a_changed_or_made_up_link_is_not_found(client: Client, quote: Quote) -> None:
    good = page_of(quote)
    begin = len("/quote/answer/")
    elsewhere = signing.Signer(salt="elsewhere").sign_object([quote.pk, "accepted", "868.50"])

    for at in range(begin, len(good) - 2, 3):
        assert client.post(altered(good, at)).status_code == 404
    for made_up in (elsewhere, "x", "x:y", "%00", "Ñ", token(Quote(pk=quote.pk + 999, quote_amount=Decimal(1)), Answer.ACCEPT)):
        page = client.post(f"/quote/answer/{made_up}/")
        assert (page.status_code, "This link does not work" in page.content.decode()) == (404, True)
    assert Quote.objects.get().customer_response == ""
    assert client.post(good).status_code == 302


def test_looking_raises_what_is_wrong(quote: Quote) -> None:
    good = token(quote, Answer.CONSIDER)
    assert (look(good, at=NOON).quote, look(good, at=NOON).answer) == (quote, Answer.CONSIDER)

    with pytest.raises(NotALink):
        look(good[:-1], at=NOON)
    with pytest.raises(PriceHoldsNoLonger, match="good until"):
        look(good, at=NOON + timedelta(days=31))
    record(good, at=NOON, terms=TERMS)
    with pytest.raises(AlreadyAnswered):
        look(good, at=NOON)
    with pytest.raises(AlreadyAnswered):
        record(token(quote, Answer.ACCEPT), at=NOON, terms=TERMS)


@pytest.mark.django_db(transaction=True)
def test_of_all_answers_at_the_same_moment_one_counts() -> None:
    quote = a_priced_quote()
    together = threading.Barrier(8)

    def press(answer: Answer) -> bool:
        try:
            together.wait()
            record(token(quote, answer), at=NOON, terms=TERMS)
        except AlreadyAnswered:
            return False
        else:
            return True
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as workers:
        counted = list(workers.map(press, list(Answer) * 2))

    quote.refresh_from_db()
    assert sum(counted) == 1
    assert quote.status == quote.customer_response != ""
    assert Message.objects.filter(kind="quote_answer").count() == len(TERMS.admins)
