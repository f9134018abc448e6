"""Which kinds of configuration there are, what is in force when, and the one way to put a new version into force."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from django.db import transaction
from django.db.backends.postgresql.psycopg_any import DateTimeTZRange
from django.db.models import Max
from pydantic import TypeAdapter

from campaigns.models import CampaignType
from messaging import journal
from messaging.models import Level
from portal.config.data import ConfigRefused, Problem, in_order_of, is_storable, merged, shown, typed
from portal.config.models import ConfigSeries, ConfigVersion
from portal.config.scheduler_kinds import (
    Aep,
    CampaignTypes,
    FollowUp,
    Frequency,
    LoadBalancing,
    Processing,
    StateRules,
    Timing,
)
from portal.quotes.price_book import FIRST_PRICE_BOOK, PriceBook

LONGEST_NOTE = 500  # characters
SHIPPED = 0  # the number of what the portal ships, in force until there is a version


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One kind: the type its data is read into, what the portal ships, and what it is called."""

    title: str
    says: str
    reader: type
    first: Mapping[str, Any]
    fits: Callable[[Any], Iterable[Problem]] = lambda told: ()  # what of it does not fit the rest of the portal as it stands
    is_of_scheduler: bool = True

    @cached_property
    def adapter(self) -> TypeAdapter[Any]:
        return TypeAdapter(self.reader)

    def typed(self, data: Any) -> Any:
        """The data as its own type. Raises ConfigRefused, which names every field that is wrong."""
        return typed(self.adapter, data, kind=self.title)

    def plain(self, data: Any) -> Any:
        """The data complete and in the type's own order, as it is stored. Raises ConfigRefused."""
        return self.adapter.dump_python(self.typed(data), mode="json")

    @cached_property
    def shipped(self) -> Any:
        """What the portal ships, as it would be stored."""
        return self.plain(self.first)

    def in_order(self, data: Any) -> Any:
        """The data as people read it: in the order of what the portal ships."""
        return in_order_of(self.shipped, data)

    def described(self) -> dict[str, str]:
        """What the type says of its own fields, by their names."""
        fields = self.adapter.json_schema().get("properties", {})
        return {name: field.get("description", "") for name, field in fields.items()}


def names_types_there_are(told: CampaignTypes) -> list[Problem]:
    known = CampaignType.objects.behaviours()
    return [Problem(shown(name), f"is no campaign type; there is {', '.join(known)}") for name in told.unknown(known)]


KINDS: dict[str, Kind] = {
    "price_book": Kind(
        title="Price book",
        says="What a quote costs: base prices, volume, provinces with taxes, special fees, season; and which totals a person decides.",
        reader=PriceBook,
        first=FIRST_PRICE_BOOK,
        is_of_scheduler=False,
    ),
    "timing": Kind(
        title="Timing",
        says="When mails are due, how long they may wait, and how many days before a window are excluded too.",
        reader=Timing,
        first=Timing.first(),
    ),
    "state_rules": Kind(
        title="State rules",
        says="On which days nobody may be written to, state by state, and who says so. A rule needs a source.",
        reader=StateRules,
        first=StateRules.first(),
    ),
    "aep": Kind(title="AEP day", says="The day of the annual enrollment period's mail.", reader=Aep, first=Aep.first()),
    "load_balancing": Kind(
        title="Load balancing",
        says="How many mails a day may carry, how the rest is spread, and what goes first.",
        reader=LoadBalancing,
        first=LoadBalancing.first(),
    ),
    "frequency": Kind(
        title="Frequency", says="How many mails one contact may get within a period.", reader=Frequency, first=Frequency.first()
    ),
    "campaign_types": Kind(
        title="Campaign types",
        says="Numbers of campaign types that hold for a period or an environment only. Empty: as the types' own pages say.",
        reader=CampaignTypes,
        first={},
        fits=names_types_there_are,
    ),
    "followup": Kind(
        title="Follow-ups", says="When a mail is followed by another, and for how long.", reader=FollowUp, first=FollowUp.first()
    ),
    "processing": Kind(
        title="Processing", says="How the scheduler works through the contacts.", reader=Processing, first=Processing.first()
    ),
}
OF_SCHEDULER = tuple(name for name, kind in KINDS.items() if kind.is_of_scheduler)


class UnknownKind(LookupError):
    """There is no such kind of configuration; the text names those there are."""


def kind_named(name: str) -> Kind:
    if name not in KINDS:
        raise UnknownKind(f"There is no configuration {shown(name)!r}; there is {', '.join(KINDS)}.")
    return KINDS[name]


def read(kind: str, *, at: datetime, environment: str = "") -> Any:
    """What is in force at that moment, as the kind's own type."""
    return read_version(kind, at=at, environment=environment)[1]


def read_version(kind: str, *, at: datetime, environment: str = "") -> tuple[int, Any]:
    """The same with the number of its version, the environment's own where it has one; 0 is what the portal ships."""
    found = all_in_force([kind], at=at, environment=environment)[kind]
    return found.number, found.typed()


def data_in_force(kind: str, *, at: datetime, environment: str = "") -> tuple[int, Any]:
    """The number and the data in force; an environment's own version replaces single entries of the general one."""
    found = all_in_force([kind], at=at, environment=environment)[kind]
    return found.number, found.data


@dataclass(frozen=True)
class InForce:
    """What holds of a kind: the general version, with what an environment's own one replaces; None where there is none."""

    kind: str
    general: ConfigVersion | None
    own: ConfigVersion | None

    @property
    def number(self) -> int:
        """The environment's own, where it has one."""
        version = self.own or self.general
        return version.number if version else SHIPPED

    @property
    def numbers(self) -> dict[str, int]:
        """Of both, by the name of their series."""
        return {self.kind: self.general.number if self.general else SHIPPED} | ({str(self.own.series): self.own.number} if self.own else {})

    @property
    def data(self) -> Any:
        """A field that came with a later release stands in it as it is shipped."""
        data = completed(self.kind, self.general.data) if self.general else kind_named(self.kind).shipped
        return merged(data, self.own.data) if self.own else data

    def typed(self) -> Any:
        """Raises ConfigRefused, which names the version, if it cannot be used any more."""
        what = kind_named(self.kind)
        versions = "; ".join(f"{series}, version {number}" for series, number in self.numbers.items())
        return typed(what.adapter, self.data, kind=f"{what.title} ({versions})")


def completed(kind: str, data: Any) -> Any:
    shipped = kind_named(kind).shipped
    return shipped | data if isinstance(shipped, dict) and isinstance(data, dict) else data


def all_in_force(names: Iterable[str], *, at: datetime, environment: str = "") -> dict[str, InForce]:
    """By kind what is in force at that moment, in one query."""
    wanted = [name for name in names if kind_named(name)]
    versions = ConfigVersion.objects.filter(series__kind__in=wanted, series__environment__in={"", environment}).in_force(at)
    found = {(version.series.kind, version.series.environment): version for version in versions.select_related("series")}
    return {name: InForce(name, found.get((name, "")), found.get((name, environment)) if environment else None) for name in wanted}


@transaction.atomic
def put(kind: str, data: Any, *, valid_from: datetime, author: Any, note: str, environment: str = "") -> ConfigVersion:
    """A new version is in force from `valid_from` until the next one that is planned, and its predecessor ends there.

    One that was to begin at the same moment is replaced. Raises ConfigRefused or UnknownKind, and then nothing has changed.
    """
    assert valid_from.tzinfo, f"valid_from needs a time zone, got {valid_from}"
    series = hold(kind, environment=environment)
    kept = checked(kind, data, valid_from=valid_from, environment=environment)
    reason = checked_note(kind, note)
    following = series.versions.beginning_after(valid_from).first()
    end = following.valid_from if following else None
    if before := series.versions.in_force(valid_from).first():
        ended = DateTimeTZRange(before.valid_from, valid_from)  # empty where it was to begin at the same moment
        ConfigVersion.objects.filter(pk=before.pk).update(in_force=ended)
    period = DateTimeTZRange(valid_from, end)
    version = series.versions.create(number=newest(series) + 1, data=kept, in_force=period, author=author, note=reason)
    text = f"{kind_named(kind).title}: {version} begins {valid_from:%Y-%m-%d %H:%M %Z}: {reason}"
    journal.record(Level.INFO, "configuration", text, by_id=author.pk if author else None)
    return version


def hold(kind: str, *, environment: str = "") -> ConfigSeries:
    """The series, with every other writer of this kind kept out until the transaction ends: environments rest on the general one."""
    kind_named(kind)
    general, _ = ConfigSeries.objects.get_or_create(kind=kind, environment="")
    ConfigSeries.objects.select_for_update().get(pk=general.pk)
    return ConfigSeries.objects.get_or_create(kind=kind, environment=environment)[0] if environment else general


def newest(series: ConfigSeries) -> int:
    return series.versions.aggregate(newest=Max("number"))["newest"] or SHIPPED


def checked(kind: str, data: Any, *, valid_from: datetime, environment: str = "") -> Any:
    """The data as it would be stored. Raises ConfigRefused if it is wrong by itself or together with what it is merged with."""
    what = kind_named(kind)
    if not is_storable(data):
        raise ConfigRefused(what.title, [Problem("", "A text in it has a character that cannot be stored")])
    if environment:
        for general in general_data(kind, since=valid_from):
            fitting(what, merged(general, data))
        return data
    kept = what.plain(data)
    fitting(what, kept)
    for own in later_versions(kind, since=valid_from).exclude(series__environment=""):
        try:
            what.typed(merged(kept, own.data))
        except ConfigRefused as refusal:
            raise ConfigRefused(f"{what.title} together with {own}", refusal.problems) from None
    return kept


def fitting(what: Kind, data: Any) -> None:
    if problems := list(what.fits(what.typed(data))):
        raise ConfigRefused(what.title, problems)


def general_data(kind: str, *, since: datetime) -> list[Any]:
    later = later_versions(kind, since=since).filter(series__environment="")
    return [data_in_force(kind, at=since)[1], *(version.data for version in later)]


def later_versions(kind: str, *, since: datetime) -> Any:
    """Those in force at that moment or some time after it."""
    return ConfigVersion.objects.of(kind).filter(in_force__overlap=DateTimeTZRange(since, None)).select_related("series")


def checked_note(kind: str, note: str) -> str:
    reason = " ".join(note.split())
    if not 1 <= len(reason) <= LONGEST_NOTE:
        problem = Problem("", f"A note of 1 to {LONGEST_NOTE} characters says why; got {len(reason)}")
        raise ConfigRefused(kind_named(kind).title, [problem])
    return reason
