"""What one conversation with a mail server concludes, for every way a server can answer."""

import ssl
from collections.abc import Iterator

import pytest

from messaging.gateways.mail import AccountRefused, Connection, MailRefused, MailServer, MailUnavailable, MailUnclear, from_url
from portal.sandbox import Sandbox
from tests.fakes import HANG_UP, FakeMailServer

BODY = b"Subject: Status\r\nMessage-ID: <1@portal.example>\r\n\r\nHello\r\n"
NO_END = b"250-and more\r\n" * 200
LONG_LINE = b"x" * 20_000 + b"\r\n"
SENT, LATER, NEVER, UNAVAILABLE, ACCOUNT, UNCLEAR = "sent", "later", "never", "unavailable", "account", "unclear"

ANSWERS = [  # what the server says at which step; what we conclude; how many bodies left
    pytest.param({}, SENT, 1, id="a polite server"),
    pytest.param({"body": b"250-2.0.0 Ok\r\n250 2.0.0 queued as 4F3A\r\n"}, SENT, 1, id="SM-01 several lines"),
    pytest.param({"body": b"250\r\n"}, SENT, 1, id="SM-02 a bare 250"),
    pytest.param({"body": b"250-never\r\n"}, UNCLEAR, 1, id="SM-03 never finished"),
    pytest.param({"body": NO_END}, UNCLEAR, 1, id="SM-03 lines without end"),
    pytest.param({"RCPT": NO_END}, UNAVAILABLE, 0, id="SM-03 lines without end before the body"),
    pytest.param({"RCPT": b"250 " + LONG_LINE}, UNAVAILABLE, 0, id="SM-04 before the dot"),
    pytest.param({"body": b"250 " + LONG_LINE}, UNCLEAR, 1, id="SM-04 after the dot"),
    pytest.param({"body": b"250 \x1b[31m\x00\xff\xfe ok\r\n"}, SENT, 1, id="SM-05 binary in the answer"),
    pytest.param({"RCPT": b"251 will forward\r\n"}, SENT, 1, id="SM-06 251"),
    pytest.param({"RCPT": b"252 cannot verify\r\n"}, SENT, 1, id="SM-06 252"),
    pytest.param({"body": b"250 5.1.1 no such user\r\n"}, SENT, 1, id="SM-08 the first three digits rule"),
    pytest.param({"QUIT": b"421 closing\r\n"}, SENT, 1, id="SM-09 421 at QUIT"),
    pytest.param({"QUIT": HANG_UP}, SENT, 1, id="SM-09 gone at QUIT"),
    pytest.param({"EHLO": b"250-fake\r\n250 SIZE 20\r\n"}, NEVER, 0, id="SM-12 SIZE smaller than the mail"),
    pytest.param({"EHLO": b"250-fake\r\n250 SIZE 0\r\n"}, SENT, 1, id="SM-12 SIZE 0 is no limit"),
    pytest.param({"EHLO": b"250-fake\r\n250 SIZE \xb2\r\n"}, SENT, 1, id="a SIZE that is no number"),
    pytest.param({"EHLO": b"250-fake\r\n250 SIZE " + b"9" * 5_000 + b"\r\n"}, SENT, 1, id="a SIZE beyond all numbers"),
    pytest.param({"body": b"250 " + b"x" * 9_000 + b"\r\n"}, UNCLEAR, 1, id="SM-04 after the dot, in one piece"),
    pytest.param({"MAIL": b"250 ok\r\n250 ok\r\n"}, UNAVAILABLE, 0, id="SM-15 out of turn at MAIL"),
    pytest.param({"DATA": b"354 go on\r\n250 ok\r\n"}, UNAVAILABLE, 0, id="SM-15 a yes before the body"),
    pytest.param({"body": b"2500 ok\r\n"}, UNCLEAR, 1, id="four digits"),
    pytest.param({"body": b"OK\r\n"}, UNCLEAR, 1, id="no digits"),
    pytest.param({"body": b"\r\n"}, UNCLEAR, 1, id="an empty line"),
    pytest.param({"body": b"354 go on\r\n"}, UNCLEAR, 1, id="354 after the dot"),
    pytest.param({"body": b"251 forwarded\r\n"}, UNCLEAR, 1, id="only 250 is a yes"),
    pytest.param({"body": HANG_UP}, UNCLEAR, 1, id="gone after the dot"),
    pytest.param({"body": b"452 later\r\n"}, LATER, 1, id="4xx after the dot"),
    pytest.param({"body": b"421 closing\r\n"}, LATER, 1, id="421 after the dot"),
    pytest.param({"body": b"554 spam\r\n"}, NEVER, 1, id="5xx after the dot"),
    pytest.param({"DATA": b"554 no\r\n"}, NEVER, 0, id="5xx at DATA"),
    pytest.param({"DATA": b"451 busy\r\n"}, LATER, 0, id="4xx at DATA"),
    pytest.param({"DATA": b"250 what?\r\n"}, UNAVAILABLE, 0, id="250 instead of 354"),
    pytest.param({"DATA": HANG_UP}, UNAVAILABLE, 0, id="gone at DATA"),
    pytest.param({"RCPT": b"550 unknown\r\n"}, NEVER, 0, id="5xx at RCPT"),
    pytest.param({"RCPT": b"450 busy\r\n"}, LATER, 0, id="4xx at RCPT"),
    pytest.param({"RCPT": b"421 closing\r\n"}, UNAVAILABLE, 0, id="421 at RCPT"),
    pytest.param({"RCPT": b"250-ok\r\n"}, UNAVAILABLE, 0, id="half an answer at RCPT"),
    pytest.param({"RCPT": b"550 unknown\r\n", "RSET": HANG_UP}, NEVER, 0, id="gone at RSET"),
    pytest.param({"MAIL": b"451 busy\r\n"}, LATER, 0, id="451 at MAIL"),
    pytest.param({"MAIL": b"550 who?\r\n"}, NEVER, 0, id="5xx at MAIL"),
    pytest.param({"banner": b"554 no mail here\r\n"}, UNAVAILABLE, 0, id="banner 554"),
    pytest.param({"banner": b"421 busy\r\n"}, UNAVAILABLE, 0, id="banner 421"),
    pytest.param({"banner": b""}, UNAVAILABLE, 0, id="no banner"),
    pytest.param({"banner": b"\x00\xffHTTP/1.1 400\r\n"}, UNAVAILABLE, 0, id="a banner of garbage"),
    pytest.param({"banner": b"220 " + b"x" * 100_000 + b"\r\n"}, UNAVAILABLE, 0, id="a banner of 100 KB"),
    pytest.param({"EHLO": b"500 what?\r\n", "HELO": b"500 what?\r\n"}, UNAVAILABLE, 0, id="neither EHLO nor HELO"),
]


@pytest.mark.parametrize("offers", [b"", b"250-PIPELINING\r\n"], ids=["step by step", "all at once"])
@pytest.mark.parametrize(("answers", "conclusion", "bodies"), ANSWERS)
def test_every_answer_of_a_server_has_its_conclusion(impatient, answers, conclusion, bodies, offers):
    hello = answers.get("EHLO", b"250-fake\r\n250 HELP\r\n").replace(b"fake\r\n", b"fake\r\n" + offers)
    with FakeMailServer(answers | {"EHLO": hello}) as server:
        assert hand_over(server.port) == conclusion
        assert len(server.bodies) == bodies


def test_the_answer_is_kept_as_printable_text_with_the_queue_id():
    with FakeMailServer({"body": b"250 2.0.0 \x1b[31mOk\x00: queued as <4F3A>\r\n"}) as server:
        reply = opened(server.port).transmit(BODY)

    assert (reply.code, reply.text, reply.queue_id) == (250, "2.0.0  [31mOk : queued as <4F3A>", "4F3A")


@pytest.mark.parametrize(
    ("banner", "said"),
    [
        (b"554 5.7.1 gr\xfc\xdfe, you are blocked\r\n", r"cannot be used: 554 5.7.1 gr\xfc\xdfe, you are blocked"),
        (b"hello there\r\n", "cannot be used: what is no SMTP answer: hello there"),
    ],
)
def test_a_greeting_that_is_none_is_told_in_the_servers_own_words(banner, said):
    with FakeMailServer({"banner": banner}) as server, pytest.raises(MailUnavailable) as trouble:
        opened(server.port)

    assert str(trouble.value).endswith(said)


@pytest.mark.parametrize("challenge", [b"334 abc\r\n", b"334 !!!a\r\n"])
def test_a_login_that_cannot_be_read_only_waits(challenge):
    hello = b"250-fake\r\n250 AUTH CRAM-MD5\r\n"
    with FakeMailServer({"EHLO": hello, "AUTH": challenge}) as server, pytest.raises(MailUnavailable, match="cannot be used"):
        Connection(MailServer(name="fake", host="127.0.0.1", port=server.port, user="office", password="secret")).open()


def test_a_refusal_says_the_servers_own_words():
    with FakeMailServer({"RCPT": b"550 5.1.1 <script>no such\tuser</script>\r\n"}) as server, pytest.raises(MailRefused) as refusal:
        opened(server.port)

    assert (refusal.value.code, refusal.value.permanent, refusal.value.at_sender) == (550, True, False)
    assert str(refusal.value) == "the server answered 550: 5.1.1 <script>no such user</script>"


def test_a_mail_larger_than_the_server_takes_is_refused_before_a_word_of_it_is_said():
    with (
        FakeMailServer({"EHLO": b"250-fake\r\n250 SIZE 20\r\n"}) as server,
        pytest.raises(MailRefused, match="60 bytes, the server accepts 20"),
    ):
        opened(server.port, size=60)

    assert [line.split()[0] for line in server.heard] == ["EHLO"]


def test_an_address_that_is_not_ascii_before_the_at_is_refused_and_a_domain_goes_as_punycode():
    with FakeMailServer({}) as server:
        with pytest.raises(MailRefused, match=r"cannot take the address jürgen@firm\.example"):
            opened(server.port, recipient="jürgen@firm.example")
        opened(server.port, recipient="anna@bücher.example").close()

    assert [line for line in server.heard if line.startswith("RCPT")] == ["RCPT TO:<anna@xn--bcher-kva.example>"]


def test_several_mails_go_over_one_connection_and_a_refused_one_leaves_it_usable():
    with FakeMailServer({"RCPT": [b"550 unknown\r\n", b"250 ok\r\n"]}) as server:
        connection = Connection(MailServer(name="fake", host="127.0.0.1", port=server.port))
        connection.open()
        with pytest.raises(MailRefused):
            connection.prepare(sender="office@portal.example", recipient="nobody@firm.example", size=60)
        for recipient in ("anna@firm.example", "ben@firm.example"):
            connection.prepare(sender="office@portal.example", recipient=recipient, size=60)
            connection.transmit(BODY)
        connection.quit()

    assert len(server.connections) == 1
    assert [line.split()[0] for line in server.heard] == ["EHLO", "MAIL", "RCPT", "RSET", *["MAIL", "RCPT", "DATA"] * 2, "QUIT"]


def test_a_server_that_spoke_between_two_mails_gets_no_second_one_on_that_connection():
    with FakeMailServer({"body": b"250 ok\r\n421 closing, too many mails\r\n"}) as server:
        connection = opened(server.port)
        assert connection.transmit(BODY).code == 250
        with pytest.raises(MailUnavailable, match="421 closing, too many mails"):
            connection.prepare(sender="office@portal.example", recipient="ben@firm.example", size=60)

        assert not connection.is_open


SMUGGLED = [  # as bodies would look that never went through `mime`; what the server gets besides the final dot
    (b"a\r\n.\r\nMAIL FROM:<x@y.example>\r\n", b"a\r\n..\r\nMAIL FROM:<x@y.example>\r\n"),
    (b".\r\n", b"..\r\n"),
    (b"..a\r\n.b\r\n", b"...a\r\n..b\r\n"),
    (b"no end of line", b"no end of line\r\n"),
    (b"", b"\r\n"),
]


@pytest.mark.parametrize(("body", "on_the_wire"), SMUGGLED)
def test_a_lone_dot_in_a_body_never_ends_the_mail(body, on_the_wire):
    with FakeMailServer({}) as server:
        opened(server.port).transmit(body)

    assert server.bodies == [on_the_wire]
    assert "MAIL FROM:<x@y.example>" not in server.heard


URLS = [
    ("smtp://127.0.0.1:8025", ("127.0.0.1", 8025, "", "", "")),
    ("smtp://relay.example", ("relay.example", 25, "", "", "")),
    ("smtp+tls://me%40x:p%2Fw@relay.example", ("relay.example", 587, "starttls", "me@x", "p/w")),
    ("smtps://me:pw@relay.example", ("relay.example", 465, "tls", "me", "pw")),
]


@pytest.mark.parametrize(("url", "parts"), URLS)
def test_a_server_is_told_by_its_address(url, parts):
    server = from_url(url, name="primary")

    assert (server.name, server.host, server.port, server.tls, server.user, server.password) == ("primary", *parts)


@pytest.mark.parametrize("url", ["http://relay.example", "smtp://", "relay.example:25", ""])
def test_an_address_that_is_none_is_refused_by_name(url):
    with pytest.raises(ValueError, match="primary: a mail server is smtp://"):
        from_url(url, name="primary")


@pytest.fixture
def encrypted(certificate, tmp_path) -> Iterator[Sandbox]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with Sandbox(tmp_path / "encrypted", tls=context) as sandbox:
        yield sandbox


def test_a_mail_goes_encrypted_where_the_certificate_is_good(encrypted, certificate, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))

    assert hand_over(encrypted.smtp_port, host="localhost", tls="starttls", user="portal", password="right") == SENT
    assert len(encrypted.mail_ledger()) == 1


@pytest.mark.parametrize(("trusted", "host"), [(True, "127.0.0.1"), (False, "localhost")], ids=["another name", "unknown issuer"])
def test_a_wrong_certificate_holds_the_account(encrypted, certificate, monkeypatch, trusted, host):
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))

    assert hand_over(encrypted.smtp_port, host=host, tls="starttls") == ACCOUNT
    assert encrypted.mail_ledger() == []


@pytest.mark.parametrize(("login", "conclusion"), [("auth-535", ACCOUNT), ("auth-454", UNAVAILABLE)])
def test_a_refused_login_holds_the_account_and_one_put_off_only_waits(sandbox, login, conclusion):
    sandbox.use(mail={"modes": [login]})

    assert hand_over(sandbox.smtp_port, user="portal", password="wrong") == conclusion


def test_nothing_is_said_in_plain_text_where_encryption_is_required_and_not_offered():
    with FakeMailServer({}) as server:
        assert hand_over(server.port, tls="starttls", user="portal", password="secret") == ACCOUNT

        assert [line.split()[0] for line in server.heard] == ["EHLO"]


def test_a_server_without_encryption_gets_nothing_where_it_is_required_from_the_first_byte(impatient):
    with FakeMailServer({}) as server:
        assert hand_over(server.port, tls="tls", user="portal", password="secret") == UNAVAILABLE

        assert not any("portal" in line for line in server.heard)


def opened(port: int, *, host: str = "127.0.0.1", recipient: str = "anna@firm.example", size: int = len(BODY), **login: str) -> Connection:
    """A connection on which the body comes next."""
    connection = Connection(MailServer(name="fake", host=host, port=port, **login))
    connection.open()
    connection.prepare(sender="Office <office@portal.example>", recipient=recipient, size=size)
    return connection


def hand_over(port: int, **how: str) -> str:
    """One mail over one connection, and what was concluded."""
    try:
        connection = opened(port, **how)
        reply = connection.transmit(BODY)
        connection.quit()
    except AccountRefused:
        return ACCOUNT
    except MailUnavailable:
        return UNAVAILABLE
    except MailUnclear:
        return UNCLEAR
    except MailRefused as refusal:
        return NEVER if refusal.permanent else LATER
    assert reply.code == 250
    return SENT
