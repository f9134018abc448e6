"""Was every event told? Of contacts to whom nothing has happened for long, each event of the past month must have left a row."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from datetime import date
from typing import Any

from tests.audit.moves import Mail
from tests.audit.office import Office
from tests.audit.oracle import Event, Numbers, aep_day, identity, is_active
from tests.audit.record import Record
from tests.audit.windows import ONE_DAY, Window, anniversary, read_date, walk, windows

SPAN = 31 * ONE_DAY
PLANNED = 80 * ONE_DAY  # before today every mail about an event of the past month was planned
OPENED = 200 * ONE_DAY  # before today every window that ended in the past month opened


def untold(
    office: Office, record: Record, *, runs: Collection[date], rules_since: Mapping[str, date], counted: Counter[str]
) -> Iterator[tuple[int, Any]]:
    """Events of the past month without any row, with their contacts. Counts what it asked for: a check of nothing finds nothing."""
    first = min(runs, default=office.day)
    for number, contact in office.people.items():
        own, since = list(record.own[number].values()), max(contact["as_it_is_since"], first)
        if since <= office.day - PLANNED:
            told = {identity(mail.event) for mail in own if not mail.is_follow_up}
            were = list(events(contact, day=office.day, runs=runs))
            counted["events behind that were asked for"] += len(were)
            yield from ((number, event) for event in were if identity(event) not in told)
        if max(since, rules_since[contact["state"]]) <= office.day - OPENED:
            counted["contacts whose windows behind were asked for"] += 1
            yield from ((number, window) for window in unmentioned(contact, own, office=office))


def events(contact: Mapping[str, Any], *, day: date, runs: Collection[date]) -> Iterator[Event]:
    """What there was in the past month to write about."""
    born, began = read_date(contact["birth_date"]), read_date(contact["effective_date"])
    for year in {day.year, (day - SPAN).year}:
        yearly = [("aep", aep_day(year))]
        yearly += [("birthday", anniversary(born, year))] if born else []
        yearly += [("effective_date", anniversary(began, year))] if began and anniversary(began, year) >= began else []
        yield from ((email_type, None, event) for email_type, event in yearly if day - SPAN <= event < day)
    for target in contact["targets"]:
        trigger = date.fromisoformat(target["trigger_date"])
        if day - SPAN <= trigger < day and was_due(target, trigger, runs=runs):
            yield f"campaign_{target['campaign_type']}", target["instance"], trigger


def was_due(target: Mapping[str, Any], trigger: date, *, runs: Collection[date]) -> bool:
    """A run knew the campaign in time, and it was not ended before its day.

    Of one that was ended nothing is owed any more: only a campaign that runs on the day of the run is planned (5.9, D-38), and what was
    planned ahead goes. What had its day before the end stays, which `Auditor.check_gone` asks of every row.
    """
    nights = walk(target["known_since"], trigger)
    return is_active(target, trigger) and any(night in runs and is_active(target, night) for night in nights)


def unmentioned(contact: Mapping[str, Any], own: Collection[Mail], *, office: Office) -> Iterator[Window]:
    """Windows that ended in the past month and kept a mail back, though no post-window mail was ever planned."""
    told = {mail.event_date for mail in own if mail.email_type == "post_window"}
    for window in windows(contact, about=office.day, lead=office.numbers.lead, rules=office.numbers.rules):
        if office.day - SPAN <= window.end < office.day and window.end not in told and kept_back(own, window):
            yield window


def kept_back(own: Collection[Mail], window: Window) -> bool:
    """A mail was skipped for this window, on a day of it: no other reason counts, and no follow-up (5.13, 5.14).

    Nor one that goes after all: of a birthday whose date was corrected meanwhile there is another one, for the same year.
    """
    going = {identity(mail.event) for mail in own if mail.goes and not mail.is_follow_up}
    mails = (mail for mail in own if mail.reason == "exclusion_window" and not mail.is_follow_up and mail.email_type != "post_window")
    return any(mail.date in window and identity(mail.event) not in going for mail in mails)


def still_owed(mail: Mail, contact: Mapping[str, Any], record: Record, *, numbers: Numbers) -> bool:
    """Whether the window that a post-window mail is about still keeps a mail back; it may have been planned for another day."""
    own = list(record.own[mail.contact].values())
    about = windows(contact, about=mail.event_date, lead=numbers.lead, rules=numbers.rules)
    return any(window.end == mail.event_date and kept_back(own, window) for window in about)
