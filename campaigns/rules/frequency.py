"""At most so many mails to one contact within so many days. What loses is skipped and says so; the next run may take it again."""

import numpy as np

from campaigns.rules.email_types import EmailTypes, is_follow_up
from campaigns.rules.shapes import GOES_OUT, NO_DAY, Array, Reason, Status


def limited(rows: Array, history: Array, *, types: EmailTypes, limit: int, period_days: int) -> Array:
    """The rows with those skipped that would make a span of `period_days` + 1 days hold more than `limit` mails to a contact.

    A span is [d - period_days, d], both ends included. Mails that have gone out, and of this run those accepted, count; follow-ups
    neither count nor are limited. `history` is what counts besides the rows: its follow-ups and lost mails are passed over here.
    """
    rows = rows.copy()
    planned = np.flatnonzero((rows["status"] == Status.PRE_SCHEDULED) & ~is_follow_up(rows["kind"]))
    counted = history[np.isin(history["status"], [*GOES_OUT, Status.PRE_SCHEDULED]) & ~is_follow_up(history["kind"])]
    planned = planned[crowded(rows["place"][planned], counted["place"], limit=limit)]
    loses = planned[~accepted(rows[planned], counted, types=types, limit=limit, period_days=period_days)]
    rows["status"][loses], rows["reason"][loses] = Status.SKIPPED, Reason.FREQUENCY_LIMIT
    return rows


def crowded(planned: Array, counted: Array, *, limit: int) -> Array:
    """Whether the contact at each planned place has more mails than `limit` in all; nobody else can be above it."""
    size = int(max(planned.max(initial=-1), counted.max(initial=-1))) + 1
    return (np.bincount(planned, minlength=size) + np.bincount(counted, minlength=size) > limit)[planned]


def accepted(rows: Array, counted: Array, *, types: EmailTypes, limit: int, period_days: int) -> Array:
    """Which rows may go: taken one after the other, each contact's best first. Steps over the mails of one contact, never over contacts."""
    counted = counted[np.isin(counted["place"], rows["place"])]
    place = np.concatenate([rows["place"], counted["place"]])
    day = np.concatenate([rows["send_on"], counted["send_on"]]).astype("i8")
    turn = np.concatenate([turns(rows, types=types), np.full(len(counted), -1)])
    order = np.lexsort((day, place))
    place, day, turn = place[order], day[order], turn[order]
    first = np.searchsorted(spread(place, day), spread(place, day - period_days), side="left")  # of the span that ends with each mail
    counts = turn < 0
    for now in range(int(turn.max(initial=-1)) + 1):
        candidate = turn == now
        size = np.concatenate([[0], np.cumsum(counts | candidate)])
        full = size[1:] - size[first] > limit
        asked = np.full(int(place.max()) + 1, NO_DAY.astype("i8"))
        asked[place[candidate]] = day[candidate]
        touched = (day >= asked[place]) & (day <= asked[place] + period_days) & (asked[place] != NO_DAY.astype("i8"))
        refused = np.unique(place[full & touched])
        counts |= candidate & ~np.isin(place, refused)
    result = np.empty(len(order), bool)
    result[order] = counts
    return result[: len(rows)]


def turns(rows: Array, *, types: EmailTypes) -> Array:
    """When each row is asked, among those of its contact: by adjusted priority, then day, type and instance; 0 is first."""
    wish = rows["priority"] + types.adjustment[rows["kind"]]
    order = np.lexsort((rows["event_on"], rows["instance"], rows["kind"], rows["send_on"], wish, rows["place"]))
    place = rows["place"][order]
    turn = np.empty(len(rows), "i8")
    turn[order] = np.arange(len(rows)) - np.searchsorted(place, place, side="left")
    return turn


def spread(place: Array, day: Array) -> Array:
    """One number per mail that sorts by contact, then by day."""
    return place.astype("i8") * 2**32 + day + 2**31
