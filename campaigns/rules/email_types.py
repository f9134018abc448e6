"""The e-mail types: nine that are always there, and one for each campaign type."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from campaigns.rules.shapes import Array

BIRTHDAY, EFFECTIVE_DATE, AEP, POST_WINDOW = range(4)
COLD, CLICKED_NO_ANSWER, ANSWERED_NO_CONDITIONS, ANSWERED_WITH_CONDITIONS = range(4, 8)
FOLLOW_UPS = (COLD, CLICKED_NO_ANSWER, ANSWERED_NO_CONDITIONS, ANSWERED_WITH_CONDITIONS)
FIRST_CAMPAIGN = 8
FIXED_NAMES = (
    "birthday",
    "effective_date",
    "aep",
    "post_window",
    "followup_1_cold",
    "followup_2_clicked_no_hq",
    "followup_3_hq_no_yes",
    "followup_4_hq_with_yes",
)
CAMPAIGN = "campaign_"
MOST_CAMPAIGN_TYPES = 56  # a post-window mail keeps what was swallowed as one bit of 64 for each type


@dataclass(frozen=True, kw_only=True)
class CampaignType:
    """How all campaigns of a type behave. `days_before_event`: negative is after, 0 on the day."""

    respect_exclusion_windows: bool = True
    enable_followups: bool = True
    days_before_event: int = 0
    target_all_contacts: bool = False
    priority: int = 10
    active: bool = True


FIRST_CAMPAIGN_TYPES: Mapping[str, CampaignType] = {
    "rate_increase": CampaignType(days_before_event=14, priority=1),
    "seasonal_promo": CampaignType(days_before_event=7, priority=5),
    "initial_blast": CampaignType(
        respect_exclusion_windows=False, enable_followups=False, days_before_event=0, target_all_contacts=True, priority=10
    ),
    "regulatory_notice": CampaignType(respect_exclusion_windows=False, enable_followups=False, days_before_event=0, priority=1),
    "policy_update": CampaignType(days_before_event=7, priority=3),
}


@dataclass(frozen=True)
class EmailTypes:
    """What is known of each type, by its code. Shapes: (types,)."""

    campaigns: Mapping[str, CampaignType]
    priorities: Mapping[str, int]  # of the types that are no campaigns
    days_before: Mapping[str, int]  # the event, likewise
    adjustments: Mapping[str, int] = field(default_factory=dict)  # of the priority, where the frequency limit chooses

    @cached_property
    def names(self) -> tuple[str, ...]:
        return FIXED_NAMES + tuple(CAMPAIGN + name for name in sorted(self.campaigns))

    @cached_property
    def codes(self) -> dict[str, int]:
        return {name: code for code, name in enumerate(self.names)}

    @cached_property
    def behaviours(self) -> list[CampaignType]:
        """All types in the terms of a campaign's: the fixed ones respect windows and have follow-ups."""
        fixed = [
            CampaignType(days_before_event=self.days_before.get(name, 0), priority=self.priorities.get(name, 0)) for name in FIXED_NAMES
        ]
        return fixed + [self.campaigns[name] for name in sorted(self.campaigns)]

    @cached_property
    def priority(self) -> Array:
        return np.array([one.priority for one in self.behaviours], "i2")

    @cached_property
    def lead(self) -> Array:
        """Days from the mail to its event."""
        return np.array([one.days_before_event for one in self.behaviours], "m8[D]")

    @cached_property
    def respects(self) -> Array:
        return np.array([one.respect_exclusion_windows for one in self.behaviours], bool)

    @cached_property
    def follow_ups(self) -> Array:
        """Whether a mail of this type may have one."""
        return np.array([code not in FOLLOW_UPS and one.enable_followups for code, one in enumerate(self.behaviours)], bool)

    @cached_property
    def active(self) -> Array:
        return np.array([one.active for one in self.behaviours], bool)

    @cached_property
    def adjustment(self) -> Array:
        return np.array([self.adjustments.get(name, 0) for name in self.names], "i2")


def is_follow_up(kind: Array) -> Array:
    return (kind >= FOLLOW_UPS[0]) & (kind <= FOLLOW_UPS[-1])


def is_campaign(kind: Array) -> Array:
    return kind >= FIRST_CAMPAIGN
