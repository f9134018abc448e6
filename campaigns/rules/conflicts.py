"""Several campaigns, one contact, one day: the best goes, the others are skipped and say so."""

import numpy as np

from campaigns.rules.email_types import is_campaign
from campaigns.rules.shapes import GOES_OUT, Array, Reason, Status, first_match


def resolved(rows: Array, history: Array) -> Array:
    """The rows with every campaign skipped that meets a better one of its contact on its day, or one that has left already.

    Better is the lower priority number, then the earlier trigger, then the lower instance. A skipped campaign does not compete.
    """
    rows = rows.copy()
    at = np.flatnonzero(is_campaign(rows["kind"]) & (rows["status"] == Status.PRE_SCHEDULED))
    some = rows[at]
    order = np.lexsort((some["kind"], some["instance"], some["event_on"], some["priority"], some["send_on"], some["place"]))
    at, some = at[order], some[order]
    same = (some["place"][1:] == some["place"][:-1]) & (some["send_on"][1:] == some["send_on"][:-1])
    gone = history[is_campaign(history["kind"]) & np.isin(history["status"], GOES_OUT)]
    loses = first_match((some["place"], some["send_on"]), (gone["place"], gone["send_on"])) >= 0
    loses[1:] |= same
    rows["status"][at[loses]], rows["reason"][at[loses]] = Status.SKIPPED, Reason.CAMPAIGN_CONFLICT
    return rows
