"""The whole expected schedule of one contact before load balancing, day by day, from the domain's words (5.3 to 5.9 and 5.13).

Written without a look at `campaigns/rules/`. It knows `datetime.date` and nothing else, and takes its time.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from hashlib import md5
from typing import Any

from tests.audit.windows import ONE_DAY, RULES, anniversary, excluded, read_date, walk, windows

Event = tuple[str, Any, date]  # the e-mail type, the campaign, the day it is about

TAKEN = {"scheduled", "processing", "sent", "delivered", "cancelled"}  # the event has had its mail, or a person stopped it (5.2, 5.6)
NEVER_AFTER_THEIR_EVENT = {"birthday", "effective_date"}  # all others, load balancing may have moved beyond (5.11)


@dataclass(frozen=True)
class Behaviour:
    """A campaign type, as domain 5.9 has it."""

    days_before: int
    priority: int
    respects_windows: bool = True
    active: bool = True


CAMPAIGNS = {
    "rate_increase": Behaviour(14, 1),
    "seasonal_promo": Behaviour(7, 5),
    "initial_blast": Behaviour(0, 10, respects_windows=False),
    "regulatory_notice": Behaviour(0, 1, respects_windows=False),
    "policy_update": Behaviour(7, 3),
}


@dataclass(frozen=True)
class Numbers:
    """What the domain lets an office change, with its defaults."""

    lead: int = 60
    birthday_days: int = 14
    effective_days: int = 30
    spread: int = 7
    overdue_days: int = 7
    rules: Mapping[str, tuple[str, int, int]] = field(default_factory=lambda: RULES)
    campaigns: Mapping[str, Behaviour] = field(default_factory=lambda: CAMPAIGNS)


@dataclass(frozen=True)
class Row:
    """One expected line of the schedule."""

    email_type: str
    date: date
    event_date: date
    status: str = "pre-scheduled"
    reason: str | None = None
    instance: Any = None
    skipped_emails: frozenset[str] = frozenset()

    @property
    def event(self) -> Event:
        return self.email_type, self.instance, self.event_date


@dataclass(frozen=True)
class Past:
    """A line of the history."""

    email_type: str
    date: date
    status: str
    event_date: date
    instance: Any
    reason: str | None = None
    moved_from: date | None = None

    @property
    def event(self) -> Event:
        return self.email_type, self.instance, self.event_date


def identity(event: Event) -> tuple[str, Any, Any]:
    """What must not be mailed about twice: of birthdays, policy days and AEP the year, of others the day (5.6, D-31)."""
    email_type, instance, about = event
    return email_type, instance, about.year if email_type in ("birthday", "effective_date", "aep") else about


def expected(contact: Mapping[str, Any], *, day: date, numbers: Numbers | None = None) -> list[Row]:
    """Every mail the contact should get from `day` on, and each that is skipped with its reason."""
    numbers = numbers or Numbers()
    history = list(past(contact))
    taken = {identity(one.event) for one in history if holds(one, day=day, numbers=numbers)}
    wanted = [*own_mails(contact, day=day, numbers=numbers), *campaign_mails(contact, day=day, numbers=numbers)]
    rows = [judged(row, contact, numbers=numbers) for row in wanted if identity(row.event) not in taken]
    return [*rows, *post_windows(contact, rows, history, taken, day=day, numbers=numbers)]


def holds(one: Past, *, day: date, numbers: Numbers) -> bool:
    """This line stands for its event: the mail went out, is on its way or was stopped, or is overdue and still may go."""
    overdue = one.status == "pre-scheduled" and day - numbers.overdue_days * ONE_DAY <= one.date < day
    return one.status in TAKEN or overdue


def past(contact: Mapping[str, Any]) -> Iterator[Past]:
    for told in contact.get("history") or ():
        sent = date.fromisoformat(told["date"])
        about = told.get("event_date")
        yield Past(
            told["email_type"],
            sent,
            told["status"],
            date.fromisoformat(about) if about else event_behind(told["email_type"], sent, contact),
            told.get("campaign_instance"),
            told.get("skip_reason"),
            read_date(told.get("moved_from")),
        )


def event_behind(email_type: str, sent: date, contact: Mapping[str, Any]) -> date:
    """The event that a mail of that day was about: the next birthday or policy day, the AEP day that was, the window that ended."""
    anchor = {"birthday": "birth_date", "effective_date": "effective_date"}.get(email_type)
    if anchor:
        about = read_date(contact.get(anchor)) or sent
        return next(one for one in (anniversary(about, sent.year), anniversary(about, sent.year + 1)) if one >= sent)
    if email_type == "aep":
        return next(one for one in (aep_day(sent.year), aep_day(sent.year - 1)) if one <= sent)
    return sent - ONE_DAY


# The contact's own mails


def aep_day(year: int) -> date:
    return date(year, 9, 15)


def own_mails(contact: Mapping[str, Any], *, day: date, numbers: Numbers) -> Iterator[Row]:
    born, began = read_date(contact.get("birth_date")), read_date(contact.get("effective_date"))
    if born:
        yield from yearly("birthday", born, numbers.birthday_days, contact, day=day, numbers=numbers)
    if began:
        own = yearly("effective_date", began, numbers.effective_days, contact, day=day, numbers=numbers)
        yield from (row for row in own if row.event_date >= began)  # no event before the policy begins
    for due in (aep_day(day.year), aep_day(day.year + 1)):
        if due >= day:
            yield Row("aep", due, due)
            return
        if planned := promised("aep", due, contact, day=day):
            yield Row("aep", planned, due)


def yearly(email_type: str, about: date, lead: int, contact: Mapping[str, Any], *, day: date, numbers: Numbers) -> Iterator[Row]:
    event = anniversary(about, day.year)
    if event == day and promised(email_type, event, contact, day=day):  # an earlier night put it on this last day: it is owed (5.6)
        yield Row(email_type, day, event)
    if event < day or (event == day and lead > 0):  # passed; or today, and the mail's own day is over: next year's (5.8.4)
        event = anniversary(about, day.year + 1)
    yield Row(email_type, caught_up(email_type, event - lead * ONE_DAY, event, contact, day=day, numbers=numbers), event)


def caught_up(email_type: str, ideal: date, event: date, contact: Mapping[str, Any], *, day: date, numbers: Numbers) -> date:
    """The ideal day, or where that is over a day soon, spread by the contact's number, never past the event. Planned once, it stays."""
    if ideal >= day:
        return ideal
    if planned := promised(email_type, event, contact, day=day):
        return planned
    spread = min(numbers.spread, (event - day).days)
    number = int(md5(f"{contact['id']}_{email_type}_{event.year}".encode(), usedforsecurity=False).hexdigest(), 16)
    return day + ONE_DAY + timedelta(days=number % spread)


def promised(email_type: str, event: date, contact: Mapping[str, Any], *, day: date, instance: Any = None) -> date | None:
    """The day from this one on that an earlier night planned for the event; otherwise it would be put off every night (5.6, 5.11).

    Of a mail that was moved for load the day it had before, while that is ahead: balancing begins with that day each night (5.11.3).
    """
    kept = [one for one in past(contact) if one.status == "pre-scheduled" and one.event == (email_type, instance, event)]
    bound = event if email_type in NEVER_AFTER_THEIR_EVENT else date.max
    days = [one.moved_from if one.moved_from and one.moved_from >= day else one.date for one in kept]
    return next((one for one in days if day <= one <= bound), None)


# Campaigns


def campaign_mails(contact: Mapping[str, Any], *, day: date, numbers: Numbers) -> Iterator[Row]:
    for target in contact.get("targets") or ():
        behaviour = numbers.campaigns[target["campaign_type"]]
        if behaviour.active and is_active(target, day):
            yield campaign_mail(target, behaviour, contact, day=day, numbers=numbers)


def is_active(target: Mapping[str, Any], day: date) -> bool:
    begin, end = target.get("active_start_date"), target.get("active_end_date")
    return not (begin and day < date.fromisoformat(begin)) and not (end and day > date.fromisoformat(end))


def campaign_mail(target: Mapping[str, Any], behaviour: Behaviour, contact: Mapping[str, Any], *, day: date, numbers: Numbers) -> Row:
    trigger = date.fromisoformat(target["trigger_date"])
    email_type = f"campaign_{target['campaign_type']}"
    ideal = trigger - behaviour.days_before * ONE_DAY
    row = Row(email_type, ideal, trigger, instance=target["instance"])
    if ideal >= day:
        return row
    if planned := promised(email_type, trigger, contact, day=day, instance=row.instance):
        return replace(row, date=planned)
    if trigger < day:
        return replace(row, status="skipped", reason="missed")
    if trigger == day:  # not passed yet: the last day there is
        return replace(row, date=day)
    return replace(row, date=caught_up(email_type, ideal, trigger, contact, day=day, numbers=numbers))


# Windows, and what follows them


def respects(email_type: str, numbers: Numbers) -> bool:
    behaviour = numbers.campaigns.get(email_type.removeprefix("campaign_"))
    return behaviour is None or behaviour.respects_windows


def judged(row: Row, contact: Mapping[str, Any], *, numbers: Numbers) -> Row:
    """The row, skipped where its day is excluded."""
    if row.status == "skipped" or not respects(row.email_type, numbers):
        return row
    why = excluded(contact, row.date, lead=numbers.lead, rules=numbers.rules)
    return replace(row, status="skipped", reason=why.reason) if why else row


def post_windows(
    contact: Mapping[str, Any], rows: Sequence[Row], history: Sequence[Past], taken: set[Event], *, day: date, numbers: Numbers
) -> Iterator[Row]:
    """One mail on the day after each window that swallows something, from the window that ended yesterday on."""
    going = taken | {identity(row.event) for row in rows if row.status == "pre-scheduled"}
    kept_back = [
        *((row.event, row.date) for row in rows if row.reason == "exclusion_window"),
        *((row.event, row.date) for row in history if is_over(row, day) and respects(row.email_type, numbers)),
        *gone_by(contact, day=day, numbers=numbers),
    ]
    for one in windows(contact, about=day, lead=numbers.lead, rules=numbers.rules):
        swallowed = {event[0] for event, sent in kept_back if identity(event) not in going and sent in one}
        due = one.end + ONE_DAY
        due = due if due >= day else promised("post_window", one.end, contact, day=day)
        if due and swallowed and identity(("post_window", None, one.end)) not in taken:
            yield Row("post_window", due, one.end, skipped_emails=frozenset(swallowed))


def is_over(row: Past, day: date) -> bool:
    """It was kept back by a window, and no night will plan it anew. Where the reason is not told, its day says whether it was."""
    kept_back = row.status == "skipped" and row.reason in (None, "exclusion_window")
    return kept_back and (row.date < day or row.event_date == day)


def gone_by(contact: Mapping[str, Any], *, day: date, numbers: Numbers) -> Iterator[tuple[Event, date]]:
    """Events whose mail had its day before this one, with that day: they were kept back, if a window covers it."""
    born, began = read_date(contact.get("birth_date")), read_date(contact.get("effective_date"))
    for year in range(day.year - 1, day.year + 2):
        yearly_events = [("aep", aep_day(year), 0)]
        if born:
            yearly_events.append(("birthday", anniversary(born, year), numbers.birthday_days))
        if began and anniversary(began, year) >= began:
            yearly_events.append(("effective_date", anniversary(began, year), numbers.effective_days))
        for email_type, event, lead in yearly_events:
            if event - lead * ONE_DAY < day:
                yield (email_type, None, event), event - lead * ONE_DAY
    for target in contact.get("targets") or ():
        yield from campaign_gone_by(target, contact, day=day, numbers=numbers)


def campaign_gone_by(target: Mapping[str, Any], contact: Mapping[str, Any], *, day: date, numbers: Numbers) -> Iterator[tuple[Event, date]]:
    """The day the campaign's mail had on the first night that knew it as running, where that day is over."""
    behaviour = numbers.campaigns[target["campaign_type"]]
    trigger = date.fromisoformat(target["trigger_date"])
    ideal = trigger - behaviour.days_before * ONE_DAY
    nights = [night for night in walk(ideal, min(max(trigger, ideal), day - ONE_DAY)) if is_active(target, night)]
    if nights and behaviour.respects_windows:
        row = campaign_mail(target, behaviour, contact, day=nights[0], numbers=numbers)
        yield row.event, row.date


# Campaigns against each other


def conflicts(rows: Sequence[Row], *, numbers: Numbers | None = None) -> list[Row]:
    """Of several campaigns on one day the best stays: lowest priority, then earlier trigger, then lower instance (5.9)."""
    campaigns = (numbers or Numbers()).campaigns

    def rank(row: Row) -> tuple[int, date, int]:
        return campaigns[row.email_type.removeprefix("campaign_")].priority, row.event_date, row.instance

    going = [row for row in rows if row.status == "pre-scheduled" and row.email_type.startswith("campaign_")]
    best = {day: min((row for row in going if row.date == day), key=rank) for day in {row.date for row in going}}
    lost = [row for row in going if row is not best[row.date]]
    return [replace(row, status="skipped", reason="campaign_conflict") if row in lost else row for row in rows]
