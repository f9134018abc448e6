"""Is a planned mail still right at the moment it is handed over? Asked of the rules as they are now, and of the contact as it is now."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from campaigns import scheduler
from campaigns.models import EmailSchedule, SkipReason
from campaigns.rules.calendar_days import in_year
from campaigns.rules.email_types import AEP, BIRTHDAY, EFFECTIVE_DATE, POST_WINDOW, is_campaign, is_follow_up
from campaigns.rules.exclusions import excluded_until
from campaigns.rules.follow_ups import chosen_types, may_be_followed
from campaigns.rules.shapes import GOES_OUT, NO_DAY, NO_INSTANCE, REASON_WORDS, ROW, YEAR, Array, Reason, filled, first_match
from campaigns.rules.shapes import Status as RuleStatus
from campaigns.rules.standing import keys, keys_of_targets
from campaigns.rules.targets import active
from campaigns.scheduler import Chunk
from campaigns.settings import SchedulerSettings

EVENT_GONE, CAMPAIGN_OVER, MISSED = "event_gone", "campaign_over", SkipReason.MISSED.value
FREQUENCY_LIMIT, CAMPAIGN_CONFLICT, SAME_DAY = SkipReason.FREQUENCY_LIMIT.value, SkipReason.CAMPAIGN_CONFLICT.value, "same_day"
LONG_AGO = 10_000  # days: a follow-up that was planned stays owed, however old its parent is by now


@dataclass
class Batch:
    """Planned mails with their contacts. Element i of `rows` is that of `mails`; a type that is no more has no row and no place here."""

    mails: Sequence[EmailSchedule]
    chunk: Chunk
    rows: Array  # ROW
    day: Any
    settings: SchedulerSettings


def batch_of(mails: Sequence[EmailSchedule], chunk: Chunk, *, day: Any, settings: SchedulerSettings) -> Batch:
    """The mails as ROWs on `day`; a follow-up has the type that fits what its contact has done by now."""
    types = settings.email_types
    rows = filled(
        ROW,
        len(mails),
        contact=[mail.contact_id for mail in mails],
        kind=[types.codes[mail.email_type] for mail in mails],
        send_on=day,
        event_on=[NO_DAY if mail.event_on is None else np.datetime64(mail.event_on, "D") for mail in mails],
        instance=[NO_INSTANCE if mail.campaign_instance_id is None else mail.campaign_instance_id for mail in mails],
        priority=[mail.priority for mail in mails],
    )
    rows["place"] = np.searchsorted(chunk.contacts.id, rows["contact"])
    batch = Batch(mails, chunk, rows, day, settings)
    parents, found = parents_of(batch)
    chosen = chosen_types(chunk.history[parents[found]], chunk.events, contacts=len(chunk.contacts))
    rows["kind"][found] = chosen
    rows["respects"] = types.respects[rows["kind"]]
    return batch


def reasons(batch: Batch) -> tuple[list[str], Array]:
    """Why each mail must not be handed over, empty where it may; and the last day of the window where one covers the day."""
    excluded, window_end = scheduler.verdicts(batch.chunk.contacts.take(batch.rows["place"]), batch.day, settings=batch.settings)
    excluded[~batch.rows["respects"]] = Reason.NONE
    words = np.array([word or "" for word in REASON_WORDS], dtype="U24")
    untrue = np.where(is_campaign(batch.rows["kind"]), CAMPAIGN_OVER, EVENT_GONE)
    found = np.select([~still_true(batch), event_over(batch)], [untrue, MISSED], words[excluded])
    return found.tolist(), window_end


def still_true(batch: Batch) -> Array:
    """Whether what each mail is about is still so: the contact's dates, the AEP day, the window, the campaign and target, the parent."""
    rows, settings = batch.rows, batch.settings
    who, event, kind = batch.chunk.contacts.take(rows["place"]), rows["event_on"], rows["kind"]
    dates = np.select([kind == BIRTHDAY, kind == EFFECTIVE_DATE], [who.birthday, who.effective_date], NO_DAY)
    of_date = (in_year(dates, event.astype(YEAR)) == event) & (event >= dates)
    aep_days = list(scheduler.aep_days(batch.day, settings, back_to=event[kind == AEP]).values())
    of_window = excluded_until(who, event, rules=settings.rules, lead_days=settings.pre_window_exclusion_days) == event
    running = batch.chunk.targets[active(batch.chunk.targets, day=batch.day, types=settings.email_types)]
    of_target = is_campaign(kind) & (first_match(keys(rows), keys_of_targets(running)) >= 0)
    of_parent = np.zeros(len(rows), bool)
    of_parent[parents_of(batch)[1]] = True
    return of_date | ((kind == AEP) & np.isin(event, aep_days)) | ((kind == POST_WINDOW) & of_window) | of_target | of_parent


def parents_of(batch: Batch) -> tuple[Array, Array]:
    """Of each mail that follows one which has gone out and still may be followed: the parent's position in history, by the mail's."""
    history = batch.chunk.history
    terms = replace(scheduler.follow_up_terms(batch.day, batch.settings), lookback_days=LONG_AGO)
    told = np.array([-2 if mail.parent_id is None else mail.parent_id for mail in batch.mails], "i8")
    at = first_match((told,), (history["id"],))
    fit = may_be_followed(history, terms)
    found = np.flatnonzero((at >= 0) & is_follow_up(batch.rows["kind"]))
    found = found[fit[at[found]]]
    return at, found


def event_over(batch: Batch) -> Array:
    """Whether the event of a mail that comes before its event has passed."""
    ahead = batch.settings.email_types.lead[batch.rows["kind"]] > np.timedelta64(0, "D")
    return ahead & (batch.rows["event_on"] < batch.day)


class Limits:
    """What each contact has had lately, and gets in this batch: asked mail by mail, the best first."""

    def __init__(self, batch: Batch) -> None:
        settings, history = batch.settings, batch.chunk.history
        today = history[(history["send_on"] == batch.day) & (history["status"] != RuleStatus.SKIPPED)]
        gone = history[np.isin(history["status"], GOES_OUT) & ~is_follow_up(history["kind"])]
        lately = gone[(gone["send_on"] >= batch.day - settings.period_days) & (gone["send_on"] <= batch.day)]
        self.limit = settings.max_emails_per_period
        self.had = Counter(lately["place"].tolist())
        self.campaigns = set(lately["place"][is_campaign(lately["kind"]) & (lately["send_on"] == batch.day)].tolist())
        self.same_day: defaultdict[tuple[int, ...], set[int]] = defaultdict(set)
        for row in today:
            self.same_day[same(row)].add(int(row["id"]))

    def take(self, row: Any, *, schedule_id: int) -> str:
        """Why this mail is one too many; empty, and it is counted, where it is not."""
        place, is_one = int(row["place"]), bool(is_campaign(row["kind"]))
        if self.same_day[same(row)] - {schedule_id}:
            return SAME_DAY
        if not is_follow_up(row["kind"]):
            if is_one and place in self.campaigns:
                return CAMPAIGN_CONFLICT
            if self.had[place] >= self.limit:
                return FREQUENCY_LIMIT
            self.had[place] += 1
            self.campaigns |= {place} if is_one else set()
        self.same_day[same(row)].add(schedule_id)
        return ""


def same(row: Any) -> tuple[int, ...]:
    return int(row["place"]), int(row["kind"]), int(row["instance"])


def last_days(batch: Batch) -> Iterator[Any]:
    """The last day on which each mail may still leave, should it wait: before a window opens, up to its event, within the overdue days."""
    rows, settings = batch.rows, batch.settings
    contacts = batch.chunk.contacts.take(rows["place"])
    last, open_still = np.full(len(rows), batch.day), np.ones(len(rows), bool)
    for days in range(1, settings.overdue_days + 1):
        later = batch.day + np.timedelta64(days, "D")
        excluded, _ = scheduler.verdicts(contacts, later, settings=settings)
        open_still &= (excluded == Reason.NONE) | ~rows["respects"]
        last[open_still] = later
    ahead = (settings.email_types.lead[rows["kind"]] > np.timedelta64(0, "D")) & ~np.isnat(rows["event_on"])
    last[ahead] = np.minimum(last[ahead], rows["event_on"][ahead])
    yield from last.tolist()
