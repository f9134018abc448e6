"""The sandbox's case-management system over real HTTP: each fault answers as named, and the file tells what was really kept."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from portal.sandbox import Sandbox
from portal.sandbox.faults import NOTE_FAULTS
from portal.sandbox.script import plan_from

NOTE = {"pid": "1001", "type": "email", "text": "Status request sent", "next_contact_on": "2025-02-01", "reference": "note-1"}
LOST, SILENT = "lost", "silent"
HTTP = httpx.Client(timeout=10)  # one for all tests: making one costs more than using it

POSTED = [  # spec, what the client hears of a POST, is the note kept
    ("down", LOST, False),
    ("401", 401, False),
    ("403", 403, False),
    ("404", 404, False),
    ("409", 409, True),
    ("422", 422, False),
    ("422-hostile", 422, False),
    ("429-7", 429, False),
    ("429-odd", 429, False),
    ("429-for-ever", 429, False),
    ("503", 503, False),
    ("500-before-commit", 500, False),
    ("500-after-commit", 500, True),
    ("timeout-before-commit", SILENT, False),
    ("timeout-after-commit", SILENT, True),
    ("drop-before-commit", LOST, False),
    ("drop-after-commit", LOST, True),
    ("slow-answer-0.01", 201, True),
    ("drip-30", SILENT, True),
    ("html", 200, False),
    ("empty", 200, True),
    ("204", 204, True),
    ("null-id", 201, True),
    ("zero-id", 201, True),
    ("garbage", 201, True),
    ("truncated", 201, True),
    ("error-inside", 201, False),
    ("foreign-id", 201, True),
    ("redirect", 302, False),
    ("huge", 201, True),
    ("gzip-bomb", 201, True),
]
LOOKED_UP = [  # spec, what the client hears of a look-up, the ids it is given
    ("look-up-broken", 500, None),
    ("look-up-timeout", SILENT, None),
    ("look-up-drop", LOST, None),
    ("look-up-html", 200, None),
    ("look-up-late", 200, []),
    ("look-up-foreign", 200, ["1"]),
    ("look-up-two-notes", 200, ["2", "1000002"]),
    ("no-look-up", 405, None),
    ("503", 503, None),
    ("down", LOST, None),
]


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[Sandbox]:
    with Sandbox(tmp_path) as sandbox:
        yield sandbox


@pytest.mark.parametrize(("spec", "heard", "kept"), POSTED)
def test_a_fault_answers_as_named_and_the_file_says_what_was_kept(sandbox: Sandbox, spec, heard, kept):
    sandbox.use(notes={"table": {"note-1": f"{spec}x1"}})

    answer = post(sandbox, patience=0.5 if heard == SILENT else 10)

    assert heard == (answer if isinstance(answer, str) else answer.status_code)
    assert [line["reference"] for line in sandbox.note_ledger()] == ["note-1"] * kept
    assert [line["fault"] for line in sandbox.fault_ledger()] == [
        next(name for name in (spec, spec.rpartition("-")[0]) if name in NOTE_FAULTS)
    ]
    assert NOTE_FAULTS[sandbox.fault_ledger()[0]["fault"]].stored == kept
    assert post(sandbox).json()["id"] == str(1 + kept)


@pytest.mark.parametrize(("spec", "heard", "ids"), LOOKED_UP)
def test_a_look_up_fails_as_named_and_then_works_again(sandbox: Sandbox, spec, heard, ids):
    post(sandbox, reference="another")
    post(sandbox)
    sandbox.use(notes={"table": {"note-1": f"{spec}x1"}})

    answer = find(sandbox, patience=0.5 if heard == SILENT else 10)

    assert heard == (answer if isinstance(answer, str) else answer.status_code)
    assert ids is None or [note["id"] for note in answer.json()["notes"]] == ids
    assert find(sandbox).json() == {"notes": [{"id": "2", **NOTE}]}


def test_every_cms_fault_is_driven_by_a_test():
    driven = {spec for spec, *_ in POSTED + LOOKED_UP} | {"slow-commit"}

    assert {name if name in NOTE_FAULTS else name.rpartition("-")[0] for name in driven} == set(NOTE_FAULTS)


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ("409", {"error": "this note already exists", "id": "2"}),
        ("null-id", {"id": None}),
        ("zero-id", {"id": 0}),
        ("foreign-id", {"id": "1", "reference": "note-1"}),
        ("error-inside", {"error": "the record is locked by another user"}),
    ],
)
def test_what_an_odd_answer_says(sandbox: Sandbox, spec, told):
    post(sandbox, reference="another")
    sandbox.use(notes={"modes": [spec]})

    assert post(sandbox).json() == told


@pytest.mark.parametrize(("spec", "told"), [("429-7", "7"), ("429-odd", "abc"), ("429-for-ever", "99999999")])
def test_too_many_requests_names_a_pause(sandbox: Sandbox, spec, told):
    sandbox.use(notes={"modes": [spec]})

    assert post(sandbox).headers["Retry-After"] == told


def test_big_answers_are_really_big_and_end(sandbox: Sandbox):
    sandbox.use(notes={"table": {"a": "huge", "b": "gzip-bomb"}})

    huge, bomb = post(sandbox, reference="a"), post(sandbox, reference="b")

    assert min(len(huge.content), len(bomb.content)) > 50_000_000
    assert int(bomb.headers["Content-Length"]) < 100_000


def test_a_slow_commit_happens_after_the_client_gave_up(sandbox: Sandbox):
    sandbox.use(notes={"modes": ["slow-commit-0.3x1"]})

    assert post(sandbox, patience=0.5) == SILENT
    assert find(sandbox).json() == {"notes": []}
    until(lambda: find(sandbox).json()["notes"])
    assert [line["fault"] for line in sandbox.note_ledger()] == ["slow-commit"]


def test_a_restart_keeps_the_notes_and_goes_on_counting(tmp_path: Path):
    with Sandbox(tmp_path) as first:
        post(first)
    (tmp_path / "cms.jsonl").open("a").write('{"id": "2", "refer')  # a process died in the middle of this line

    with Sandbox(tmp_path) as second:
        assert post(second, reference="note-2").json()["id"] == "2"
        assert find(second).json() == {"notes": [{"id": "1", **NOTE}]}
        assert [line["nonce"] for line in second.note_ledger()] == [first.nonce, second.nonce]


def test_keys_are_honoured_only_on_request(sandbox: Sandbox):
    def twice() -> list[str]:
        return [post(sandbox, key="k").json()["id"] for _ in range(2)]

    assert twice() == ["1", "2"]
    sandbox.use(notes={"honours_keys": True})
    assert twice() == ["1", "1"]
    assert len(sandbox.note_ledger()) == 2


def test_a_token_is_checked_when_there_is_one(tmp_path: Path):
    with Sandbox(tmp_path, cms_token="secret") as sandbox:
        assert [post(sandbox).status_code, find(sandbox).status_code] == [401, 401]
        assert post(sandbox, token="secret").status_code == 201


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        (b"{", 422, "not JSON"),
        (b"[" * 100_000, 422, "not JSON"),
        (b"[]", 422, "a note is an object"),
        (b'{"text": "x"}', 422, "pid is missing"),
        (b'{"pid": "1", "text": " "}', 422, "text is missing"),
        (b'{"pid": true, "text": "x"}', 422, "pid is a short text"),
        (b'{"pid": "1", "text": "x", "next_contact_on": "soon"}', 422, "next_contact_on is a date"),
        (b'{"pid": "1", "text": "' + b"x" * 10_001 + b'"}', 422, "text has 10,001 characters"),
        (b'{"pid": "1", "text": "' + b"x" * 1_000_001 + b'"}', 400, "Content-Length"),
    ],
)
def test_a_note_that_makes_no_sense_is_refused_with_the_reason(sandbox: Sandbox, body, status, said):
    answer = HTTP.post(f"{sandbox.http_url}/cms/notes", content=body)

    assert (answer.status_code, said in answer.json()["error"]) == (status, True)
    assert sandbox.note_ledger() == []
    assert HTTP.post(f"{sandbox.http_url}/cms/notes", json={"pid": 1, "text": "x"}).status_code == 201


def test_rates_strike_the_notes_that_the_plan_names(sandbox: Sandbox):
    script = {"seed": 3, "rates": {"500-before-commit": 0.3, "drop-after-commit": 0.3}}
    plan = plan_from(script, server="notes")
    sandbox.use(notes=script)

    for i in range(40):
        post(sandbox, reference=f"note-{i}")

    planned = {f"note-{i}": plan.fault_for("post", f"note-{i}") for i in range(40)}
    assert {line["key"]: line["fault"] for line in sandbox.fault_ledger()} == {key: spec.name for key, spec in planned.items() if spec}
    kept = {key for key, spec in planned.items() if spec is None or spec.fault.stored}
    assert {line["reference"] for line in sandbox.note_ledger()} == kept != set(planned)


def test_eight_clients_at_once_get_ids_of_their_own(sandbox: Sandbox):
    def many(client: int) -> list[str]:
        with httpx.Client(base_url=sandbox.http_url) as http:
            return [http.post("/cms/notes", json=NOTE | {"reference": f"{client}-{i}"}).json()["id"] for i in range(25)]

    with ThreadPoolExecutor(8) as pool:
        ids = [id for of_one in pool.map(many, range(8)) for id in of_one]

    assert sorted(map(int, ids)) == list(range(1, 201))
    assert {line["id"] for line in sandbox.note_ledger()} == set(ids)


def post(sandbox: Sandbox, *, reference: str = "note-1", key: str = "", token: str = "", patience: float = 10) -> Any:
    headers = {"Idempotency-Key": key} | ({"Authorization": f"Bearer {token}"} if token else {})
    return heard(
        lambda: HTTP.post(f"{sandbox.http_url}/cms/notes", json=NOTE | {"reference": reference}, headers=headers, timeout=patience)
    )


def find(sandbox: Sandbox, *, reference: str = "note-1", patience: float = 10) -> Any:
    return heard(lambda: HTTP.get(f"{sandbox.http_url}/cms/notes", params={"reference": reference}, timeout=patience))


def heard(ask: Any) -> Any:
    try:
        return ask()
    except httpx.TimeoutException:
        return SILENT
    except (httpx.RemoteProtocolError, httpx.NetworkError):
        return LOST


def until(true: Any) -> None:
    for _ in range(200):
        if true():
            return
        time.sleep(0.02)
    raise AssertionError("it never became true")
