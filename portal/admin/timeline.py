"""The story of one message, oldest first: queued, tried, decided, noted in the CMS, and what the system noticed on the way."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from messaging.models import Attempt, CmsNote, Decision, Message, NoteAttempt, NoteOutcome, NoteStatus, Phase, Status, SystemEvent

NOTE_OUTCOME_TONES = {
    NoteOutcome.CREATED: "green",
    NoteOutcome.EXISTS: "green",
    NoteOutcome.CONFIRMED: "green",
    NoteOutcome.REJECTED: "red",
    NoteOutcome.LOST_POST: "amber",
    NoteOutcome.LOST_PRE: "amber",
}
PHASE_TONES = {Phase.ACCEPTED: "green", Phase.REJECTED: "red", Phase.LOST_PRE: "amber", Phase.LOST_POST: "amber"}
LEVEL_TONES = {"info": "blue", "warning": "amber", "error": "red", "alarm": "red"}


@dataclass(frozen=True, kw_only=True)
class Moment:
    at: datetime
    title: str
    said: str = ""  # in the words of whoever said it
    who: str = ""
    tone: str = "grey"
    icon: str = "circle"


def story(message: Message) -> list[Moment]:
    """Everything that happened to the message, newest last."""
    moments = [queued(message), *tries(message), *decisions(message), *note_story(message), *events(message)]
    return sorted(moments, key=lambda moment: moment.at)


def what_next(message: Message) -> str:
    """One sentence: what will happen by itself, or what waits for a person."""
    match Status(message.status):
        case Status.QUEUED:
            tries = f"try {message.attempts + 1} of {message.max_attempts} in round {message.round}"
            return f"It waits for its next try: {tries}."
        case Status.CLAIMED | Status.TRANSMITTING:
            return "A worker is sending it at this moment."
        case Status.IN_DOUBT:
            return "The server may have it or not, and nobody can know from here: look for the Message-ID at the provider, then decide."
        case Status.FAILED:
            return "It is not tried again by itself: put right what the server named, then try again, or give up."
        case Status.HELD:
            return f"It is held and goes nowhere: {message.reason}"
        case Status.CANCELLED:
            return f"It was cancelled and will not be sent: {message.reason}"
        case Status.SENT:
            return sent_next(message)


def sent_next(message: Message) -> str:
    note: CmsNote | None = getattr(message, "note", None)
    if note is None:
        return "It is sent and owes no CMS note: nothing is left to do."
    if note.status == NoteStatus.PROCESSED:
        return f"It is sent, and the CMS has its note as {note.remote_id}: nothing is left to do."
    if message.case is not None and not message.case.pid:
        return "It is sent, but its CMS note cannot be added: the case has no PID yet."
    return f"It is sent; its CMS note is {note.get_status_display().lower()}."


def queued(message: Message) -> Moment:
    version, session = message.template_version, message.session
    parts = [
        f"as a test for {message.intended_for}" if message.is_test else f"for {message.intended_for}",
        f"from the template “{version.template}”, version {version.number}" if version else "",
        f"in the session “{session}”" if session else "",
    ]
    said = "It owes the case file a CMS note once it is sent." if message.needs_note else ""
    title = "Queued " + ", ".join(filter(None, parts))
    return Moment(at=message.created_at, title=title, said=said, who=name_of(message.queued_by), icon="inbox", tone="blue")


def tries(message: Message) -> Iterator[Moment]:
    for attempt in message.history.order_by("number"):
        yield one_try(attempt)


def one_try(attempt: Attempt) -> Moment:
    where = f" at {attempt.provider}" if attempt.provider else ""
    answer = " ".join(str(part) for part in (attempt.reply_code, attempt.reply) if part)
    said = "\n".join(filter(None, [attempt.error, f"The server said: {answer}" if answer else ""]))
    return Moment(
        at=attempt.started_at,
        title=f"Try {attempt.number}{where}, round {attempt.round}: {attempt.get_phase_display()}",
        said=said,
        tone=PHASE_TONES.get(Phase(attempt.phase), "blue"),
        icon="outgoing_mail",
    )


def decisions(message: Message) -> Iterator[Moment]:
    for decision in message.decisions.select_related("decided_by").order_by("pk"):
        yield Moment(
            at=decision.decided_at,
            title=f"Decided: {decision.get_verdict_display()}",
            said=decision.reason,
            who=decider(decision),
            tone="blue",
            icon="gavel",
        )


def decider(decision: Decision) -> str:
    return name_of(decision.decided_by) or decision.source


def note_story(message: Message) -> Iterator[Moment]:
    note: CmsNote | None = getattr(message, "note", None)
    if note is None:
        return
    yield Moment(at=note.created_at, title="A CMS note is owed", icon="sticky_note_2", tone="grey")
    for attempt in note.history.select_related("by").order_by("number"):
        yield one_note_try(attempt)


def one_note_try(attempt: NoteAttempt) -> Moment:
    said = "\n".join(filter(None, [attempt.text, attempt.detail]))
    act, outcome = attempt.get_act_display(), attempt.get_outcome_display()
    title = f"CMS note, {act[0].lower()}{act[1:]}: {outcome[0].lower()}{outcome[1:]}"
    tone = NOTE_OUTCOME_TONES.get(NoteOutcome(attempt.outcome), "blue")
    return Moment(at=attempt.started_at, title=title, said=said, who=name_of(attempt.by), tone=tone, icon="sticky_note_2")


def events(message: Message) -> Iterator[Moment]:
    for event in message.events.select_related("by").order_by("at"):
        yield one_event(event)


def one_event(event: SystemEvent) -> Moment:
    title = f"Noticed by {event.component}"
    return Moment(at=event.at, title=title, said=event.text, who=name_of(event.by), tone=LEVEL_TONES[event.level], icon="notifications")


def name_of(user: Any) -> str:
    return (user.get_full_name() or user.get_username()) if user else ""
