"""Every mail of the coming months with a sentence: why it goes out on its day, or why not at all."""

from typing import Any

import numpy as np

from campaigns.explaining.exclusion import because
from campaigns.explaining.facts import Facts
from campaigns.explaining.words import before_or_after, capital, count, iso, listed, mail_name, said
from campaigns.rules.email_types import AEP, BIRTHDAY, EFFECTIVE_DATE, FOLLOW_UPS, POST_WINDOW
from campaigns.rules.shapes import NO_INSTANCE, REASON_WORDS, STATUS_WORDS, Array, Reason, Status
from campaigns.what_if import named, rows_told

LEFT_BEHIND = {  # what became of a mail that the scheduler has nothing to do with any more
    Status.PRE_SCHEDULED: "Was due on {day} and has not left yet",
    Status.SKIPPED: "Was skipped on {day}, as a window excluded it",
    Status.SCHEDULED: "Handed over for {day}, and waits to be sent",
    Status.PROCESSING: "Handed over for {day}, and is being sent",
    Status.SENT: "Went out on {day}",
    Status.DELIVERED: "Went out on {day}, and arrived",
    Status.FAILED: "Handed over for {day}, and could not be sent",
    Status.CANCELLED: "Would have gone out on {day}; a person stopped it",
}
EVENTS = {BIRTHDAY: "the birthday", EFFECTIVE_DATE: "the policy anniversary"}


def mails(facts: Facts) -> list[dict[str, Any]]:
    """What went out since the month began, and what is planned or skipped in the months that are looked at, by day."""
    return sorted(left_behind(facts) + coming(facts), key=lambda mail: (mail["date"], mail["email_type"]))


def coming(facts: Facts) -> list[dict[str, Any]]:
    rows = facts.plan.rows
    rows = rows[rows["send_on"] < facts.until]
    names = {number: facts.instance_name(number) for number in {NO_INSTANCE, *rows["instance"].tolist()}}
    told = rows_told(rows, settings=facts.settings, instances=names)
    return [mail | {"sentence": sentence(facts, row)} for row, (_, mail) in zip(rows, told, strict=True)]


def left_behind(facts: Facts) -> list[dict[str, Any]]:
    """Mails of this month on which nothing is decided any more."""
    history = facts.plan.chunk.history
    over = ~np.isin(history["status"], [Status.PRE_SCHEDULED, Status.SKIPPED]) | (history["send_on"] < facts.day)
    return [past_mail(facts, row) for row in history[over & (history["send_on"] >= facts.first_day)]]


def past_mail(facts: Facts, row: Any) -> dict[str, Any]:
    kind = int(row["kind"])
    about = f", about {EVENTS[kind]} on {said(row['event_on'])}" if kind in EVENTS and not np.isnat(row["event_on"]) else ""
    return {
        "email_type": facts.settings.email_types.names[kind],
        "date": iso(row["send_on"]),
        "event_date": iso(row["event_on"]),
        "status": STATUS_WORDS[row["status"]],
        "skip_reason": REASON_WORDS[Reason.EXCLUSION_WINDOW] if row["status"] == Status.SKIPPED else None,
        "priority": int(facts.settings.email_types.priority[kind]),
        "campaign_instance": facts.instance_name(row["instance"]),
        "moved_from": iso(row["moved_from"]),
        "catch_up": False,
        "skipped_emails": [],
        "over_cap": False,
        "sentence": LEFT_BEHIND[Status(row["status"])].format(day=said(row["send_on"])) + f"{about}.",
    }


def sentence(facts: Facts, row: Any) -> str:
    """Why a planned or skipped mail is what it is."""
    if row["status"] == Status.SKIPPED:
        return f"Skipped on {said(row['send_on'])}: {skipped_because(facts, row)}."
    return f"Goes out on {said(row['send_on'])}{origin(facts, row)}." + remarks(facts, row)


def skipped_because(facts: Facts, row: Any) -> str:
    if row["reason"] == Reason.FREQUENCY_LIMIT:
        limit, days = facts.settings.max_emails_per_period, facts.settings.period_days
        return f"with it more than {count(limit, 'mail')} would fall within {count(days, 'day')}, and others go first"
    if row["reason"] == Reason.CAMPAIGN_CONFLICT:
        return "another campaign of this contact goes first on that day"
    if row["reason"] == Reason.MISSED:
        return f"its trigger date, {said(row['event_on'])}, was over before it could go out"
    return because(facts, row["send_on"], row["reason"], row["window_end"])


def origin(facts: Facts, row: Any) -> str:
    """From which event its day is counted."""
    kind = int(row["kind"])
    if kind == AEP:
        return ", the AEP day" if row["send_on"] == row["event_on"] else f", for the AEP day {said(row['event_on'])}"
    if kind == POST_WINDOW:
        return f", after the window that ends on {said(row['event_on'])}, in place of {swallowed(facts, row)}"
    if kind in FOLLOW_UPS:
        name = mail_name(facts.settings.email_types.names[kind])
        return f", {count(int((row['send_on'] - row['event_on']).astype(int)), 'day')} after a mail of {said(row['event_on'])}: {name}"
    campaign = "" if kind in EVENTS else f", campaign “{facts.instance_name(row['instance'])}”"
    return campaign + distance(facts, row)


def distance(facts: Facts, row: Any) -> str:
    """How far a yearly mail or a campaign's is from its event."""
    if np.isnat(row["event_on"]):
        return ", which has no trigger date"
    event = EVENTS.get(int(row["kind"]), "its trigger date")
    if row["catch_up"] or not np.isnat(row["moved_from"]):
        return f", for {event} on {said(row['event_on'])}" if row["kind"] in EVENTS else f", for its trigger date {said(row['event_on'])}"
    lead = before_or_after(facts.settings.email_types.lead[row["kind"]])
    return f", {lead} {event}{' on' if row['kind'] in EVENTS else ','} {said(row['event_on'])}"


def swallowed(facts: Facts, row: Any) -> str:
    names = [mail_name(name) for name in named(int(row["swallowed"]), facts.settings.email_types.names)]
    return f"the {listed(names)}" if names else "what it swallowed"


def remarks(facts: Facts, row: Any) -> str:
    """What is unusual about its day: that no window counts, or that it is not its own."""
    told = "" if row["respects"] else " It ignores exclusion windows."
    if row["catch_up"]:
        own = row["event_on"] - facts.settings.email_types.lead[row["kind"]]
        told += f" Its own day, {said(own)}, was over, so it catches up."
    if not np.isnat(row["moved_from"]):
        told += f" The last run moved it from {said(row['moved_from'])} to spread the load."
    return told


def told_short(facts: Facts, rows: Array) -> str:
    """The rows as a list of types and days."""
    names = facts.settings.email_types.names
    return listed([f"{mail_name(names[row['kind']])} on {said(row['send_on'])}" for row in rows])


def skipped_as(facts: Facts, rows: Array, *reasons: Reason) -> str:
    """A sentence on the rows skipped for these reasons; empty where there are none."""
    some = rows[(rows["status"] == Status.SKIPPED) & np.isin(rows["reason"], reasons)]
    if not len(some):
        return ""
    words = " or ".join(str(REASON_WORDS[reason]).replace("_", " ") for reason in np.unique(some["reason"]))
    return f"{capital(told_short(facts, some))}: skipped ({words})."
