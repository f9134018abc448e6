"""Which failures count as the same one."""

import pytest

from messaging.fingerprints import fingerprint, shape

SAME = [
    ("550 no such user anna@firm.example", "550 no such user ben.o'x@other.example"),
    ("the server answered 550: <a@b.example> unknown", "the server answered 550: <c@d.example> unknown"),
    ("note 5a0c5a4e-77a5-4fdd-a3c8-3ef0c1d6c0f1 lost", "note 00000000-77a5-4fdd-a3c8-3ef0c1d6c0f1 lost"),
    ("queued as 4F3A00000000AB", "queued as 99999999999999"),
    ("connect to 10.0.0.1 refused", "connect to 192.168.7.20 refused"),
    ("message 12345 waits", "message 678901 waits"),
    ("two\nlines", "two lines"),
    ("Greylisted", "greylisted"),
]
DIFFERENT = [
    ("the server answered 550: 5.1.1 unknown", "the server answered 550: 5.7.1 refused"),
    ("the server answered 450: busy", "the server answered 550: busy"),
    ("no answer after the body", "the connection broke while the body was on its way"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_failures_that_differ_only_in_whom_or_which_are_one(one, other):
    assert fingerprint(component="delivery", text=one) == fingerprint(component="delivery", text=other)


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_failures_of_another_kind_are_apart(one, other):
    assert fingerprint(component="delivery", text=one) != fingerprint(component="delivery", text=other)


def test_the_same_words_of_another_component_are_another_failure():
    assert fingerprint(component="delivery", text="timed out") != fingerprint(component="notes", text="timed out")


def test_a_shape_names_nobody_and_is_short():
    assert shape("<anna@firm.example> at 10.0.0.1 refused message 123456") == "<address> at <host> refused message <number>"
    assert len(shape("x " * 1_000)) == 300
    assert len(fingerprint(component="c", text="t")) == 16
