"""What all workers together know of a server: paused or not, whose turn it is, and when it was last seen to work."""

from datetime import timedelta

import pytest
from django.db.models.functions import Now

from messaging.models import Provider

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)


@pytest.fixture
def provider() -> Provider:
    return Provider.objects.create(name="primary", purpose="mail")


def is_over(provider: Provider) -> None:
    Provider.objects.filter(pk=provider.pk).update(paused_until=Now() - timedelta(seconds=1))


def test_a_server_that_works_is_everybodys(provider):
    assert [provider.may_try(probe_for=MINUTE) for _ in range(3)] == [True] * 3


def test_a_paused_server_is_nobodys_and_then_one_probes_it(provider):
    provider.pause(reason="down", span=MINUTE)
    assert not provider.may_try(probe_for=MINUTE)
    assert (list(Provider.objects.paused()), list(Provider.objects.open())) == ([provider], [])

    is_over(provider)
    assert list(Provider.objects.down()) == list(Provider.objects.open()) == [provider]
    assert [provider.may_try(probe_for=MINUTE) for _ in range(3)] == [True, False, False]

    is_over(provider)  # the one that probed it vanished
    assert provider.may_try(probe_for=MINUTE)


def test_an_answer_ends_the_pause_for_everybody(provider):
    provider.pause(reason="down", span=MINUTE)
    provider.pause(reason="x" * 9_000, span=MINUTE)
    assert Provider.objects.filter(failures_in_row=2).exists()

    provider.works()

    provider.refresh_from_db()
    assert (provider.paused_until, provider.reason, provider.failures_in_row) == (None, "", 0)
    assert provider.last_ok_at is not None
    assert not Provider.objects.down().exists()


def test_working_on_writes_nothing(provider, django_assert_num_queries):
    provider.works()
    before = Provider.objects.get().last_ok_at

    provider.works()

    assert Provider.objects.get().last_ok_at == before


def test_turns_are_a_gap_apart_and_none_is_saved_up(provider):
    waits = [provider.next_turn_in(per_second=0.01) for _ in range(3)]
    assert [round(wait, -2) for wait in waits] == [0, 100, 200]

    Provider.objects.update(next_turn_at=Now() - timedelta(days=1))
    assert [round(provider.next_turn_in(per_second=0.01), -2) for _ in range(2)] == [0, 100]
