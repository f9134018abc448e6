"""What a quote costs, line by line. Every sum is made from the lines, so the lines add up to the total to the cent. All in CAD."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from itertools import accumulate
from typing import Any, NamedTuple, Self

CENT = Decimal("0.01")
NOTHING = Decimal("0.00")
MOST_LINES = 40
MOST_CAD = Decimal(1_000_000)
LONGEST_LABEL = 120  # characters


class LinesRefused(ValueError):
    """These lines make no price; the text says which one and why."""


class Line(NamedTuple):
    """One amount before tax. The key says what it is to the price book; "" where a person wrote it."""

    key: str
    label: str
    amount: Decimal


class Tax(NamedTuple):
    name: str
    percent: Decimal
    amount: Decimal


@dataclass(frozen=True, kw_only=True)
class Amounts:
    """A priced quote. Money is in whole cents; `low` and `high` are the ends of the range around the total."""

    before_tax: tuple[Line, ...]
    taxes: tuple[Tax, ...]
    low: Decimal
    high: Decimal
    size: str = ""
    season: Decimal = Decimal(1)

    @property
    def subtotal(self) -> Decimal:
        return total_of(line.amount for line in self.before_tax)

    @property
    def tax(self) -> Decimal:
        return total_of(tax.amount for tax in self.taxes)

    @property
    def total(self) -> Decimal:
        return self.subtotal + self.tax

    @property
    def base(self) -> Decimal:
        """The category's price, after the factors for province, rural and commercial."""
        return self.part("base")

    @property
    def volume(self) -> Decimal:
        return self.part("volume")

    @property
    def special(self) -> Decimal:
        return total_of(amount for _, amount in self.special_lines)

    @property
    def special_lines(self) -> tuple[tuple[str, Decimal], ...]:
        """Each special fee, by the price book's name for it."""
        return tuple((line.key.removeprefix("fee:"), line.amount) for line in self.before_tax if line.key.startswith("fee:"))

    @property
    def environmental(self) -> Decimal:
        return self.part("environmental")

    @property
    def disposal(self) -> Decimal:
        return self.part("disposal")

    @property
    def adjustment(self) -> Decimal:
        """What the season, and rounding, add to the lines above or take from them."""
        return self.part("season")

    def part(self, key: str) -> Decimal:
        return total_of(line.amount for line in self.before_tax if line.key == key)

    def as_json(self) -> dict[str, Any]:
        """All of it, money as text: `from_json` makes the same amounts of it."""
        return {
            "before_tax": [{"key": line.key, "label": line.label, "amount": str(line.amount)} for line in self.before_tax],
            "taxes": [{"name": tax.name, "percent": str(tax.percent), "amount": str(tax.amount)} for tax in self.taxes],
            "low": str(self.low),
            "high": str(self.high),
            "size": self.size,
            "season": str(self.season),
        }

    @classmethod
    def from_json(cls, kept: dict[str, Any]) -> Self:
        return cls(
            before_tax=tuple(Line(line["key"], line["label"], Decimal(line["amount"])) for line in kept["before_tax"]),
            taxes=tuple(Tax(tax["name"], Decimal(tax["percent"]), Decimal(tax["amount"])) for tax in kept["taxes"]),
            low=Decimal(kept["low"]),
            high=Decimal(kept["high"]),
            size=kept["size"],
            season=Decimal(kept["season"]),
        )


def lines(amounts: Amounts) -> list[tuple[str, Decimal]]:
    """The breakdown as customers see it, taxes last: it adds up to the total exactly."""
    taxes = [(f"{tax.name} {tax.percent.normalize():f} %", tax.amount) for tax in amounts.taxes]
    return [(line.label, line.amount) for line in amounts.before_tax] + taxes


def taxed(before_tax: Sequence[Line], *, taxes: Sequence[tuple[str, Decimal]], share: Decimal, **told: Any) -> Amounts:
    """These lines with their taxes (name, percent) and the range of ± `share` around the total."""
    subtotal = total_of(line.amount for line in before_tax)
    shares = tuple(each_tax(subtotal, taxes))
    total = subtotal + total_of(tax.amount for tax in shares)
    low, high = half_up(total * (1 - share)), half_up(total * (1 + share))
    return Amounts(before_tax=tuple(before_tax), taxes=shares, low=low, high=high, **told)


def each_tax(subtotal: Decimal, taxes: Sequence[tuple[str, Decimal]]) -> list[Tax]:
    """All taxes together are rounded once; what each adds to the rounded sum is its share, so none is ever below zero."""
    sums = [half_up(subtotal * percent / 100) for percent in accumulate(percent for _, percent in taxes)]
    return [Tax(name, percent, together - before) for (name, percent), before, together in zip(taxes, [NOTHING, *sums], sums, strict=False)]


def checked(written: Sequence[tuple[str, Decimal]]) -> list[Line]:
    """The lines a person wrote, as lines of a price. Raises LinesRefused."""
    if not 1 <= len(written) <= MOST_LINES:
        raise LinesRefused(f"A price has 1 to {MOST_LINES} lines; there are {len(written)}.")
    found = [Line("", *checked_line(number, label, amount)) for number, (label, amount) in enumerate(written, start=1)]
    subtotal = total_of(line.amount for line in found)
    if not 0 < subtotal <= MOST_CAD:
        raise LinesRefused(f"The lines come to {subtotal:,.2f} before tax; a price is above 0 and at most {MOST_CAD:,.0f}.")
    return found


def checked_line(number: int, label: str, amount: Decimal) -> tuple[str, Decimal]:
    name = " ".join(label.split())
    if not 1 <= len(name) <= LONGEST_LABEL or not name.isprintable():
        raise LinesRefused(f"Line {number} needs a name of at most {LONGEST_LABEL} characters.")
    if not amount.is_finite() or abs(amount) > MOST_CAD or amount != half_up(amount):
        raise LinesRefused(f"Line {number} ({name}): {str(amount)[:30]} is no amount in dollars and cents.")
    return name, half_up(amount)


def half_up(amount: Decimal) -> Decimal:
    """Rounded to the cent; half a cent goes away from zero."""
    return amount.quantize(CENT, ROUND_HALF_UP)


def total_of(amounts: Any) -> Decimal:
    return sum(amounts, NOTHING)
