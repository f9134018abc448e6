"""The sandbox's pages, its control endpoint and its process."""

import json
import os
import select
import signal
import smtplib
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from portal.sandbox import Sandbox

HTTP = httpx.Client(timeout=10)  # one for all tests: making one costs more than using it
ROOT = Path(__file__).parents[2]
EVIL = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&{{7*7}}"
HOSTILE_MAIL = (
    f"Subject: {EVIL}\r\nFrom: {EVIL} <a@x.example>\r\nX-Evil: {EVIL}\r\nMessage-ID: <{EVIL}>\r\nMIME-Version: 1.0\r\n"
    'Content-Type: multipart/alternative; boundary="b"\r\n\r\n'
    f"--b\r\nContent-Type: text/plain; charset=no-such-charset\r\n\r\n{EVIL}\r\n"
    f"--b\r\nContent-Type: text/html\r\n\r\n</iframe>{EVIL}\r\n"
    f'--b\r\nContent-Type: application/x-evil; name="{EVIL[:25]}"\r\n\r\nx\r\n--b--\r\n'
)
NOTE = {"pid": EVIL, "type": EVIL, "text": EVIL, "reference": EVIL}


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[Sandbox]:
    with Sandbox(tmp_path) as sandbox:
        yield sandbox


def test_a_hostile_mail_and_note_are_shown_and_do_nothing(sandbox: Sandbox):
    send(sandbox, HOSTILE_MAIL)
    HTTP.post(f"{sandbox.http_url}/cms/notes", json=NOTE)

    pages = {path: HTTP.get(sandbox.http_url + path) for path in ("/", f"/?q={EVIL[:8]}", "/mail/1", "/notes", "/faults")}

    for path, page in pages.items():
        assert page.status_code == 200, path
        assert "<script" not in page.text, path
        assert "<img" not in page.text, path
        assert "script-src" not in page.headers["Content-Security-Policy"], path
        assert page.headers["Content-Security-Policy"].startswith("default-src 'none'"), path
    for path in ("/", "/mail/1", "/notes"):
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in pages[path].text, path


def test_a_mails_html_is_served_into_a_sandbox_of_its_own(sandbox: Sandbox):
    send(sandbox, HOSTILE_MAIL)

    html, raw = (HTTP.get(f"{sandbox.http_url}/mail/1/{part}") for part in ("html", "raw"))

    policy = html.headers["Content-Security-Policy"]
    assert policy.startswith("sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'")
    assert "allow-scripts" not in policy
    assert "allow-scripts" not in HTTP.get(f"{sandbox.http_url}/mail/1").text
    assert raw.headers["Content-Type"].startswith("text/plain")
    assert raw.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    "raw",
    [
        "",
        "no headers at all",
        "Subject: =?utf-8?b?%%%?=\r\n\r\n",
        'Subject: =?no-such?q?=ff?=\r\nTo: "unclosed <a@b\r\nFrom: @@@,,,<<>>;:\r\n\r\nx',
        "Content-Type: multipart/mixed\r\n\r\nno boundary",
        "Content-Type: text/html; charset=utf-16\r\nContent-Transfer-Encoding: base64\r\n\r\n!!!!",
        "Date: never\r\nMessage-ID: [<<broken\r\nReply-To: =?utf-8?q?=0d=0aBcc:_x?= <a@b>\r\n\r\n",
    ],
)
def test_a_broken_mail_still_has_a_page(sandbox: Sandbox, raw):
    send(sandbox, raw)

    assert [HTTP.get(sandbox.http_url + path).status_code for path in ("/", "/mail/1", "/mail/1/raw")] == [200, 200, 200]


def test_the_mailbox_shows_the_newest_first_finds_and_pages(sandbox: Sandbox):
    for n in range(1, 121):
        send(sandbox, f"Subject: Mail number {n}.\r\n\r\n", to=f"c{n}@client.example")

    def shown(address: str) -> list[int]:
        text = HTTP.get(sandbox.http_url + address).text
        return [n for n in range(120, 0, -1) if f"Mail number {n}." in text]

    assert shown("/") == list(range(120, 70, -1))
    assert shown("/?before=71") == list(range(70, 20, -1))
    assert shown("/?q=C117@client") == [117]
    assert shown("/?q=number 11.") == [11]
    assert shown("/?q=nobody") == []


def test_a_restart_keeps_the_mailbox_and_only_the_newest_mails_in_full(tmp_path: Path, monkeypatch):
    monkeypatch.setattr("portal.sandbox.mailbox.NEWEST_KEPT", 3)
    with Sandbox(tmp_path) as first:
        for n in range(1, 4):
            send(first, f"Subject: {n}\r\n\r\n")

    with Sandbox(tmp_path) as second:
        send(second, "Subject: 4\r\n\r\n")
        statuses = [HTTP.get(f"{second.http_url}/mail/{n}").status_code for n in range(6)]

    assert [(line["n"], line["subject"]) for line in second.mail_ledger()] == [(1, "1"), (2, "2"), (3, "3"), (4, "4")]
    assert statuses == [404, 404, 200, 200, 200, 404]


def test_without_keeping_only_the_ledger_is_written(tmp_path: Path):
    with Sandbox(tmp_path, keep=False) as sandbox:
        send(sandbox, "Subject: 1\r\n\r\n")

    assert (len(sandbox.mail_ledger()), list((tmp_path / "mail").iterdir())) == (1, [])


def test_control_puts_scripts_in_force_and_tells_them(sandbox: Sandbox):
    scripts = {"mail": {"modes": ["refuse-450x2"], "seed": 5}, "notes": {"honours_keys": True, "rates": {"503": 0.1}}}

    told = HTTP.post(f"{sandbox.http_url}/control", json=scripts).json()

    assert told == HTTP.get(f"{sandbox.http_url}/control").json()
    assert told["scripts"] == {
        "mail": {"seed": 5, "modes": ["refuse-450x2"], "rates": {}, "table": {}},
        "notes": {"seed": 0, "modes": [], "rates": {"503": 0.1}, "table": {}, "honours_keys": True},
        "ai": {"seed": 0, "modes": [], "rates": {}, "table": {}},
    }
    assert (told["nonce"], told["smtp_port"], told["http_port"]) == (sandbox.nonce, sandbox.smtp_port, sandbox.http_port)
    assert told["counters"] == {"mail": 0, "notes": 0, "ai": 0, "faults": {}}


def test_control_can_close_and_open_the_mail_port(sandbox: Sandbox):
    HTTP.post(f"{sandbox.http_url}/control", json={"mail": {"modes": ["down"]}})
    with pytest.raises(ConnectionRefusedError):
        send(sandbox, "x")

    HTTP.post(f"{sandbox.http_url}/control", json={"mail": {}})
    send(sandbox, "x")


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        (b"", 400, "not JSON"),
        (b"[]", 422, "scripts are given as"),
        (b'{"post": {}}', 422, "scripts are given as"),
        (b'{"mail": {}, "notes": {"modes": ["<b>"]}}', 422, "there is no fault '<b>'"),
    ],
)
def test_control_refuses_what_it_does_not_understand_and_changes_nothing(sandbox: Sandbox, body, status, said):
    sandbox.use(mail={"modes": ["refuse-550"]})

    answer = HTTP.post(f"{sandbox.http_url}/control", content=body)

    assert (answer.status_code, said in answer.json()["error"]) == (status, True)
    assert sandbox.scripts["mail"].plan.modes == ("refuse-550",)


def test_the_faults_page_switches_faults_on_and_off(sandbox: Sandbox):
    form = {"server": "mail", "mode": ["refuse-450", "quit-500"], "counted": "slow-3, refuse-550x2", "rates": "", "seed": "4"}
    form["table"] = '{"a@x.example": "tarpit"}'

    answer = HTTP.post(f"{sandbox.http_url}/faults", data=form, follow_redirects=True)

    plan = sandbox.scripts["mail"].plan
    assert (plan.modes, plan.seed) == (("refuse-450", "quit-500", "slow-3", "refuse-550x2"), 4)
    assert plan.table == {"a@x.example": "tarpit"}
    assert "Faults are on" in answer.text
    assert answer.text.count(" checked") == 2
    assert "All normal" in HTTP.post(f"{sandbox.http_url}/faults", data={"normal": "1"}, follow_redirects=True).text
    assert sandbox.scripts["mail"].plan.modes == ()


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("mode", "<b>bold</b>", "there is no fault &#x27;&lt;b&gt;bold"),
        ("rates", "{", "rates is not JSON"),
        ("table", "[1]", "table is an object"),
        ("seed", "1e5", "seed is a whole number"),
        ("server", "moon", "there is no server"),
    ],
)
def test_the_faults_page_says_what_it_does_not_understand(sandbox: Sandbox, field, value, said):
    answer = HTTP.post(f"{sandbox.http_url}/faults", data={"server": "mail"} | {field: value})

    assert (answer.status_code, said in answer.text) == (422, True)
    assert sandbox.scripts["mail"].plan.modes == ()


@pytest.mark.parametrize("header", [{"Origin": "https://evil.example"}, {"Host": "evil.example"}, {"Origin": "null"}])
def test_other_peoples_pages_may_not_use_the_sandbox(sandbox: Sandbox, header):
    answers = [HTTP.post(f"{sandbox.http_url}/control", json={}, headers=header), HTTP.get(sandbox.http_url, headers=header)]

    assert [answer.status_code for answer in answers] == [403, 403]
    assert HTTP.post(f"{sandbox.http_url}/control", json={}, headers={"Origin": sandbox.http_url}).status_code == 200


def test_the_ledgers_are_served_with_the_nonce_and_from_any_line_on(sandbox: Sandbox):
    for n in range(3):
        send(sandbox, f"Message-ID: <{n}@x>\r\n\r\n")

    told = HTTP.get(f"{sandbox.http_url}/ledger/mail?after=1").json()

    assert told == {"nonce": sandbox.nonce, "lines": sandbox.mail_ledger()[1:]}
    assert HTTP.get(f"{sandbox.http_url}/ledger/notes").json()["lines"] == []
    assert HTTP.get(f"{sandbox.http_url}/ledger/faults?after=x").status_code == 400


COMMANDS = [["-m", "portal.sandbox"], ["manage.py", "sandbox"]]


@pytest.mark.parametrize("command", COMMANDS)
def test_the_process_says_when_it_is_ready_and_ends_cleanly_without_a_database(tmp_path: Path, command):
    faults = json.dumps({"mail": {"modes": ["refuse-450"]}})

    process = started(command, "--smtp-port", "0", "--http-port", "0", "--folder", str(tmp_path), "--faults", faults)
    ready = process.stdout.readline().decode()
    url = next(word for word in ready.split() if word.startswith("http")).rstrip(",")
    told = HTTP.get(f"{url}/control").json()
    process.send_signal(signal.SIGTERM)

    assert ready.startswith("sandbox ready: SMTP 127.0.0.1:")
    assert (told["nonce"] in ready, told["scripts"]["mail"]["modes"]) == (True, ["refuse-450"])
    assert process.communicate(timeout=20) == (b"", b"")
    assert process.returncode == 0


@pytest.mark.parametrize(
    ("command", "options", "code", "said"),
    [
        (COMMANDS[0], ["--faults", "{"], 1, "--faults is not understood"),
        (COMMANDS[0], ["--faults", '{"mail": {"modes": ["no"]}}'], 1, "there is no fault 'no'"),
        (COMMANDS[0], ["--folder", "/proc/nowhere"], 1, "choose another with --folder"),
        (COMMANDS[0], ["--http-port", "99999"], 2, "a port is a number from 0 to 65535"),
        (COMMANDS[1], ["--faults", "[]"], 1, "--faults is not understood"),
    ],
)
def test_a_process_that_cannot_start_says_why(tmp_path: Path, command, options, code, said):
    process = started(command, "--smtp-port", "0", "--http-port", "0", "--folder", str(tmp_path), *options)

    _, errors = process.communicate(timeout=20)

    assert (process.returncode, said in errors.decode(), "Traceback" in errors.decode()) == (code, True, False)


def test_a_taken_port_is_named(tmp_path: Path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        process = started(COMMANDS[0], "--smtp-port", "0", "--http-port", str(port), "--folder", str(tmp_path))
        _, errors = process.communicate(timeout=20)

    assert (process.returncode, f"HTTP port {port} on 127.0.0.1 cannot be had" in errors.decode()) == (1, True)


def test_a_killed_process_has_every_mail_it_answered_for(tmp_path: Path):
    process = started(COMMANDS[0], "--smtp-port", "0", "--http-port", "0", "--folder", str(tmp_path))
    port = int(process.stdout.readline().decode().split("127.0.0.1:")[1].split(",")[0])
    client = smtplib.SMTP("127.0.0.1", port, timeout=10)
    for n in range(20):
        client.sendmail("a@x.example", ["b@x.example"], f"Message-ID: <{n}@x>\r\n\r\n")

    process.kill()
    process.wait()

    with Sandbox(tmp_path) as sandbox:
        assert [line["message_id"] for line in sandbox.mail_ledger()] == [f"<{n}@x>" for n in range(20)]
        assert send(sandbox, "x") is None
        assert sandbox.mail_ledger()[-1]["n"] == 21


def test_a_port_that_somebody_has_is_named_and_nothing_is_left_open(tmp_path: Path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        sandbox = Sandbox(tmp_path, smtp_port=port)

        with pytest.raises(OSError, match=f"SMTP port {port} on 127.0.0.1 cannot be had .* --smtp-port"):
            sandbox.start()

        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", sandbox.web.port), timeout=1)


def send(sandbox: Sandbox, raw: str, *, to: str = "b@client.example") -> None:
    with smtplib.SMTP("127.0.0.1", sandbox.smtp_port, timeout=10) as client:
        client.sendmail("a@x.example", [to], raw.encode())


def started(command: list[str], *options: str) -> subprocess.Popen[bytes]:
    nowhere = {"DATABASE_URL": "postgres://nobody@127.0.0.1:1/none", "DEBUG": "1", "SECRET_KEY": "x" * 60}
    process = subprocess.Popen(
        [sys.executable, *command, *options], cwd=ROOT, env=os.environ | nowhere, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    select.select([process.stdout, process.stderr], [], [], 20)
    return process
