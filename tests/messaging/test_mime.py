"""The bytes of a mail: always the same, always mail, whatever the texts hold."""

from datetime import UTC, datetime
from email import message_from_bytes, policy

import pytest

from messaging.mime import ascii_mailbox, mime

PLAIN = {
    "message_id": "<0a1b@portal.example>",
    "sender": "Office <office@portal.example>",
    "recipient": "anna@firm.example",
    "subject": "Status",
    "written_at": datetime(2026, 1, 31, 12, 0, tzinfo=UTC),
    "text": "Hello\n",
}
TEXTS = [
    "",
    "one line without an end",
    "a\r\nb\rc\nd",
    ".\n..\n.a\n",
    "Grüße 🧪 日本語",
    "x" * 5_000,
    "é" * 5_000,
    "trailing space \nand tab\t\n",
    "From here\n",
    "\x00\x07\x1b[31m",
    "a\u2028b\x85c\x0bd",
    "\ud800",
    "=3D =\n",
]


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("html", ["", "<p>Hello &amp; <b>goodbye</b></p>"])
def test_whatever_the_text_holds_every_line_is_short_and_ends_in_crlf(text, html):
    raw = mime(**PLAIN | {"text": text, "html": html})

    assert raw.endswith(b"\r\n")
    assert not {*b"\r\n"} & {*raw.replace(b"\r\n", b"")}
    assert max(len(line) for line in raw.split(b"\r\n")) <= 998
    assert all(byte < 128 for byte in raw)


@pytest.mark.parametrize("text", [text for text in TEXTS if text != "\ud800"])
def test_what_was_written_is_what_is_read(text):
    mail = message_from_bytes(mime(**PLAIN | {"text": text, "html": f"<p>{text}</p>"}), policy=policy.default)

    plain = mail.get_body(("plain",)).get_content()
    assert plain.split() == text.split()
    assert mail.get_body(("html",)).get_content().split() == f"<p>{text}</p>".split()


def test_the_same_mail_is_the_same_bytes():
    facts = PLAIN | {"html": "<p>x</p>", "headers": {"Reply-To": "desk@portal.example"}}

    assert mime(**facts) == mime(**facts)


SUBJECTS = ["Status", "Überfällig: Grüße 🧪", "x" * 1_500, "ü" * 400, "=?utf-8?q?fake?="]


@pytest.mark.parametrize("subject", SUBJECTS)
def test_a_subject_arrives_as_it_was_written(subject):
    raw = mime(**PLAIN | {"subject": subject})

    assert (
        message_from_bytes(raw, policy=policy.default)["Subject"] == subject if "=?" not in subject else raw.count(b"=?utf-8?q?fake?=") == 1
    )
    assert max(len(line) for line in raw.split(b"\r\n")) <= 998


def test_the_headers_are_those_that_were_meant():
    mail = message_from_bytes(
        mime(**PLAIN | {"sender": "Bürö <office@bücher.example>", "headers": {"Reply-To": "d@x.example"}}), policy=policy.default
    )

    assert mail.keys() == [
        "Message-ID",
        "Date",
        "From",
        "To",
        "Subject",
        "MIME-Version",
        "Reply-To",
        "Content-Type",
        "Content-Transfer-Encoding",
    ]
    assert (mail["Message-ID"], mail["To"], mail["Reply-To"]) == ("<0a1b@portal.example>", "anna@firm.example", "d@x.example")
    assert (mail["From"], mail["Date"]) == ("Bürö <office@xn--bcher-kva.example>", "Sat, 31 Jan 2026 12:00:00 +0000")


def test_an_address_whose_local_part_is_not_ascii_cannot_be_written():
    with pytest.raises(ValueError, match="the server cannot take the address jürgen@firm"):
        mime(**PLAIN | {"recipient": "jürgen@firm.example"})


MAILBOXES = [("anna@firm.example", "anna@firm.example"), ("anna@bücher.example", "anna@xn--bcher-kva.example")]


@pytest.mark.parametrize(("mailbox", "written"), MAILBOXES)
def test_an_international_domain_is_written_as_punycode(mailbox, written):
    assert ascii_mailbox(mailbox) == written
