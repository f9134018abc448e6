"""When campaign mails go out: so many days before their trigger date."""

from typing import Any

import numpy as np

from campaigns.rules.anniversaries import catch_up_days
from campaigns.rules.email_types import EmailTypes
from campaigns.rules.shapes import ROW, Array, Contacts, Reason, Status, filled


def campaign_rows(contacts: Contacts, targets: Array, *, day: Any, types: EmailTypes, spread_days: int) -> Array:
    """A ROW for each TARGET of a campaign that is active on `day`, as if no day were excluded.

    A mail whose own day is over catches up before its trigger. Where the trigger is over too, the row is skipped as missed. A target
    without a trigger is due on the campaign's first day, or on `day`.
    """
    targets = targets[active(targets, day=day, types=types)]
    rows = filled(
        ROW,
        len(targets),
        contact=contacts.id[targets["place"]],
        place=targets["place"],
        kind=targets["kind"],
        instance=targets["instance"],
        event_on=targets["trigger_on"],
        priority=types.priority[targets["kind"]],
        respects=types.respects[targets["kind"]],
        send_on=own_days(targets, day=day, types=types),
    )
    keeps_ahead = types.lead[rows["kind"]] > np.timedelta64(0, "D")
    rows["latest_on"][keeps_ahead] = rows["event_on"][keeps_ahead]
    return caught_up(rows, day=day, spread_days=spread_days, names=types.names)


def active(targets: Array, *, day: Any, types: EmailTypes) -> Array:
    """Whether the campaign runs on `day`: its type is active and the day within its dates, both included; no date is no bound."""
    begun = np.isnat(targets["active_from"]) | (targets["active_from"] <= day)
    over = targets["active_until"] < day
    return types.active[targets["kind"]] & begun & ~over


def own_days(targets: Array, *, day: Any, types: EmailTypes) -> Array:
    """The day each target's mail should go out on."""
    without = np.isnat(targets["trigger_on"])
    first = np.where(np.isnat(targets["active_from"]), day, np.maximum(targets["active_from"], day))
    return np.where(without, first, targets["trigger_on"] - types.lead[targets["kind"]])


def caught_up(rows: Array, *, day: Any, spread_days: int, names: tuple[str, ...]) -> Array:
    """The rows with those of past days moved up to their trigger, or skipped as missed when it is over. A trigger today is met today."""
    late = rows["send_on"] < day
    missed = late & (rows["event_on"] < day)
    today = late & (rows["event_on"] == day)
    ahead = late & (rows["event_on"] > day)
    rows["status"][missed], rows["reason"][missed] = Status.SKIPPED, Reason.MISSED
    rows["send_on"][today] = day
    some = rows[ahead]
    rows["send_on"][ahead] = catch_up_days(some["contact"], some["kind"], some["event_on"], day=day, spread_days=spread_days, names=names)
    rows["catch_up"] = today | ahead
    return rows
