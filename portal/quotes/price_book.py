"""The price book: the whole table of prices as data, and the one function that prices what is there. No text a customer wrote gets here."""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator, model_validator

from portal.quotes.amounts import Amounts, Line, checked, half_up, taxed, total_of
from portal.quotes.assessment import Assessment, Category, Method
from portal.quotes.places import Place

Price = Annotated[Decimal, Field(gt=0, le=10_000, decimal_places=2)]
Fee = Annotated[Decimal, Field(ge=0, le=10_000, decimal_places=2)]
Factor = Annotated[Decimal, Field(ge=Decimal("0.1"), le=10, decimal_places=4)]
Percent = Annotated[Decimal, Field(ge=0, le=50, decimal_places=4)]
ProvinceCode = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")]


class Size(StrEnum):
    """The volume class, by the number of bags."""

    SMALL = "small"
    MEDIUM = "medium"
    LARGE = "large"
    EXTRA_LARGE = "extra_large"


class Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def yes_is_no_number(cls, told: Any) -> Any:
        if isinstance(told, bool):
            raise ValueError("must be a number, not true or false")
        return told


class SizePrices(Table):
    most_bags: int | None = Field(ge=1, le=500, description="The class ends with this many; null where it has no end.")
    per_bag: Price
    per_cubic_yard: Price


class TaxRate(Table):
    name: str = Field(min_length=1, max_length=20)
    percent: Percent


class Province(Table):
    multiplier: Factor
    taxes: tuple[TaxRate, ...] = Field(max_length=4)
    environmental_per_cubic_yard: Fee
    disposal_per_tonne: Fee


class Fees(Table):
    """Special fees: one for each method of disposal, and two that are counted."""

    hazardous_disposal: Fee
    electronics_recycling: Fee
    construction_disposal: Fee
    restricted_disposal: Fee
    per_hazardous_item: Fee
    per_compliance_issue: Fee


class PriceBook(Table):
    """All that a price depends on beside what is there, where, and in which month."""

    base: dict[Category, Price] = Field(description="CAD, before the factors for province, rural and commercial")
    sizes: dict[Size, SizePrices] = Field(description="CAD; bags or cubic yards, whichever costs more")
    provinces: dict[ProvinceCode, Province] = Field(min_length=1, max_length=13, description="taxes in percent, fees in CAD")
    default_province: ProvinceCode = Field(description="Its prices hold where a place has none of its own.")
    rural: Factor = Field(description="Factor on the base, where the postal code is rural.")
    commercial: Factor = Field(description="Factor on the base, for commercial waste.")
    tonnes_per_cubic_yard: Annotated[Decimal, Field(ge=0, le=5, decimal_places=4)] = Field(description="For disposal by weight.")
    fees: Fees = Field(description="CAD")
    season: tuple[Factor, ...] = Field(min_length=12, max_length=12, description="factors, January to December")
    range_share: Annotated[Decimal, Field(ge=0, lt=1, decimal_places=4)] = Field(description="The range is the total ± this share.")
    valid_days: int = Field(ge=1, le=365, description="How long the price holds.")
    least_total: Price = Field(description="CAD; below it a person decides.")
    most_total: Annotated[Decimal, Field(gt=0, le=1_000_000, decimal_places=2)] = Field(description="CAD; above it a person decides.")
    least_confidence: int = Field(ge=0, le=100, description="Percent; below it a person decides.")

    @field_validator("base")
    @classmethod
    def every_category_has_its_price(cls, base: dict[Category, Decimal]) -> dict[Category, Decimal]:
        return complete(base, Category)

    @field_validator("sizes")
    @classmethod
    def sizes_grow_and_the_last_has_no_end(cls, sizes: dict[Size, SizePrices]) -> dict[Size, SizePrices]:
        ends = [complete(sizes, Size)[size].most_bags for size in Size]
        limits = [end for end in ends if end is not None]
        if ends[-1] is not None or len(limits) != len(ends) - 1 or limits != sorted(set(limits)):
            raise ValueError(f"most_bags must grow from class to class and be null for {Size.EXTRA_LARGE} alone; got {ends}")
        return sizes

    @model_validator(mode="after")
    def places_and_band_fit(self) -> Self:
        if self.default_province not in self.provinces:
            raise ValueError(f"default_province must be one of {', '.join(self.provinces)}; got {self.default_province}")
        if self.least_total >= self.most_total:
            raise ValueError(f"least_total must be below most_total; got {self.least_total} and {self.most_total}")
        return self

    def size_of(self, bags: int) -> Size:
        return next(size for size in Size if (end := self.sizes[size].most_bags) is None or bags <= end)

    def province(self, code: str) -> Province:
        """What holds there; a province without prices of its own has those of the default one."""
        return self.provinces.get(code) or self.provinces[self.default_province]


def complete(table: dict[Any, Any], names: type[StrEnum]) -> dict[Any, Any]:
    if missing := [name.value for name in names if name not in table]:
        raise ValueError(f"has no entry for {', '.join(missing)}")
    return table


def price(assessment: Assessment, *, book: PriceBook, place: Place, month: int, size: str | None = None) -> Amounts:
    """What it costs to take away what is there. `size` replaces the class that follows from the bags; `month` is 1–12."""
    assert 1 <= month <= 12, f"month must be 1–12, got {month}"
    volume_class = Size(size) if size else book.size_of(assessment.bags)
    season = book.season[month - 1]
    exact = list(parts(assessment, book=book, place=place, size=volume_class))
    shown = [Line(key, label, half_up(amount)) for key, label, amount in exact if amount or key in ("base", "volume")]
    adjustment = half_up(total_of(amount for _, _, amount in exact) * season) - total_of(line.amount for line in shown)
    if adjustment:
        shown.append(Line("season", adjustment_label(season), adjustment))
    return taxed(shown, taxes=rates(book.province(place.province)), share=book.range_share, size=volume_class.value, season=season)


def recalculated(lines_before_tax: Sequence[tuple[str, Decimal]], *, book: PriceBook, province: str) -> Amounts:
    """The price of lines that a person wrote: the province's taxes and the range are worked out again. Raises LinesRefused."""
    return taxed(checked(lines_before_tax), taxes=rates(book.province(province)), share=book.range_share)


def parts(assessment: Assessment, *, book: PriceBook, place: Place, size: Size) -> Iterator[Line]:
    """The exact amounts before season and rounding, as key, label, amount."""
    there, yards = book.province(place.province), assessment.cubic_yards
    base = book.base[assessment.primary_type] * there.multiplier
    base *= (book.rural if place.is_rural else 1) * (book.commercial if assessment.is_commercial else 1)
    by_size = book.sizes[size]
    yield Line("base", f"Collection, {assessment.primary_type} waste", base)
    yield Line("volume", f"Volume, {size.replace('_', ' ')}", max(assessment.bags * by_size.per_bag, yards * by_size.per_cubic_yard))
    yield from special_fees(assessment, book.fees)
    yield Line("environmental", "Environmental fee", yards * there.environmental_per_cubic_yard)
    yield Line("disposal", "Disposal by weight", yards * book.tonnes_per_cubic_yard * there.disposal_per_tonne)


def special_fees(assessment: Assessment, fees: Fees) -> Iterator[Line]:
    charged = {
        Method.HAZARDOUS: ("Hazardous disposal", fees.hazardous_disposal),
        Method.ELECTRONICS: ("Electronics recycling", fees.electronics_recycling),
        Method.CONSTRUCTION: ("Construction disposal", fees.construction_disposal),
        Method.RESTRICTED: ("Restricted disposal", fees.restricted_disposal),
    }
    for method in dict.fromkeys(assessment.methods):  # a method named twice is charged once
        yield Line(f"fee:{method}", *charged[method])
    items, issues = assessment.hazardous_items, assessment.compliance_issues
    yield Line("fee:per_hazardous_item", f"Hazardous items, {items}", items * fees.per_hazardous_item)
    yield Line("fee:per_compliance_issue", f"Compliance issues, {issues}", issues * fees.per_compliance_issue)


def adjustment_label(season: Decimal) -> str:
    return "Rounding" if season == 1 else f"Seasonal adjustment, × {season.normalize():f}"


def rates(province: Province) -> list[tuple[str, Decimal]]:
    return [(tax.name, tax.percent) for tax in province.taxes]


def province_of(multiplier: str, taxes: dict[str, str], *, environmental: str, disposal: str) -> dict[str, Any]:
    return {
        "multiplier": multiplier,
        "taxes": [{"name": name, "percent": percent} for name, percent in taxes.items()],
        "environmental_per_cubic_yard": environmental,
        "disposal_per_tonne": disposal,
    }


FIRST_PRICE_BOOK: dict[str, Any] = {
    "base": {"general": "80", "construction": "120", "electronic": "100", "hazardous": "200", "organic": "60", "recyclable": "40"},
    "sizes": {
        "small": {"most_bags": 2, "per_bag": "25", "per_cubic_yard": "45"},
        "medium": {"most_bags": 5, "per_bag": "20", "per_cubic_yard": "40"},
        "large": {"most_bags": 10, "per_bag": "15", "per_cubic_yard": "35"},
        "extra_large": {"most_bags": None, "per_bag": "12", "per_cubic_yard": "30"},
    },
    "provinces": {
        "ON": province_of("1.0", {"HST": "13"}, environmental="15", disposal="45"),
        "BC": province_of("1.2", {"GST": "5", "PST": "7"}, environmental="18", disposal="55"),
        "AB": province_of("0.9", {"GST": "5"}, environmental="12", disposal="35"),
        "QC": province_of("1.1", {"GST": "5", "QST": "9.975"}, environmental="20", disposal="50"),
    },
    "default_province": "ON",
    "rural": "1.2",
    "commercial": "1.3",
    "tonnes_per_cubic_yard": "0.5",
    "fees": {
        "hazardous_disposal": "75",
        "electronics_recycling": "25",
        "construction_disposal": "50",
        "restricted_disposal": "20",
        "per_hazardous_item": "15",
        "per_compliance_issue": "30",
    },
    "season": ["1.1", "1.1", "1.2", "1.3", "1.2", "1.0", "1.0", "1.0", "1.1", "1.2", "1.1", "1.1"],
    "range_share": "0.15",
    "valid_days": 30,
    "least_total": "50",
    "most_total": "10000",
    "least_confidence": 60,
}
