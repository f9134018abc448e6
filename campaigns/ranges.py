"""What a setting may be. A check answers with what the value must be, told after the setting's name; with "" when it is that."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from campaigns.rules.email_types import CAMPAIGN, FIXED_NAMES, MOST_CAMPAIGN_TYPES, CampaignType
from campaigns.rules.states import STATES, Anchor, Window

MOST_DAYS = 365

Check = Callable[[Any], str]
SHOWN = 80  # characters of a refused value


class Unreadable(ValueError):
    """An object of JSON says something else than state rules or campaign types; the sentence names which."""


def whole(least: int, most: int) -> Check:
    def check(value: Any) -> str:
        fine = isinstance(value, int) and not isinstance(value, bool) and least <= value <= most
        return "" if fine else f"must be a whole number from {least} to {most}"

    return check


def number(above: float, most: float, *, meaning: str) -> Check:
    def check(value: Any) -> str:
        fine = isinstance(value, int | float) and not isinstance(value, bool) and above < value <= most
        return "" if fine else f"is {meaning}, above {above:g} and at most {most:g}"

    return check


def yes_or_no(value: Any) -> str:
    return "" if isinstance(value, bool) else "must be true or false"


def written_as(pattern: str, words: str) -> Check:
    return lambda value: "" if isinstance(value, str) and re.fullmatch(pattern, value) else f"must be {words}"


def month_and_day(value: Any) -> str:
    real = isinstance(value, str) and re.fullmatch(r"\d\d-\d\d", value, re.ASCII) and is_date(f"2023-{value}")
    return "" if real else "must be a month and a day that every year has, written 09-15"


def aep_dates(value: Any) -> str:
    fine = isinstance(value, Mapping) and all(is_date(day) and str(year) == day[:4] for year, day in value.items())
    return "" if fine else 'must name a day of the year for each year listed, such as {"2027": "2027-09-15"}'


def is_date(value: Any) -> bool:
    try:
        return isinstance(value, str) and date.fromisoformat(value).isoformat() == value
    except ValueError:
        return False


def time_zone(value: Any) -> str:
    try:
        return "" if isinstance(value, str) and value and ZoneInfo(value) else "must be a time zone such as America/Chicago"
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return "must be a time zone such as America/Chicago"


def adjustments(value: Any) -> str:
    fine = isinstance(value, Mapping) and all(isinstance(key, str) and not whole(-100, 100)(step) for key, step in value.items())
    if not fine:
        return "must give each e-mail type a whole number from -100 to 100"
    unknown = [name for name in value if name not in FIXED_NAMES and not name.startswith(CAMPAIGN)]
    return f"names {unknown[0][:SHOWN]}, which is no e-mail type; there are {', '.join(FIXED_NAMES)} and {CAMPAIGN}…" if unknown else ""


def state_rules(value: Any) -> str:
    if not isinstance(value, Mapping) or not all(state in STATES and isinstance(rule, Window) for state, rule in value.items()):
        return f"must give rules to some of {', '.join(STATES)}"
    wrong = [f"{state}: {why}" for state, rule in value.items() if (why := wrong_window(rule))]
    return f"has a rule that cannot be: {'; '.join(wrong)}" if wrong else ""


def wrong_window(rule: Window) -> str:
    age = rule.year_round_from_age
    problems = {
        f"before and after are whole numbers of days from 0 to {MOST_DAYS}": whole(0, MOST_DAYS)(rule.before)
        or whole(0, MOST_DAYS)(rule.after),
        "year_round_from_age is a whole number of years from 1, or null": "" if age is None else whole(1, 130)(age),
        "a rule needs a source": "" if isinstance(rule.source, str) and rule.source.strip() else "missing",
    }
    return ", ".join(words for words, wrong in problems.items() if wrong)


def campaign_types(value: Any) -> str:
    fine = isinstance(value, Mapping) and all(re.fullmatch(r"[a-z][a-z0-9_]{0,29}", str(name), re.ASCII) for name in value)
    if not fine or not all(isinstance(one, CampaignType) for one in value.values()):
        return "must name types in small letters, digits and _, at most 30 of them, and say how each behaves"
    if len(value) > MOST_CAMPAIGN_TYPES:
        return f"has {len(value)} types; at most {MOST_CAMPAIGN_TYPES}"
    wrong = [f"{name}: {why}" for name, one in value.items() if (why := wrong_type(one))]
    return f"has a type that cannot be: {'; '.join(wrong)}" if wrong else ""


def wrong_type(one: CampaignType) -> str:
    checks = {"days_before_event": whole(-300, 300), "priority": whole(1, 1_000)}
    problems = {field.name: checks.get(field.name, yes_or_no)(getattr(one, field.name)) for field in fields(one)}
    return ", ".join(f"{name} {wrong}" for name, wrong in problems.items() if wrong)


def windows_of(told: Mapping[str, Any]) -> dict[str, Window]:
    """State rules as JSON has them: {"CA": {"anchor": "birthday", "before": 30, "after": 60}}. Raises Unreadable."""
    return {state: Window(**{**rule, "anchor": anchor_of(state, rule.get("anchor"))}) for state, rule in entries(told, Window)}


def anchor_of(state: str, told: Any) -> Anchor:
    if not isinstance(told, str) or told.upper() not in Anchor.__members__:
        words = ", ".join(name.lower() for name in Anchor.__members__)
        raise Unreadable(f"the anchor of {state} must be one of {words}; got {repr(told)[:SHOWN]}")
    return Anchor[told.upper()]


def types_of(told: Mapping[str, Any]) -> dict[str, CampaignType]:
    """Campaign types as JSON has them: {"rate_increase": {"days_before_event": 14, "priority": 1}}. Raises Unreadable."""
    return {name: CampaignType(**behaviour) for name, behaviour in entries(told, CampaignType)}


def entries(told: Any, made: type[Window] | type[CampaignType]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Name after name, with an object that has nothing but the fields of what is made of it."""
    known = [one.name for one in fields(made)]
    if not isinstance(told, Mapping):
        raise Unreadable(f"it must be an object; got {repr(told)[:SHOWN]}")
    for name, one in told.items():
        if not isinstance(one, Mapping):
            raise Unreadable(f"{name} must be an object; got {repr(one)[:SHOWN]}")
        if unknown := sorted(set(one) - set(known)):
            raise Unreadable(f"{name} has no {unknown[0][:SHOWN]}; there are {', '.join(known)}")
        yield name, one
