"""The mail after a mail, chosen by what the contact did meanwhile."""

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
from campaigns.rules.shapes import GOES_OUT, NO_DAY, ONE_DAY, ROW, Array, Contacts, Status, filled, first_match

RANKS = {ANSWERED_WITH_CONDITIONS: 1, ANSWERED_NO_CONDITIONS: 2, CLICKED_NO_ANSWER: 3, COLD: 4}  # which type is chosen first


def follow_up_rows(
    contacts: Contacts, history: Array, events: Array, *, day: Any, types: EmailTypes, days_after: int, lookback_days: int
) -> Array:
    """At most one ROW per contact: about the oldest mail of the last `lookback_days` that has no follow-up, while none is on its way.

    `event_on` is the day the parent was sent on, `instance` the parent's. Not judged for exclusion yet.
    """
    parents, standing = owed_parents(history, day=day, types=types, days_after=days_after, lookback_days=lookback_days)
    due = due_days(parents["send_on"], day=day, days_after=days_after)
    return filled(
        ROW,
        len(parents),
        contact=contacts.id[parents["place"]],
        place=parents["place"],
        kind=chosen_types(parents, events, contacts=len(contacts)),
        send_on=np.where(np.isnat(standing), due, standing),
        event_on=parents["send_on"],
        instance=parents["instance"],
        priority=types.priority[parents["kind"]],
        respects=True,
    )


def owed_parents(history: Array, *, day: Any, types: EmailTypes, days_after: int, lookback_days: int) -> tuple[Array, Array]:
    """The mail in HISTORY that each of those ROWs follows, and the day its follow-up is planned on already; NaT if none.

    A planned follow-up stays on its day: one that was late, and so due tomorrow, must not be due tomorrow again when that day has come.
    """
    children = with_parents(history, days_after=days_after)
    parents = history[may_be_followed(history, day=day, types=types, lookback_days=lookback_days)]
    settled = [*GOES_OUT, Status.FAILED, Status.CANCELLED]  # one that could not be sent is a person's to try again
    overdue = (children["status"] == Status.PRE_SCHEDULED) & (children["send_on"] < day)  # it may still go out: one open per contact
    answered = children[np.isin(children["status"], settled) | (children["send_on"] < day)]
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


def may_be_followed(history: Array, *, day: Any, types: EmailTypes, lookback_days: int) -> Array:
    """Whether a mail was sent, at most `lookback_days` ago, both ends included, and is of a type that has follow-ups."""
    sent = np.isin(history["status"], [Status.SENT, Status.DELIVERED])
    return sent & types.follow_ups[history["kind"]] & (history["send_on"] <= day) & (history["send_on"] >= day - lookback_days)


def with_parents(history: Array, *, days_after: int) -> Array:
    """The follow-ups in HISTORY, but for skipped ones. One without a named parent follows the newest mail that was due for it."""
    rows = history[is_follow_up(history["kind"]) & (history["status"] != Status.SKIPPED)].copy()
    others = history[~is_follow_up(history["kind"]) & np.isin(history["status"], [Status.SENT, Status.DELIVERED])]
    others = others[np.lexsort((others["send_on"], others["place"]))]
    newest = np.searchsorted(by_place(others, 0), by_place(rows, days_after), side="right") - 1
    untold = (rows["parent"] < 0) & (newest >= 0)
    untold[untold] = others["place"][newest[untold]] == rows["place"][untold]
    rows["parent"][untold] = others["id"][newest[untold]]
    return rows


def by_place(history: Array, days_after: int) -> Array:
    """One number per row that sorts by contact, then by day less `days_after`."""
    return history["place"].astype("i8") * 2**32 + (history["send_on"].astype("i8") - days_after) + 2**31


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
