"""The sandbox's mail server over real sockets: each fault strikes where it says, and the ledger tells what was really kept."""

import smtplib
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from portal.sandbox import Sandbox
from portal.sandbox.faults import MAIL_FAULTS
from portal.sandbox.script import NotUnderstood, foretell_mail, plan_from

LOST = "lost"
SILENT = "silent"
BODY = "Subject: Status\r\nMessage-ID: {message_id}\r\nX-Kind: test\r\n\r\nGood morning\r\n"

STRUCK = [  # spec, the step that is struck, what the client hears there, is the mail kept
    ("mail-451", "mail", 451, False),
    ("mail-550", "mail", 550, False),
    ("drop-at-mail", "mail", LOST, False),
    ("refuse-421", "rcpt", 421, False),
    ("refuse-450", "rcpt", 450, False),
    ("refuse-451", "rcpt", 451, False),
    ("refuse-452", "rcpt", 452, False),
    ("refuse-550", "rcpt", 550, False),
    ("refuse-551", "rcpt", 551, False),
    ("refuse-553", "rcpt", 553, False),
    ("refuse-hostile", "rcpt", 550, False),
    ("drop-at-rcpt", "rcpt", LOST, False),
    ("data-451", "data", 451, False),
    ("data-554", "data", 554, False),
    ("drop-before-body", "data", LOST, False),
    ("drop-in-body", "dot", LOST, False),
    ("after-dot-421", "dot", 421, False),
    ("after-dot-451", "dot", 451, False),
    ("after-dot-552", "dot", 552, False),
    ("after-dot-554", "dot", 554, False),
    ("drop-before-accept", "dot", LOST, False),
    ("drop-after-accept", "dot", LOST, True),
    ("silent-after-accept", "dot", SILENT, True),
    ("odd-reply", "dot", 354, True),
    ("garbage-reply", "dot", -1, True),
    ("long-reply", "dot", 500, True),  # smtplib's own answer to a line over 8 KB
    ("tarpit-30", "dot", SILENT, True),
    ("slow-0.01", "done", 250, True),
    ("no-queue-id", "done", 250, True),
    ("quit-500", "quit", 500, True),
    ("drop-at-quit", "quit", LOST, True),
]
GREETED = [  # mode, what the client hears on connecting
    ("banner-421", 421),
    ("banner-554", 554),
    ("banner-drop", LOST),
    ("banner-silent", SILENT),
    ("banner-garbage", -1),
    ("banner-long", 500),
]
RATES = {"refuse-450": 0.2, "refuse-550": 0.1, "drop-at-rcpt": 0.05, "after-dot-451": 0.1, "after-dot-554": 0.1, "drop-after-accept": 0.2}


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[Sandbox]:
    with Sandbox(tmp_path) as sandbox:
        yield sandbox


@pytest.mark.parametrize(("spec", "step", "heard", "kept"), STRUCK)
def test_a_fault_strikes_at_its_step_and_the_ledger_says_what_was_kept(sandbox: Sandbox, spec, step, heard, kept):
    sandbox.use(mail={"modes": [spec]})

    assert send(sandbox, patience=0.5 if heard == SILENT else 10) == (step, heard)
    assert [line["message_id"] for line in sandbox.mail_ledger()] == ["<1@portal.example>"] * kept
    assert MAIL_FAULTS[sandbox.fault_ledger()[0]["fault"]].stored == kept
    sandbox.use(mail={})
    assert send(sandbox) == ("done", 250)


@pytest.mark.parametrize(("mode", "heard"), GREETED)
def test_a_bad_greeting_is_all_that_a_client_hears(sandbox: Sandbox, mode, heard):
    sandbox.use(mail={"modes": [f"{mode}x1"]})

    assert send(sandbox, patience=0.5 if heard == SILENT else 10) == ("connect", heard)
    assert send(sandbox) == ("done", 250)


def test_every_mail_fault_is_driven_by_a_test():
    elsewhere = {"down", "tls-missing", "no-smtputf8", "auth-535", "auth-454"}
    driven = {spec for spec, *_ in STRUCK} | {mode for mode, _ in GREETED} | elsewhere

    assert {"slow" if name == "slow-0.01" else name.removesuffix("-30") for name in driven} == set(MAIL_FAULTS)


def test_a_server_that_is_down_refuses_connections_and_comes_back_on_the_same_port(sandbox: Sandbox):
    port = sandbox.smtp_port
    standing = smtplib.SMTP("127.0.0.1", port, timeout=10)

    sandbox.use(mail={"modes": ["down"]})

    assert send(sandbox) == ("connect", "refused")
    with pytest.raises(smtplib.SMTPServerDisconnected):
        standing.noop()
    sandbox.use(mail={})
    assert (send(sandbox), sandbox.smtp_port) == (("done", 250), port)


@pytest.mark.parametrize(
    ("recipient", "heard"),
    [
        ("refuse-450x2@client.example", [("rcpt", 450), ("rcpt", 450), ("done", 250)]),
        ("anna+refuse-550@client.example", [("rcpt", 550)] * 3),
        ("Anna+Refuse-450x1+After-Dot-451x1@client.example", [("rcpt", 450), ("dot", 451), ("done", 250)]),
        ("anna+newsletter@client.example", [("done", 250)] * 3),
    ],
)
def test_an_address_asks_for_its_own_faults_as_often_as_it_says(sandbox: Sandbox, recipient, heard):
    assert [send(sandbox, recipient=recipient) for _ in heard] == heard


def test_the_table_strikes_one_recipient_or_one_message_only(sandbox: Sandbox):
    sandbox.use(mail={"table": {"Anna@Client.example": "refuse-550x1", "<7@portal.example>": "drop-after-acceptx1"}})

    assert send(sandbox, recipient="ANNA@client.example") == ("rcpt", 550)
    assert send(sandbox, message_id="<7@portal.example>") == ("dot", LOST)
    assert send(sandbox, message_id="<7@portal.example>") == ("done", 250)
    assert send(sandbox, message_id="<8@portal.example>") == ("done", 250)


def test_rates_strike_exactly_whom_the_plan_foretells(sandbox: Sandbox):
    script = {"seed": 7, "rates": RATES}
    plan = plan_from(script, server="mail")
    sandbox.use(mail=script)
    mails = [(f"c{i}@client.example", f"<{i}@portal.example>") for i in range(60)]
    foretold = {message_id: foretell_mail(plan, recipient=to, message_id=message_id) for to, message_id in mails}

    for to, message_id in mails:
        for _ in foretold[message_id].faults:
            send(sandbox, recipient=to, message_id=message_id)

    must_be_kept = {m for m, told in foretold.items() if told.outcome == "sent" or "drop-after-accept" in told.faults}
    assert {line["message_id"] for line in sandbox.mail_ledger()} == must_be_kept
    planned = sorted(fault for told in foretold.values() for fault in told.faults if fault)
    assert sorted(line["fault"] for line in sandbox.fault_ledger()) == planned
    assert {told.outcome for told in foretold.values()} == {"sent", "failed", "in_doubt"}


def test_another_seed_is_another_script():
    def outcomes(seed: int) -> list[str]:
        plan = plan_from({"seed": seed, "rates": RATES}, server="mail")
        return [foretell_mail(plan, recipient=f"c{i}@x.example", message_id=f"<{i}@x>").outcome for i in range(50)]

    assert outcomes(1) == outcomes(1)
    assert outcomes(1) != outcomes(2)


def test_the_ledger_line_is_there_when_the_client_hears_250(sandbox: Sandbox):
    client = smtplib.SMTP("127.0.0.1", sandbox.smtp_port, timeout=10)

    for n in range(1, 51):
        client.sendmail("office@portal.example", [f"c{n}@client.example"], BODY.format(message_id=f"<{n}@portal.example>"))
        assert sandbox.mail_ledger()[-1]["n"] == n

    line = sandbox.mail_ledger()[-1]
    assert (line["message_id"], line["recipient"], line["sender"]) == ("<50@portal.example>", "c50@client.example", "office@portal.example")
    assert (line["headers"], line["subject"], line["nonce"]) == ({"x-kind": "test"}, "Status", sandbox.nonce)


def test_a_250_names_the_number_in_the_mailbox_unless_told_not_to(sandbox: Sandbox):
    def answer() -> tuple[int, bytes]:
        client = smtplib.SMTP("127.0.0.1", sandbox.smtp_port, timeout=10)
        client.ehlo(), client.mail("a@x.example"), client.rcpt("b@x.example"), client.docmd("DATA")
        return body(client, "<1@x>")

    assert answer() == (250, b"2.0.0 Ok: queued as 1")
    sandbox.use(mail={"modes": ["no-queue-id"]})
    assert answer() == (250, b"Ok")


def test_a_body_full_of_dots_is_one_mail_and_comes_out_as_it_went_in(sandbox: Sandbox):
    text = b"Message-ID: <1@x>\r\n\r\n.\r\n..\r\nMAIL FROM:<evil@x.example>\r\n.a\r\n"
    client = smtplib.SMTP("127.0.0.1", sandbox.smtp_port, timeout=10)

    client.sendmail("a@x.example", ["b@x.example"], text)

    assert len(sandbox.mail_ledger()) == 1
    assert sandbox.mailbox.raw(1) == text


def test_logins_are_accepted_unless_the_script_refuses_them(sandbox: Sandbox):
    def login() -> int:
        with smtplib.SMTP("127.0.0.1", sandbox.smtp_port, timeout=10) as client:
            try:
                return client.login("office", "secret")[0]
            except smtplib.SMTPAuthenticationError as error:
                return error.smtp_code

    assert login() == 235
    sandbox.use(mail={"modes": ["auth-535"]})
    assert login() == 535
    sandbox.use(mail={"modes": ["auth-454"]})
    assert login() == 454


def test_starttls_is_offered_with_a_certificate_and_hidden_by_the_script(tmp_path: Path):
    with Sandbox(tmp_path, tls=certificate(tmp_path)) as sandbox:
        client = smtplib.SMTP("127.0.0.1", sandbox.smtp_port, timeout=10)
        client.starttls()
        client.sendmail("a@x.example", ["b@x.example"], "Message-ID: <1@x>\r\n\r\nhello")
        sandbox.use(mail={"modes": ["tls-missing", "no-smtputf8"]})
        hidden = smtplib.SMTP("127.0.0.1", sandbox.smtp_port, timeout=10)
        hidden.ehlo()

    assert len(sandbox.mail_ledger()) == 1
    assert client.has_extn("smtputf8")
    assert not hidden.has_extn("starttls")


def test_two_modes_of_one_step_strike_in_the_order_given(sandbox: Sandbox):
    sandbox.use(mail={"modes": ["refuse-450x1", "refuse-550x2"]})

    assert [send(sandbox) for _ in range(3)] == [("rcpt", 450), ("rcpt", 550), ("done", 250)]


@pytest.mark.parametrize(
    "script",
    [
        {"modes": ["refuse-999"]},
        {"modes": ["downx3"]},
        {"modes": ["refuse-450-3"]},
        {"modes": ["slow-99999"]},
        {"modes": "down"},
        {"modes": [7]},
        {"rates": {"refuse-450": 1.5}},
        {"rates": {"refuse-450": 0.6, "refuse-550": 0.6}},
        {"rates": {"refuse-450": True}},
        {"rates": {"down": 0.1}},
        {"table": {"a@x.example": "down"}},
        {"seed": "1"},
        {"honours_keys": True},
        {"tabel": {}},
        [],
    ],
)
def test_a_script_that_is_not_understood_changes_nothing(sandbox: Sandbox, script):
    sandbox.use(mail={"modes": ["refuse-550"]})

    with pytest.raises(NotUnderstood):
        sandbox.use(notes={"modes": ["503"]}, mail=script)

    assert {server: script.plan.modes for server, script in sandbox.scripts.items()} == {"mail": ("refuse-550",), "notes": (), "ai": ()}


def send(
    sandbox: Sandbox, *, recipient: str = "anna@client.example", message_id: str = "<1@portal.example>", patience: float = 10
) -> tuple[str, int | str]:
    """Send one mail step by step: the step that did not go well and what was heard, or done and 250."""
    step = "connect"
    client = smtplib.SMTP(timeout=patience)
    try:
        code, _ = client.connect("127.0.0.1", sandbox.smtp_port)
        if code != 220:
            return step, code
        client.ehlo("test.example")
        for step, ask, good in (
            ("mail", lambda: client.mail("office@portal.example"), 250),
            ("rcpt", lambda: client.rcpt(recipient), 250),
            ("data", lambda: client.docmd("DATA"), 354),
            ("dot", lambda: body(client, message_id), 250),
            ("quit", client.quit, 221),
        ):
            code, _ = ask()
            if code != good:
                return step, code
        return "done", 250
    except smtplib.SMTPResponseException as error:
        return step, error.smtp_code
    except TimeoutError:
        return step, SILENT
    except ConnectionRefusedError:
        return step, "refused"
    except (smtplib.SMTPServerDisconnected, ConnectionError) as error:
        return step, SILENT if isinstance(error.__context__, TimeoutError) else LOST
    finally:
        client.close()


def body(client: smtplib.SMTP, message_id: str) -> tuple[int, bytes]:
    client.send(BODY.format(message_id=message_id) + ".\r\n")
    return client.getreply()


def certificate(folder: Path) -> ssl.SSLContext:
    key, crt = folder / "key.pem", folder / "crt.pem"
    subject = ["-subj", "/CN=localhost", "-days", "2"]
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", str(key), "-out", str(crt), *subject],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(crt, key)
    return context
