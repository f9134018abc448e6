"""What the scheduler is told, kind by kind, each as its own type. Ranges are those of campaigns.settings; here stand names and meanings."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, fields
from datetime import date
from typing import Annotated, Any, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    RootModel,
    SerializerFunctionWrapHandler,
    ValidationInfo,
    field_validator,
    model_serializer,
    model_validator,
)

from campaigns.ranges import Check, whole, yes_or_no
from campaigns.rules.states import NO_RULE, STATES, Anchor, Window
from campaigns.settings import SchedulerSettings
from portal.config.data import shown

MOST_WINDOW_DAYS = 183  # with the longest lead before it a window is still shorter than a year, so two never meet
LONGEST_SOURCE = 300  # characters
CHECKS: Mapping[str, Check] = {one.name: one.metadata["check"] for one in fields(SchedulerSettings)}
ANCHORS = {anchor.name.lower(): anchor for anchor in Anchor}
WITH_WINDOW = ("birthday", "birth_month", "effective_date")


def refuse(wrong: str, told: Any) -> None:
    if wrong:
        raise ValueError(f"{wrong}; got {shown(told)}")


def within(check: Check) -> BeforeValidator:
    """The value passes the check, or its sentence says what it must be."""

    def look(told: Any) -> Any:
        refuse(check(told), told)
        return told

    return BeforeValidator(look)


class Told(BaseModel):
    """Some of the scheduler's settings, by their own names and within their own ranges."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @field_validator("*", mode="before")
    @classmethod
    def within_its_range(cls, told: Any, info: ValidationInfo) -> Any:
        refuse(CHECKS[str(info.field_name)](told), told)
        return told

    @classmethod
    def first(cls) -> dict[str, Any]:
        """What the portal ships."""
        return {name: getattr(SchedulerSettings(), name) for name in cls.model_fields}


class Timing(Told):
    birthday_email_days_before: int = Field(description="Days from the birthday mail to the birthday.")
    effective_date_days_before: int = Field(description="Days from the effective-date mail to the policy's day.")
    pre_window_exclusion_days: int = Field(description="Excluded days before the statutory part of every window.")
    block_when_anchor_missing: bool = Field(description="Whether nothing goes out while the date a window is counted from is missing.")
    catch_up_spread_days: int = Field(description="Mails whose day is over are spread over so many days.")
    overdue_days: int = Field(description="A mail whose day is over may still go out for so many days.")
    send_time: str = Field(description="When the day's mails go out.")
    time_zone: str = Field(description="The calendar of days and the send time.")


class Aep(Told):
    aep_month_day: str = Field(description="The AEP day of every year that is not listed.")
    aep_dates: dict[str, str] = Field(description="by year, where it is another day")


class LoadBalancing(Told):
    daily_send_percentage_cap: float = Field(description="Mails in a day, as a share of all contacts.")
    overage_threshold: float = Field(description="A day is thinned out above this multiple of its cap.")
    ed_daily_soft_limit: int = Field(description="Effective-date mails in a day; above it they are spread.")
    ed_percentage_of_daily_cap: float = Field(description="The same as a share of the cap; the lower of both counts.")
    ed_smoothing_window_days: int = Field(description="They are spread over so many days around their own.")
    redistribution_horizon_days: int = Field(description="A mail may be moved so many days, at least.")
    birthday_priority: int = Field(description="The lower number goes first.")
    effective_date_priority: int = Field(description="The lower number goes first.")
    aep_priority: int = Field(description="The lower number goes first.")
    post_window_priority: int = Field(description="The lower number goes first.")


class Frequency(Told):
    max_emails_per_period: int = Field(description="Mails to one contact within the period.")
    period_days: int = Field(description="The length of the period.")
    frequency_adjustments: dict[str, int] = Field(description="added to a type's priority where the limit chooses")


class FollowUp(Told):
    followup_days_after: int = Field(description="Days from a mail to the mail that follows it.")
    followup_lookback_days: int = Field(description="Mails that are older are not followed any more.")


class Processing(Told):
    batch_size: int = Field(description="Contacts that a worker takes at once.")


# --- the states --------------------------------------------------------------------------------------------------------


def known_anchor(told: Any) -> str:
    return "" if isinstance(told, str) and told in ANCHORS else f"must be one of {', '.join(ANCHORS)}"


def text_of(what: str) -> Check:
    return lambda told: "" if isinstance(told, str) and 1 <= len(told.strip()) <= LONGEST_SOURCE else f"must say {what}"


def a_day(told: Any) -> str:
    try:
        return "" if isinstance(told, str) and date.fromisoformat(told).isoformat() == told else "must be a day, written 2026-01-31"
    except ValueError:
        return "must be a day, written 2026-01-31"


def age_or_none(told: Any) -> str:
    return "" if told is None else whole(1, 130)(told) and "must be a whole number of years from 1 to 130, or null"


class StateRule(BaseModel):
    """One state's rule. Without a source it cannot be one."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    anchor: Annotated[str, within(known_anchor)]
    before: Annotated[int, within(whole(0, MOST_WINDOW_DAYS))] = 0
    after: Annotated[int, within(whole(0, MOST_WINDOW_DAYS))] = 0
    year_round_from_age: Annotated[int | None, within(age_or_none)] = None
    source: Annotated[str, within(text_of(f"where the rule comes from, in 1 to {LONGEST_SOURCE} characters"))]
    status: Annotated[str, within(text_of("who has verified it, or that nobody has"))]
    since: Annotated[str, within(a_day)]

    @model_validator(mode="after")
    def days_belong_to_a_window(self) -> Self:
        days = self.before + self.after
        if days and self.anchor not in WITH_WINDOW:
            raise ValueError(f"has no window with the anchor {self.anchor}: before and after must be 0; got {self.before} and {self.after}")
        if days > MOST_WINDOW_DAYS:
            raise ValueError(f"must have a window of at most {MOST_WINDOW_DAYS} days, before and after together; got {days}")
        return self

    @property
    def window(self) -> Window:
        return Window(**self.model_dump() | {"anchor": ANCHORS[self.anchor]})


class StateRules(RootModel[dict[str, StateRule]]):
    """Every state has an entry: a rule, or `none`."""

    model_config = ConfigDict(frozen=True)

    @model_validator(mode="before")
    @classmethod
    def names_every_state(cls, told: Any) -> Any:
        if isinstance(told, Mapping):
            if unknown := [shown(name) for name in told if name not in STATES]:
                raise ValueError(f"there is no state {', '.join(unknown[:5])}; known are {', '.join(STATES)}")
            if missing := [state for state in STATES if state not in told]:
                raise ValueError(f"there is no entry for {', '.join(missing)}; the anchor none says that a state has no rule")
        return told

    @classmethod
    def first(cls) -> dict[str, Any]:
        """What the portal ships."""
        rules = SchedulerSettings().state_rules
        return {state: as_json(rules.get(state, NO_RULE)) for state in STATES}

    @property
    def windows(self) -> dict[str, Window]:
        return {state: rule.window for state, rule in self.root.items()}


def as_json(rule: Window) -> dict[str, Any]:
    return asdict(rule) | {"anchor": rule.anchor.name.lower()}


# --- campaign types ----------------------------------------------------------------------------------------------------


class Behaviour(BaseModel):
    """What a version says otherwise than the type's own page; what it does not name stays."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    respect_exclusion_windows: Annotated[bool, within(yes_or_no)] = True
    enable_followups: Annotated[bool, within(yes_or_no)] = True
    days_before_event: Annotated[int, within(whole(-300, 300))] = 0
    target_all_contacts: Annotated[bool, within(yes_or_no)] = False
    priority: Annotated[int, within(whole(1, 1_000))] = 10
    active: Annotated[bool, within(yes_or_no)] = True

    @model_serializer(mode="wrap")
    def named_alone(self, whole_of_it: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {name: value for name, value in whole_of_it(self).items() if name in self.model_fields_set}


class CampaignTypes(RootModel[dict[str, Behaviour]]):
    """By the name of a campaign type. Which types there are is said by their own desk."""

    model_config = ConfigDict(frozen=True)

    def unknown(self, known: Mapping[str, Any]) -> Iterator[str]:
        """The names that no campaign type has."""
        return (name for name in self.root if name not in known)
