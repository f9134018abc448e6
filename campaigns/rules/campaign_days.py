"""Days on which a contact has a campaign already: a campaign that is moved must not land on one."""

from typing import Any

import numpy as np

from campaigns.rules.email_types import is_campaign
from campaigns.rules.shapes import DAY, Array, Status

TAKEN = np.dtype([("contact", "i8"), ("day", DAY)])


class CampaignDays:
    """Who has a campaign on which day; it learns of every move."""

    def __init__(self, taken: list[Array]) -> None:
        every = np.concatenate([np.zeros(0, TAKEN), *taken])
        days = np.unique(every["day"])
        self.contacts = {day: every["contact"][every["day"] == day] for day in days}

    def free(self, rows: Array, day: Any) -> Array:
        """Whether each row may go on `day`: it is no campaign, or the first of its contact there."""
        at = np.flatnonzero(is_campaign(rows["kind"]))
        contact = rows["contact"][at]
        first = np.zeros(len(at), bool)
        first[np.unique(contact, return_index=True)[1]] = True
        free = np.ones(len(rows), bool)
        free[at] = first & ~np.isin(contact, self.contacts.get(day, []))
        return free

    def enter(self, rows: Array, day: Any) -> None:
        contacts = rows["contact"][is_campaign(rows["kind"])]
        if len(contacts):
            self.contacts[day] = np.concatenate([self.contacts.get(day, contacts[:0]), contacts])


def taken_days(rows: Array, gone: Array, ids: Array) -> Array:
    """TAKEN: the campaigns planned in ROWs, and those in HISTORY that went out; `ids` are the contacts' ids by place.

    A skipped campaign leaves its day free.
    """
    planned = rows[is_campaign(rows["kind"]) & (rows["status"] == Status.PRE_SCHEDULED)]
    gone = gone[is_campaign(gone["kind"])]
    taken = np.zeros(len(planned) + len(gone), TAKEN)
    taken["contact"] = np.concatenate([planned["contact"], ids[gone["place"]]])
    taken["day"] = np.concatenate([planned["send_on"], gone["send_on"]])
    return taken
