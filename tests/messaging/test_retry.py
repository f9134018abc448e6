"""Waits that grow, spread a little, and end."""

from datetime import timedelta

import pytest

from messaging.note_outcomes import BACK_OFF
from messaging.retry import RetryPolicy

PLAIN = [(1, 60), (2, 240), (3, 960), (4, 3_840), (5, 15_360), (6, 21_600), (7, 21_600), (10_000, 21_600)]  # tries, seconds


@pytest.mark.parametrize(("tries", "seconds"), PLAIN)
def test_a_wait_is_never_shorter_than_the_back_off_and_at_most_a_fifth_longer(tries, seconds):
    waits = [RetryPolicy().wait(tries=tries).total_seconds() for _ in range(200)]

    assert seconds <= min(waits) <= max(waits) <= seconds * 1.2
    assert max(waits) > min(waits)


def test_without_jitter_a_wait_is_exact():
    assert RetryPolicy(jitter_share=0).wait(tries=2) == timedelta(minutes=4)


def test_the_waits_of_notes_end_at_an_hour_and_go_on_for_ever():
    assert timedelta(hours=1) <= BACK_OFF.wait(tries=1_000_000) <= timedelta(hours=1.2)


@pytest.mark.parametrize("wrong", [{"max_tries": 0}, {"max_tries": 11}, {"jitter_share": 1}, {"jitter_share": -0.1}])
def test_a_policy_outside_its_limits_is_refused(wrong):
    with pytest.raises(AssertionError):
        RetryPolicy(**wrong)


def test_there_is_no_wait_before_the_first_try():
    with pytest.raises(AssertionError, match="a wait follows a try; got 0"):
        RetryPolicy().wait(tries=0)
