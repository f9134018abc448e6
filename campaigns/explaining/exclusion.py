"""On which days a contact must not be written to, why, and when that changes: asked of the rules' own functions, day by day."""

from dataclasses import dataclass
from datetime import time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from campaigns import scheduler
from campaigns.explaining.facts import Facts
from campaigns.explaining.words import ANCHORS, STATE_NAMES, count, said, span
from campaigns.rules.exclusions import windows
from campaigns.rules.shapes import REASON_WORDS, YEAR, Array, Reason
from campaigns.rules.states import Anchor

DAYS_AHEAD = 800  # among which the next change is looked for: every window opens and closes within them


@dataclass(frozen=True, kw_only=True)
class Spell:
    """A window with its first statutory day; both ends are excluded too."""

    start: Any
    statutory_start: Any
    end: Any
    anchor_on: Any
    anchor_year: int


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Whether a contact may be written to on a day, in one sentence, and when that changes."""

    on: Any
    may: bool
    reasons: list[str]
    sentence: str
    window_end: Any
    changes_on: Any  # None: it does not, as the rules stand


def spells(facts: Facts, first: Any, last: Any) -> list[Spell]:
    """The contact's windows that touch these days, by the day they begin."""
    found = []
    lead, after = facts.settings.pre_window_exclusion_days, np.timedelta64(facts.rule.after, "D")
    for year in np.arange(first.astype(YEAR) - 1, last.astype(YEAR) + 2):
        start, statutory, end = (column[0] for column in windows(facts.contacts, year, rules=facts.settings.rules, lead_days=lead))
        if start <= last and end >= first:  # never of NaT
            anchor_on = end - after
            found.append(Spell(start=start, statutory_start=statutory, end=end, anchor_on=anchor_on, anchor_year=int(str(year))))
    return found


def spell_that_ends(facts: Facts, end: Any) -> Spell:
    return next(one for one in spells(facts, end, end) if one.end == end)


def because(facts: Facts, day: Any, reason: int, end: Any) -> str:
    """The sentence on an excluded day: which rule, which window, counted from what."""
    if reason == Reason.YEAR_ROUND_EXCLUSION:
        return year_round_words(facts)
    if np.isnat(end):
        return f"{place(facts)} counts its window from the {ANCHORS[facts.rule.anchor]}, which is not known, and unknown days are blocked"
    return window_words(facts, spell_that_ends(facts, end))


def year_round_words(facts: Facts) -> str:
    age = facts.rule.year_round_from_age
    if facts.rule.anchor == Anchor.ALWAYS or not age:
        return f"{place(facts)} excludes every day of the year"
    return f"{place(facts)} excludes every day from the {age}th birthday on"


def window_words(facts: Facts, one: Spell) -> str:
    """California excludes from 11 April to 8 September 2026: 90 days before to 60 days after the birthday on 10 July."""
    before = facts.rule.before + facts.settings.pre_window_exclusion_days
    counted = f"{count(before, 'day')} before to {count(facts.rule.after, 'day')} after {anchor_words(facts, one)}"
    return f"{place(facts)} excludes from {span(one.start, one.end)}: {counted}"


def anchor_words(facts: Facts, one: Spell) -> str:
    day = said(one.anchor_on, year=one.start.astype(YEAR) != one.end.astype(YEAR))
    if facts.rule.anchor == Anchor.BIRTH_MONTH:
        return f"{day}, the first day of the birth month"
    return f"the {'policy anniversary' if facts.rule.anchor == Anchor.EFFECTIVE_DATE else 'birthday'} on {day}"


def place(facts: Facts) -> str:
    return STATE_NAMES.get(facts.contact.state, "This address")


def suppressed(facts: Facts, days: Array) -> Array:
    """Whether the address must not be mailed at the send time of each day."""
    if facts.suppression is None:
        return np.zeros(len(days), bool)
    if facts.suppression.suppressed_until is None:
        return np.ones(len(days), bool)
    return days < np.datetime64(free_again_on(facts), "D")


def free_again_on(facts: Facts) -> Any:
    """The first day at whose send time a suppression that ends is over."""
    until = facts.suppression and facts.suppression.suppressed_until
    assert until, "the suppression does not end"
    end = until.astimezone(ZoneInfo(facts.settings.time_zone))
    return end.date() + timedelta(days=int(end.time() > time.fromisoformat(facts.settings.send_time)))


def verdict_on(facts: Facts, on: Any) -> Verdict:
    days = on + np.arange(DAYS_AHEAD)
    who = facts.contacts.take(np.zeros(DAYS_AHEAD, "i8"))
    excluded, ends = scheduler.verdicts(who, days, settings=facts.settings)
    stopped = suppressed(facts, days)
    blocked = (excluded != Reason.NONE) | stopped | bool(facts.invalid)
    other = np.flatnonzero(blocked != blocked[0])
    codes = ["invalid_contact"] if facts.invalid else []
    codes += (["suppressed"] if stopped[0] else []) + ([str(REASON_WORDS[excluded[0]])] if excluded[0] != Reason.NONE else [])
    changes_on = days[other[0]] if len(other) else None
    why = reasons_in_words(facts, on, codes, excluded[0], ends[0])
    word = "may not" if blocked[0] else "may"
    return Verdict(
        on=on,
        may=not blocked[0],
        reasons=codes,
        sentence=f"On {said(on)} this contact {word} be written to, because {why}; {change_words(changes_on)}.",
        window_end=None if np.isnat(ends[0]) else ends[0],
        changes_on=changes_on,
    )


def change_words(changes_on: Any) -> str:
    return "by the rules as they stand that does not change" if changes_on is None else f"that changes on {said(changes_on)}"


def reasons_in_words(facts: Facts, on: Any, codes: list[str], reason: int, end: Any) -> str:
    told = {"invalid_contact": facts.invalid.rstrip("."), "suppressed": suppression_words(facts)}
    if codes:
        return ", and ".join(told[code] if code in told else because(facts, on, reason, end) for code in codes)
    return free_words(facts, on)


def suppression_words(facts: Facts) -> str:
    if facts.suppression is None:
        return "the address is not suppressed"
    end = "for good" if facts.suppression.suppressed_until is None else f"until {said(free_again_on(facts))}"
    return f"the address is suppressed {end} ({facts.suppression.reason.rstrip('.')})"


def free_words(facts: Facts, on: Any) -> str:
    """Why nothing stands against a day."""
    if facts.rule.anchor == Anchor.NONE:
        return f"{place(facts)} has no exclusion rule" if facts.contact.state in STATE_NAMES else "no state's rule covers this address"
    if facts.exclusion_unknown:
        return f"the {ANCHORS[facts.rule.anchor]} that {place(facts)} counts its window from is not known, and unknown days are allowed"
    before = [one for one in spells(facts, on - np.timedelta64(366, "D"), on) if one.end < on]
    after = [one for one in spells(facts, on, on + np.timedelta64(366, "D")) if one.start > on]
    parts = [f"the last ended on {said(before[-1].end)}"] if before else []
    parts += [f"the next begins on {said(after[0].start)}"] if after else []
    return f"no window of {place(facts)} covers the day" + (f": {', '.join(parts)}" if parts else "")


def day_kinds(facts: Facts, first: Any, until: Any) -> dict[Any, str]:
    """What each day is by the state's rule: free, lead, statutory, every or unknown."""
    days = np.arange(first, until)
    reasons, ends = scheduler.verdicts(facts.contacts.take(np.zeros(len(days), "i8")), days, settings=facts.settings)
    statutory = np.zeros(len(days), bool)
    for one in spells(facts, first, until):
        statutory |= (ends == one.end) & (days >= one.statutory_start)
    inside = reasons == Reason.EXCLUSION_WINDOW
    chosen = [reasons == Reason.YEAR_ROUND_EXCLUSION, inside & np.isnat(ends), inside & statutory, inside]
    kinds = np.select(chosen, ["every", "unknown", "statutory", "lead"], "free")
    return dict(zip(days.tolist(), kinds.tolist(), strict=True))
