"""The rules that decide on the mails there are: exclusion, conflicts, caps, the frequency limit; and the mails that follow others."""

from typing import Any

import numpy as np

from campaigns import scheduler
from campaigns.explaining.exclusion import because, place, spells, window_words, year_round_words
from campaigns.explaining.facts import Facts
from campaigns.explaining.mails import origin, skipped_as, swallowed, told_short
from campaigns.explaining.step import SEED, SHIPPED, Step, configured
from campaigns.explaining.words import ANCHORS, as_date, capital, count, iso, listed, mail_name, said
from campaigns.rules.email_types import POST_WINDOW, is_campaign, is_follow_up
from campaigns.rules.shapes import GOES_OUT, ONE_DAY, Array, Reason, Status
from campaigns.rules.states import Anchor


def exclusion(facts: Facts) -> Step:
    rule = facts.rule
    some = spells(facts, facts.day, facts.until)
    skipped = facts.plan.planned[np.isin(facts.plan.planned["reason"], [Reason.EXCLUSION_WINDOW, Reason.YEAR_ROUND_EXCLUSION])]
    hit = f" Skipped for it: {told_short(facts, skipped)}." if len(skipped) else " No planned mail is skipped for it."
    return Step(
        rule="exclusion",
        title="Exclusion windows",
        inputs={
            "state": facts.contact.state,
            "anchor": rule.anchor.name.lower(),
            "days_before": rule.before,
            "days_after": rule.after,
            "windows": [
                {"start": iso(one.start), "statutory_start": iso(one.statutory_start), "end": iso(one.end), "anchor": iso(one.anchor_on)}
                for one in some
            ],
            "in_force_since": rule.since,
            "status": rule.status,
        },
        answer=exclusion_answer(facts, some) + ("" if rule.anchor == Anchor.NONE else hit + exceptions(facts)),
        source=f"{rule.source} ({rule.status})" if rule.anchor != Anchor.NONE else SEED,
        **configured(facts, "state_rules", "pre_window_exclusion_days", "block_when_anchor_missing"),
    )


def exceptions(facts: Facts) -> str:
    """The campaigns that no window stops."""
    types = facts.settings.campaign_types
    names = [name.replace("_", " ") for name, one in types.items() if one.active and not one.respect_exclusion_windows]
    return f" Campaigns that ignore windows go out all the same: {listed(names)}." if names else ""


def exclusion_answer(facts: Facts, some: list[Any]) -> str:
    if facts.rule.anchor == Anchor.NONE:
        return f"{place(facts)} has no exclusion rule."
    if facts.rule.anchor == Anchor.ALWAYS:
        return f"{year_round_words(facts)}."
    if facts.exclusion_unknown:
        rule = "blocked" if facts.settings.block_when_anchor_missing else "allowed"
        return f"{place(facts)} counts its window from the {ANCHORS[facts.rule.anchor]}, which is not known. Unknown days are {rule}."
    age = f" {year_round_words(facts)}." if facts.rule.year_round_from_age else ""
    lead = facts.settings.pre_window_exclusion_days
    extra = f" The first {count(lead, 'day')} of each are the portal's own, before the statutory part." if lead and some else ""
    return " ".join(f"{window_words(facts, one)}." for one in some) + extra + age


def post_window(facts: Facts) -> Step:
    rows = facts.plan.planned[facts.plan.planned["kind"] == POST_WINDOW]
    told = [f"{capital(said(row['send_on']))}: one mail after the window, in place of {swallowed(facts, row)}." for row in rows]
    blocked = rows[rows["status"] == Status.SKIPPED]
    told += [f"It is skipped: {because(facts, row['send_on'], row['reason'], row['window_end'])}." for row in blocked]
    return Step(
        rule="post_window",
        title="After a window",
        inputs={"windows_ended_on": [iso(row["event_on"]) for row in rows]},
        answer=" ".join(told) or "No window swallowed a mail, so none follows one.",
        **configured(facts, "timing", "post_window_priority"),
    )


def conflicts(facts: Facts) -> Step:
    rows = facts.plan.planned
    competing = rows[is_campaign(rows["kind"]) & (rows["status"] == Status.PRE_SCHEDULED)]
    lost = skipped_as(facts, facts.plan.uncontested, Reason.CAMPAIGN_CONFLICT)
    return Step(
        rule="conflicts",
        title="One campaign a day",
        inputs={"campaign_mails": len(competing)},
        answer=lost or "No two campaigns meet on one day.",
        kind="campaign_types",
        version=facts.versions.get("campaign_types", SHIPPED),
        source=f"{SEED} §3.7",
    )


def balance(facts: Facts) -> Step:
    settings, run = facts.settings, facts.last_run
    caps = scheduler.caps_of(settings.organisation_contacts or 1, settings)
    planned = facts.plan.balanced[facts.plan.balanced["status"] == Status.PRE_SCHEDULED]
    days = {iso(day): run.by_day.get(iso(day)) for day in np.unique(planned["send_on"])} if run else {}
    basis = f"Run {run.pk} of {said(run.day)} balanced all contacts." if run else "No run over all contacts has balanced the days yet."
    return Step(
        rule="load_balancing",
        title="Daily caps",
        inputs={
            "run": run.pk if run else None,
            "contacts": settings.organisation_contacts,
            "daily_cap": caps.daily if run else None,
            "effective_date_limit": caps.effective_date if run else None,
            "mails_on_these_days": days,
        },
        answer=f"{balance_answer(facts, planned)} {basis}",
        **configured(facts, "load_balancing", "daily_send_percentage_cap", "ed_daily_soft_limit", "ed_smoothing_window_days"),
    )


def balance_answer(facts: Facts, planned: Array) -> str:
    names = facts.settings.email_types.names
    moved = planned[~np.isnat(planned["moved_from"])]
    told = [
        f"{capital(mail_name(names[row['kind']]))}: moved from {said(row['moved_from'])} to {said(row['send_on'])}, to spread the load."
        for row in moved
    ]
    full = facts.standing[facts.standing["over_cap"]]
    told += [f"{capital(mail_name(names[one['kind']]))} of {said(one['send_on'])}: no later day had room." for one in full]
    return " ".join(told) or "No mail had to move."


def frequency(facts: Facts) -> Step:
    settings = facts.settings
    rows, past = facts.plan.limited, facts.plan.chunk.history
    planned = rows[(rows["status"] == Status.PRE_SCHEDULED) & ~is_follow_up(rows["kind"])]
    gone = past[np.isin(past["status"], GOES_OUT) & ~is_follow_up(past["kind"])]
    most, on = fullest(np.concatenate([planned["send_on"], gone["send_on"]]), settings.period_days)
    limit = f"At most {count(settings.max_emails_per_period, 'mail')} within {count(settings.period_days, 'day')}"
    fullest_span = f"{limit}; the fullest span, up to {said(on)}, has {most}." if most else f"{limit}; there is none."
    lost = skipped_as(facts, rows, Reason.FREQUENCY_LIMIT)
    return Step(
        rule="frequency",
        title="Frequency limit",
        inputs={"planned": len(planned), "gone_out": len(gone), "most_in_a_span": most},
        answer=f"{fullest_span} {lost}".strip(),
        **configured(facts, "frequency", "max_emails_per_period", "period_days"),
    )


def fullest(days: Array, period_days: int) -> tuple[int, Any]:
    """The most mails within a span of so many days, and the day that ends it."""
    counts = [int(((days <= day) & (days >= day - period_days * ONE_DAY)).sum()) for day in days]
    most = max(counts, default=0)
    return most, as_date(days[counts.index(most)]) if most else None


def follow_ups(facts: Facts) -> Step:
    rows = facts.plan.follow_ups
    told = [f"{capital(said(row['send_on']))}{origin(facts, row).replace(',', ':', 1)}." for row in rows]
    lost = [f"It is skipped: {because(facts, row['send_on'], row['reason'], row['window_end'])}." for row in rows if row["reason"]]
    return Step(
        rule="follow_ups",
        title="Follow-ups",
        inputs={"clicks_and_answers": len(facts.plan.chunk.events)},
        answer=" ".join(told + lost) or "No mail of the last days waits for a follow-up.",
        source=f"{SEED} §18",
        **configured(facts, "followup", "followup_days_after", "followup_lookback_days"),
    )
