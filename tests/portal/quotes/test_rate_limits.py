"""Who sends too much is told when to come back; who sends a little never notices."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections
from django.db.models import F
from django.db.models.functions import Now
from django.test import Client, RequestFactory

from portal.quotes import public
from portal.quotes.models import Quote
from portal.rate_limits import Limit, RateLimit, TooMany, address_of, client_of, take
from tests.portal.quotes.asking import FORM, picture, words


def took(*limits: Limit) -> bool:
    try:
        take(limits)
    except TooMany:
        return False
    return True


def time_goes_by(span: timedelta) -> None:
    RateLimit.objects.update(full_until=F("full_until") - span)


@pytest.mark.django_db
def test_so_many_at_once_and_then_one_more_each_time_a_part_of_the_hour_has_gone_by() -> None:
    five = Limit(subject="ada", most=5)

    assert [took(five) for _ in range(7)] == [True] * 5 + [False] * 2
    time_goes_by(timedelta(minutes=12))
    assert [took(five) for _ in range(3)] == [True, False, False]
    time_goes_by(timedelta(hours=3))
    assert [took(five) for _ in range(7)] == [True] * 5 + [False] * 2


@pytest.mark.django_db
def test_it_says_when_the_next_one_goes_through() -> None:
    five = Limit(subject="ada", most=5)
    for _ in range(5):
        take([five])

    with pytest.raises(TooMany) as reached:
        take([five])

    assert timedelta(minutes=11) < reached.value.retry_after <= timedelta(minutes=12)
    time_goes_by(reached.value.retry_after)
    assert took(five)


@pytest.mark.django_db
def test_one_subjects_limit_is_not_anothers_and_a_refusal_counts_nowhere() -> None:
    ada, bob, everybody = Limit(subject="ada", most=1), Limit(subject="bob", most=9), Limit(subject="everybody", most=3)

    assert [took(ada, everybody) for _ in range(4)] == [True, False, False, False]
    assert [took(bob, everybody) for _ in range(4)] == [True, True, False, False]


@pytest.mark.django_db
def test_what_has_drained_is_cleared_away() -> None:
    for number in range(150):
        take([Limit(subject=f"old {number}", most=5)])
    time_goes_by(timedelta(hours=1))

    for _ in range(2):
        take([Limit(subject="new", most=5)])

    assert list(RateLimit.objects.values_list("subject", flat=True)) == ["new"]


@pytest.mark.django_db(transaction=True)
def test_threads_together_get_no_more_than_one_alone() -> None:
    together = threading.Barrier(8)
    RateLimit.objects.create(subject="drained", full_until=Now() - timedelta(days=1))

    def hurry(_: int) -> int:
        try:
            together.wait()
            return sum(took(Limit(subject="ada", most=10)) for _ in range(5))
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as workers:
        assert sum(workers.map(hurry, range(8))) == 10


FORWARDED = [  # proxies of ours, REMOTE_ADDR, X-Forwarded-For, whose address it is
    (0, "203.0.113.9", "", "203.0.113.9"),
    (0, "203.0.113.9", "1.1.1.1", "203.0.113.9"),
    (1, "10.0.0.1", "203.0.113.9", "203.0.113.9"),
    (1, "10.0.0.1", "1.1.1.1, 203.0.113.9", "203.0.113.9"),
    (2, "10.0.0.1", "1.1.1.1, 203.0.113.9, 10.0.0.2", "203.0.113.9"),
    (2, "10.0.0.1", "203.0.113.9", "10.0.0.1"),
    (1, "10.0.0.1", "", "10.0.0.1"),
]


@pytest.mark.parametrize(("proxies", "remote", "forwarded", "address"), FORWARDED)
def test_the_callers_address_is_believed_from_our_own_proxies_only(proxies: int, remote: str, forwarded: str, address: str) -> None:
    request = RequestFactory().get("/", REMOTE_ADDR=remote, **({"HTTP_X_FORWARDED_FOR": forwarded} if forwarded else {}))

    assert address_of(request, proxies=proxies) == address


ALIKE = [
    ("203.0.113.9", "203.0.113.9", True),
    ("203.0.113.9", "203.0.113.10", False),
    ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
    ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
    ("::ffff:203.0.113.9", "203.0.113.9", True),
    ("nonsense", "nonsense", True),
]


@pytest.mark.parametrize(("one", "other", "alike"), ALIKE)
def test_a_client_is_an_address_or_a_household_that_nobody_can_read(one: str, other: str, alike: bool) -> None:
    known = [client_of(RequestFactory().get("/", REMOTE_ADDR=address), proxies=0) for address in (one, other)]

    assert (known[0] == known[1]) == alike
    assert one not in known[0]


@pytest.mark.django_db
def test_after_so_many_posts_a_client_is_told_to_wait_in_words_and_in_a_header(client: Client, settings: Any) -> None:
    settings.QUOTE_POSTS_PER_HOUR, settings.OFFICE_PHONE = 3, "416-555-0100"

    answers = [client.post(FORM, words(name="")) for _ in range(4)]

    assert [answer.status_code for answer in answers] == [422] * 3 + [429]
    assert 1100 < int(answers[-1].headers["Retry-After"]) <= 1200
    page = answers[-1].content.decode()
    assert "Please try again in 20 minutes." in page
    assert "416-555-0100" in page
    assert client.post(FORM, words(), REMOTE_ADDR="203.0.113.9").status_code == 302
    assert client.get(FORM).status_code == 200


@pytest.mark.django_db
def test_all_together_are_limited_too(client: Client, settings: Any) -> None:
    settings.QUOTE_POSTS_OF_ALL_PER_HOUR = 3

    statuses = [client.post(FORM, words(name=""), REMOTE_ADDR=f"203.0.113.{number}").status_code for number in range(4)]

    assert statuses == [422] * 3 + [429]


@pytest.mark.django_db
def test_a_client_may_ask_for_so_many_quotes_and_the_same_one_again_is_none_more(client: Client, settings: Any) -> None:
    settings.QUOTE_REQUESTS_PER_HOUR = 2
    first = words()

    statuses = [client.post(FORM, sent).status_code for sent in (first, words(description="A piano."), first, words(description="A bed."))]

    assert statuses == [302, 302, 302, 429]
    assert Quote.objects.count() == 2


@pytest.mark.django_db
def test_a_thousand_posts_are_refused_before_they_are_read(client: Client, settings: Any) -> None:
    settings.QUOTE_POSTS_PER_HOUR = 1
    client.post(FORM, words(name=""))

    answer = client.post(FORM, words(images=[picture()]))

    assert answer.status_code == 429
    assert answer.wsgi_request._read_started is False


@pytest.mark.django_db
def test_what_is_too_large_is_refused_before_it_is_read(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def post() -> Any:
        return client.post(FORM, words(images=[picture()]))

    size = int(post().wsgi_request.META["CONTENT_LENGTH"])
    monkeypatch.setattr(public, "MOST_SENT", size)
    taken = post()
    monkeypatch.setattr(public, "MOST_SENT", size - 1)
    refused = post()

    assert (taken.status_code, refused.status_code) == (302, 413)
    assert refused.wsgi_request._read_started is False
    assert "We take up to 8 pictures of 5 MB each." in refused.content.decode()


@pytest.mark.parametrize("length", ["", "many", "-5"])
def test_a_length_that_is_none_is_none(length: str) -> None:
    assert public.length_of(RequestFactory().get("/", CONTENT_LENGTH=length)) == 0
