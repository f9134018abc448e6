"""What staff may decide about a message: six verdicts, each with its reason, carried out and recorded by messaging.decisions."""

from collections.abc import Mapping
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.formats import date_format

from messaging import decisions
from messaging.models import Message, Status, Verdict
from portal import tasks
from portal.admin.acts import Act, ReasonForm
from portal.admin.timeline import decider

IN_WORDS: dict[Verdict, tuple[str, tuple[str, str], str]] = {  # what it does, how the answer ends, the icon
    Verdict.TRY_AGAIN_NOW: (
        "It is sent at the next turn, in a new round with all its tries. Use it once the cause is put right.",
        ("will be tried again now", "will be tried again now"),
        "replay",
    ),
    Verdict.MARK_AS_SENT: (
        "You know that the server took it: it counts as sent, and owes its CMS note. Nothing is sent again.",
        ("is marked as sent", "are marked as sent"),
        "mark_email_read",
    ),
    Verdict.SEND_AGAIN: (
        "You know that it never arrived, or accept that it may arrive twice: the same mail, with the same Message-ID, is sent again.",
        ("will be sent again", "will be sent again"),
        "forward_to_inbox",
    ),
    Verdict.PUT_BACK: (
        "It is no longer held and goes out in its turn.",
        ("is put back in the queue", "are put back in the queue"),
        "low_priority",
    ),
    Verdict.HOLD: (
        "It stays in the portal and is not sent until somebody puts it back in the queue.",
        ("is held", "are held"),
        "pause_circle",
    ),
    Verdict.GIVE_UP: (
        "It is cancelled for good and never sent. This cannot be taken back.",
        ("is given up", "are given up"),
        "cancel",
    ),
}
QUEUES = {Verdict.TRY_AGAIN_NOW, Verdict.SEND_AGAIN, Verdict.PUT_BACK}


def act_for(verdict: Verdict) -> Act:
    explains, done, icon = IN_WORDS[verdict]

    def carry_out(request: HttpRequest, rows: QuerySet, answers: Mapping[str, Any]) -> int:
        done = decisions.decide(
            Message.objects.filter(pk__in=rows.values("pk")), verdict=verdict, reason=answers["reason"], by=request.user
        )
        if done and verdict in QUEUES:
            tasks.ring()
        return done

    return Act(
        name=verdict.value,
        label=str(verdict.label),
        explains=explains,
        done=done,
        permission="messaging.decide_message",
        carry_out=carry_out,
        applies=lambda message: message.status in decisions.APPLIES_TO[verdict],
        refusal=why_not,
        form=ReasonForm,
        icon=icon,
        is_dangerous=verdict == Verdict.GIVE_UP,
        on_the_row=verdict != Verdict.HOLD,
    )


def why_not(message: Message) -> str:
    """Why nothing can be decided here any more: it was delivered, or somebody has decided."""
    latest = message.decisions.select_related("decided_by").order_by("pk").last()
    if message.status == Status.SENT and (latest is None or latest.verdict != Verdict.MARK_AS_SENT):
        return f"Already delivered on {spelled(message.sent_at)}; there is nothing left to decide."
    if latest is not None:
        told = f"Decided by {decider(latest)} as “{latest.get_verdict_display()}” on {spelled(latest.decided_at)}"
        return f"{told}; it is {message.get_status_display().lower()} now."
    return f"It is {message.get_status_display().lower()}; this does not apply to it."


def spelled(at: Any) -> str:
    return date_format(timezone.localtime(at), "M j, Y, H:i")


ACTS = tuple(act_for(verdict) for verdict in IN_WORDS)
