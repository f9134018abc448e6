"""The rules in order: contacts, targets, history, settings and a day → what is sent to whom, when, and why not.

    planned    anniversaries, campaigns, what is still owed → exclusion → post-window mails   per chunk
    uncontested  campaigns that meet on a day                                                  per chunk
    smoothed   effective-date mails spread over neighbouring days                              per chunk, knowing the days' counts
    capped     every day keeps its best, the rest is placed on later days                      per chunk, then once for all that is left
    limited    mails to one contact within a period                                            per chunk

Chunks hold contacts by ascending id. Only TALLYs of days and the rows that found no place on their day cross from chunk to chunk, and
the result is the same however the contacts are cut.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from campaigns.rules import balance, conflicts, frequency
from campaigns.rules.anniversaries import aep_days_around, anniversary_rows
from campaigns.rules.balance import Caps
from campaigns.rules.campaign_days import CampaignDays, taken_days
from campaigns.rules.email_types import EFFECTIVE_DATE, is_campaign
from campaigns.rules.exclusions import judged
from campaigns.rules.follow_ups import Terms, follow_up_rows
from campaigns.rules.post_window import Given, post_window_rows
from campaigns.rules.shapes import DAY, EVENT, HISTORY, LEFT, ROW, TARGET, Array, Contacts, Reason, Status, filled, order_by
from campaigns.rules.standing import settled, unsettled, with_events, with_standing
from campaigns.rules.targets import campaign_rows
from campaigns.settings import SchedulerSettings


@dataclass(frozen=True)
class Chunk:
    """Contacts by ascending id, and what is known of them. `place` in the other arrays is a contact's position here."""

    contacts: Contacts
    targets: Array = field(default_factory=lambda: filled(TARGET, 0))
    history: Array = field(default_factory=lambda: filled(HISTORY, 0))
    events: Array = field(default_factory=lambda: filled(EVENT, 0))

    def __post_init__(self) -> None:
        assert (np.diff(self.contacts.id) > 0).all(), "contacts come by ascending id, each once"
        for records in (self.targets, self.history, self.events):
            assert ((records["place"] >= 0) & (records["place"] < len(self.contacts))).all(), "a place without a contact"


def schedule(chunks: Sequence[Chunk], *, day: Any, settings: SchedulerSettings) -> list[Array]:
    """The ROWs of each chunk, all rules applied, by contact, type and day. The chunks come by ascending contact ids."""
    contacts = settings.organisation_contacts or sum(len(chunk.contacts) for chunk in chunks)
    caps = caps_of(contacts, settings)
    chunks = [with_known_events(chunk, day=day, settings=settings) for chunk in chunks]
    rows = [uncontested(chunk, planned(chunk, day=day, settings=settings)) for chunk in chunks]
    counts = balance.merged([effective_date_tally(*each) for each in zip(chunks, rows, strict=True)])
    crowded = crowded_days(counts, caps)
    rows = [smoothed(*each, crowded, day=day, settings=settings) for each in zip(chunks, rows, strict=True)]
    rows = capped(chunks, rows, caps=caps, settings=settings)
    return [limited(*each, day=day, settings=settings) for each in zip(chunks, rows, strict=True)]


def caps_of(contacts: int, settings: SchedulerSettings) -> Caps:
    return balance.caps_for(
        contacts,
        daily_share=settings.daily_send_percentage_cap,
        ed_limit=settings.ed_daily_soft_limit,
        ed_share=settings.ed_percentage_of_daily_cap,
    )


def with_known_events(chunk: Chunk, *, day: Any, settings: SchedulerSettings) -> Chunk:
    """The chunk, its history saying which event each mail was about."""
    history = with_events(
        chunk.history,
        chunk.contacts,
        chunk.targets,
        types=settings.email_types,
        rules=settings.rules,
        aep_days=aep_days(day, settings, back_to=chunk.history["send_on"]),
    )
    return replace(chunk, history=history)


def aep_days(day: Any, settings: SchedulerSettings, *, back_to: Array | None = None) -> dict[int, Any]:
    """The AEP days around `day`, and as far back as these days go."""
    first = day if back_to is None or not len(back_to) else min(day, back_to.min())
    return aep_days_around(first, until=day, listed=settings.listed_aep_days, month_and_day=settings.aep_month_day)


def planned(chunk: Chunk, *, day: Any, settings: SchedulerSettings) -> Array:
    """ROWs by the rules of each contact alone: its anniversaries and campaigns, excluded days, post-window mails. History has events."""
    types, spread = settings.email_types, settings.catch_up_spread_days
    rows = np.concatenate(
        [
            anniversary_rows(chunk.contacts, day=day, types=types, spread_days=spread, aep_days=aep_days(day, settings)),
            campaign_rows(chunk.contacts, chunk.targets, day=day, types=types, spread_days=spread),
        ]
    )
    overdue = settings.overdue_days
    rows = with_standing(rows, chunk.history, chunk.contacts, day=day, types=types, overdue_days=overdue)
    rows = excluded(chunk, rows, settings=settings)
    given = Given(
        day=day,
        rules=settings.rules,
        lead_days=settings.pre_window_exclusion_days,
        types=types,
        aep_days=aep_days(day, settings),
        overdue_days=overdue,
        history=chunk.history,
        targets=chunk.targets,
    )
    after = unsettled(post_window_rows(rows, chunk.contacts, given), chunk.history, day=day, overdue_days=overdue)
    return in_order(np.concatenate([rows, excluded(chunk, after, settings=settings)]))


def follow_ups(chunk: Chunk, *, day: Any, settings: SchedulerSettings) -> Array:
    """ROWs of the follow-ups that are owed. They always respect windows, and never make a post-window mail."""
    rows = follow_up_rows(chunk.contacts, chunk.history, chunk.events, follow_up_terms(day, settings))
    return in_order(excluded(chunk, rows, settings=settings))


def follow_up_terms(day: Any, settings: SchedulerSettings) -> Terms:
    return Terms(
        day=day,
        types=settings.email_types,
        days_after=settings.followup_days_after,
        lookback_days=settings.followup_lookback_days,
        overdue_days=settings.overdue_days,
    )


def excluded(chunk: Chunk, rows: Array, *, settings: SchedulerSettings) -> Array:
    """The rows with those skipped that would go out on an excluded day, unless their type ignores windows."""
    rows = rows.copy()
    at = np.flatnonzero(rows["respects"] & (rows["status"] == Status.PRE_SCHEDULED))
    reason, end = verdicts(chunk.contacts.take(rows["place"][at]), rows["send_on"][at], settings=settings)
    rows["reason"][at], rows["window_end"][at] = reason, end
    rows["status"][at[reason != Reason.NONE]] = Status.SKIPPED
    return rows


def verdicts(contacts: Contacts, day: Any, *, settings: SchedulerSettings) -> tuple[Array, Array]:
    """Why `day` is excluded for each contact (a Reason), and until when."""
    return judged(
        contacts,
        day,
        rules=settings.rules,
        lead_days=settings.pre_window_exclusion_days,
        block_unknown=settings.block_when_anchor_missing,
    )


def judge_of(contacts: Contacts, respects: Array, settings: SchedulerSettings) -> balance.Judge:
    """Whether rows may be moved to a day: it is not excluded, or their type does not respect windows. Contact i is that of row i."""

    def judge(at: Array, day: Any) -> Array:
        reason, _ = verdicts(contacts.take(at), day, settings=settings)
        return (reason == Reason.NONE) | ~respects[at]

    return judge


def uncontested(chunk: Chunk, rows: Array) -> Array:
    return conflicts.resolved(rows, chunk.history)


def effective_date_tally(chunk: Chunk, rows: Array) -> Array:
    """What each day carries of effective-date mails on their own days. Mails that an earlier run moved are not spread again."""
    own = rows[(rows["kind"] == EFFECTIVE_DATE) & np.isnat(rows["moved_from"])]
    gone = balance.gone_out(chunk.history)
    return balance.tally(own, gone[gone["kind"] == EFFECTIVE_DATE])


def crowded_days(counts: Array, caps: Caps) -> Array:
    """The days with more effective-date mails than the soft limit; the run reports them."""
    return balance.days_above(counts, caps.effective_date)


def smoothed(chunk: Chunk, rows: Array, crowded: Array, *, day: Any, settings: SchedulerSettings) -> Array:
    return balance.smoothed(
        rows,
        crowded,
        day=day,
        window_days=settings.ed_smoothing_window_days,
        names=settings.email_types.names,
        judge=judge_of(chunk.contacts.take(rows["place"]), rows["respects"], settings),
    )


def tally(chunk: Chunk, rows: Array) -> Array:
    """What each day carries of this chunk."""
    return balance.tally(rows, balance.gone_out(chunk.history))


@dataclass(frozen=True)
class LeftOver:
    """What a chunk's days do not keep. Element i of `at` and `rows` belong together."""

    at: Array  # positions among the chunk's rows
    rows: Array  # LEFT
    taken: Array  # TAKEN: the days on which these contacts have a campaign


def capped(chunks: Sequence[Chunk], rows: Sequence[Array], *, caps: Caps, settings: SchedulerSettings) -> list[Array]:
    """The rows of all chunks with no day above the cap, but for rows marked `over_cap`."""
    tallies = [tally(*each) for each in zip(chunks, rows, strict=True)]
    counts = balance.merged(tallies)
    allowed = allowances(counts, caps=caps, settings=settings)
    earlier, left = counts[:0], []
    for chunk, own, carried in zip(chunks, rows, tallies, strict=True):
        left.append(left_over(chunk, own, allowed, earlier))
        earlier = balance.merged([earlier, carried])
    found = placed(left, counts, caps=caps, settings=settings)
    return [in_order(put_back(own, each.at, days)) for own, each, days in zip(rows, left, found, strict=True)]


def allowances(counts: Array, *, caps: Caps, settings: SchedulerSettings) -> Array:
    """How many rows of each priority stay on the days that are above the cap."""
    return balance.allowances(counts, cap=caps.daily, threshold=settings.overage_threshold)


def left_over(chunk: Chunk, rows: Array, allowed: Array, earlier: Array) -> LeftOver:
    """The rows that must leave their day. `earlier` is the TALLY of all contacts before this chunk."""
    at = balance.left_over(rows, allowed, earlier)
    concerned = rows["place"][at][is_campaign(rows["kind"][at])]
    some = rows[np.isin(rows["place"], concerned)]
    gone = balance.gone_out(chunk.history)
    taken = taken_days(some, gone[np.isin(gone["place"], concerned)], chunk.contacts.id)
    return LeftOver(at=at, rows=with_contacts(rows[at], chunk.contacts), taken=taken)


def with_contacts(rows: Array, contacts: Contacts) -> Array:
    """The rows as LEFT."""
    who = contacts.take(rows["place"])
    own = {name: rows[name] for name in LEFT.names or () if name in (ROW.names or ())}
    return filled(LEFT, len(rows), **own, state=who.state, birthday=who.birthday, effective_date=who.effective_date)


def placed(left: Sequence[LeftOver], counts: Array, *, caps: Caps, settings: SchedulerSettings) -> list[Array]:
    """The new day of each left-over row of each chunk; NaT where none has room. `counts` is the TALLY of all chunks before."""
    rows = np.concatenate([each.rows for each in left])
    order = balance.best_first(rows)
    rows = rows[order]
    here = room(counts, CampaignDays([each.taken for each in left]), caps=caps, settings=settings)
    found = np.empty(len(rows), DAY)
    for at in balance.by_day(rows):
        found[order[at]] = placed_in(here, rows[at], settings=settings)
    return np.split(found, np.cumsum([len(each.at) for each in left])[:-1])


def room(counts: Array, taken: CampaignDays, *, caps: Caps, settings: SchedulerSettings) -> balance.Room:
    return balance.room(counts, taken, cap=caps.daily, horizon_days=settings.horizon_days)


def placed_in(here: balance.Room, rows: Array, *, settings: SchedulerSettings) -> Array:
    """The new day of each row in LEFT, which are of one day, best first; NaT where none has room."""
    contacts = Contacts(rows["contact"], rows["state"], rows["birthday"], rows["effective_date"])
    return here.find(rows, judge_of(contacts, rows["respects"], settings))


def put_back(rows: Array, at: Array, found: Array) -> Array:
    """The rows of a chunk, each where it stood: those `at` these places on their new days, without one `over_cap`."""
    without = np.isnat(found)
    rows = balance.moved(rows.copy(), at[~without], found[~without])
    rows["over_cap"][at[without]] = True
    return rows


def limited(chunk: Chunk, rows: Array, *, day: Any, settings: SchedulerSettings) -> Array:
    counted = chunk.history[settled(chunk.history, day=day, overdue_days=settings.overdue_days)]
    return frequency.limited(
        rows, counted, types=settings.email_types, limit=settings.max_emails_per_period, period_days=settings.period_days
    )


def in_order(rows: Array) -> Array:
    """By contact, type, day and instance."""
    return rows[order_by([rows[name] for name in ("contact", "kind", "send_on", "instance", "event_on")])]
