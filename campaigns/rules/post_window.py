"""One mail on the day after an exclusion window, in place of all that the window swallowed.

The windows are those of the skipped send dates. The window that covers today, or ended yesterday, is looked at as a whole each time:
what it swallowed before today is computed again, so that a rerun finds the same mail although the events themselves are over.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from campaigns.rules.calendar_days import in_year
from campaigns.rules.email_types import AEP, BIRTHDAY, EFFECTIVE_DATE, POST_WINDOW, EmailTypes, is_follow_up
from campaigns.rules.exclusions import NEIGHBOURS, excluded_until, year_round
from campaigns.rules.shapes import DAY, NO_DAY, ONE_DAY, ROW, YEAR, Array, Contacts, Reason, Status, filled, first_match
from campaigns.rules.standing import keys, settled
from campaigns.rules.states import StateRules


@dataclass(frozen=True, kw_only=True)
class Given:
    """What post-window mails depend on besides the rows: the day, the rules, and what earlier runs and campaigns say."""

    day: Any
    rules: StateRules
    lead_days: int
    types: EmailTypes
    aep_days: Mapping[int, Any]
    overdue_days: int
    history: Array  # HISTORY, with events
    targets: Array  # TARGET


def post_window_rows(rows: Array, contacts: Contacts, given: Given) -> Array:
    """A ROW for each contact and window that swallowed mails, on `given.day` or later. `rows` have been judged for exclusion."""
    waiting = waiting_since_earlier(given)
    recent = recent_end(contacts, waiting, given)
    now = rows[(rows["reason"] == Reason.EXCLUSION_WINDOW) & ~np.isnat(rows["window_end"]) & ~is_follow_up(rows["kind"])]
    before = swallowed_before(rows, contacts, recent, given)
    found = one_per_window(np.concatenate([now, before]))
    held = first_match((found["place"], found["event_on"]), (waiting["place"], waiting["event_on"]))
    late = found["send_on"] < given.day
    for name in ("send_on", "moved_from"):
        found[name][late] = waiting[name][held[late]]
    found["contact"] = contacts.id[found["place"]]
    found["priority"] = given.types.priority[POST_WINDOW]
    return found


def waiting_since_earlier(given: Given) -> Array:
    """HISTORY of post-window mails that wait on a later day than the first after their window."""
    rows = given.history[(given.history["kind"] == POST_WINDOW) & (given.history["status"] == Status.PRE_SCHEDULED)]
    return rows[(rows["send_on"] >= given.day) & (rows["event_on"] + ONE_DAY < given.day)]


def recent_end(contacts: Contacts, waiting: Array, given: Given) -> Array:
    """Per contact the end of the window that covers today or ended yesterday, else of the one whose mail still waits; NaT without."""
    today, yesterday = (
        excluded_until(contacts, day, rules=given.rules, lead_days=given.lead_days) for day in (given.day, given.day - ONE_DAY)
    )
    earlier = np.full(len(contacts), NO_DAY)
    earlier[waiting["place"]] = waiting["event_on"]
    ends = np.where(~np.isnat(today), today, np.where(~np.isnat(yesterday), yesterday, earlier))
    return np.where(year_round(contacts, given.day, rules=given.rules), NO_DAY, ends)


def swallowed_before(rows: Array, contacts: Contacts, recent: Array, given: Given) -> Array:
    """ROWs of mails whose day is over and lay in the contact's recent window, unless they went out or still will.

    So are those that are kept back today on the day of their event: the rules plan the next one already.
    """
    concerned = np.flatnonzero(~np.isnat(recent))
    past = np.concatenate([past_anniversaries(contacts, concerned, given), past_campaigns(recent, given), skipped_before(recent, given)])
    past = past[(past["send_on"] < given.day) | ((past["send_on"] == given.day) & (past["event_on"] == given.day))]
    past["window_end"] = recent[past["place"]]
    who = contacts.take(past["place"])
    past = past[excluded_until(who, past["send_on"], rules=given.rules, lead_days=given.lead_days) == past["window_end"]]
    for others in (
        rows[rows["status"] == Status.PRE_SCHEDULED],
        given.history[settled(given.history, day=given.day, overdue_days=given.overdue_days)],
    ):
        past = past[first_match(keys(past), keys(others)) < 0]
    return past


def past_anniversaries(contacts: Contacts, places: Array, given: Given) -> Array:
    """Birthday, effective-date and AEP mails of last year, this and the next, on their own days."""
    some = contacts.take(places)
    found = [filled(ROW, len(places), kind=AEP, place=places, event_on=aep, send_on=aep) for aep in given.aep_days.values()]
    for kind, dates in ((BIRTHDAY, some.birthday), (EFFECTIVE_DATE, some.effective_date)):
        for year in NEIGHBOURS:
            event = in_year(dates, given.day.astype(YEAR) + year)
            true = event >= dates
            lead = given.types.lead[kind]
            found.append(filled(ROW, int(true.sum()), kind=kind, place=places[true], event_on=event[true], send_on=event[true] - lead))
    return np.concatenate(found)


def past_campaigns(recent: Array, given: Given) -> Array:
    """Mails of campaigns that respect windows, on their own days, for contacts with a recent window.

    Only of campaigns that ran on some day from then to the trigger: no window kept back what would not have been sent anyway.
    """
    targets = given.targets
    own_day = targets["trigger_on"] - given.types.lead[targets["kind"]]
    until = np.minimum(np.maximum(targets["trigger_on"], own_day), given.day)
    ran = ~(targets["active_from"] > until) & ~(targets["active_until"] < own_day)
    some = targets[ran & given.types.respects[targets["kind"]] & ~np.isnat(recent[targets["place"]]) & ~np.isnat(targets["trigger_on"])]
    return filled(
        ROW,
        len(some),
        kind=some["kind"],
        place=some["place"],
        instance=some["instance"],
        event_on=some["trigger_on"],
        send_on=some["trigger_on"] - given.types.lead[some["kind"]],
    )


def skipped_before(recent: Array, given: Given) -> Array:
    """Mails that an earlier run has skipped on the day it had for them, which may lie in the window when their own did not."""
    rows = given.history
    skipped = (rows["status"] == Status.SKIPPED) & ~is_follow_up(rows["kind"]) & (rows["kind"] != POST_WINDOW)
    some = rows[skipped & given.types.respects[rows["kind"]] & ~np.isnat(recent[rows["place"]])]
    return filled(ROW, len(some), **{name: some[name] for name in ("kind", "place", "instance", "event_on", "send_on")})


def one_per_window(swallowed: Array) -> Array:
    """A ROW for each contact and window among the swallowed mails, on the day after it, with the types it stands for."""
    place, end = swallowed["place"], swallowed["window_end"]
    order = np.lexsort((end, place))
    first = np.ones(len(order), bool)
    first[1:] = (place[order][1:] != place[order][:-1]) | (end[order][1:] != end[order][:-1])
    at = np.flatnonzero(first)
    types = np.left_shift(np.uint64(1), swallowed["kind"][order].astype("u8"))
    return filled(
        ROW,
        len(at),
        kind=POST_WINDOW,
        place=place[order][at],
        event_on=end[order][at],
        send_on=end[order][at].astype(DAY) + ONE_DAY,
        swallowed=np.bitwise_or.reduceat(types, at) if len(at) else 0,
        respects=True,
    )
