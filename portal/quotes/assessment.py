"""What is there to be taken away: all that an AI, the estimator or a person may say about a quote. No price, no recipient, no order."""

from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

MOST_BAGS = 500
MOST_CUBIC_YARDS = 200
MOST_ITEMS = 30
MOST_COUNTED = 50  # hazardous items, compliance issues, warnings

Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=120)]


class Category(StrEnum):
    GENERAL = "general"
    CONSTRUCTION = "construction"
    ELECTRONIC = "electronic"
    HAZARDOUS = "hazardous"
    ORGANIC = "organic"
    RECYCLABLE = "recyclable"


class Method(StrEnum):
    """How it has to be disposed of, where that costs a fee of its own."""

    HAZARDOUS = "hazardous_disposal"
    ELECTRONICS = "electronics_recycling"
    CONSTRUCTION = "construction_disposal"
    RESTRICTED = "restricted_disposal"


class Assessment(BaseModel):
    """One answer to "what is there?". Anything else in it, a price for instance, makes it no assessment at all."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    primary_type: Category
    waste_types: tuple[Category, ...] = Field(min_length=1, max_length=len(Category))
    bags: int = Field(ge=0, le=MOST_BAGS, strict=True)
    cubic_yards: Decimal = Field(ge=0, le=MOST_CUBIC_YARDS, max_digits=5, decimal_places=2)
    items: tuple[Line, ...] = Field(default=(), max_length=MOST_ITEMS)
    hazardous_items: int = Field(default=0, ge=0, le=MOST_COUNTED, strict=True)
    compliance_issues: int = Field(default=0, ge=0, le=MOST_COUNTED, strict=True)
    warnings: int = Field(default=0, ge=0, le=MOST_COUNTED, strict=True)
    methods: tuple[Method, ...] = Field(default=(), max_length=len(Method))
    is_commercial: bool = Field(default=False, strict=True)
    confidence: int = Field(ge=0, le=100, strict=True, description="Percent, as the assessor sees it.")

    @model_validator(mode="after")
    def something_is_there(self) -> Self:
        if not self.bags and not self.cubic_yards:
            raise ValueError("neither bags nor cubic yards: there is nothing to take away")
        if self.primary_type not in self.waste_types:
            raise ValueError(f"primary_type {self.primary_type} is not among waste_types")
        return self

    @property
    def sureness(self) -> int:
        """Percent, after the deductions of domain §4.6: 20 where rules are broken, 10 where there are warnings."""
        deducted = self.confidence - 20 * bool(self.compliance_issues) - 10 * bool(self.warnings)
        return min(100, max(0, deducted))
