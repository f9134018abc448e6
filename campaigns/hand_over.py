"""Planned mails whose day has come get their message, re-checked on the way: at most once by the event's key, all of a batch or none.

What stops a mail is told by `stopped_by`, and what becomes of it by STOPS. Skipped ones name it in their metadata too, as `stopped_by`;
the next run may plan them again, where the event is true again. Cancelled ones are never asked again. All others stay as they are, for
the next call: later today, or on one of the days for which a mail may be overdue. Then they are skipped as missed.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from django.db import connection, transaction
from django.db.models.functions import Now

from campaigns import loading, scheduler
from campaigns.links import Links
from campaigns.mail_writing import Letter, Office, write
from campaigns.models import Contact, EmailSchedule, SkipReason, Status
from campaigns.rechecks import (
    CAMPAIGN_OVER,
    EVENT_GONE,
    FREQUENCY_LIMIT,
    MISSED,
    Batch,
    Limits,
    batch_of,
    last_days,
    reasons,
)
from campaigns.schedule_rows import store
from campaigns.settings import SchedulerSettings
from campaigns.wording import TemplateUnfit, Wording
from messaging import outbox
from messaging.faults import fault
from messaging.models import Message, Suppression
from messaging.rendering import MissingVariables, TemplateRefused

AT_ONCE = 500  # mails in one transaction
ONE_AT_A_TIME = 0x4A4D_0001  # of the advisory lock: two batches at once would each see the other's room under the caps
SUPPRESSED, ALREADY_MAILED, CAP, UNFIT, GAP = "suppressed", "already_mailed", "daily_cap", "template", "missing_variables"
SUPPRESSED_FOR_NOW = "suppressed_for_now"

STOPS: Mapping[str, tuple[Status, SkipReason | str]] = {  # what stops a mail for good, and what it then is
    SUPPRESSED: (Status.CANCELLED, ""),
    ALREADY_MAILED: (Status.CANCELLED, ""),
    EVENT_GONE: (Status.SKIPPED, SkipReason.MISSED),
    CAMPAIGN_OVER: (Status.SKIPPED, SkipReason.MISSED),
    MISSED: (Status.SKIPPED, SkipReason.MISSED),
    SkipReason.EXCLUSION_WINDOW.value: (Status.SKIPPED, SkipReason.EXCLUSION_WINDOW),
    SkipReason.YEAR_ROUND_EXCLUSION.value: (Status.SKIPPED, SkipReason.YEAR_ROUND_EXCLUSION),
    FREQUENCY_LIMIT: (Status.SKIPPED, SkipReason.FREQUENCY_LIMIT),
    SkipReason.INVALID_CONTACT.value: (Status.SKIPPED, SkipReason.INVALID_CONTACT),
}


class NoPostalAddress(ValueError):
    """A campaign mail names the office's postal address, and there is none."""


def never() -> bool:
    return False


@dataclass(frozen=True, kw_only=True)
class Terms:
    """How this deployment writes to contacts, and the rules in force."""

    sender: outbox.Sender
    settings: SchedulerSettings
    links: Links
    office: Office
    now: datetime
    stop: Callable[[], bool] = never

    def begins(self, day: date) -> datetime:
        """When the mails of a day go out: the office's time."""
        return datetime.combine(day, time.fromisoformat(self.settings.send_time), tzinfo=self.zone)

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.settings.time_zone)


@dataclass(kw_only=True)
class Tally:
    """What one call did, in mails. `attention` has a sentence for each thing that a person must put right."""

    handed_over: int = 0
    stopped_by: Counter[str] = field(default_factory=Counter)
    attention: dict[str, int] = field(default_factory=dict)
    already_running: bool = False
    unfinished: bool = False  # told to stop before all were looked at

    def as_dict(self) -> dict[str, Any]:
        return asdict(self) | {"stopped_by": dict(sorted(self.stopped_by.items()))}

    def stop(self, why: str, *, sentence: str = "") -> None:
        self.stopped_by[why] += 1
        if sentence:
            self.attention[sentence] = self.attention.get(sentence, 0) + 1


def hand_over(*, day: date, terms: Terms, limit: int | None = None) -> Tally:
    """Every mail that is due on `day`, or overdue, is handed over or told in `stopped_by`; at most `limit` are handed over.

    Mails that stay planned are told too. Raises NoPostalAddress. Any number of hosts may do this; one of them does it.
    """
    clerk = Clerk(day=day, terms=terms, cap=daily_cap(terms.settings))
    clerk.give_up_overdue()
    clerk.look_at_templates()
    waiting = clerk.due_ids()
    if waiting and not terms.office.address.strip():
        raise NoPostalAddress("Campaign mails need the office's postal address, so none is handed over: set OFFICE_ADDRESS.")
    while waiting:
        left = AT_ONCE if limit is None else min(AT_ONCE, limit - clerk.tally.handed_over)
        clerk.tally.unfinished = terms.stop()
        if left <= 0 or clerk.tally.unfinished:
            break
        if not clerk.hand_over_some(waiting[:left]):
            clerk.tally.already_running = True
            break
        del waiting[:left]
    return clerk.tally


def daily_cap(settings: SchedulerSettings) -> int:
    cap = scheduler.caps_of(settings.organisation_contacts or Contact.objects.count(), settings).daily
    return int(max(1.0, settings.overage_threshold) * cap)


@dataclass(kw_only=True)
class Clerk:
    """One hand-over of a day: what it is told, and what it has done."""

    day: date
    terms: Terms
    cap: int
    wording: Wording = field(default_factory=Wording)
    tally: Tally = field(default_factory=Tally)

    @property
    def due(self) -> Any:
        return EmailSchedule.objects.due(self.day, overdue_days=self.terms.settings.overdue_days)

    def give_up_overdue(self) -> None:
        """What could not leave within the overdue days is skipped as missed."""
        before = self.day - timedelta(days=self.terms.settings.overdue_days)
        given_up = EmailSchedule.objects.planned().filter(send_on__lt=before)
        if count := given_up.move(Status.SKIPPED, skip_reason=SkipReason.MISSED, updated_at=Now()):
            self.tally.stopped_by[MISSED] += count

    def look_at_templates(self) -> None:
        """Whatever template is missing for a mail that is due is named, before anything is sent."""
        kinds = self.due.order_by("email_type", "campaign_instance_id").distinct("email_type", "campaign_instance_id")
        for mail in kinds.select_related("campaign_instance__email_template"):
            try:
                self.wording.of(mail)
            except TemplateUnfit as unfit:
                self.tally.attention[str(unfit)] = 0

    def due_ids(self) -> list[int]:
        """The best first, so that they have the room under the cap. Mails for which the run found no room come last, outside the cap."""
        return list(self.due.order_by("over_cap", "priority", "contact_id", "email_type", "pk").values_list("pk", flat=True))

    @transaction.atomic
    def hand_over_some(self, ids: Sequence[int]) -> bool:
        """These mails, as far as they are still due, are handed over or stopped, all or none; False where another host is at this work."""
        if not alone():
            return False
        found = self.locked(ids)
        batch = self.batch(found)
        letters = list(self.letters(batch))
        messages = outbox.queue([letter.draft for letter in letters], sender=self.terms.sender)
        fault("hand_over.after_queue")
        for letter, message in zip(letters, messages, strict=True):
            self.handed(letter, message)
        store(mail for mail in found if mail.status != Status.PRE_SCHEDULED)
        self.tally.handed_over += len(letters)
        fault("hand_over.before_commit")
        return True

    def locked(self, ids: Sequence[int]) -> list[EmailSchedule]:
        """Those that are still due, in the order of `ids`; what a run is writing this moment is left for the next call."""
        related = ("contact", "parent", "campaign_instance__email_template", "campaign_instance__sms_template")
        rows = self.due.filter(pk__in=ids).select_related(*related).select_for_update(of=("self",), skip_locked=True)
        place = {pk: number for number, pk in enumerate(ids)}
        return sorted(rows, key=lambda mail: place[mail.pk])

    def batch(self, found: Sequence[EmailSchedule]) -> Batch:
        """The mails of types there still are, to contacts who can be written to; the others are stopped."""
        settings, day = self.terms.settings, np.datetime64(self.day, "D")
        chunk = loading.chunk(sorted({mail.contact_id for mail in found}), day=day, settings=settings)
        valid = set(chunk.contacts.id.tolist())
        for mail in found:
            if mail.email_type not in settings.email_types.codes:
                self.stop(mail, CAMPAIGN_OVER)
            elif mail.contact_id not in valid:
                self.stop(mail, SkipReason.INVALID_CONTACT.value)
        return batch_of([mail for mail in found if mail.status == Status.PRE_SCHEDULED], chunk, day=day, settings=settings)

    def letters(self, batch: Batch) -> Iterator[Letter]:
        """A letter for each mail that nothing stops; the rest is stopped, or stays."""
        limits, suppressed = Limits(batch), suppressed_among(batch.mails)
        keys = [key_of(mail) for mail in batch.mails]
        taken, room = self.taken(keys), self.cap - gone_on(self.day)
        against, window_ends = reasons(batch)
        for mail, row, why, window_end, key, last_day in zip(
            batch.mails, batch.rows, against, window_ends.tolist(), keys, last_days(batch), strict=True
        ):
            why = suppressed.get(mail.contact.email.lower()) or (ALREADY_MAILED if key in taken else why)
            why = why or (CAP if room <= 0 and not mail.over_cap else limits.take(row, schedule_id=mail.pk))
            if why:
                self.stop(mail, why, window_end=window_end)
                continue
            mail.email_type = batch.settings.email_types.names[row["kind"]]
            if letter := self.letter(mail, key=key, last_day=last_day):
                taken.add(key)
                room -= not mail.over_cap
                yield letter

    def letter(self, mail: EmailSchedule, *, key: str, last_day: date) -> Letter | None:
        """The mail in its words; None where its template or the value of a variable is missing, which is told."""
        try:
            words = self.wording.of(mail)
            letter = write(mail, words, links=self.terms.links, office=self.terms.office, day=self.day)
        except TemplateUnfit as unfit:
            self.tally.stop(UNFIT, sentence=str(unfit))
        except (MissingVariables, TemplateRefused) as gap:
            self.tally.stop(GAP, sentence=f"{mail.email_type}, template {words.version.template.name}: {gap}")
        else:
            begins, ends = self.times(last_day)
            draft = replace(letter.draft, key=key, not_before=begins, expires_at=ends)
            return replace(letter, draft=draft, sms_template=self.wording.text_message_of(mail))
        return None

    def times(self, last_day: date) -> tuple[datetime | None, datetime]:
        """Not before the day's time of sending, if that is still ahead; and when the last day is over. The office's times."""
        begins = self.terms.begins(self.day)
        ends = datetime.combine(last_day + timedelta(days=1), time(), tzinfo=self.terms.zone)
        return begins if begins > self.terms.now else None, ends

    def taken(self, keys: Sequence[str]) -> set[str]:
        """The events that another schedule has its message for. A message without a schedule, as after a rebuild, is taken up again."""
        pinned = {outbox.pinned_key(key, mode=self.terms.sender.mode): key for key in keys}
        held = Message.objects.filter(key__in=pinned, schedules__isnull=False).values_list("key", flat=True)
        return {pinned[key] for key in held}

    def handed(self, letter: Letter, message: Message) -> None:
        """The schedule says which message it has become, in which words, and on which day it goes out."""
        mail = letter.schedule
        if mail.send_on != self.day:
            mail.moved_from = mail.moved_from or mail.send_on
        mail.status, mail.message, mail.send_on = Status.SCHEDULED, message, self.day
        mail.email_template, mail.sms_template = letter.template, letter.sms_template

    def stop(self, mail: EmailSchedule, why: str, *, window_end: date | None = None) -> None:
        """It is counted, and skipped or cancelled if that is for good."""
        self.tally.stop(why)
        if why in STOPS:
            mail.status, mail.skip_reason = STOPS[why]
            mail.window_end = window_end
            mail.metadata = (mail.metadata or {}) | {"stopped_by": why}


def alone() -> bool:
    """Whether this transaction is the only one that hands over now, on any host; true until it ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [ONE_AT_A_TIME])
        return bool(cursor.fetchone()[0])


def gone_on(day: date) -> int:
    """What the day carries already under the cap."""
    return EmailSchedule.objects.handed_over().filter(send_on=day, over_cap=False).count()


def suppressed_among(mails: Sequence[EmailSchedule]) -> dict[str, str]:
    """Why an address gets no mail now, by address: for good, or until a day that is known."""
    addresses = {mail.contact.email.lower() for mail in mails}
    rows = Suppression.objects.in_force().filter(address__in=addresses).values_list("address", "suppressed_until")
    return {address: SUPPRESSED_FOR_NOW if until else SUPPRESSED for address, until in rows}


def key_of(mail: EmailSchedule) -> str:
    """The event, never the day it goes out on."""
    if mail.parent:
        return f"followup:{mail.parent.message_id}"
    if mail.campaign_instance_id:
        return f"campaign:{mail.campaign_instance_id}:{mail.contact_id}:{mail.event_on or 'all'}"
    if mail.email_type == "post_window":
        return f"post_window:{mail.contact_id}:{mail.event_on}"
    return f"{mail.email_type}:{mail.contact_id}:{mail.event_on.year if mail.event_on else mail.send_on.year}"
