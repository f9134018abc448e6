"""What a worker of the fault tests does: the portal's own verbs, in a loop, with short silences, until it is killed or told to stop."""

import os
import random
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.db import DatabaseError, InterfaceError, connection

from messaging import delivery, faults, invariants, lines, note_outcomes, notes, outbox, reaper
from messaging.decisions import decide
from messaging.faults import InjectedFault
from messaging.gateways import cms, http_call
from messaging.gateways.mail import MailServer
from messaging.models import Case, CmsNote, Message, Mode, Verdict
from messaging.retry import RetryPolicy
from portal import tasks
from tests.faults import campaign_acts, quote_acts, run_acts, summary_acts
from tests.faults.campaign_acts import hand_all_over, unsubscribe_one, verify_schedules  # noqa: F401  (asked for by name)
from tests.faults.host_acts import decide_by_the_ledger, hosts_that_answer, leave_the_bells_to_us, ring_bells  # noqa: F401  (likewise)
from tests.faults.quote_acts import ask_for_quotes, finish_operations, price_quotes, verify_quotes  # noqa: F401  (asked for by name)
from tests.faults.run_acts import finish_run, finish_undo, share_run, share_undo, start_run, start_safe_run, start_undo  # noqa: F401  (likewise)
from tests.faults.summary_acts import be_a_host, subscribe, wrong_with_summaries  # noqa: F401  (likewise)

SENDER = outbox.Sender(address="Office <office@portal.example>", mode=Mode.PRODUCTION, test_recipient="")
SOON = RetryPolicy(first_wait=timedelta(milliseconds=100), factor=1)
SHORT = timedelta(seconds=1)
DRAIN_SECONDS = 150.0
QUOTES = 3  # that are asked for at once
zygote = os.getpid()
http_call.trusted()  # read once for all workers
told_to_stop = False


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a worker finds its servers, and how long its holds last."""

    smtp_port: int
    cms_url: str
    spool_dir: str
    lease_seconds: float
    settle_seconds: float
    ai_url: str
    lock_seconds: float

    @property
    def delivery(self) -> delivery.Terms:
        return delivery.Terms(
            servers=[MailServer(name="sandbox", host="127.0.0.1", port=self.smtp_port)],
            policy=SOON,
            lease=timedelta(seconds=self.lease_seconds),
            spool_dir=Path(self.spool_dir),
            stop=stopped,
        )

    @property
    def notes(self) -> notes.Terms:
        return notes.Terms(
            client=cms.HttpCms(url=self.cms_url),
            lease=timedelta(seconds=self.lease_seconds),
            settle=timedelta(seconds=self.settle_seconds),
            today=date(2025, 3, 31),
            stop=stopped,
        )


def migrate() -> None:
    call_command("migrate", verbosity=0)


def queue(recipients: list[str], *, needs_note: bool = True, prefix: str = "case") -> int:
    """One mail per recipient and case; what was queued before stays as it is."""
    pvs = [f"{number + 1:06}" for number in range(len(recipients))]
    rows = [Case(pv=pv, pid=f"7{pv}", patient_name="Ada Example", firm="Example & Partners") for pv in pvs]
    Case.objects.bulk_create(rows, ignore_conflicts=True)
    cases = {case.pv: case for case in Case.objects.filter(pv__in=pvs)}
    drafts = [
        outbox.Draft(
            key=f"{prefix}:{pv}",
            kind="bulk_status_request",
            recipient=recipient,
            subject=f"Case {pv}",
            text="Good day.\n.\nA line that is only a dot comes before this one.",
            case=cases[pv],
            needs_note=needs_note,
        )
        for pv, recipient in zip(pvs, recipients, strict=True)
    ]
    return len(outbox.queue(drafts, sender=SENDER))


def work(place: dict[str, Any], steps: list[str], *, recipients: list[str] = (), fault: str = "", marks: str = "") -> str:
    """Each step once, as separate tasks would do them: where the database fails one of them, the next still has its turn."""
    get_ready(fault=fault, marks=marks)
    here = Place(**place)
    try:
        for step in steps:
            attempt(lambda step=step: STEPS[step](here, recipients))
    except InjectedFault as injected:
        return f"raised at {injected}"
    return "done"


def keep_working(place: dict[str, Any], steps: list[str]) -> dict[str, int]:
    """The steps again and again until told to stop; a database that is away is waited for."""
    get_ready()
    here, sent = Place(**place), 0
    while not stopped():
        before = time.monotonic()
        for step in steps:
            attempt(lambda step=step: STEPS[step](here, []))
        sent += 1
        time.sleep(max(0.0, 0.03 - (time.monotonic() - before)) * random.random())
    return {"rounds": sent}


def drain(place: dict[str, Any], *, recipients: list[str] = (), decides: bool = False) -> float:
    """Nothing is due, on its way or waiting for a later try any more; returns how many seconds that took."""
    get_ready()
    here, began = Place(**place), time.monotonic()
    steps = ["queue"] * bool(recipients) + ["sweep", "send", "notes"] + ["decide"] * decides
    while time.monotonic() - began < DRAIN_SECONDS:
        for step in steps:
            attempt(lambda step=step: STEPS[step](here, recipients))
        if not (Message.objects.unfinished().exists() or CmsNote.objects.pending().filter(attention="").exists() or waiting(here)):
            return time.monotonic() - began
        time.sleep(0.03)
    raise AssertionError(f"not drained: {left_over()}")


def verify(*, drained: bool) -> list[str]:
    """What is wrong with the record, in sentences."""
    return [f"{wrong.name} {wrong.sentence} {wrong.rows} rows, such as {wrong.ids}" for wrong in invariants.verify(drained=drained)]


def run_task(name: str, environment: dict[str, Any], arguments: dict[str, Any]) -> Any:
    """A task of the portal, as a cluster would run it here."""
    for setting, value in environment.items():
        setattr(settings, setting, type(getattr(settings, setting))(value))
    return getattr(tasks, name)(**arguments)


def stopped() -> bool:
    return told_to_stop or os.getppid() != zygote  # a test that died must not leave workers behind


def get_ready(*, fault: str = "", marks: str = "") -> None:
    signal.signal(signal.SIGTERM, stop)
    random.seed(os.getpid())
    lines.PROBE_FOR = notes.PROBE_FOR = SHORT
    lines.FIRST_PAUSE = notes.FIRST_PAUSE = SHORT / 5
    note_outcomes.BACK_OFF = SOON
    cms.READ_SECONDS = 0.5
    quote_acts.hold_shortly()
    plans = faults.parse(fault)
    faults._plans.update(plans)
    strike = faults._strike

    def leave_a_mark(point: str, plan: faults.Plan) -> None:
        mark = Path(marks) / point
        mark.touch()
        if plan.action == "touch":  # the test does something, then lets us go on
            eventually(lambda: not mark.exists())
        else:
            strike(point, plan)

    faults._strike = leave_a_mark


def stop(*_: object) -> None:
    global told_to_stop
    told_to_stop = True


def attempt(step: Callable[[], object]) -> None:
    try:
        step()
    except (DatabaseError, InterfaceError):
        connection.close()
        time.sleep(0.05)


def eventually(is_so: Callable[[], bool]) -> None:
    while not is_so() and not stopped():
        time.sleep(0.005)


def waiting(here: Place) -> bool:
    return any(path.stat().st_size for path in Path(here.spool_dir).glob("*.jsonl"))


def left_over() -> dict[str, list[Any]]:
    mails = Message.objects.unfinished().values_list("pk", "status", "claims", "error")
    owed = CmsNote.objects.pending().values_list("pk", "status", "due_at", "unclear_since", "leased_until", "error")
    return {"messages": list(mails[:5]), "notes": list(owed[:5])}


def settle_doubts() -> None:
    decide(Message.objects.in_doubt(), verdict=Verdict.SEND_AGAIN, reason="The customer has not got it.", source="rehearsed person")


def wait_for_lapsed(here: Place) -> None:
    """As long as a vanished worker's holds last."""
    time.sleep(here.lease_seconds * 1.1)


STEPS: dict[str, Callable[[Place, list[str]], object]] = {
    "plan": lambda here, recipients: campaign_acts.plan_mails(),
    "share a run": lambda here, recipients: run_acts.share_run(),
    "undo a run": lambda here, recipients: run_acts.share_undo(),
    "hand over": lambda here, recipients: hand_all_over(),
    "unsubscribe": lambda here, recipients: unsubscribe_one(),
    "upload": lambda here, recipients: campaign_acts.upload_contacts(),
    "start run": lambda here, recipients: campaign_acts.start_run(),
    "edit": lambda here, recipients: campaign_acts.edit_contacts(),
    "back up": lambda here, recipients: tasks.backup_database(),
    "queue": lambda here, recipients: queue(recipients),
    "wait": lambda here, recipients: wait_for_lapsed(here),
    "sweep": lambda here, recipients: reaper.sweep(spool_dir=Path(here.spool_dir)),
    "send": lambda here, recipients: delivery.send_due(here.delivery, seconds=2),
    "notes": lambda here, recipients: notes.post_due(here.notes, seconds=2),
    "decide": lambda here, recipients: settle_doubts(),
    "ask": lambda here, recipients: ask_for_quotes(QUOTES),
    "price": lambda here, recipients: quote_acts.price_once(ai_url=here.ai_url, lock_seconds=here.lock_seconds),
    "bulk": lambda here, recipients: quote_acts.start_pricing_in_bulk(),
    "want": lambda here, recipients: summary_acts.want_one_now(QUOTES),
    "summarise": lambda here, recipients: summary_acts.summarise(),
    "age": lambda here, recipients: summary_acts.age_summaries(),
    "operate": lambda here, recipients: quote_acts.operate(ai_url=here.ai_url, stop=stopped),
}
