"""A task may be delivered twice, one after the other or at the same moment, and the second delivery changes nothing."""

import inspect
from collections import Counter
from typing import Any

import pytest

from portal import tasks
from tests.faults.acts import QUOTES
from tests.faults.lab import Lab
from tests.faults.zygote import Worker

RECIPIENTS = ["anna@client.example", "dora@client.example", "refuse-550+cleo@client.example"]
BEFORE = {  # what there is to do for the first delivery
    "send_due_messages": ["queue"],
    "add_cms_notes": ["queue", "send"],
    "process_quotes": ["ask"],
    "retry_failed_emails": ["ask", "price", "send"],
    "clear_stale_locks": ["ask", "price"],
    "run_operations": ["ask", "bulk"],
    "run_imports": ["upload"],
    "hand_over_due": ["plan"],
    "schedule_follow_ups": ["plan", "hand over", "send"],
    "run_scheduler": ["plan"],
    "join_run": ["plan", "start run"],
    "reschedule_changes": ["plan", "edit"],
    "send_daily_summaries": ["want"],
    "expire_daily_summaries": ["want", "summarise", "age"],
    "sweep": ["queue", "send"],
    "heartbeat": ["queue"],
    "rebuild_analytics": ["queue", "send"],
    "optimise_database": ["queue", "send"],
    "backup_database": ["queue"],
    "restore_drill": ["queue", "back up"],
}
CHANGES_NOTHING = {"heartbeat", "rebuild_analytics", "optimise_database", "backup_database", "restore_drill"}  # but in their own lists
RUNS = {"campaigns_schedulerrun", "campaigns_runchunk"}
OWN_LIST = {  # of what was done when; that is all that a second time adds to
    "run_scheduler": RUNS,
    "join_run": RUNS,
    "reschedule_changes": RUNS,
    "rebuild_analytics": {"messaging_snapshot"},
    "optimise_database": {"messaging_systemevent"},
    "backup_database": {"messaging_backuphistory"},
    "restore_drill": {"messaging_backuphistory"},
}
VANISHES = {"sweep": "mail.after_body=kill@2", "clear_stale_locks": "quote.before_call=kill@2"}  # where the worker before it dies
REFUSED_MAILS = {"retry_failed_emails": 3}
ARGUMENTS: dict[str, dict[str, Any]] = {"heartbeat": {"key": "somebody"}, "hand_over_due": {"early": True}}
IS_NO_TASK = {"wake"}  # it, and whatever is called ring, ring for one
LEASE_SECONDS, A_DAY_IN_SECONDS = 0.5, 86_400


def environment(lab: Lab, name: str) -> dict[str, Any]:
    of_locks = {"QUOTE_LOCK": LEASE_SECONDS / A_DAY_IN_SECONDS} if name == "clear_stale_locks" else {}
    return of_locks | {
        "EMAIL_URL": f"smtp://127.0.0.1:{lab.sandbox.smtp_port}",
        "CMS_URL": f"{lab.sandbox.http_url}/cms",
        "AI_URL": lab.ai_url,
        "AI_MODEL": "sandbox",
        "MAIL_MODE": "production",
        "SPOOL_DIR": str(lab.folder / "spool"),
        "OFFICE_ADDRESS": "1 Example Plaza, Chicago, IL 60601",
        "BACKUP_DIR": str(lab.folder / "backups"),
    }


def deliver(lab: Lab, name: str) -> Worker:
    return lab.fork("run_task", name=name, environment=environment(lab, name), arguments=ARGUMENTS.get(name, {}))


def rows(lab: Lab, name: str) -> dict[str, Any]:
    """Every table of ours as one hash, but the list of when the task ran; and what the servers outside have seen."""
    of_ours = r"SELECT tablename FROM pg_tables WHERE tablename ~ '^(messaging|campaigns|portal|django_q)_'"
    tables = {table for (table,) in lab.database.ask(of_ours)} - {"portal_summarytick", *OWN_LIST.get(name, set())}
    hashes = {table: lab.database.ask(f"SELECT md5(string_agg(t::text, '|' ORDER BY t::text)) FROM {table} t")[0][0] for table in tables}
    return hashes | {
        "mails": len(lab.sandbox.mail_ledger()),
        "notes": len(lab.sandbox.note_ledger()),
        "asked": len(lab.sandbox.ai_ledger()),
    }


def test_every_task_is_asked_here():
    own = {name for name, what in vars(tasks).items() if inspect.isfunction(what) and what.__module__ == tasks.__name__}
    assert {name for name in own if not name.startswith(("_", "ring"))} - IS_NO_TASK == set(BEFORE)


@pytest.fixture
def with_work(clean_lab: Lab, request) -> Lab:
    """The task has something to do: mails are due, notes owed, quotes asked for, or a worker has vanished with one in its hands."""
    name = request.getfixturevalue("name")
    place = clean_lab.place(lease_seconds=LEASE_SECONDS, settle_seconds=0)
    clean_lab.sandbox.use(mail={"modes": [f"refuse-550x{REFUSED_MAILS[name]}"]} if name in REFUSED_MAILS else {})
    told = {"steps": BEFORE[name], "recipients": RECIPIENTS, "marks": str(clean_lab.folder / "marks")}
    worker = clean_lab.fork("work", place=place, fault=VANISHES.get(name, ""), **told)
    assert worker.has_ended(within_seconds=30)
    clean_lab.zygote.run("work", place=place, steps=["wait"])
    clean_lab.sandbox.use(mail={})
    return clean_lab


@pytest.mark.parametrize("name", BEFORE)
def test_a_task_that_runs_again_changes_nothing(with_work: Lab, name: str):
    before = rows(with_work, name)
    deliver(with_work, name).answer()
    once = rows(with_work, name)

    deliver(with_work, name).answer()

    assert rows(with_work, name) == once
    assert (once != before) == (name not in CHANGES_NOTHING), "the first run had nothing to do: nothing is proved"


@pytest.mark.parametrize("name", BEFORE)
def test_a_task_that_runs_twice_at_once_does_its_work_once(with_work: Lab, name: str):
    both = [deliver(with_work, name), deliver(with_work, name)]
    for worker in both:
        worker.answer()
    together = rows(with_work, name)

    deliver(with_work, name).answer()

    assert rows(with_work, name) == together
    assert with_work.zygote.run("verify", drained=False) == []
    assert with_work.zygote.run("verify_quotes") == []
    assert together["asked"] <= QUOTES
    seen = Counter(line["message_id"] for line in with_work.sandbox.mail_ledger())
    stored = Counter(line["reference"] for line in with_work.sandbox.note_ledger())
    assert {*seen.values(), *stored.values()} <= {1}
