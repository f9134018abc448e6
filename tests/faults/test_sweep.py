"""Every named fault point of mails and notes, met by every fault, in a real worker: one short day, then a clean worker, then the ledgers.

Doubt is left only where the answer died with the worker, and then exactly one.
"""

import time
from pathlib import Path

import pytest

from messaging.faults import POINTS
from tests.faults.lab import Lab

LEASE_SECONDS, SETTLE_SECONDS = 0.7, 0.4
PAST_THE_LEASE = 1.6  # seconds: past lease and settle time together
DAY = ["queue", "send", "notes", "sweep"]
RECIPIENTS = ["anna@client.example", "dora@client.example", "refuse-450x1+ben@client.example", "refuse-550+cleo@client.example"]
FAULTS = {"kill": "kill", "raise": "raise", "sleep past the lease": f"sleep:{PAST_THE_LEASE}", "stop the database": "touch:mark"}

ELSEWHERE = (
    "undo.",
    "quote.",
    "operation.",
    "hand_over.",
    "unsubscribe.",
    "run.",
    "import.",
    "summary.",
    "backup.",
    "webhook.",
)  # they have sweeps of their own
OF_MAIL = sorted(point for point in POINTS if not point.startswith(ELSEWHERE))
BEFORE = {  # what a first worker left behind, without which the point has nothing to do
    "spool.mid_replay": "mail.after_journal=kill@2",
    "reaper.mid_scan": "mail.after_body=kill@2",
    "operator.before_decision_commit": "mail.after_body=kill@2",
}
BODY_IS_OUT = ("mail.after_fence", "mail.mid_body", "mail.after_body", "mail.after_reply")


def doubts(point: str, fault: str) -> int:
    """How many mails must be left in doubt."""
    if point == "reaper.mid_scan":
        return 1  # the first worker's, whatever befell the second
    return int(point in BODY_IS_OUT and fault in ("kill", "raise"))


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("point", OF_MAIL)
def test_whatever_strikes_wherever_nothing_is_lost_and_nothing_doubled(clean_lab: Lab, point: str, fault: str):
    place = clean_lab.place(lease_seconds=LEASE_SECONDS, settle_seconds=SETTLE_SECONDS)
    decides = point.startswith("operator.")
    told = {"place": place, "recipients": RECIPIENTS, "marks": str(clean_lab.folder / "marks")}
    if point in BEFORE:
        clean_lab.fork("work", steps=DAY, fault=BEFORE[point], **told).has_ended(within_seconds=20)
    steps = ["wait", "sweep", "decide", *DAY] if decides else ["wait", "sweep", *DAY] if point in BEFORE else DAY
    when = 2 if point.startswith("mail.") else 1  # the second mail: an answer is pending by then

    worker = clean_lab.fork("work", steps=steps, fault=f"{point}={FAULTS[fault]}@{when}", **told)
    strike(clean_lab, clean_lab.folder / "marks" / point, fault)
    clean_lab.zygote.run("drain", place=place, recipients=RECIPIENTS, decides=decides)
    if fault != "kill":
        assert worker.answer() == (f"raised at {point}" if fault == "raise" else "done")
        clean_lab.zygote.run("drain", place=place)

    assert clean_lab.wrong() == []
    ended = clean_lab.statuses()
    assert ended["in_doubt"] == doubts(point, fault), ended
    assert ended["sent"] + ended["failed"] + ended["in_doubt"] == len(RECIPIENTS), ended
    assert clean_lab.statuses("cmsnote") == {"processed": ended["sent"]}


def strike(lab: Lab, mark: Path, fault: str) -> None:
    """The worker has come by the point. Fails if it never does: a point that is not reached proves nothing."""
    ends_at = time.monotonic() + 20
    while not mark.exists():
        assert time.monotonic() < ends_at, f"{mark.name} was never reached"
        time.sleep(0.005)
    if fault == "stop the database":
        lab.database.stop("immediate" if sum(map(ord, mark.name)) % 2 else "fast")
        mark.unlink()
        time.sleep(0.3)
        lab.database.start()
