from datetime import datetime
from functools import partial
from unicodedata import normalize

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messaging.log_lines import (
    CmsLine,
    CmsLog,
    LogLineRefused,
    SentLine,
    format_cms_line,
    format_sent_line,
    format_test_line,
    left_after,
    parse_cms_line,
    parse_sent_line,
    parse_test_line,
)
from messaging.text_input import TextRefused

AT = datetime(2025, 1, 31, 9, 5, 7)
LINE = CmsLine(at=AT, pid="123456", kind="bulk_status_request", sent_to="attorney@example.com")
TAIL = "PID: 123456 | Email Type: bulk_status_request | Sent to: attorney@example.com"
SENT = SentLine(pv="900", sent_to="a@firm.example", subject="Status | Ruiz", provider_id="<1@office.example>")


@pytest.mark.parametrize(
    ("log", "text"),
    [
        (CmsLog.PENDING, f"[2025-01-31 09:05:07] {TAIL}"),  # S0-010
        (CmsLog.PROCESSED, f"[2025-01-31 09:05:07] PROCESSED - {TAIL}"),
        (CmsLog.NOTED, f"[2025-01-31 09:05:07] CMS NOTE ADDED - {TAIL}"),
    ],
)
def test_the_three_logs_differ_by_what_stands_before_pid(log, text):
    assert format_cms_line(LINE, log=log) == text
    assert parse_cms_line(text + "\r\n", log=log, number=1) == LINE


def test_sent_and_test_lines_separate_their_fields_with_bars():
    test = SentLine(**{**vars(SENT), "sent_to": "tester@office.example", "intended_for": "a@firm.example", "at": AT})

    assert format_sent_line(SENT) == "900 | a@firm.example | Status | Ruiz | <1@office.example>"
    assert format_test_line(test) == (
        "[2025-01-31 09:05:07] TEST MODE | 900 | tester@office.example | a@firm.example | Status | Ruiz | <1@office.example>"
    )


moments = st.datetimes(min_value=datetime(2000, 1, 1), max_value=datetime(2100, 1, 1)).map(lambda at: at.replace(microsecond=0))
numbers = st.text(alphabet="0123456789", max_size=12)
written = st.characters(exclude_categories=("C", "M", "Z"), exclude_characters="|")
words = st.text(written, max_size=12).map(partial(normalize, "NFC"))
subjects = st.lists(words | st.just("|"), max_size=6).map(lambda parts: " ".join(" ".join(parts).split()))
addresses = st.from_regex(r"[a-zA-Z0-9][a-z0-9._+]{0,20}[a-z]@[a-z]{1,20}\.example", fullmatch=True).filter(lambda one: ".." not in one)
cms_lines = st.builds(CmsLine, at=moments, pid=numbers, kind=words, sent_to=addresses)
sent_lines = st.builds(SentLine, pv=numbers, sent_to=addresses, subject=subjects, provider_id=words, at=st.none() | moments)
test_lines = st.builds(
    SentLine, pv=numbers, sent_to=addresses, subject=subjects, provider_id=words, intended_for=addresses, at=st.none() | moments
)


@given(line=cms_lines, log=st.sampled_from(CmsLog))
def test_a_cms_line_reads_back_as_it_was(line, log):
    assert parse_cms_line(format_cms_line(line, log=log), log=log, number=1) == line


@given(line=sent_lines)
def test_a_sent_line_reads_back_as_it_was(line):
    assert parse_sent_line(format_sent_line(line), number=1) == line


@given(line=test_lines)
def test_a_test_line_reads_back_as_it_was(line):
    assert parse_test_line(format_test_line(line), number=1) == line


@given(pid=numbers, junk=st.text(max_size=40))
def test_no_text_can_break_out_of_its_line(pid, junk):
    line = CmsLine(at=AT, pid=pid, kind="general", sent_to=junk)

    assert len(format_cms_line(line, log=CmsLog.PENDING).splitlines()) == 1


BAD = [  # what is wrong with line 7, and a word of what is said
    ("", "expected"),
    (TAIL, "expected"),
    (f"[2025-01-31 09:05:07] PROCESSED - {TAIL}", "expected"),  # another log's line
    (f"[2025-13-31 09:05:07] {TAIL}", "not a date"),
    (f"[2025-01-31 09:05:07] {TAIL.replace('123456', '12a')}", "PID: digits"),
    (f"[2025-01-31 09:05:07] {TAIL.replace('123456', '١٢')}", "PID: digits"),
    (f"[2025-01-31 09:05:07] {TAIL.replace(' | Sent to:', '')}", "expected"),
]


@pytest.mark.parametrize(("text", "said"), BAD)
def test_a_bad_line_is_refused_with_its_number(text, said):
    with pytest.raises(LogLineRefused, match=rf"^Line 7: .*{said}"):
        parse_cms_line(text, log=CmsLog.PENDING, number=7)


@pytest.mark.parametrize("parse", [parse_sent_line, parse_test_line])
def test_a_bad_sent_line_is_refused_with_its_number(parse):
    with pytest.raises(LogLineRefused, match=r"^Line 3: expected '.*PV digits"):
        parse("PV-9 | a@firm.example | Hello", number=3)


@pytest.mark.parametrize("at", ["9999-12-31 23:59:59", "0001-01-01 00:00:00", "\u0662\u0660\u0662\u0665-01-31 09:05:07"])
def test_a_time_at_which_no_mail_was_sent_is_refused_with_its_line(at):
    with pytest.raises(LogLineRefused, match=r"^Line 3: "):
        parse_sent_line(f"[{at}] 73812 | a@x.example | Hello | i-1", number=3)


FIELDS = [  # a line of a sent or a test log, what is said of its line 3, and its twin that is taken in
    ("9001 |  | Hello | i-1", "recipient is required", "9001 | a@x.example | Hello | i-1"),
    ("9001 | jo@stone | Hello | i-1", "recipient", "9001 | jo@stone.example | Hello | i-1"),
    ("9001 | a@x.example\a | Hello | i-1", "recipient", "9001 | a@x.example | Hello | i-1"),
    (f"9001 | {'a' * 60}@{'b' * 60}.{'c' * 60}.{'d' * 60}.{'e' * 60}.example | s | i", "recipient", "9001 | a@b.c.d.e.example | s | i"),
    (f"9001 | a@x.example | {'s' * 401} | i-1", "subject is 401 characters; at most 400", f"9001 | a@x.example | {'s' * 400} | i-1"),
    ("9001 | a@x.example | Hel\0lo | i-1", "subject contains a NUL character", "9001 | a@x.example | Hel\tlo | i-1"),
    ("9001 | a@x.example | Hello | i\x1b", "provider id", "9001 | a@x.example | Hello | "),
    ("TEST MODE | 9001 | t@x.example |  | s | i", "original recipient is required", "TEST MODE | 9001 | t@x.example | a@x.example | s | i"),
]


@pytest.mark.parametrize(("refused", "said", "twin"), FIELDS)
def test_a_field_that_the_record_cannot_hold_is_refused_with_its_line(refused, said, twin):
    parse = parse_test_line if refused.startswith("TEST") else parse_sent_line
    with pytest.raises(TextRefused, match=rf"^Line 3, .*{said}"):
        parse(refused, number=3)

    assert parse(twin, number=4).sent_to


def test_the_type_of_a_test_mail_may_be_longer_by_its_mark():
    line = f"[2025-01-31 09:05:07] PID: 12 | Email Type: %s{'k' * 60} | Sent to: a@x.example"

    assert len(parse_cms_line(line % "test_", log=CmsLog.PENDING, number=1).kind) == 65
    with pytest.raises(TextRefused, match=r"^Line 2, e-mail type is 65 characters; at most 60"):
        parse_cms_line(line % "other", log=CmsLog.PENDING, number=2)


def test_processing_pid_12_leaves_pid_123_pending():  # S0-016
    twelve, longer = (CmsLine(at=AT, pid=pid, kind="follow_up", sent_to="a@firm.example") for pid in ("12", "123"))

    assert left_after([twelve, longer], processed=[twelve]) == [longer]


def test_one_processed_line_answers_one_of_two_emails_for_one_case():
    first = CmsLine(at=AT, pid="11", kind="follow_up", sent_to="a@firm.example")
    second = CmsLine(at=AT.replace(hour=10), pid="11", kind="follow_up", sent_to="a@firm.example")
    answer = CmsLine(at=AT.replace(hour=12), pid="11", kind="FOLLOW_UP", sent_to="A@firm.example")

    assert left_after([first, second], processed=[answer]) == [second]
