"""The way in: queue a mail once per key, inside the caller's transaction. What is committed here will be sent, or told why not."""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import parseaddr
from typing import Any

from django.db import transaction

from messaging.faults import fault
from messaging.models import Case, Lane, Message, MessageSession, Mode, TemplateVersion

LONGEST_SUBJECT = 250  # characters, before a test mail names whom it is for
LONGEST_NAMED = 120  # characters of an address in such a subject; it stands whole beside it
AT_ONCE = 500  # rows per INSERT
HEADERS = frozenset({"Reply-To", "List-Unsubscribe", "List-Unsubscribe-Post", "Auto-Submitted", "Precedence"})  # all we may set


class NotADraft(ValueError):
    """What was to be queued cannot be a mail: no recipient, an unknown header, a line break where none may be."""


@dataclass(frozen=True, kw_only=True)
class Draft:
    """A mail as its author means it. `key` names the event it is about, never the day it goes out."""

    key: str
    kind: str
    recipient: str
    subject: str
    text: str
    html: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    case: Case | None = None
    needs_note: bool = False
    session: MessageSession | None = None
    template_version: TemplateVersion | None = None
    queued_by: Any = None
    lane: Lane = Lane.BULK
    not_before: datetime | None = None
    expires_at: datetime | None = None

    def __post_init__(self) -> None:
        if not self.recipient:
            raise NotADraft(f"{self.key}: it has no recipient; give the case an e-mail address first")
        if unknown := set(self.headers) - HEADERS:
            raise NotADraft(f"{self.key}: header {sorted(unknown)[0]!r} may not be set; only {', '.join(sorted(HEADERS))}")
        if not 0 < len(self.subject) <= LONGEST_SUBJECT:
            raise NotADraft(f"{self.key}: a subject has 1 to {LONGEST_SUBJECT} characters; this one has {len(self.subject)}")
        if any("\n" in line or "\r" in line for line in (self.recipient, self.subject, *self.headers.values())):
            raise NotADraft(f"{self.key}: recipient, subject and headers are single lines")


@dataclass(frozen=True, kw_only=True)
class Sender:
    """How this deployment's mail leaves: from whom, in which mode, and where a test goes instead."""

    address: str
    mode: Mode
    test_recipient: str
    max_attempts: int = 3


def queue(drafts: Iterable[Draft], *, sender: Sender) -> list[Message]:
    """Every draft has its message afterwards, in the drafts' order; one whose key was queued before keeps the message it had.

    The mode is pinned here and part of the key: a test is never the real mail. All of them are queued, or none.
    """
    messages = [compose(draft, sender=sender) for draft in drafts]
    with transaction.atomic():
        Message.objects.bulk_create(messages, batch_size=AT_ONCE, ignore_conflicts=True)
        fault("enqueue.before_commit")
    fault("enqueue.after_commit")
    queued = {message.key: message for message in Message.objects.filter(key__in=[message.key for message in messages])}
    return [queued[message.key] for message in messages]


def in_brief(address: str) -> str:
    return address if len(address) <= LONGEST_NAMED else f"{address[:LONGEST_NAMED]}…"


def compose(draft: Draft, *, sender: Sender) -> Message:
    """The message a draft becomes: addressed to the test recipient and marked so in test mode. Not saved."""
    is_test = sender.mode == Mode.TEST
    return Message(
        key=pinned_key(draft.key, mode=sender.mode),
        kind=draft.kind,
        lane=draft.lane,
        is_test=is_test,
        needs_note=draft.needs_note,
        sender=sender.address,
        recipient=sender.test_recipient if is_test else draft.recipient,
        intended_for=draft.recipient,
        subject=f"[TEST for {in_brief(draft.recipient)}] {draft.subject}" if is_test else draft.subject,
        text=draft.text,
        html=draft.html,
        headers=draft.headers,
        message_id=new_message_id(sender.address),
        case=draft.case,
        session=draft.session,
        template_version=draft.template_version,
        queued_by=draft.queued_by,
        max_attempts=sender.max_attempts,
        expires_at=draft.expires_at,
        **({"due_at": draft.not_before} if draft.not_before else {}),
    )


def pinned_key(key: str, *, mode: Mode) -> str:
    """The message's key, which names the mode too: a test is never the real mail."""
    return f"test:{key}" if mode == Mode.TEST else key


def new_message_id(sender: str) -> str:
    """A Message-ID of the sender's domain, fixed before the first try."""
    return f"<{uuid.uuid4().hex}@{parseaddr(sender)[1].rpartition('@')[2] or 'localhost'}>"
