"""Old installations kept three logs. Read together they say which sent e-mails still owe a note, and which were lost on the way.

An e-mail in the sent logs needs a note unless a processed line answers it; one that is not even pending is lost. PIDs are compared
whole. `take_in` makes those e-mails messages that are sent already and owe their note.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Any

from django.db import transaction

from messaging import outbox
from messaging.log_lines import TEST_PREFIX, CmsLine, SentLine, left_after
from messaging.models import Case, CmsNote, Decision, Lane, Message, Status, Verdict

SOURCE = "recover_cms"
UNKNOWN_KIND = "general"  # where no log says what kind of e-mail it was; the sent logs never do
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
    """Each e-mail is a sent message whose note is pending; a second run adds nothing.

    The logs' times are of `zone`; `at` stands where they give none. What the portal sent itself has its note already and is left out.
    """
    cases = cases_of(mails)
    own = sent_by_us(cases.values(), zone=zone)
    ordinals: Counter[str] = Counter()
    wanted, ours, strange = {}, 0, []
    for mail in mails:
        case = cases.get(("pv", mail.pv)) or cases.get(("pid", mail.pid))
        if case is None:
            strange.append(mail)
        elif {(case.pk, mail.provider_id), (case.pk, mail.sent_to.lower(), mail.at)} & own:
            ours += 1
        else:
            who = f"recovered:{TEST_PREFIX if mail.is_test else ''}{case.pv}:{mail.sent_to.lower()[:120]}"
            ordinals[who] += 1  # the same e-mail of the same logs has the same key
            wanted[f"{who}:{ordinals[who]}"] = (mail, case)
    there = set(Message.objects.filter(key__in=wanted).values_list("key", flat=True))
    create([message_for(*wanted[key], key=key, sender=sender, zone=zone, at=at) for key in wanted if key not in there])
    return TakenIn(new=len(wanted) - len(there), already=len(there) + ours, without_case=strange)


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
    by_pv = Case.objects.filter(pv__in={mail.pv for mail in mails if mail.pv})
    by_pid = Case.objects.filter(pid__in={mail.pid for mail in mails if mail.pid})
    return {("pid", case.pid): case for case in by_pid} | {("pv", case.pv): case for case in by_pv}


def sent_by_us(cases: Iterable[Case], *, zone: tzinfo) -> set[tuple[Any, ...]]:
    """What tells an e-mail of the portal's own in its exported logs: its Message-ID, or address and second."""
    own = Message.objects.sent().filter(case__in={case.pk for case in cases}).exclude(key__startswith="recovered:")
    marks: set[tuple[Any, ...]] = set()
    for case, message_id, recipient, sent_at in own.values_list("case", "message_id", "recipient", "sent_at"):
        assert sent_at
        marks |= {(case, message_id), (case, recipient.lower(), sent_at.astimezone(zone).replace(microsecond=0, tzinfo=None))}
    return marks


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
        subject=mail.subject or "(not kept)",
        text=NOT_KEPT,
        message_id=outbox.new_message_id(sender),
        remote_id=mail.provider_id[:200],
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
