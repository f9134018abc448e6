"""What holds of a kind, from when until when; and which version held before it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Q

from portal.config import kinds
from portal.config.kinds import SHIPPED, InForce
from portal.config.models import ConfigSeries, ConfigVersion


@dataclass(frozen=True, kw_only=True)
class Standing:
    """What holds at a moment, and the period in which exactly this does; None where it has no end or beginning."""

    found: InForce
    valid_from: datetime | None
    valid_to: datetime | None

    @property
    def data(self) -> Any:
        return kinds.kind_named(self.found.kind).in_order(self.found.data)


def standing(kind: str, *, at: datetime, environment: str) -> Standing:
    """Raises UnknownKind."""
    found = kinds.all_in_force([kind], at=at, environment=environment)[kind]
    begins = [version.in_force.lower for version in (found.general, found.own) if version]
    following = ConfigVersion.objects.of(kind).filter(series__environment__in={"", environment}).beginning_after(at).first()
    return Standing(found=found, valid_from=max(begins, default=None), valid_to=following.in_force.lower if following else None)


class NoSuchVersion(LookupError):
    """The version to bring back is not there; the text names it."""


def data_of(kind: str, number: int, *, environment: str) -> Any:
    """The data of a version by its number; 0 is what the portal ships, and for an environment that it changes nothing."""
    kinds.kind_named(kind)
    if number == SHIPPED:
        return {} if environment else kinds.kind_named(kind).shipped
    version = ConfigVersion.objects.of(kind).filter(series__environment=environment, number=number).first()
    if version is None:
        raise NoSuchVersion(f"There is no version {number} of {ConfigSeries(kind=kind, environment=environment)}.")
    return version.data


def number_at(kind: str, *, at: datetime, environment: str) -> int:
    """The number of the series' own version in force at that moment."""
    version = ConfigVersion.objects.of(kind).filter(series__environment=environment).in_force(at).first()
    return version.number if version else SHIPPED


def number_before(kind: str, *, at: datetime, environment: str) -> int:
    """The number of the version that the one in force replaced. Raises NoSuchVersion where it is the first thing ever in force."""
    series = ConfigVersion.objects.of(kind).filter(series__environment=environment)
    now = series.in_force(at).first()
    if now is None:
        raise NoSuchVersion(f"Nothing to roll back: {ConfigSeries(kind=kind, environment=environment)} is as shipped.")
    before = series.filter(Q(in_force__endswith=now.in_force.lower) & Q(in_force__isempty=False)).first()
    return before.number if before else SHIPPED
