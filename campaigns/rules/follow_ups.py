"""The mail after a mail, chosen by what the contact did meanwhile."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from campaigns.rules.email_types import (
    ANSWERED_NO_CONDITIONS,
    ANSWERED_WITH_CONDITIONS,
    CLICKED_NO_ANSWER,
    COLD,
    EmailTypes,
    is_follow_up,
)
from campaigns.rules.pairing import joined, one_to_one
from campaigns.rules.shapes import GOES_OUT, NO_DAY, ONE_DAY, ROW, Array, Contacts, Status, filled, first_match

RANKS = {ANSWERED_WITH_CONDITIONS: 1, ANSWERED_NO_CONDITIONS: 2, CLICKED_NO_ANSWER: 3, COLD: 4}  # which type is chosen first


@dataclass(frozen=True, kw_only=True)
class Terms:
    """When a mail is followed: so many days after it was sent, if that was at most `lookback_days` ago."""

    day: Any
    types: EmailTypes
    days_after: int
    lookback_days: int
    overdue_days: int


def follow_up_rows(contacts: Contacts, history: Array, events: Array, terms: Terms) -> Array:
    """At most one ROW per contact: about the oldest mail of the last `lookback_days` that has no follow-up, while none is on its way.

    `event_on` is the day the parent was sent on, `instance` the parent's. Not judged for exclusion yet.
    """
    parents, standing = owed_parents(history, terms)
    due = due_days(parents["send_on"], day=terms.day, days_after=terms.days_after)
    return filled(
        ROW,
        len(parents),
        contact=contacts.id[parents["place"]],
        place=parents["place"],
        kind=chosen_types(parents, events[events["happened_on"] <= terms.day], contacts=len(contacts)),
        send_on=np.where(np.isnat(standing), due, standing),
        event_on=parents["send_on"],
        instance=parents["instance"],
        priority=terms.types.priority[parents["kind"]],
        respects=True,
    )


def owed_parents(history: Array, terms: Terms) -> tuple[Array, Array]:
    """The mail in HISTORY that each of those ROWs follows, and the day its follow-up is planned on already; NaT if none.

    A planned follow-up stays on its day: one that was late, and so due tomorrow, must not be due tomorrow again when that day has come.
    One that is overdue for too long is missed, and is as if it had never been planned.
    """
    children = with_parents(history, terms)
    missed = (children["status"] == Status.PRE_SCHEDULED) & (children["send_on"] < terms.day - terms.overdue_days)
    children = children[~missed]
    parents = history[may_be_followed(history, terms)]
    settled = [*GOES_OUT, Status.FAILED, Status.CANCELLED]  # one that could not be sent is a person's to try again
    overdue = (children["status"] == Status.PRE_SCHEDULED) & (children["send_on"] < terms.day)  # it may still go out: one open per contact
    answered = children[np.isin(children["status"], settled) | (children["send_on"] < terms.day)]
    on_its_way = children[overdue | np.isin(children["status"], [Status.SCHEDULED, Status.PROCESSING])]
    parents = parents[~np.isin(parents["id"], answered["parent"]) & ~np.isin(parents["place"], on_its_way["place"])]
    planned = children[children["status"] == Status.PRE_SCHEDULED]  # also about a mail that is longer ago by now
    parents = parents[~np.isin(parents["place"], planned["place"]) | np.isin(parents["id"], planned["parent"])]
    parents = parents[np.lexsort((parents["id"], parents["send_on"], parents["place"]))]
    parents = parents[np.unique(parents["place"], return_index=True)[1]]
    at = first_match((parents["id"],), (children["parent"],))
    standing = np.full(len(parents), NO_DAY)
    standing[at >= 0] = children["send_on"][at[at >= 0]]
    return parents, standing


def may_be_followed(history: Array, terms: Terms) -> Array:
    """Whether a mail was sent, at most `lookback_days` ago, both ends included, and is of a type that has follow-ups."""
    recent = (history["send_on"] <= terms.day) & (history["send_on"] >= terms.day - terms.lookback_days)
    return sent_and_followed(history, terms) & recent


def sent_and_followed(history: Array, terms: Terms) -> Array:
    return np.isin(history["status"], [Status.SENT, Status.DELIVERED]) & terms.types.follow_ups[history["kind"]]


def with_parents(history: Array, terms: Terms) -> Array:
    """The follow-ups in HISTORY, but for skipped ones. One without a named parent follows a mail that has no other follow-up.

    If the parent's day is told, one of that day; or else one for which it was on time, or else the oldest that could have one then.
    """
    rows = history[is_follow_up(history["kind"]) & (history["status"] != Status.SKIPPED)].copy()
    mails = history[sent_and_followed(history, terms) & ~np.isin(history["id"], rows["parent"])]
    untold = np.flatnonzero(rows["parent"] < 0)
    row, mail = joined((rows["place"][untold],), (mails["place"],))
    row = untold[row]
    since = rows["send_on"][row] - mails["send_on"][mail]
    told = rows["event_on"][row] == mails["send_on"][mail]
    could = np.isnat(rows["event_on"][row]) & (since > 0 * ONE_DAY) & (since <= (terms.lookback_days + 1) * ONE_DAY)
    on_time = since == terms.days_after * ONE_DAY
    order = np.lexsort((mails["id"][mail], mails["send_on"][mail], row, rows["send_on"][row], ~on_time, ~told))
    order = order[(told | could)[order]]
    row, mail = row[order], mail[order]
    made = one_to_one(row, mail)
    rows["parent"][row[made]] = mails["id"][mail[made]]
    return rows


def chosen_types(parents: Array, events: Array, *, contacts: int) -> Array:
    """The follow-up's type for each parent, by what the contact did on the day it was sent or later."""
    clicked = last_days(events[~events["answered"]], contacts=contacts)[parents["place"]]
    answered = last_days(events[events["answered"]], contacts=contacts)[parents["place"]]
    conditions = last_days(events[events["answered"] & events["conditions"]], contacts=contacts)[parents["place"]]
    since = parents["send_on"]
    return type_by_behaviour(clicked=clicked >= since, answered=answered >= since, conditions=conditions >= since)


def type_by_behaviour(*, clicked: Array, answered: Array, conditions: Array) -> Array:
    chosen = [answered & conditions, answered, clicked]
    return np.select(chosen, [ANSWERED_WITH_CONDITIONS, ANSWERED_NO_CONDITIONS, CLICKED_NO_ANSWER], COLD)


def last_days(events: Array, *, contacts: int) -> Array:
    """The day of each contact's last event; NaT without one. Shape: (contacts,)."""
    last = np.full(contacts, NO_DAY)
    ordered = events[np.argsort(events["happened_on"], kind="stable")]
    last[ordered["place"]] = ordered["happened_on"]
    return last


def due_days(sent_on: Array, *, day: Any, days_after: int) -> Array:
    """So many days after the parent; tomorrow where that is over."""
    due = sent_on + np.timedelta64(days_after, "D")
    return np.where(due < day, day + ONE_DAY, due)
