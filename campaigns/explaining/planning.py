"""The rules that say which mails there are: the contact, what is known of it, its anniversaries and campaigns."""

from typing import Any

import numpy as np

from campaigns import scheduler
from campaigns.explaining.exclusion import suppression_words
from campaigns.explaining.facts import Facts
from campaigns.explaining.mails import EVENTS, origin, skipped_because
from campaigns.explaining.step import Step, configured
from campaigns.explaining.words import STATE_NAMES, capital, count, iso, listed, mail_name, said
from campaigns.rules.anniversaries import anniversary_rows
from campaigns.rules.email_types import AEP, BIRTHDAY, EFFECTIVE_DATE
from campaigns.rules.shapes import Array, Reason, Status, first_match
from campaigns.rules.standing import keys, settled
from campaigns.rules.targets import active


def contact(facts: Facts) -> Step:
    who = facts.contact
    born = f"born on {said(who.birth_date)}" if who.birth_date else "birth date not known"
    policy = f"policy since {said(who.effective_date)}" if who.effective_date else "effective date not known"
    where = STATE_NAMES.get(who.state, f"“{who.state}”, where no state's rule applies")
    flags = "".join(f" {capital(flag.replace('_', ' '))}." for flag in facts.flags)
    return Step(
        rule="contact",
        title="Who it is",
        inputs={
            "zip_code": who.zip_code,
            "state": who.state,
            "birth_date": who.birth_date and who.birth_date.isoformat(),
            "effective_date": who.effective_date and who.effective_date.isoformat(),
            "flags": facts.flags,
        },
        answer=f"{where} by the ZIP code {who.zip_code}; {born}; {policy}.{flags}" + (f" {facts.invalid}" if facts.invalid else ""),
        source="the contact's own record",
    )


def suppression(facts: Facts) -> Step:
    found = facts.suppression
    end = found.suppressed_until.isoformat() if found and found.suppressed_until else None
    return Step(
        rule="suppression",
        title="Suppression",
        inputs={"address": facts.contact.email, "suppressed": bool(found), "until": end, "reason": found.reason if found else None},
        answer=f"{capital(suppression_words(facts))}.",
        source="the list of suppressions",
    )


def history(facts: Facts) -> Step:
    rows = facts.plan.chunk.history
    done = rows[settled(rows, day=facts.day, overdue_days=facts.settings.overdue_days)]
    waiting = int((rows["status"] == Status.PRE_SCHEDULED).sum()) - int((done["status"] == Status.PRE_SCHEDULED).sum())
    names = facts.settings.email_types.names
    last = [f"{mail_name(names[row['kind']])} of {said(row['send_on'])}" for row in done[np.argsort(done["send_on"])][-3:]]
    told = f"{count(len(done), 'mail')} sent, on the way or stopped, last the {listed(last)}" if last else "No mail has gone out yet"
    return Step(
        rule="known_events",
        title="What is known already",
        inputs={"settled": len(done), "waiting": waiting, "events": len(facts.plan.chunk.events)},
        answer=f"{told}; {waiting:,} planned by earlier runs. What is settled is not planned again.",
        **configured(facts, "timing", "overdue_days"),
    )


def anniversaries(facts: Facts) -> Step:
    told = [yearly(facts, kind) for kind in (BIRTHDAY, EFFECTIVE_DATE)]
    return Step(
        rule="anniversaries",
        title="Birthday and policy anniversary",
        inputs={"today": iso(facts.day)},
        answer=" ".join(told),
        **configured(facts, "timing", "birthday_email_days_before", "effective_date_days_before", "catch_up_spread_days"),
    )


def aep(facts: Facts) -> Step:
    days = scheduler.aep_days(facts.day, facts.settings)
    return Step(
        rule="aep",
        title="AEP",
        inputs={"days": [iso(day) for day in days.values()]},
        answer=yearly(facts, AEP),
        **configured(facts, "aep", "aep_month_day", "aep_dates"),
    )


def yearly(facts: Facts, kind: int) -> str:
    """What is planned about the next return of a yearly event, or why nothing is."""
    name = capital(mail_name(facts.settings.email_types.names[kind]))
    planned = facts.plan.planned[facts.plan.planned["kind"] == kind]
    if len(planned):
        return " ".join(f"{name}: {said(row['send_on'])}{origin(facts, row)}." for row in planned)
    rows = would_be(facts)
    rows = rows[rows["kind"] == kind]
    if not len(rows):
        missing = np.isnat((facts.contacts.birthday if kind == BIRTHDAY else facts.contacts.effective_date)[0])
        return f"{name}: none, as " + ("its date is not known." if missing else "its date is not reached yet.")
    known = facts.plan.chunk.history
    known = known[settled(known, day=facts.day, overdue_days=facts.settings.overdue_days)]
    match = first_match(keys(rows), keys(known))
    event = f" about {EVENTS[kind]} on {said(rows['event_on'][0])}" if kind in EVENTS else f" of {said(rows['event_on'][0])}"
    if match[0] < 0:
        return f"{name}{event}: none."
    return f"{name}{event}: settled by the one of {said(known['send_on'][match[0]])}, so none is planned."


def would_be(facts: Facts) -> Array:
    """The yearly mails as if nothing had gone out."""
    settings = facts.settings
    return anniversary_rows(
        facts.contacts,
        day=facts.day,
        types=settings.email_types,
        spread_days=settings.catch_up_spread_days,
        aep_days=scheduler.aep_days(facts.day, settings),
    )


def campaigns(facts: Facts) -> Step:
    targets = facts.plan.chunk.targets
    running = active(targets, day=facts.day, types=facts.settings.email_types)
    told = [campaign(facts, *each) for each in zip(targets, running, strict=True)]
    columns = ("trigger_on", "active_from", "active_until")
    names = facts.settings.email_types.names
    return Step(
        rule="campaigns",
        title="Campaigns",
        inputs={
            "targets": [
                {"type": names[one["kind"]], "campaign": facts.instance_name(one["instance"])} | {name: iso(one[name]) for name in columns}
                for one in targets
            ]
        },
        answer=" ".join(told) or "No campaign means this contact.",
        **configured(facts, "campaign_types", "catch_up_spread_days"),
    )


def campaign(facts: Facts, target: Any, is_running: bool) -> str:
    name = f"“{facts.instance_name(target['instance'])}”"
    if not is_running:
        return f"{name} is not active on {said(facts.day)}."
    rows = facts.plan.planned
    same = (rows["kind"] == target["kind"]) & (rows["instance"] == target["instance"])
    rows = rows[same & ((rows["event_on"] == target["trigger_on"]) | np.isnat(rows["event_on"]))]
    if not len(rows):
        return f"{name}: its mail has gone out, was stopped, or is about to leave."
    ignores = "" if rows["respects"][0] else " It ignores exclusion windows."
    missed = f" skipped, as {skipped_because(facts, rows[0])}" if rows["reason"][0] == Reason.MISSED else f" {said(rows['send_on'][0])}"
    return f"{name}:{missed}.{ignores}"
