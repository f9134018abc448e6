"""What earlier runs left behind: mails that need not be planned again, and mails that are still owed.

A run plans every mail anew, as if for the first time. That would forget a mail whose own day is over while it waits on a later one
(it caught up, was spread, or found no room), and repeat one that has gone out on another day. Both are told here by the event a mail
is about: contact, type and event, for campaigns the instance too.
"""

from typing import Any

import numpy as np

from campaigns.rules.anniversaries import last_aep
from campaigns.rules.calendar_days import in_year, next_yearly, years_of
from campaigns.rules.email_types import AEP, BIRTHDAY, EFFECTIVE_DATE, POST_WINDOW, EmailTypes, is_campaign
from campaigns.rules.exclusions import ended_before
from campaigns.rules.pairing import joined, one_to_one
from campaigns.rules.shapes import DAY, GOES_OUT, NO_DAY, ROW, Array, Contacts, Status, filled, first_match, without
from campaigns.rules.states import StateRules

YEARLY = (BIRTHDAY, EFFECTIVE_DATE, AEP)


def with_events(history: Array, contacts: Contacts, targets: Array, *, types: EmailTypes, rules: StateRules, aep_days: Any) -> Array:
    """HISTORY in which each row says which event it was about, found out from the day it was sent on where it was not told."""
    history = history.copy()
    who = contacts.take(history["place"])
    found = {
        BIRTHDAY: next_yearly(who.birthday, history["send_on"]),
        EFFECTIVE_DATE: next_yearly(who.effective_date, history["send_on"]),
        AEP: last_aep(history["send_on"], aep_days=aep_days),
        POST_WINDOW: ended_before(who, history["send_on"], rules=rules),
    }
    for kind, events in found.items():
        untold = np.isnat(history["event_on"]) & (history["kind"] == kind)
        history["event_on"][untold] = events[untold]
    return with_targets(history, targets, types=types)


def with_targets(history: Array, targets: Array, *, types: EmailTypes) -> Array:
    """Each campaign mail that does not say which target it was about, instance and trigger, is about one of its contact's own.

    A target has one mail, of those that have left if any: about the latest target whose own day had come when it went out, and of which
    all is true that is told.
    """
    history, own_days = history.copy(), targets["trigger_on"] - types.lead[targets["kind"]]
    campaigns, named = is_campaign(history["kind"]), history["instance"] >= 0
    whole = campaigns & named & ~np.isnat(history["event_on"])
    untold = np.flatnonzero(campaigns & ~whole)
    free = np.flatnonzero(first_match(keys_of_targets(targets), keys(history[whole])) < 0)
    mail, target = joined(*((records["place"], records["kind"]) for records in (history[untold], targets[free])))
    mail, target = untold[mail], free[target]
    alike = history["event_on"][mail] == targets["trigger_on"][target]
    undated = np.isnat(targets["trigger_on"][target])
    alike |= undated & np.isnat(history["event_on"][mail]) & named[mail]  # a target without a trigger has mails without one
    fits = alike | (np.isnat(history["event_on"][mail]) & ~(history["send_on"][mail] < own_days[target]))
    fits &= ~named[mail] | (history["instance"][mail] == targets["instance"][target])
    mail, target, other, undated = mail[fits], target[fits], ~alike[fits], undated[fits]
    waits = ~np.isin(history["status"][mail], GOES_OUT)
    sent_last, due_last = -history["send_on"][mail].astype("i8"), -own_days[target].astype("i8")
    order = np.lexsort((target, due_last, undated, mail, sent_last, waits, other))
    mail, target = mail[order], target[order]
    made = one_to_one(mail, target)
    history["event_on"][mail[made]] = targets["trigger_on"][target[made]]
    history["instance"][mail[made]] = targets["instance"][target[made]]
    return history


def settled(history: Array, *, day: Any, overdue_days: int) -> Array:
    """Whether a row of HISTORY settles its event: gone out, stopped by a person, or due so lately that it is about to go out."""
    waiting = (history["status"] == Status.PRE_SCHEDULED) & (history["send_on"] < day) & (history["send_on"] >= day - overdue_days)
    return np.isin(history["status"], [*GOES_OUT, Status.CANCELLED]) | waiting


def with_standing(rows: Array, history: Array, contacts: Contacts, *, day: Any, types: EmailTypes, overdue_days: int) -> Array:
    """The rows without those whose event is settled; those still owed on a later day keep it."""
    owed = owed_rows(rows, history, contacts, day=day, types=types)
    rows = np.concatenate([owed, without(rows, first_match(keys(rows), keys(owed)) >= 0)])
    return unsettled(rows, history, day=day, overdue_days=overdue_days)


def unsettled(rows: Array, history: Array, *, day: Any, overdue_days: int) -> Array:
    """The rows without those whose event is settled."""
    known = history[settled(history, day=day, overdue_days=overdue_days)]
    return without(rows, first_match(keys(rows), keys(known)) >= 0)


def owed_rows(rows: Array, history: Array, contacts: Contacts, *, day: Any, types: EmailTypes) -> Array:
    """ROWs of the planned mails whose own day is over, or who have none, and whose event is still true; each stays on its day."""
    waits = (history["status"] == Status.PRE_SCHEDULED) & (history["send_on"] >= day)
    own_day_over = (history["event_on"] - types.lead[history["kind"]] < day) | np.isnat(history["event_on"])
    planned = history[waits & own_day_over & still_true(history, rows, contacts)]
    original = np.where(np.isnat(planned["moved_from"]), planned["send_on"], planned["moved_from"])
    again = original >= day  # the day it had before it was moved is still ahead: balancing finds the same place for it again
    event = planned["event_on"]
    ahead = types.lead[planned["kind"]] > np.timedelta64(0, "D")
    return filled(
        ROW,
        len(planned),
        contact=contacts.id[planned["place"]],
        place=planned["place"],
        kind=planned["kind"],
        instance=planned["instance"],
        send_on=np.where(again, original, planned["send_on"]),
        moved_from=np.where(again, NO_DAY, planned["moved_from"]),
        event_on=event,
        latest_on=np.where(ahead, event, NO_DAY),
        priority=types.priority[planned["kind"]],
        respects=types.respects[planned["kind"]],
        catch_up=(original > event - types.lead[planned["kind"]]) & (planned["kind"] != AEP),
    )


def still_true(history: Array, rows: Array, contacts: Contacts) -> Array:
    """Whether the event of a planned mail is one the contact still has: the dates may have been corrected, the campaign ended."""
    who = contacts.take(history["place"])
    year = years_of(history["event_on"])
    dates = np.select([history["kind"] == BIRTHDAY, history["kind"] == EFFECTIVE_DATE], [who.birthday, who.effective_date], NO_DAY)
    of_date = (in_year(dates, year) == history["event_on"]) & (history["event_on"] >= dates)
    of_target = is_campaign(history["kind"]) & (first_match(keys(history), keys(rows)) >= 0)
    return of_date | of_target | (history["kind"] == AEP)


def keys(records: Array) -> tuple[Array, ...]:
    """What says that two ROWs, or HISTORYs, are about the same event; of a yearly one the year, as its date may have been corrected."""
    of_year = years_of(records["event_on"]).astype(DAY)
    event = np.where(np.isin(records["kind"], YEARLY), of_year, records["event_on"])
    return records["place"], records["kind"], event, records["instance"]


def keys_of_targets(targets: Array) -> tuple[Array, ...]:
    """The same of campaigns that TARGETs ask for."""
    return targets["place"], targets["kind"], targets["trigger_on"], targets["instance"]
