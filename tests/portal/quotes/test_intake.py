"""A request becomes a quote once: pressed twice, sent from two tabs, reloaded, or raced by eight threads."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections
from django.db.models.functions import Now
from django.test import Client
from django_q.models import OrmQ

from messaging.models import Message, Mode
from portal.quotes import intake
from portal.quotes.intake import is_what_was_sent, receive
from portal.quotes.models import Quote, QuoteImage
from portal.quotes.pictures import made_anew
from tests.portal.quotes.asking import FORM, TERMS, a_request, picture, words

WORKERS = 8


def two_pictures() -> tuple[Any, ...]:
    return tuple(made_anew(picture(name, colour=colour).read(), name=name) for name, colour in [("a.jpg", "red"), ("b.jpg", "blue")])


@pytest.mark.django_db
def test_a_request_is_stored_with_its_pictures_and_the_office_is_told_at_once(django_capture_on_commit_callbacks: Any) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        quote = receive(a_request(images=two_pictures()), terms=TERMS)

    assert [(image.position, image.name, image.size) for image in quote.images.all()] == [
        (number, image.name, len(image.content)) for number, image in enumerate(two_pictures(), start=1)
    ]
    told = Message.objects.order_by("pk").values_list("key", "kind", "recipient", "status")
    assert list(told) == [
        (f"quote:{quote.pk}:request", "quote_request", "boss@portal.example", "queued"),
        (f"quote:{quote.pk}:request:2", "quote_request", "desk@portal.example", "queued"),
    ]
    assert {ring.task["func"] for ring in OrmQ.objects.all()} == {"portal.tasks.send_due_messages", "portal.tasks.process_quotes"}


@pytest.mark.django_db
def test_the_same_key_is_the_same_quote_whatever_is_sent_with_it() -> None:
    first = receive(a_request("one"), terms=TERMS)

    changed = a_request("one", description="Two sofas, rather.")
    again = receive(changed, terms=TERMS)

    assert again == first
    assert Quote.objects.get().description == "An old sofa and six bags."
    assert is_what_was_sent(first, a_request("one"))
    assert not is_what_was_sent(again, changed)


SAME = [
    {},
    {"name": " ADA  byron"},
    {"email": "ADA@byron.example"},
    {"phone": "(416) 555 0100"},
    {"description": "an old sofa\nand six bags."},
]
OTHER = [
    {"name": "Ada Lovelace"},
    {"phone": "416-555-0101"},
    {"address": "13 Example Street"},
    {"description": "An old sofa and seven bags."},
    {"preferred_time": "8-11"},
    {"images": two_pictures()[:1]},
    {"images": two_pictures()[::-1]},
]


@pytest.mark.django_db
@pytest.mark.parametrize(("changed", "quotes"), [(change, 1) for change in SAME] + [(change, 2) for change in OTHER])
def test_the_same_words_and_pictures_under_another_key_are_the_same_request(changed: dict[str, Any], quotes: int) -> None:
    images = {} if "images" not in changed else {"images": two_pictures()}
    receive(a_request("one", **images), terms=TERMS)

    receive(a_request("two", **changed), terms=TERMS)

    assert Quote.objects.count() == quotes


@pytest.mark.django_db
def test_a_day_later_the_same_words_are_a_new_request() -> None:
    first = receive(a_request("one"), terms=TERMS)
    Quote.objects.update(created_at=Now() - timedelta(hours=24))

    assert receive(a_request("two"), terms=TERMS) != first
    assert receive(a_request("one"), terms=TERMS) == first


@pytest.mark.django_db
def test_who_may_add_no_more_leaves_nothing_behind_but_still_finds_what_is_there() -> None:
    def no_more() -> None:
        raise PermissionError

    first = receive(a_request("one"), terms=TERMS)

    assert receive(a_request("one"), terms=TERMS, may_add=no_more) == first
    with pytest.raises(PermissionError):
        receive(a_request("two", description="A piano."), terms=TERMS, may_add=no_more)
    assert Quote.objects.count() == 1


@pytest.mark.django_db
def test_a_number_that_is_taken_is_not_given_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = iter(["GC-20260302-AAAAAA", "GC-20260302-AAAAAA", "GC-20260302-BBBBBB"])
    monkeypatch.setattr(intake, "new_number", lambda: next(numbers))

    receive(a_request("one"), terms=TERMS)
    receive(a_request("two", description="A piano."), terms=TERMS)

    assert set(Quote.objects.values_list("number", flat=True)) == {"GC-20260302-AAAAAA", "GC-20260302-BBBBBB"}


@pytest.mark.django_db
def test_in_test_mode_the_notice_goes_to_the_test_recipient() -> None:
    receive(a_request(), terms=replace(TERMS, sender=replace(TERMS.sender, mode=Mode.TEST)))

    assert set(Message.objects.values_list("recipient", "is_test")) == {("test@portal.example", True)}


RACES = [
    ("one form pressed by all", lambda number: a_request("one", images=two_pictures())),
    ("as many tabs, the same words", lambda number: a_request(f"tab {number}", images=two_pictures())),
    ("one key, other words", lambda number: a_request("one", description=f"{number} sofas")),
]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("asked", [asked for _, asked in RACES], ids=[name for name, _ in RACES])
def test_of_requests_at_the_same_moment_one_is_stored(asked: Any) -> None:
    together = threading.Barrier(WORKERS)

    def send(number: int) -> int:
        try:
            request = asked(number)
            together.wait()
            return receive(request, terms=TERMS).pk
        finally:
            connections.close_all()

    with ThreadPoolExecutor(WORKERS) as workers:
        quotes = list(workers.map(send, range(WORKERS)))

    quote = Quote.objects.get()
    assert quotes == [quote.pk] * WORKERS
    assert Message.objects.count() == len(TERMS.admins)
    assert QuoteImage.objects.count() in (0, 2)


@pytest.mark.django_db
def test_the_form_sent_twice_thanks_twice_for_one_quote(client: Client) -> None:
    sent = words()

    pages = [client.get(client.post(FORM, sent).url).content.decode() for _ in range(2)]

    assert Quote.objects.count() == 1
    assert all(Quote.objects.get().number in page and "had reached us before" not in page for page in pages)


@pytest.mark.django_db
def test_who_changes_a_form_that_was_sent_is_told_that_the_change_came_too_late(client: Client) -> None:
    sent = words()
    client.post(FORM, sent)

    page = client.get(client.post(FORM, sent | {"description": "Two sofas, rather."}).url).content.decode()

    assert Quote.objects.get().description == "An old sofa and six bags."
    assert "This request had reached us before." in page
