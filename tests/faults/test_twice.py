"""A task may be delivered twice, one after the other or at the same moment, and the second delivery changes nothing."""

import inspect
from collections import Counter
from typing import Any

import pytest

from portal import tasks
from tests.faults.lab import Lab
from tests.faults.zygote import Worker

RECIPIENTS = ["anna@client.example", "dora@client.example", "refuse-550+cleo@client.example"]
BEFORE = {  # what there is to do for the first delivery
    "send_due_messages": ["queue"],
    "add_cms_notes": ["queue", "send"],
    "sweep": ["queue", "send"],
    "heartbeat": ["queue"],
}
ARGUMENTS: dict[str, dict[str, Any]] = {"heartbeat": {"key": "somebody"}}
IS_NO_TASK = {"ring", "ring_notes", "wake"}  # they ring for one


def environment(lab: Lab) -> dict[str, str]:
    return {
        "EMAIL_URL": f"smtp://127.0.0.1:{lab.sandbox.smtp_port}",
        "CMS_URL": f"{lab.sandbox.http_url}/cms",
        "SPOOL_DIR": str(lab.folder / "spool"),
    }


def deliver(lab: Lab, name: str) -> Worker:
    return lab.fork("run_task", name=name, environment=environment(lab), arguments=ARGUMENTS.get(name, {}))


def rows(lab: Lab) -> dict[str, Any]:
    """Every table of ours as one hash, and what the servers outside have seen."""
    tables = [name for (name,) in lab.database.ask(r"SELECT tablename FROM pg_tables WHERE tablename ~ '^(messaging|portal|django_q)_'")]
    hashes = {table: lab.database.ask(f"SELECT md5(string_agg(t::text, '|' ORDER BY t::text)) FROM {table} t")[0][0] for table in tables}
    return hashes | {"mails": len(lab.sandbox.mail_ledger()), "notes": len(lab.sandbox.note_ledger())}


def test_every_task_is_asked_here():
    own = {name for name, what in vars(tasks).items() if inspect.isfunction(what) and what.__module__ == tasks.__name__}
    assert {name for name in own if not name.startswith("_")} - IS_NO_TASK == set(BEFORE)


@pytest.fixture
def with_work(clean_lab: Lab, request) -> Lab:
    """The task has something to do: mails are due, notes owed, or a worker has vanished with a mail in its hands."""
    place = clean_lab.place(lease_seconds=0.5, settle_seconds=0)
    fault = "mail.after_body=kill@2" if request.getfixturevalue("name") == "sweep" else ""
    told = {"steps": BEFORE[request.getfixturevalue("name")], "recipients": RECIPIENTS, "marks": str(clean_lab.folder / "marks")}
    worker = clean_lab.fork("work", place=place, fault=fault, **told)
    assert worker.has_ended(within_seconds=30)
    clean_lab.zygote.run("work", place=place, steps=["wait"])
    return clean_lab


@pytest.mark.parametrize("name", BEFORE)
def test_a_task_that_runs_again_changes_nothing(with_work: Lab, name: str):
    before = rows(with_work)
    deliver(with_work, name).answer()
    once = rows(with_work)

    deliver(with_work, name).answer()

    assert rows(with_work) == once
    assert (once != before) == (name != "heartbeat"), "the first run had nothing to do: nothing is proved"


@pytest.mark.parametrize("name", BEFORE)
def test_a_task_that_runs_twice_at_once_does_its_work_once(with_work: Lab, name: str):
    both = [deliver(with_work, name), deliver(with_work, name)]
    for worker in both:
        worker.answer()
    together = rows(with_work)

    deliver(with_work, name).answer()

    assert rows(with_work) == together
    assert with_work.zygote.run("verify", drained=False) == []
    seen = Counter(line["message_id"] for line in with_work.sandbox.mail_ledger())
    stored = Counter(line["reference"] for line in with_work.sandbox.note_ledger())
    assert {*seen.values(), *stored.values()} <= {1}
