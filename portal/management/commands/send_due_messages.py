"""Send what is due."""

import time
from collections import Counter
from typing import Any

from django.core.management.base import CommandParser

from messaging.models import Message
from portal import shutdown, tasks
from portal.management.command import DONE, FAILED, NEEDS_ATTENTION, PortalCommand, Report, whole

TURN_SECONDS = 5.0  # between two lines of progress
SLICE_SECONDS = 50
COUNTED = ("claimed", "sent", "requeued", "failed", "in_doubt", "cancelled", "held_back")


class Command(PortalCommand):
    help = (
        "Sweeps up after vanished workers, then sends the e-mails that are due. Any number of these may run at once: they share the queue. "
        "Exit code 3 when a message failed, is in doubt, or had to be put back because no mail server could be used."
    )
    finishes_first = True

    def options(self, parser: CommandParser) -> None:
        parser.add_argument("--limit", type=whole(1, 1_000_000), help="take at most so many messages")
        parser.add_argument("--seconds", type=whole(1, 86_400), help=f"work at most so long (default {SLICE_SECONDS})")
        parser.add_argument("--until-empty", action="store_true", help="work until nothing is due, however long that takes")

    def work(self, *, limit: int | None, seconds: int | None, until_empty: bool, **told: Any) -> Report:
        doubted = tasks.sweep().get("doubted", 0)
        started = time.monotonic()
        ends_at = started + (seconds or SLICE_SECONDS) if seconds or not until_empty else float("inf")
        total = self.send(limit=limit, ends_at=ends_at)
        spent = time.monotonic() - started
        facts = {name: total[name] for name in COUNTED} | {"seconds": round(spent, 3), "per_second": round(total["sent"] / spent, 1)}
        text = (
            "{claimed} taken: {sent} sent, {requeued} back in the queue, {failed} failed, {in_doubt} in doubt, {cancelled} cancelled, "
            "{held_back} put back unsent. {per_second} per second."
        ).format(**facts)
        if total["already_running"]:
            return Report(facts=facts | {"already_running": True}, text="Others are at this work on this host already.")
        if facts["held_back"] and not shutdown.told():
            text += " No mail server could be used: start one, or see on the dashboard what they say."
        if doubted:
            text += f" {doubted} that a vanished worker left are in doubt: a person decides about them."
        needs_attention = doubted or any(total[name] for name in ("failed", "in_doubt", "held_back"))
        return Report(facts=facts, text=text, exit_code=FAILED if shutdown.told() else NEEDS_ATTENTION if needs_attention else DONE)

    def send(self, *, limit: int | None, ends_at: float) -> Counter[str]:
        """Turn by turn until nothing is due, the limit is reached, the time is over, or we are told to stop."""
        total: Counter[str] = Counter()
        due = Message.objects.due().count()
        while (left := ends_at - time.monotonic()) > 0 and not shutdown.told():
            turn = tasks.send_due_messages(limit=limit and limit - total["claimed"], seconds=min(TURN_SECONDS, left))
            total.update({name: turn[name] for name in COUNTED} | {"already_running": int(turn.get("already_running", False))})
            if turn["claimed"]:
                self.progress(total["claimed"], max(due, total["claimed"]), "messages taken")
            if turn["seconds"] < min(TURN_SECONDS, left) or total["claimed"] == limit:
                break
        return total
