"""Old installations kept three logs. Read together they say which sent e-mails still owe a note, and which were lost on the way.

An e-mail in the sent logs needs a note unless a processed line answers it; one that is not even pending is lost. PIDs are compared
whole. `take_in` makes those e-mails messages that are sent already and owe their note.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo

from django.db import transaction
from django.db.models import Q

from messaging import outbox
from messaging.log_lines import TEST_PREFIX, CmsLine, SentLine, left_after
from messaging.models import Case, CmsNote, Decision, Lane, Message, Status, Verdict

SOURCE = "recover_cms"
UNKNOWN_KIND = "general"  # where no log says what kind of e-mail it was; the sent logs never do
OURS = "recovered:"  # how the key of a message begins that was taken in
TIMELESS = ":-"  # what its key has in place of a time that the logs do not tell
NO_SUBJECT = "(not kept)"
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
    """How many messages were made, how many were there from an earlier time, and the e-mails whose case is not in the portal."""

    new: int
    already: int
    without_case: list[Mail]


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
    there, strange, new = 0, [], []
    for mail in sorted(mails, key=told_of, reverse=True):  # what is told best finds its message first
        case = cases.get(("pv", mail.pv)) or cases.get(("pid", mail.pid))
        if case is None:
            strange.append(mail)
        elif known.answers(mail, case):
            there += 1
        else:
            new.append(message_for(mail, case, key=known.new_key(mail, case), sender=sender, zone=zone, at=at))
    create(new)
    return TakenIn(new=len(new), already=there, without_case=strange)


class Known:
    """What the portal sent to these cases, or took in earlier. Each message answers for one e-mail of the logs.

    A log tells of an e-mail only in part, so a message that was taken in is the same e-mail where the two contradict each other in nothing;
    one that the portal sent itself, where its Message-ID or its second is the same.
    """

    def __init__(self, cases: Iterable[Case], *, zone: tzinfo) -> None:
        self.zone = zone
        self.messages: dict[int, list[Message]] = defaultdict(list)
        self.ordinals: Counter[str] = Counter()
        for message in Message.objects.sent().filter(case__in={case.pk for case in cases}).order_by("pk"):
            self.messages[message.case_id or 0].append(message)
            if message.key.startswith(OURS):
                who, _, ordinal = message.key.rpartition(":")
                self.ordinals[who] = max(self.ordinals[who], int(ordinal))

    def answers(self, mail: Mail, case: Case) -> bool:
        """Whether one of them is this e-mail; it answers for no other then."""
        agreed = [(self.agreements(message, mail), message) for message in self.messages[case.pk]]
        fitting = [(count, -message.pk, message) for count, message in agreed if count is not None]
        if fitting:
            self.messages[case.pk].remove(max(fitting)[2])
        return bool(fitting)

    def agreements(self, message: Message, mail: Mail) -> int | None:
        """In how many things they agree; None where they are not the same e-mail."""
        second = message.sent_at.astimezone(self.zone).replace(microsecond=0, tzinfo=None) if message.sent_at else None
        same_address = message.recipient.lower() == mail.sent_to.lower()
        if not message.key.startswith(OURS):
            same = (mail.provider_id == message.message_id, same_address and mail.at == second)
            return sum(same) or None
        told = [
            (mail.is_test, message.is_test),
            (mail.provider_id, message.remote_id),
            (mail.at, None if TIMELESS in message.key else second),
            (mail.subject, "" if message.subject == NO_SUBJECT else message.subject),
        ]
        if not same_address or any(one != other for one, other in told if one not in (None, "") and other not in (None, "")):
            return None
        return sum(one == other for one, other in told)

    def new_key(self, mail: Mail, case: Case) -> str:
        """The key of a message for this e-mail; it tells whether its time is known."""
        moment = f":{mail.at:%Y-%m-%dT%H:%M:%S}" if mail.at else TIMELESS
        who = f"{OURS}{TEST_PREFIX if mail.is_test else ''}{case.pv}:{mail.sent_to.lower()[:100]}{moment}"
        self.ordinals[who] += 1
        return f"{who}:{self.ordinals[who]}"


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
