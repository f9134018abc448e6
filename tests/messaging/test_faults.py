"""Fault points do what they are told, when they are told, and nothing otherwise."""

import os
import re
import signal
from pathlib import Path

import pytest

from messaging import faults
from messaging.faults import POINTS, InjectedFault, fault, parse

HOUSE = Path(faults.__file__).parent.parent


@pytest.fixture
def told(monkeypatch):
    return lambda text: monkeypatch.setattr(faults, "_plans", parse(text))


def test_nothing_happens_unless_told():
    fault("mail.after_body")


def test_a_plan_strikes_at_its_time_and_only_there(told):
    told("mail.after_body=raise@3")

    fault("mail.after_reply")
    fault("mail.after_body")
    fault("mail.after_body")
    with pytest.raises(InjectedFault, match=r"mail\.after_body"):
        fault("mail.after_body")
    fault("mail.after_body")


def test_a_share_strikes_at_random_about_as_often(told):
    told("mail.after_body=raise@0.5")
    struck = 0
    for _ in range(400):
        try:
            fault("mail.after_body")
        except InjectedFault:
            struck += 1

    assert 100 < struck < 300


def test_a_mark_is_left_and_the_work_goes_on(told, tmp_path):
    told(f"mail.after_body=touch:{tmp_path / 'here'};cms.after_post=sleep:0")

    fault("mail.after_body")
    fault("cms.after_post")

    assert (tmp_path / "here").exists()


def test_a_kill_is_a_kill(told):
    told("mail.after_body=kill")
    child = os.fork()
    if child == 0:
        try:
            fault("mail.after_body")
        finally:
            os._exit(0)

    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


@pytest.mark.parametrize("text", ["nowhere=kill", "mail.after_body=explode", "mail.after_body", "=kill", "mail.after_body=kill@soon"])
def test_a_plan_that_is_not_understood_is_refused(text):
    with pytest.raises(ValueError):
        parse(text)


def test_the_named_points_are_exactly_those_in_the_code():
    code = "".join(path.read_text() for floor in ("messaging", "campaigns", "portal") for path in (HOUSE / floor).rglob("*.py"))

    assert set(re.findall(r'\bfault\("([a-z_.]+)"\)', code)) == POINTS
