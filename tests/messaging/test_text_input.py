"""Hostile and damaged text: each refusal stands beside a twin that is accepted. (The numbers are those of the list of hostile values.)"""

import unicodedata
from datetime import date
from decimal import Decimal
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messaging import text_input
from messaging.text_input import TextRefused

line = partial(text_input.one_line, field="Subject")
lines = partial(text_input.many_lines, field="Notes")
name = partial(text_input.file_name, field="File")
email = partial(text_input.email_address, field="E-mail")
digits = partial(text_input.digits, field="PID")
amount = partial(text_input.amount, field="Balance")
above_zero = partial(text_input.amount, field="Balance", least=Decimal("0.01"))
day = partial(text_input.calendar_date, field="DOI")
link = partial(text_input.web_address, field="Link")
decoded = partial(text_input.decoded, field="The file")

LONG = "a" * 500

TABLE = [  # number; check; what is refused; how the sentence begins; its twin; what the twin becomes
    ("G01", line, "", "Subject is required.", "x", "x"),
    ("G01", line, None, "Subject is required.", "x", "x"),
    ("G02", line, "   ", "Subject is required.", " x ", "x"),
    ("G02", line, "\u200b\u00a0", "Subject is required.", "0", "0"),
    ("G03", line, "a" * 1_048_576, "Subject is 1,048,576 characters; at most 500.", LONG, LONG),
    ("G04", line, LONG + "a", "Subject is 501 characters; at most 500.", LONG, LONG),
    ("G05", lines, "a" * 50_001, "Notes is 50,001 characters; at most 50,000.", "a" * 50_000, "a" * 50_000),
    ("G06", line, "ab\x00", "Subject contains a NUL character at position 3.", "ab0", "ab0"),
    ("G06", lines, "\x00", "Notes contains a NUL character at position 1.", "0", "0"),
    ("G07", line, "a\r\nBcc: b", "Subject must be one line", "a Bcc: b", "a Bcc: b"),
    ("G07", line, "a\n", "Subject must be one line", "a ", "a"),
    ("G07", lines, "a\x0bb", "Notes contains the control character '\\x0b'", "a\r\nb\rc", "a\nb\nc"),
    ("G08", line, "a\u2028b", "Subject must be one line", "a b", "a b"),
    ("G08", line, "a\u2029", "Subject must be one line", "a", "a"),
    ("G08", line, "\u0085a", "Subject must be one line", "a", "a"),
    ("G08", lines, "", "Notes is required.", "a\u2028b\u0085c", "a\nb\nc"),
    ("G09", line, "a\ud800", "Subject is not valid Unicode at position 2.", "a𐀀", "a𐀀"),
    ("G10", decoded, b"\xff\xfea\x00", "The file is not UTF-8 at byte 1", "é".encode(), "é"),
    ("G10", decoded, "Muñoz".encode("latin-1"), "The file is not UTF-8 at byte 3", "Muñoz".encode(), "Muñoz"),
    ("G11", decoded, b"\xef\xbb\xbf\xff", "The file is not UTF-8 at byte", b"\xef\xbb\xbfCMS", "CMS"),
    ("G11", line, "\ufeff", "Subject is required.", "\ufeffCMS", "CMS"),
    ("G12", line, "abc\u202egpj.exe", "Subject contains '\\u202e' at position 4", "אבג", "אבג"),
    ("G13", email, "a\u200bb@firm.example", "E-mail: this address form is not accepted", "ab@firm.example", "ab@firm.example"),
    ("G13", email, "ab@fi\u200brm.example", "E-mail: this address form is not accepted", "ab@firm.example", "ab@firm.example"),
    ("G13", email, "ab@fi\u202drm.example", "E-mail contains '\\u202d'", "ab@firm.example", "ab@firm.example"),
    ("G14", email, "a@", "E-mail: this address form is not accepted", "a@аpple.example", "a@xn--pple-43d.example"),
    ("G15", email, "😀@firm.example", "E-mail: this address form is not accepted", "a@firm.example", "a@firm.example"),
    ("G16", line, "Z" + "\u0301" * 200, "Subject piles more than 4 marks", "Z" + "\u0316" * 4, "Z" + "\u0316" * 4),
    ("G16", lines, "Z" + "\u0316" * 5, "Notes piles more than 4 marks", "नमस्ते 👩‍⚕️", "नमस्ते 👩‍⚕️"),
    ("G17", line, "", "Subject is required.", "Mun\u0303oz", "Mu\u00f1oz"),
    ("G19", line, "a\x07b", "Subject contains the control character '\\x07' at position 2", "a b", "a b"),
    ("G19", lines, "a\x1b[31mb", "Notes contains the control character '\\x1b'", "a\tb", "a\tb"),
    ("G20", digits, "null", "PID must be digits 0-9 only; got 'null'.", "0", "0"),
    ("G20", digits, "N/A", "PID must be digits 0-9 only", "007", "007"),
    ("G28", name, "../../etc/passwd", "File must be a plain file name", "passwd", "passwd"),
    ("G28", name, "a\\b.csv", "File must be a plain file name", "a b.csv", "a b.csv"),
    ("G28", name, ".env", "File must be a plain file name", "my.env", "my.env"),
    ("G29", link, "file:///etc/passwd", "Link must begin with https://", "https://firm.example/etc", "https://firm.example/etc"),
    ("G29", link, "javascript:alert(1)", "Link must begin with https://", "https://firm.example", "https://firm.example"),
    ("G29", link, "data:text/html,x", "Link must begin with https://", "https://firm.example/?a=b", "https://firm.example/?a=b"),
    ("G29", link, "http://firm.example/", "Link must begin with https://", "https://firm.example/", "https://firm.example/"),
    ("G30", link, "https://169.254.169.254/", "Link must name a public host", "https://one.example/", "https://one.example/"),
    ("G30", link, "https://[::1]/", "Link must name a public host", "https://one.example:444/", "https://one.example:444/"),
    ("G30", link, "https://2130706433/", "Link must name a public host", "https://a2130706433.example/", "https://a2130706433.example/"),
    ("G30", link, "https://0x7f.1/", "Link must name a public host", "https://0x7f.example/", "https://0x7f.example/"),
    ("G30", link, "https://localhost/", "Link must name a public host", "https://host.example/", "https://host.example/"),
    ("G30", link, "https://a@firm.example/", "Link must name a public host", "https://firm.example/@a", "https://firm.example/@a"),
    ("G30", link, "https://[", "Link: 'https://[' is not a web address", "https://a.example", "https://a.example"),
    ("G33", amount, "NaN", "Balance must be an amount", "0", Decimal("0.00")),
    ("G33", amount, "Infinity", "Balance must be an amount", "1234.5", Decimal("1234.50")),
    ("G33", amount, "1e400", "Balance must be an amount", "$1,234.50", Decimal("1234.50")),
    ("G34", amount, "-1", "Balance must be an amount", "1", Decimal("1.00")),
    ("G34", amount, "-0", "Balance must be an amount", "0.00", Decimal("0.00")),
    ("G34", above_zero, "0", "Balance is too small: at least 0.01", "0.01", Decimal("0.01")),
    ("G35", amount, "99999999999999999999", "Balance is too large: at most 9999999999.99", "9999999999.99", Decimal("9999999999.99")),
    ("G36", amount, "1,5", "Balance must be an amount such as 1234.50; got '1,5'", "1.5", Decimal("1.50")),
    ("G36", amount, "1.500,00", "Balance must be an amount", "1,500.00", Decimal("1500.00")),
    ("G36", amount, "1.005", "Balance must be an amount", "1.01", Decimal("1.01")),
    ("G37", amount, "0x1F", "Balance must be an amount", "31", Decimal("31.00")),
    ("G37", amount, "1_000", "Balance must be an amount", "1,000", Decimal("1000.00")),
    ("G37", amount, "٣", "Balance must be an amount", "3", Decimal("3.00")),
    ("G37", digits, "٣", "PID must be digits 0-9 only", "3", "3"),
    ("G37", digits, "1²", "PID must be digits 0-9 only", "12", "12"),
    ("G35", digits, "9" * 21, "PID has 21 digits; at most 20.", "9" * 20, "9" * 20),
    ("CSV-14", digits, "1.23E+09", "PID: '1.23E+09' was changed by Excel", "1230000000", "1230000000"),
    ("CSV-14", digits, "1E+10", "PID: '1E+10' was changed by Excel", "10000000000", "10000000000"),
    ("CSV-14", digits, "123.0", "PID must be digits 0-9 only", "123", "123"),
    ("G38", day, "2026-02-29", "DOI: '2026-02-29' is not a date", "2024-02-29", date(2024, 2, 29)),
    ("G38", day, "2026-13-01", "DOI: '2026-13-01' is not a date", "2026-12-01", date(2026, 12, 1)),
    ("G38", day, "00/00/0000", "DOI: '00/00/0000' is not a date", "1/2/2026", date(2026, 1, 2)),
    ("G38", day, "45321", "DOI: '45321' is not a date", "01/31/2024", date(2024, 1, 31)),
    ("G38", day, "٢٠٢٦-01-01", "DOI: '٢٠٢٦-01-01' is not a date", "2026-01-01", date(2026, 1, 1)),
    ("G39", day, "1900-01-01", "DOI: 1900-01-01 is outside 1901-01-01 to 2100-12-31", "1901-01-01", date(1901, 1, 1)),
    ("G39", day, "9999-12-31", "DOI: 9999-12-31 is outside", "2100-12-31", date(2100, 12, 31)),
    ("CSV-12", day, "1/2/26", "DOI: write the year with 4 digits", "1/2/2026", date(2026, 1, 2)),
    ("QF-05", email, "a@x.com, b@x.com", "E-mail: enter one e-mail address", "a@x.com", "a@x.com"),
    ("QF-05", email, "a@x.com;b@x.com", "E-mail: enter one e-mail address", "a.b@x.com", "a.b@x.com"),
    ("QF-05", email, "a@b@x.com", "E-mail: enter one e-mail address", "a-b@x.com", "a-b@x.com"),
    ("QF-05", email, "Ana <a@x.com>", "E-mail: this address form", "a+1@x.com", "a+1@x.com"),
    ("QF-06", email, "a@x.com\r\nBcc: b@x.com", "E-mail: the e-mail address contains a line break", "a@x.com ", "a@x.com"),
    ("QF-07", email, "-f@x.com", "E-mail: this address form is not accepted", "f-@x.com", "f-@x.com"),
    ("QF-07", email, "=cmd@x.com", "E-mail: this address form is not accepted", "cmd=1@x.com", "cmd=1@x.com"),
    ("QF-07", email, "+1@x.com", "E-mail: this address form is not accepted", "1+@x.com", "1+@x.com"),
    ("QF-07", email, '"a b"@x.com', "E-mail: this address form is not accepted", "ab@x.com", "ab@x.com"),
    ("QF-07", email, "a@[127.0.0.1]", "E-mail: this address form is not accepted", "a@one.example", "a@one.example"),
    ("QF-07", email, "a@127.0.0.1", "E-mail: this address form is not accepted", "a@127.example", "a@127.example"),
    ("QF-07", email, "a@localhost", "E-mail: this address form is not accepted", "A.Ruiz@Firm.EXAMPLE", "A.Ruiz@firm.example"),
    ("QF-07", email, "a@host.localhost", "E-mail: this address form is not accepted", "a@host.test", "a@host.test"),
    ("QF-07", email, "a@x..com", "E-mail: this address form is not accepted", "a@x-y.com", "a@x-y.com"),
    ("QF-07", email, "a@x", "E-mail: this address form is not accepted", "a@x.io", "a@x.io"),
    ("QF-07", email, "a" * 65 + "@x.com", "E-mail: this address form is not accepted", "a" * 64 + "@x.com", "a" * 64 + "@x.com"),
    ("QF-07", email, "a@" + "b" * 300 + ".com", "E-mail is 306 characters; at most 254", "a@b.com", "a@b.com"),
]


@pytest.mark.parametrize(("number", "check", "refused", "sentence", "twin", "becomes"), TABLE)
def test_the_hostile_value_is_refused_in_a_sentence_and_its_twin_is_taken(number, check, refused, sentence, twin, becomes):
    with pytest.raises(TextRefused) as refusal:
        check(refused)

    assert refusal.value.sentence.startswith(sentence)
    assert refusal.value.sentence.endswith(".")
    assert refusal.value.sentence.isprintable()
    assert len(refusal.value.sentence) < 300
    assert check(twin) == becomes


STORED = [  # G22-G32: kept as it is, and shown escaped
    "undefined",
    "'; DROP TABLE x;--",
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "{{ 7*7 }} {% include 'x' %}",
    "${7*7} #{7*7} %s {0.__class__}",
    "../../etc/passwd",
    "=cmd|' /C calc'!A0",
    "+1",
    "@SUM(A1)",
    "＝1+1",
    "😀 𐍈",
    "שלום",
]


@pytest.mark.parametrize("value", STORED)
def test_text_that_only_looks_dangerous_is_kept(value):
    assert line(value) == lines(value) == value


@pytest.mark.parametrize("check", [line, lines, email, digits])
@pytest.mark.parametrize("value", [None, "", "  "])
def test_an_optional_field_may_be_empty(check, value):
    assert check(value, required=False) == ""


def test_a_long_value_is_repeated_in_part_and_escaped():
    with pytest.raises(TextRefused) as refusal:
        day("\u00e9\u200b" + "x" * 400)

    assert refusal.value.sentence == "DOI: 'é\\u200b" + "x" * 77 + "…' is not a date; write it as 2026-01-31 or 01/31/2026."


def test_a_megabyte_of_marks_is_answered_at_once():  # composing it would take minutes
    with pytest.raises(TextRefused, match="1,048,577 characters"):
        line("Z" + "\u0316\u0301" * 524_288)


@given(st.text(max_size=60))
def test_a_cleaned_line_is_one_composed_line_and_stays_as_it_is(value):
    try:
        cleaned = line(value)
    except TextRefused:
        return

    assert cleaned.splitlines() == [cleaned]
    assert unicodedata.is_normalized("NFC", cleaned)
    assert line(cleaned) == cleaned


@given(st.text(alphabet='ab1.@-+="[]\\ ,xn:é', max_size=30))
def test_an_accepted_address_is_plain_ascii_with_one_at_sign(value):
    try:
        address = email(value)
    except TextRefused:
        return

    assert address.isascii()
    assert address.count("@") == 1
    assert email(address) == address
