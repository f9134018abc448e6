"""What one call to a case-management system concludes, for every way it can answer (CMS-01 … CMS-18)."""

import gzip
import json
import socket
import ssl
import time
from collections.abc import Mapping
from datetime import UTC, date, datetime

import pytest

from messaging.gateways import cms as gateway
from messaging.gateways.cms import (
    CmsAccountRefused,
    CmsUnavailable,
    CmsUnclear,
    FoundNote,
    HttpCms,
    ManualCms,
    NewNote,
    NoteRefused,
    fill,
    retry_after,
    shortened,
    usable_id,
)
from portal.sandbox import Sandbox
from portal.sandbox.answers import Answer
from portal.sandbox.web import Web
from tests.fakes import FakeWeb

NOTE = NewNote(reference="note-1", pid="1001", type_code="COR", text="STATUS REQUEST SENT TO A@B.EXAMPLE", next_contact_on=date(2026, 3, 2))
OTHER = NewNote(**vars(NOTE) | {"reference": "note-0", "pid": "1000"})

POSTED = [  # the CMS's fault; what we conclude of adding; words of the reason; is the note there
    ("401", CmsAccountRefused, "does not let us in: 401", False),
    ("403", CmsAccountRefused, "does not let us in: 403", False),
    ("404", NoteRefused, "refused the note with 404", False),
    ("422", NoteRefused, "the text is not acceptable", False),
    ("422-hostile", NoteRefused, "<script>alert('answer')</script>", False),
    ("429-7", CmsUnavailable, "come back later: 429", False),
    ("503", CmsUnavailable, "come back later: 503", False),
    ("redirect", NoteRefused, "redirects are not followed", False),
    ("down", CmsUnclear, "answer was lost", False),
    ("500-before-commit", CmsUnclear, "answered 500", False),
    ("500-after-commit", CmsUnclear, "answered 500", True),
    ("timeout-before-commit", CmsUnclear, "answer was lost", False),
    ("timeout-after-commit", CmsUnclear, "answer was lost", True),
    ("drop-before-commit", CmsUnclear, "answer was lost", False),
    ("drop-after-commit", CmsUnclear, "answer was lost", True),
    ("slow-commit-0", CmsUnclear, "answer was lost", True),
    ("drip-0.1", CmsUnclear, "did not end within", True),
    ("html", CmsUnclear, "with HTML (login expired?) instead of JSON", False),
    ("empty", CmsUnclear, "with an empty body", True),
    ("204", CmsUnclear, "answered 204", True),
    ("null-id", CmsUnclear, "gave no usable note id", True),
    ("zero-id", CmsUnclear, "gave no usable note id", True),
    ("garbage", CmsUnclear, "instead of JSON", True),
    ("truncated", CmsUnclear, "instead of JSON", True),
    ("error-inside", CmsUnclear, "said 201 but reported", False),
]


@pytest.mark.parametrize(("fault", "conclusion", "why", "kept"), POSTED)
def test_every_way_an_added_note_can_go_wrong_has_its_conclusion(sandbox, impatient, fault, conclusion, why, kept):
    sandbox.use(notes={"modes": [fault]})

    with pytest.raises((NoteRefused, CmsUnavailable, CmsUnclear)) as trouble:
        cms(sandbox).add_note(NOTE)

    assert (trouble.type, why in str(trouble.value)) == (conclusion, True), str(trouble.value)
    assert len(waited_for(sandbox, int(kept))) == kept


@pytest.mark.parametrize("fault", ["huge", "gzip-bomb"])
def test_an_answer_without_bounds_is_cut_at_one_megabyte_unpacked(sandbox, fault):
    sandbox.use(notes={"modes": [fault]})

    with pytest.raises(CmsUnclear, match="too large: over 1,048,576 bytes"):
        cms(sandbox).add_note(NOTE)

    assert len(sandbox.note_ledger()) == 1


DRIPS = [  # what comes piece by piece, none of them later than a CMS may take to answer
    (b"HTTP/1.1 200 OK\r\nX: ", *[b"x"] * 60),
    (*[b"HTTP/1.1 100 Continue\r\n\r\n"] * 60,),
    (b"HTTP/1.1 200 OK\r\n\r\n[", *[b" "] * 60),  # a body that ends where the connection does
]


@pytest.mark.parametrize("pieces", DRIPS, ids=["headers", "more to come", "a body without a length"])
def test_the_time_limit_is_for_the_whole_answer(impatient, monkeypatch, pieces):
    monkeypatch.setattr(gateway, "READ_SECONDS", 5)
    with FakeWeb(*pieces, pause=0.1) as web, pytest.raises(CmsUnclear, match=r"answer was lost: it did not end within 0\.8 s"):
        HttpCms(url=f"http://127.0.0.1:{web.port}").add_note(NOTE)


PACKED = [  # how often it is packed, how that is called; what becomes of it
    (1, "gzip", "77"),
    (1, "GZIP", "77"),
    (0, "utf-8", "77"),  # a mistake of its settings that harms nobody
    (2, "gzip, gzip", "the CMS answered 201 with text instead of JSON"),
    (0, "gzip", "is not what it says it is: gzip"),
    (1, "cut gzip", "is cut short"),
]


@pytest.mark.parametrize(("times", "called", "becomes"), PACKED)
def test_an_answer_is_unpacked_once_and_within_its_limit(times, called, becomes):
    body = b'{"id": 77}'
    for _ in range(times):
        body = gzip.compress(body)
    if called.startswith("cut"):
        called, body = "gzip", body[:-1]
    head = f"HTTP/1.1 201 Created\r\nContent-Length: {len(body)}\r\nContent-Encoding: {called}\r\n\r\n"

    with FakeWeb(head.encode() + body) as web:
        try:
            said = HttpCms(url=f"http://127.0.0.1:{web.port}").add_note(NOTE).remote_id
        except CmsUnclear as unclear:
            said = str(unclear)

    assert said.removeprefix("the CMS's answer ").startswith(becomes)


def test_a_status_that_says_all_is_heard_though_the_answer_cannot_be_read():
    head = b"HTTP/1.1 %d x\r\nContent-Length: 3\r\nContent-Encoding: gzip\r\nRetry-After: 7\r\n\r\nabc"
    with FakeWeb(head % 503) as web, pytest.raises(CmsUnavailable, match="come back later"):
        HttpCms(url=f"http://127.0.0.1:{web.port}").add_note(NOTE)
    with FakeWeb(head % 401) as web, pytest.raises(CmsAccountRefused):
        HttpCms(url=f"http://127.0.0.1:{web.port}").add_note(NOTE)


def test_a_cms_that_cannot_even_be_looked_up_is_away_however_long_that_takes(monkeypatch):
    monkeypatch.setattr(gateway, "TOTAL_SECONDS", 0.1)

    def slow(*words, **told):
        time.sleep(0.3)
        raise socket.gaierror(-3, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    with pytest.raises(CmsUnavailable, match="cannot be reached") as away:
        HttpCms(url="http://cms.example").add_note(NOTE)
    assert away.value.everyone


def test_a_line_that_comes_too_late_carries_nothing(monkeypatch):
    monkeypatch.setattr(gateway, "TOTAL_SECONDS", 0.1)
    quick = socket.create_connection

    def slow(*words, **told):
        time.sleep(0.3)
        return quick(*words, **told)

    monkeypatch.setattr(socket, "create_connection", slow)
    with FakeWeb(b"HTTP/1.1 201 Created\r\n\r\n") as web, pytest.raises(CmsUnavailable):
        HttpCms(url=f"http://127.0.0.1:{web.port}").add_note(NOTE)


def test_an_added_note_carries_its_facts_and_comes_back_with_the_cms_id(sandbox):
    added = cms(sandbox).add_note(NOTE)

    line = sandbox.note_ledger()[0]
    assert (added.remote_id, added.existed, added.status) == (line["id"], False, 201)
    assert {name: line[name] for name in ("pid", "type", "text", "next_contact_on", "reference", "key")} == {
        "pid": "1001",
        "type": "COR",
        "text": NOTE.text,
        "next_contact_on": "2026-03-02",
        "reference": "note-1",
        "key": "",
    }


def test_a_note_that_the_cms_has_already_is_its_answer_not_a_refusal(sandbox):
    sandbox.use(notes={"modes": ["409"]})

    added = cms(sandbox).add_note(NOTE)

    assert (added.remote_id, added.existed) == (sandbox.note_ledger()[0]["id"], True)


def test_a_repeated_note_with_its_key_is_one_note(sandbox):
    sandbox.use(notes={"honours_keys": True})
    keyed = cms(sandbox, key_header="Idempotency-Key")

    assert keyed.add_note(NOTE).remote_id == keyed.add_note(NOTE).remote_id
    assert [line["key"] for line in sandbox.note_ledger()] == ["note-1"]


LOOKED_UP = [  # the CMS's fault; what we conclude of a look-up
    ("look-up-broken", CmsUnavailable, "does not say whether it has the note: 500"),
    ("look-up-html", CmsUnavailable, "does not say whether it has the note: 200"),
    ("no-look-up", CmsUnavailable, "does not say whether it has the note: 405"),
    ("503", CmsUnavailable, "come back later"),
    ("401", CmsAccountRefused, "does not let us in"),
    ("look-up-timeout", CmsUnclear, "answer was lost"),
    ("look-up-drop", CmsUnclear, "answer was lost"),
]


@pytest.mark.parametrize(("fault", "conclusion", "why"), LOOKED_UP)
def test_a_look_up_that_does_not_answer_never_says_that_there_is_no_note(sandbox, impatient, fault, conclusion, why):
    cms(sandbox).add_note(NOTE)
    sandbox.use(notes={"modes": [fault]})

    with pytest.raises((CmsUnavailable, CmsUnclear)) as trouble:
        cms(sandbox).find_notes("note-1")

    assert (trouble.type, why in str(trouble.value)) == (conclusion, True), str(trouble.value)


FOUND = [
    ({}, [FoundNote(remote_id="2", pid="1001", reference="note-1")]),
    ({"modes": ["look-up-late"]}, []),
    ({"modes": ["look-up-foreign"]}, [FoundNote(remote_id="1", pid="1000", reference="note-0")]),
    (
        {"modes": ["look-up-two-notes"]},
        [FoundNote(remote_id="2", pid="1001", reference="note-1"), FoundNote(remote_id="1000002", pid="1001", reference="note-1")],
    ),
]


@pytest.mark.parametrize(("script", "found"), FOUND)
def test_a_look_up_tells_what_the_cms_lists_oldest_first(sandbox, script, found):
    for note in (OTHER, NOTE):
        cms(sandbox).add_note(note)
    sandbox.use(notes=script)

    assert cms(sandbox).find_notes("note-1") == found


def test_a_cms_that_nobody_answers_at_is_away_for_everybody(tmp_path):
    with Sandbox(tmp_path) as gone:
        away = cms(gone)

    with pytest.raises(CmsUnavailable, match="cannot be reached") as trouble:
        away.add_note(NOTE)
    assert trouble.value.everyone


def test_a_certificate_that_is_not_valid_holds_everything(tmp_path, certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    web = Web(lambda method, path, request: Answer(), host="127.0.0.1", port=0)
    web.socket = context.wrap_socket(web.socket, server_side=True)
    web.start()
    try:
        with pytest.raises(CmsUnavailable, match=r"CMS certificate is not valid: .*CERTIFICATE_VERIFY_FAILED") as trouble:
            HttpCms(url=f"https://127.0.0.1:{web.port}/cms").add_note(NOTE)
    finally:
        web.stop()
    assert trouble.value.everyone


def test_another_cms_is_a_matter_of_settings(tmp_path):
    heard: list[tuple[str, str, Mapping[str, str], object]] = []

    def other_system(method: str, path: str, request) -> Answer:
        heard.append((method, path, request.headers, json.loads(request.body or b"null")))
        body = {"data": {"id": 77}} if method == "POST" else {"hits": [{"no": 77, "file": {"pid": 1001}, "extern": "note-1"}]}
        return Answer(201 if method == "POST" else 200, json.dumps(body).encode(), {"Content-Type": "application/json"})

    web = Web(other_system, host="127.0.0.1", port=0)
    web.start()
    try:
        theirs = HttpCms(
            url=f"http://127.0.0.1:{web.port}/api/",
            token="secret",
            headers={"X-Office": "7"},
            add_path="/v2/remarks",
            body={"record": "{pid}", "remark": "{type_code}: {text}", "due": "{next_contact_on}", "extern": "{reference}"},
            date_format="%m/%d/%Y",
            id_at="data.id",
            find_path="/v2/remarks?extern={reference}",
            notes_at="hits",
            note_id_at="no",
            note_pid_at="file.pid",
            note_reference_at="extern",
        )
        assert theirs.add_note(NOTE).remote_id == "77"
        assert theirs.find_notes("note-1") == [FoundNote(remote_id="77", pid="1001", reference="note-1")]
    finally:
        web.stop()
    method, path, headers, body = heard[0]
    assert (method, path, headers["X-Office"], headers["Authorization"]) == ("POST", "/api/v2/remarks", "7", "Bearer secret")
    assert body == {"record": "1001", "remark": f"COR: {NOTE.text}", "due": "03/02/2026", "extern": "note-1"}


CAN = [
    (HttpCms(url="http://x"), (False, True, False)),
    (HttpCms(url="http://x", find_path=""), (False, False, False)),
    (HttpCms(url="http://x", find_path="", key_header="Idempotency-Key"), (False, False, True)),
    (ManualCms(), (True, False, False)),
]


@pytest.mark.parametrize(("client", "can"), CAN)
def test_a_client_says_what_its_cms_can_do(client, can):
    assert (client.is_manual, client.can_look_up, client.takes_idempotency_key) == can


@pytest.mark.parametrize("ask", [lambda: ManualCms().add_note(NOTE), lambda: ManualCms().find_notes("note-1")])
def test_a_manual_cms_is_left_to_people(ask):
    with pytest.raises(CmsUnavailable):
        ask()


GOOD_IDS = [(7, "7"), ("7", "7"), (" A-7 ", "A-7"), ("x" * 100, "x" * 100)]
NO_IDS = [None, 0, -5, 10**100, "0", "", " ", True, [], {}, 1.5, "x" * 101, "a\x00"]


@pytest.mark.parametrize(("value", "kept"), GOOD_IDS + [(value, "") for value in NO_IDS])
def test_a_note_id_is_a_short_text_or_a_number_and_never_zero(value, kept):
    assert usable_id(value) == kept


NOON = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
WAITS = [
    ("7", 7.0),
    ("0", 0.0),
    ("99999999", 3600.0),
    ("9" * 400, 3600.0),
    ("-1", None),
    ("abc", None),
    ("", None),
    ("²", None),
    ("1.5", None),
    ("Sat, 31 Jan 2026 12:00:30 GMT", 30.0),
    ("Sat, 31 Jan 2026 11:00:00 GMT", None),
    ("Sat, 31 Jan 2026 12:00:30 -0000", None),
    ("Wed, 31 Dec 9999 23:59:59 GMT", 3600.0),
    ("Mon, 01 Jan 99999999999999999999 00:00:00 GMT", None),
    ("Tue, 01 Jan 2030 00:00:00 +99999999999999", None),
]


@pytest.mark.parametrize(("header", "seconds"), WAITS)
def test_retry_after_is_obeyed_up_to_an_hour_and_nonsense_is_not(header, seconds):
    assert retry_after(header, now=NOON) == seconds


def test_a_fact_that_looks_like_a_place_is_only_text():
    assert fill("{text} for {pid} {unknown} {", {"text": "{pid}", "pid": "7"}) == "{pid} for 7 {unknown} {"


def test_a_note_too_long_for_the_cms_is_shortened_and_keeps_its_reference(sandbox):
    cms(sandbox).add_note(NewNote(**vars(NOTE) | {"text": "x" * 1_001}))

    line = sandbox.note_ledger()[0]
    assert (line["text"], line["reference"]) == ("x" * 999 + "…", "note-1")
    assert shortened("x" * 1_000) == "x" * 1_000


def cms(sandbox: Sandbox, **settings: str) -> HttpCms:
    return HttpCms(url=f"{sandbox.http_url}/cms", **settings)


def waited_for(sandbox: Sandbox, count: int) -> list[dict[str, object]]:
    """The notes that the CMS kept, once a slow one had its time."""
    for _ in range(100):
        if len(sandbox.note_ledger()) >= count:
            break
        sandbox.web.stopping.wait(0.05)
    return sandbox.note_ledger()
