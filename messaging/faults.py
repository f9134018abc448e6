"""Named fault points. `fault("mail.after_body")` does nothing unless PORTAL_FAULTS names it; a real deployment refuses that variable.

PORTAL_FAULTS="mail.after_body=kill@3;cms.after_post=raise@0.02;claim.after_commit=sleep:5@1": what to do, and when: `@3` the third
time this process comes by, `@0.02` at random with that share, nothing = the first time. `kill` is SIGKILL, `raise` an InjectedFault,
`sleep:S` waits S seconds, `touch:FILE` leaves a mark and goes on (a test waits for it, then stops a server).
"""

import os
import random
import signal
import time
from dataclasses import dataclass
from pathlib import Path

POINTS = frozenset(
    {
        "enqueue.before_commit",
        "enqueue.after_commit",
        "claim.after_commit",
        "mail.after_connect",
        "mail.after_rcpt",
        "mail.before_fence",
        "mail.after_fence",
        "mail.mid_body",
        "mail.after_body",
        "mail.after_reply",
        "mail.after_journal",
        "mail.before_result_commit",
        "mail.after_result_commit",
        "cms.before_fence",
        "cms.after_fence",
        "cms.after_post",
        "cms.before_result_commit",
        "cms.after_result_commit",
        "spool.after_append",
        "spool.mid_replay",
        "reaper.mid_scan",
        "webhook.after_insert",
        "backup.after_dump",
        "backup.after_verify",
        "backup.before_rename",
        "operator.before_decision_commit",
        "operation.after_claim",
        "operation.after_effect",
        "operation.before_item_commit",
        "operation.after_item_commit",
        "run.before_chunk_commit",
        "run.after_chunk_commit",
        "run.before_step_commit",
        "undo.before_chunk_commit",
        "undo.after_chunk_commit",
        "undo.before_end_commit",
        "hand_over.after_queue",
        "hand_over.before_commit",
        "unsubscribe.before_commit",
        "import.after_row_block",
        "import.before_final",
        "quote.before_claim_commit",
        "quote.before_call",
        "quote.after_call",
        "quote.before_result_commit",
        "summary.after_day_row",
        "summary.before_commit",
        "summary.after_commit",
    }
)


class InjectedFault(Exception):
    """Raised by a fault point that was told to."""


@dataclass
class Plan:
    action: str
    value: str
    when: float
    seen: int = 0

    def is_due(self) -> bool:
        self.seen += 1
        return random.random() < self.when if self.when < 1 else self.seen == int(self.when)


def parse(text: str) -> dict[str, Plan]:
    """What PORTAL_FAULTS asks for, by point. Raises ValueError naming the part that is not understood."""
    plans = {}
    for part in filter(None, text.split(";")):
        point, _, rest = part.partition("=")
        action, _, when = rest.partition("@")
        name, _, value = action.partition(":")
        if point not in POINTS or name not in {"kill", "raise", "sleep", "touch"}:
            raise ValueError(f"PORTAL_FAULTS: {part!r} is not POINT=kill|raise|sleep:SECONDS|touch:FILE[@WHEN] with a known point")
        plans[point] = Plan(name, value, float(when or 1))
    return plans


_plans = parse(os.environ.get("PORTAL_FAULTS", ""))


def fault(point: str) -> None:
    """Do here what PORTAL_FAULTS says, which is nothing in a real deployment."""
    if _plans and (plan := _plans.get(point)) and plan.is_due():
        _strike(point, plan)


def _strike(point: str, plan: Plan) -> None:
    match plan.action:
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "raise":
            raise InjectedFault(point)
        case "sleep":
            time.sleep(float(plan.value))
        case "touch":
            Path(plan.value).touch()
