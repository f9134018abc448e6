"""A batch: the cases somebody chose, less those that must be left alone, each with its mail, queued together or not at all."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any

from django.db import transaction
from django.db.models import F, Q

from messaging import outbox, rendering
from messaging.merge_fields import Sender, values_for
from messaging.models import Case, CaseStatus, Lane, Message, MessageSession, Mode, Status, Suppression, TemplateVersion
from messaging.models.case import CaseQuerySet
from messaging.text_input import digits, shown

MOST_NUMBERS = 10_000  # in one list that a person types or pastes
IN_THE_WAY = [Status.QUEUED, Status.CLAIMED, Status.TRANSMITTING, Status.HELD, Status.IN_DOUBT]
BUSY = "it already has a mail on its way or in doubt"


class ListRefused(ValueError):
    """A typed list of numbers cannot be read; the text says which part of it, and what is allowed."""


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Which cases somebody asked for. Category and firm narrow each other; numbers are a list of their own."""

    category: str = ""
    firm: str = ""
    pids: tuple[str, ...] = ()
    pvs: tuple[str, ...] = ()
    limit: int | None = None


@dataclass(frozen=True, kw_only=True)
class Skip:
    """What was asked for and will not be mailed, and why."""

    what: str
    why: str


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A case's mail as it will leave, unless somebody edits it first."""

    case: Case
    subject: str
    text: str
    html: str
    recipient: str


def select(selection: Selection, *, on: date, mode: Mode | None = None) -> tuple[list[Case], list[Skip]]:
    """The cases to mail, longest silent first, and everything asked for that is left out, with its reason.

    With a mode, only mails of that mode stand in the way: a test is never held up by the real one.
    """
    asked = list(asked_for(selection, on=on).order_by(F("last_contact_on").asc(nulls_first=True), "pk"))
    skips = unknown_to_us(selection, asked)
    reasons = reasons_against(asked, on=on, mode=mode)
    skips += [Skip(what=str(case), why=reasons[case.pk]) for case in asked if case.pk in reasons]
    cases = [case for case in asked if case.pk not in reasons]
    if selection.limit is not None and len(cases) > selection.limit:
        over = len(cases) - selection.limit
        skips.append(Skip(what=f"{over} more case{'s' if over > 1 else ''}", why=f"over the limit of {selection.limit}"))
    return cases[: selection.limit], skips


def prepare(cases: Iterable[Case], *, version: TemplateVersion, office: Mapping[str, str], on: date) -> tuple[list[Prepared], list[Skip]]:
    """Each case with its mail, and those whose mail would have a gap. `office` holds the fields of `merge_fields.Sender`."""
    source = rendering.TemplateSource(subject=version.subject, text=version.text, html=version.html)
    sender = Sender(**office)
    prepared, skips = [], []
    for case in cases:
        try:
            mail = rendering.render(source, values=values_for(case, sender=sender, today=on))
        except rendering.MissingVariables as gap:
            skips.append(Skip(what=str(case), why=f"no value for {', '.join(gap.names)}"))
        except rendering.TemplateRefused as refusal:
            skips.append(Skip(what=str(case), why=str(refusal)))
        else:
            prepared.append(Prepared(case=case, subject=mail.subject, text=mail.text, html=mail.html, recipient=case.attorney_email))
    return prepared, skips


@transaction.atomic
def start(
    prepared: Sequence[Prepared],
    *,
    name: str,
    version: TemplateVersion,
    sender: outbox.Sender,
    skipped: list[Skip],
    by: Any,
    at: datetime,
) -> MessageSession:
    """A session with all its messages queued, or nothing. A case that somebody else mailed meanwhile is left out and told."""
    locked = {
        case.pk for case in Case.objects.filter(pk__in=[one.case.pk for one in prepared]).order_by("pk").select_for_update(no_key=True)
    }
    busy = busy_among(locked, mode=sender.mode)
    late = [Skip(what=str(one.case), why=BUSY) for one in prepared if one.case.pk in busy]
    session = MessageSession.objects.create(
        name=name,
        mode=sender.mode,
        template_version=version,
        started_by=by,
        started_at=at,
        skipped=[asdict(skip) for skip in [*skipped, *late]],
    )
    outbox.queue((draft(one, session, by=by) for one in prepared if one.case.pk in locked - busy), sender=sender)
    return session


def numbers(text: str, *, most: int) -> list[int]:
    """The numbers of a list such as `1,3,5-8`, each once, in ascending order, from 1 to `most`."""
    chosen: set[int] = set()
    for part in filter(None, (part.strip() for part in text.split(","))):
        first, dash, last = (piece.strip() for piece in part.partition("-"))
        if not plain_number(first) or (dash and not plain_number(last)):
            raise ListRefused(f"{shown(part)} is not a number or a range; write for example 1,3,5-8.")
        low, high = int(first), int(last or first)
        if not 1 <= low <= high <= most:
            raise ListRefused(f"{shown(part)} is outside 1-{most}.")
        chosen.update(range(low, high + 1))
    return sorted(chosen)


def pasted(text: str, *, field: str) -> tuple[str, ...]:
    """The digits-only numbers of a pasted list, each once, separated by commas, semicolons, spaces or lines."""
    found = tuple(dict.fromkeys(digits(part, field=field) for part in text.replace(",", " ").replace(";", " ").split()))
    if len(found) > MOST_NUMBERS:
        raise ListRefused(f"{field}: at most {MOST_NUMBERS:,} numbers at once; got {len(found):,}.")
    return found


def asked_for(selection: Selection, *, on: date) -> CaseQuerySet:
    cases = Case.objects.in_category(selection.category, on) if selection.category else Case.objects.with_last_contact()
    if selection.firm:
        cases = cases.filter(firm__iexact=selection.firm.strip())
    if selection.pids or selection.pvs:
        cases = cases.filter(Q(pid__in=[pid for pid in selection.pids if pid]) | Q(pv__in=selection.pvs))
    return cases


def unknown_to_us(selection: Selection, asked: Iterable[Case]) -> list[Skip]:
    """The numbers, or the law firm, without a case. PID and PV are easily mixed up, so the other one is looked up too."""
    if selection.firm and not Case.objects.filter(firm__iexact=selection.firm.strip()).exists():
        return [Skip(what=selection.firm, why="no case has this law firm")]
    pids, pvs = {case.pid for case in asked}, {case.pv for case in asked}
    strange_pids = [pid for pid in dict.fromkeys(selection.pids) if pid not in pids]
    strange_pvs = [pv for pv in dict.fromkeys(selection.pvs) if pv not in pvs]
    by_pv = {case.pv: case for case in Case.objects.filter(pv__in=strange_pids)}
    by_pid = {case.pid: case for case in Case.objects.filter(pid__in=strange_pvs)}
    return [unknown("PID", pid, by_pv.get(pid), "PV") for pid in strange_pids] + [
        unknown("PV", pv, by_pid.get(pv), "PID") for pv in strange_pvs
    ]


def unknown(kind: str, number: str, other: Case | None, other_kind: str) -> Skip:
    hint = f"; it is the {other_kind} of {other}" if other else ""
    return Skip(what=f"{kind} {number}", why=f"no case has this {kind}{hint}")


def reasons_against(cases: Sequence[Case], *, on: date, mode: Mode | None) -> dict[int, str]:
    """Why a case must be left alone, by its id; the first reason of each."""
    ids = [case.pk for case in cases]
    awake = set(Case.objects.filter(pk__in=ids).awake(on).values_list("pk", flat=True))
    suppressed = Suppression.objects.addresses_among([case.attorney_email for case in cases])
    busy = busy_among(ids, mode=mode)
    tests = [
        (lambda case: case.status != CaseStatus.ACTIVE, "it is not active but {0.status}"),
        (lambda case: case.pk not in awake, "it is snoozed"),
        (lambda case: not case.attorney_email, "it has no attorney e-mail"),
        (lambda case: case.attorney_email.lower() in suppressed, "{0.attorney_email} is suppressed"),
        (lambda case: case.pk in busy, BUSY),
    ]
    return {case.pk: why.format(case) for case in cases for is_so, why in reversed(tests) if is_so(case)}


def busy_among(case_ids: Iterable[int], *, mode: Mode | None) -> set[int]:
    """The cases with a mail that may still go out, or may have gone out."""
    mails = Message.objects.filter(case__in=list(case_ids), status__in=IN_THE_WAY)
    if mode is not None:
        mails = mails.filter(is_test=mode == Mode.TEST)
    return set(mails.values_list("case_id", flat=True))


def draft(one: Prepared, session: MessageSession, *, by: Any) -> outbox.Draft:
    assert session.template_version is not None
    kind = session.template_version.template.kind
    return outbox.Draft(
        key=f"{kind}:{session.pk}:{one.case.pk}",
        kind=kind,
        recipient=one.recipient,
        subject=one.subject,
        text=one.text,
        html=one.html,
        case=one.case,
        needs_note=True,
        session=session,
        template_version=session.template_version,
        queued_by=by,
        lane=Lane.BULK,
    )


def plain_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 10
