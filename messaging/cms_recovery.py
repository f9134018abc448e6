"""Old installations kept three logs. Read together they say which sent e-mails still owe a note, and which were lost on the way.

An e-mail in the sent logs needs a note unless a processed line answers it; one that is not even pending is lost. PIDs are compared
whole. `take_in` makes those e-mails messages that are sent already and owe their note.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Any

from django.db import transaction
from django.db.models import Q

from messaging import outbox
from messaging.log_lines import TEST_PREFIX, CmsLine, SentLine, left_after
from messaging.models import Case, CmsNote, Decision, Lane, Message, Status, Verdict

SOURCE = "recover_cms"
UNKNOWN_KIND = "general"  # where no log says what kind of e-mail it was; the sent logs never do
OURS = "recovered:"  # how the key of a message begins that was taken in
KEY_TIME = "%Y%m%dT%H%M%S"  # how its key has the time
TIMELESS = "-"  # where the logs do not tell it
ASKED = ("key", "case", "recipient", "intended_for", "message_id", "remote_id", "subject", "is_test", "sent_at")
NO_SUBJECT = "(not kept)"
Agreement = tuple[bool, ...]
NOT_KEPT = "Recovered from the logs of the old installation, which kept no text."


@dataclass(frozen=True, kw_only=True)
class Mail:
    """An e-mail that the logs tell of. PID or PV is empty where they do not say."""

    pid: str
    pv: str
    sent_to: str
    intended_for: str
    kind: str
    subject: str
    provider_id: str
    is_test: bool
    at: datetime | None


@dataclass(frozen=True, kw_only=True)
class Findings:
    """Every e-mail of the sent logs is processed, pending or lost; pending are also those that only the pending log knows."""

    sent: int
    processed: int
    pending: list[Mail]
    lost: list[Mail]

    @property
    def needs_note(self) -> list[Mail]:
        return [*self.pending, *self.lost]


@dataclass(frozen=True, kw_only=True)
class TakenIn:
    """How many messages were made, how many were there from an earlier time, and the e-mails whose case is not in the portal.

    `unsure` are those taken for one that was there, though nothing is told of both: one log knew the time, the other the subject.
    """

    new: int
    already: int
    without_case: list[Mail]
    unsure: list[Mail]


def find(
    *,
    sent: Iterable[SentLine] = (),
    test: Iterable[SentLine] = (),
    pending: Sequence[CmsLine] = (),
    processed: Sequence[CmsLine] = (),
    pids: Mapping[str, str],
) -> Findings:
    """What the logs amount to. `pids` gives the PID of a PV, because sent logs carry only the PV. Pure."""
    mails = [from_sent(line, pids, is_test=False) for line in sent] + [from_sent(line, pids, is_test=True) for line in test]
    done, waiting = by_address(processed), by_address(pending)
    still_pending, lost = [], []
    for mail in mails:
        if take(done, mail):
            continue
        if line := take(waiting, mail):
            still_pending.append(with_kind(mail, line))
        else:
            lost.append(mail)
    unmatched = [line for lines in waiting.values() for line in lines]
    pvs = {pid: pv for pv, pid in pids.items()}
    still_pending += [from_pending(line, pvs) for line in left_after(unmatched, processed=processed)]
    return Findings(sent=len(mails), processed=len(processed), pending=still_pending, lost=lost)


@transaction.atomic
def take_in(mails: Sequence[Mail], *, sender: str, zone: tzinfo, at: datetime) -> TakenIn:
    """Each e-mail is a sent message whose note is pending; a second run, and any later log that tells of the same e-mails, adds nothing.

    The logs' times are of `zone`; `at` stands where they give none. What the portal sent itself has its note already and is left out.
    """
    cases = cases_of(mails)
    known = Known(cases.values(), zone=zone)
    there, strange, unsure, new = 0, [], [], []
    for mail in sorted(mails, key=told_of, reverse=True):  # what is told best finds its message first
        case = cases.get(("pv", mail.pv)) or cases.get(("pid", mail.pid))
        if case is None:
            strange.append(mail)
        elif (agreed := known.answer(mail, case)) is not None:
            there += 1
            unsure += [] if any(agreed) else [mail]
        else:
            new.append(message_for(mail, case, key=known.new_key(mail, case), sender=sender, zone=zone, at=at))
    create(new)
    return TakenIn(new=len(new), already=there, without_case=strange, unsure=unsure)


class Known:
    """What the portal sent to these cases, and what it took in earlier.

    What it sent itself is known by its Message-ID, or by address and second. A message that was taken in is the same e-mail where the two
    contradict each other in nothing, since a log tells only a part of it; each answers for one e-mail.
    """

    def __init__(self, cases: Iterable[Case], *, zone: tzinfo) -> None:
        self.own: set[tuple[Any, ...]] = set()
        self.taken_in: dict[int, list[Message]] = defaultdict(list)
        self.ordinals: Counter[str] = Counter()
        for message in Message.objects.sent().filter(case__in={case.pk for case in cases}).only(*ASKED).order_by("pk"):
            assert message.sent_at
            if message.key.startswith(OURS):
                who, _, ordinal = message.key.rpartition(":")
                self.ordinals[who] = max(self.ordinals[who], int(ordinal))
                self.taken_in[message.case_id or 0].append(message)
            else:
                second = message.sent_at.astimezone(zone).replace(microsecond=0, tzinfo=None)
                self.own |= {(message.case_id, message.message_id), (message.case_id, message.recipient.lower(), second)}

    def answer(self, mail: Mail, case: Case) -> Agreement | None:
        """In what the message that is this e-mail agrees with it; None where there is none."""
        if {(case.pk, mail.provider_id), (case.pk, mail.sent_to.lower(), mail.at)} & self.own:
            return (True,)
        there = self.taken_in[case.pk]
        if by_our_id := next((message for message in there if message.message_id == mail.provider_id), None):
            there.remove(by_our_id)
            return (True,)
        agreed = [(agreement(message, mail), message) for message in there]
        fitting = [(found, -message.pk, message) for found, message in agreed if found is not None]
        if not fitting:
            return None
        best = max(fitting)
        there.remove(best[2])
        return best[0]

    def new_key(self, mail: Mail, case: Case) -> str:
        """The key of a message for this e-mail; it has the time as the log tells it."""
        moment = f"{mail.at:{KEY_TIME}}" if mail.at else TIMELESS
        who = f"{OURS}{TEST_PREFIX if mail.is_test else ''}{case.pv}:{mail.sent_to.lower()[:100]}:{moment}"
        self.ordinals[who] += 1
        return f"{who}:{self.ordinals[who]}"


def agreement(message: Message, mail: Mail) -> Agreement | None:
    """Whether id, time and subject are told by both and the same; None where the two contradict each other, or go to other addresses."""
    moment = message.key.split(":")[-2]
    told = [
        (mail.provider_id, message.remote_id),
        (f"{mail.at:{KEY_TIME}}" if mail.at else "", moment if re.fullmatch(r"[0-9]{8}T[0-9]{6}", moment) else ""),
        (mail.subject, message.subject if message.subject != NO_SUBJECT else ""),
    ]
    addresses = {mail.sent_to.lower(), mail.intended_for.lower()} & {message.recipient.lower(), message.intended_for.lower()}
    if mail.is_test != message.is_test or not addresses or any(one and other and one != other for one, other in told):
        return None
    return tuple(bool(one and other) for one, other in told)


def told_of(mail: Mail) -> int:
    """How many of the things are known by which mails to one address are told apart."""
    return bool(mail.at) + bool(mail.provider_id) + bool(mail.subject)


def from_sent(line: SentLine, pids: Mapping[str, str], *, is_test: bool) -> Mail:
    return Mail(
        pid=pids.get(line.pv, ""),
        pv=line.pv,
        sent_to=line.sent_to,
        intended_for=line.intended_for or line.sent_to,
        kind=UNKNOWN_KIND,
        subject=line.subject,
        provider_id=line.provider_id,
        is_test=is_test,
        at=line.at,
    )


def from_pending(line: CmsLine, pvs: Mapping[str, str]) -> Mail:
    is_test = line.kind.lower().startswith(TEST_PREFIX)
    return Mail(
        pid=line.pid,
        pv=pvs.get(line.pid, ""),
        sent_to=line.sent_to,
        intended_for=line.sent_to,
        kind=(line.kind[len(TEST_PREFIX) :] if is_test else line.kind) or UNKNOWN_KIND,
        subject="",
        provider_id="",
        is_test=is_test,
        at=line.at,
    )


def with_kind(mail: Mail, line: CmsLine) -> Mail:
    """The sent log's e-mail with what only its pending line knows: its kind, and when it was sent."""
    told = from_pending(line, {})
    return Mail(**{**vars(mail), "kind": told.kind, "at": mail.at or told.at})


def by_address(lines: Iterable[CmsLine]) -> dict[tuple[str, str], list[CmsLine]]:
    found = defaultdict(list)
    for line in lines:
        found[line.pid, line.sent_to.lower()].append(line)
    return found


def take(lines: dict[tuple[str, str], list[CmsLine]], mail: Mail) -> CmsLine | None:
    """One line about this e-mail, used up by it: same PID, and the address used or the one intended."""
    for address in (mail.sent_to.lower(), mail.intended_for.lower()):
        if lines.get((mail.pid, address)):
            return lines[mail.pid, address].pop(0)
    return None


def cases_of(mails: Iterable[Mail]) -> dict[tuple[str, str], Case]:
    """Their cases, by PID and by PV; nobody else takes mails of these cases in until the transaction ends."""
    pvs, pids = {mail.pv for mail in mails if mail.pv}, {mail.pid for mail in mails if mail.pid}
    found = list(Case.objects.filter(Q(pv__in=pvs) | Q(pid__in=pids)).order_by("pk").select_for_update())
    return {("pid", case.pid): case for case in found if case.pid} | {("pv", case.pv): case for case in found}


def message_for(mail: Mail, case: Case, *, key: str, sender: str, zone: tzinfo, at: datetime) -> Message:
    return Message(
        key=key,
        kind=mail.kind,
        lane=Lane.BULK,
        is_test=mail.is_test,
        needs_note=True,
        sender=sender,
        recipient=mail.sent_to,
        intended_for=mail.intended_for,
        subject=mail.subject or NO_SUBJECT,
        text=NOT_KEPT,
        message_id=outbox.new_message_id(sender),
        remote_id=mail.provider_id,
        case=case,
        status=Status.SENT,
        sent_at=mail.at.replace(tzinfo=zone) if mail.at else at,
    )


def create(messages: list[Message]) -> None:
    """The messages, with the decision that stands for the server's answer, and the notes they owe."""
    Message.objects.bulk_create(messages, batch_size=outbox.AT_ONCE)
    reason = "The old installation's log says that it was sent."
    Decision.objects.bulk_create(
        Decision(message=one, verdict=Verdict.MARK_AS_SENT, from_status=Status.IN_DOUBT, round=1, reason=reason, source=SOURCE)
        for one in messages
    )
    CmsNote.objects.bulk_create(CmsNote(message=one) for one in messages)
