"""The scheduler's settings: the kinds in force, merged into one. Asked anew each time, so that a change holds at once for every worker."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from campaigns.models import CampaignType
from campaigns.rules.email_types import CampaignType as Behaviour
from campaigns.settings import SchedulerSettings, SettingsRefused
from portal.config import kinds
from portal.config.data import ConfigRefused, Problem
from portal.config.data import merged as overridden
from portal.config.kinds import OF_SCHEDULER, InForce
from portal.config.scheduler_kinds import CampaignTypes, StateRules

Pair = tuple[SchedulerSettings, SchedulerSettings]


def in_force(*, at: datetime, environment: str) -> tuple[SchedulerSettings, dict[str, int]]:
    """All of them, and by series the number of its version. Raises ConfigRefused if a version cannot be used any more, and says which."""
    found = kinds.all_in_force(OF_SCHEDULER, at=at, environment=environment)
    return merged(found, types=CampaignType.objects.behaviours()), numbers(found)


def without_and_with(kind: str, data: Any, *, at: datetime, environment: str, is_own: bool = False) -> Pair:
    """The settings at that moment, and what they would be with this data: of a general version, or of the environment's own."""
    found = kinds.all_in_force(OF_SCHEDULER, at=at, environment=environment)
    types = CampaignType.objects.behaviours()
    general, own = replace(found[kind], own=None).data, found[kind].own
    base, over = (general, data) if is_own else (data, own.data if own else {})
    new = kinds.kind_named(kind).typed(overridden(base, over))
    return merged(found, types=types), merged(found, types=types, instead={kind: new})


def numbers(found: Mapping[str, InForce]) -> dict[str, int]:
    return {series: number for one in found.values() for series, number in one.numbers.items()}


def merged(found: Mapping[str, InForce], *, types: Mapping[str, Behaviour], instead: Mapping[str, Any] | None = None) -> SchedulerSettings:
    """One SchedulerSettings of what is in force, kinds of `instead` replaced."""
    told = {kind: one.typed() for kind, one in found.items() if kind not in (instead or {})} | dict(instead or {})
    try:
        return settings_of(told, types=types)
    except SettingsRefused as refusal:
        problems = [Problem("", sentence.rstrip(".")) for sentence in refusal.problems.values()]
        raise ConfigRefused("The scheduler's settings together", problems) from None


def settings_of(told: Mapping[str, Any], *, types: Mapping[str, Behaviour]) -> SchedulerSettings:
    """The kinds, each as its own type, as one."""
    plain = {name: value for kind, one in told.items() if kind not in ("state_rules", "campaign_types") for name, value in one}
    rules: StateRules = told["state_rules"]
    return SchedulerSettings(**plain, state_rules=rules.windows, campaign_types=changed_types(told["campaign_types"], types))


def changed_types(told: CampaignTypes, types: Mapping[str, Behaviour]) -> dict[str, Behaviour]:
    """The campaign types as their table has them, with what the configuration says otherwise."""
    if gone := list(told.unknown(types)):
        why = f"changes {', '.join(gone)}, which is no campaign type any more: put a version into force that does not name it"
        raise ConfigRefused(kinds.KINDS["campaign_types"].title, [Problem("", why)])
    return {name: replace(one, **(told.root[name].model_dump() if name in told.root else {})) for name, one in types.items()}
