"""What the scheduler may be told: every number of the rules, with its default and its range."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import cached_property
from typing import Any

import numpy as np

from campaigns.ranges import (
    MOST_DAYS,
    SHOWN,
    Check,
    Unreadable,
    adjustments,
    aep_dates,
    campaign_types,
    month_and_day,
    number,
    state_rules,
    time_zone,
    types_of,
    whole,
    windows_of,
    written_as,
    yes_or_no,
)
from campaigns.rules.email_types import FIRST_CAMPAIGN_TYPES, FIXED_NAMES, CampaignType, EmailTypes
from campaigns.rules.states import FIRST_STATE_RULES, StateRules, Window


class SettingsRefused(ValueError):
    """Some settings cannot be taken; `problems` has a sentence for each, by name."""

    def __init__(self, problems: Mapping[str, str]) -> None:
        super().__init__(" ".join(problems.values()))
        self.problems = dict(problems)


def setting(default: Any, check: Check) -> Any:
    made = {"default_factory": lambda: default} if isinstance(default, Mapping) else {"default": default}
    return field(**made, metadata={"check": check})


@dataclass(frozen=True, kw_only=True)
class SchedulerSettings:
    """All of them within their ranges; otherwise it cannot be made, and SettingsRefused says why."""

    pre_window_exclusion_days: int = setting(60, whole(0, 180))  # before the statutory part of every window
    block_when_anchor_missing: bool = setting(False, yes_or_no)  # treat a day as excluded when nobody can tell
    birthday_email_days_before: int = setting(14, whole(0, 300))
    effective_date_days_before: int = setting(30, whole(0, 300))
    aep_month_day: str = setting("09-15", month_and_day)
    aep_dates: Mapping[str, str] = setting({}, aep_dates)  # by year, where it is another day
    catch_up_spread_days: int = setting(7, whole(1, 60))
    overdue_days: int = setting(7, whole(0, 60))  # a mail whose day is over may still go out for so long
    send_time: str = setting("08:30", written_as(r"([01]\d|2[0-3]):[0-5]\d", "a time of day, written 08:30"))
    time_zone: str = setting("America/Chicago", time_zone)

    daily_send_percentage_cap: float = setting(0.07, number(0, 1, meaning="a share of all contacts"))
    overage_threshold: float = setting(1.0, number(0, 10, meaning="a multiple of the daily cap"))
    ed_daily_soft_limit: int = setting(15, whole(1, 1_000_000))  # effective-date mails a day; above it they are spread
    ed_percentage_of_daily_cap: float = setting(0.3, number(0, 1, meaning="a share of the daily cap"))
    ed_smoothing_window_days: int = setting(5, whole(1, 31))
    redistribution_horizon_days: int = setting(30, whole(1, MOST_DAYS))
    organisation_contacts: int | None = setting(None, lambda value: "" if value is None else whole(1, 2**31)(value))  # None: those given
    batch_size: int = setting(50_000, whole(1, 1_000_000))  # contacts in one piece

    max_emails_per_period: int = setting(5, whole(1, 1_000))
    period_days: int = setting(30, whole(1, MOST_DAYS))
    frequency_adjustments: Mapping[str, int] = setting(
        {"birthday": -1, "effective_date": -1, "aep": -1, "campaign_regulatory_notice": -2, "campaign_seasonal_promo": 1}, adjustments
    )  # of the priority, where the frequency limit chooses

    birthday_priority: int = setting(5, whole(1, 1_000))
    effective_date_priority: int = setting(3, whole(1, 1_000))
    aep_priority: int = setting(7, whole(1, 1_000))
    post_window_priority: int = setting(6, whole(1, 1_000))
    followup_days_after: int = setting(2, whole(1, 60))
    followup_lookback_days: int = setting(35, whole(1, MOST_DAYS))

    state_rules: Mapping[str, Window] = setting(FIRST_STATE_RULES, state_rules)
    campaign_types: Mapping[str, CampaignType] = setting(FIRST_CAMPAIGN_TYPES, campaign_types)

    def __post_init__(self) -> None:
        problems = {}
        for one in fields(self):
            value = getattr(self, one.name)
            if wrong := one.metadata["check"](value):
                problems[one.name] = f"{one.name} {wrong}; got {repr(value)[:SHOWN]}."
        if not problems and self.longest_window >= MOST_DAYS:
            by_itself = self.longest_window - self.pre_window_exclusion_days >= MOST_DAYS
            name = "state_rules" if by_itself else "pre_window_exclusion_days"
            problems[name] = f"{name} makes a window of {self.longest_window} days; a window must be shorter than a year."
        if problems:
            raise SettingsRefused(problems)

    @property
    def longest_window(self) -> int:
        return self.pre_window_exclusion_days + max((rule.before + rule.after + 1 for rule in self.state_rules.values()), default=0)

    @cached_property
    def rules(self) -> StateRules:
        return StateRules(self.state_rules)

    @cached_property
    def email_types(self) -> EmailTypes:
        return EmailTypes(
            campaigns=self.campaign_types,
            priorities={name: getattr(self, f"{name}_priority") for name in FIXED_NAMES[:4]},
            days_before={"birthday": self.birthday_email_days_before, "effective_date": self.effective_date_days_before},
            adjustments=self.frequency_adjustments,
        )

    @cached_property
    def types_ignoring_windows(self) -> frozenset[str]:
        """The campaign types in use whose mails go out on excluded days too."""
        return frozenset(name for name, one in self.campaign_types.items() if one.active and not one.respect_exclusion_windows)

    @cached_property
    def listed_aep_days(self) -> dict[int, Any]:
        return {int(year): np.datetime64(day, "D") for year, day in self.aep_dates.items()}

    @property
    def horizon_days(self) -> int:
        """At least so many days that all contacts can be written to once under the daily cap."""
        return min(MOST_DAYS, max(self.redistribution_horizon_days, int(min(MOST_DAYS, -(-1 // self.daily_send_percentage_cap)))))


def plain(settings: SchedulerSettings) -> dict[str, Any]:
    """The settings as JSON has them: what `read` makes the same settings of."""
    data = asdict(settings)
    data["state_rules"] = {state: rule | {"anchor": rule["anchor"].name.lower()} for state, rule in data["state_rules"].items()}
    return data


def read(told: Mapping[str, Any], *, whole: bool = False) -> SchedulerSettings:
    """The defaults, changed by a flat object as JSON has it. State rules and campaign types are objects; they replace the named ones.

    `whole`: those that are not named are not there.
    """
    known = {one.name for one in fields(SchedulerSettings)}
    if unknown := sorted(set(told) - known):
        raise SettingsRefused({name: f"{name} is no setting of the scheduler; there are {', '.join(sorted(known))}." for name in unknown})
    data, problems = dict(told), {}
    for name, first, made in (("state_rules", FIRST_STATE_RULES, windows_of), ("campaign_types", FIRST_CAMPAIGN_TYPES, types_of)):
        try:
            data[name] = {**({} if whole else first), **made(told.get(name, {}))}
        except Unreadable as trouble:
            problems[name] = f"{name} cannot be read: {trouble}."
    if problems:
        raise SettingsRefused(problems)
    return SchedulerSettings(**data)
