"""The price of what is there: the agreed vectors, every entry of the table, and what holds of any price."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from portal.quotes.amounts import Amounts, LinesRefused, half_up, lines
from portal.quotes.assessment import Assessment, Category, Method
from portal.quotes.places import Place
from portal.quotes.price_book import FIRST_PRICE_BOOK, PriceBook, Size, price, recalculated
from tests.vectors import of_kind

BOOK = PriceBook.model_validate(FIRST_PRICE_BOOK)
JUNE = 6  # a month without a season
PRICING = of_kind("pricing")


def seen(category: str = "general", *, bags: int = 1, yards: str = "0", **told) -> Assessment:
    return Assessment(primary_type=category, waste_types=(category,), bags=bags, cubic_yards=Decimal(yards), confidence=90, **told)


def priced(assessment: Assessment, province: str = "AB", *, month: int = JUNE, is_rural: bool = False, **told) -> Amounts:
    return price(assessment, book=BOOK, place=Place(province=province, is_rural=is_rural), month=month, **told)


def book(**changes) -> PriceBook:
    return PriceBook.model_validate(FIRST_PRICE_BOOK | changes)


def test_both_agreed_prices_are_here():
    assert {name for name, _, _ in PRICING} >= {"S3-025", "S3-027"}


@pytest.mark.parametrize(("name", "told", "answer"), PRICING, ids=[name for name, _, _ in PRICING])
def test_an_agreed_price(name, told, answer):
    there = seen(
        told["cat"],
        bags=told["bags"],
        yards=str(told["yd"]),
        methods=tuple(told.get("methods", ())),
        is_commercial=told.get("comm", False),
        hazardous_items=told.get("haz", 0),
        compliance_issues=told.get("issues", 0),
    )

    amounts = priced(there, told["prov"], month=told["month"], is_rural=told.get("rural", False), size=told["vc"])

    parts = ["base", "volume", "special", "environmental", "disposal", "subtotal", "tax", "total"]
    assert [getattr(amounts, part) for part in parts] == [money(answer[part]) for part in parts]
    assert [amounts.low, amounts.high] == [money(end) for end in answer["range"]]
    assert sum(amount for _, amount in lines(amounts)) == amounts.total


def money(number: float) -> Decimal:
    return half_up(Decimal(str(number)))


# Alberta: × 0.9, 5 % GST, 12 a yard, 35 a tonne
@pytest.mark.parametrize(
    ("category", "base"),
    [
        ("general", "72.00"),
        ("construction", "108.00"),
        ("electronic", "90.00"),
        ("hazardous", "180.00"),
        ("organic", "54.00"),
        ("recyclable", "36.00"),
    ],
)
def test_the_base_of_every_category(category, base):
    assert str(priced(seen(category)).base) == base


@pytest.mark.parametrize(
    ("bags", "size", "volume"),
    [
        (0, "small", "0.00"),
        (2, "small", "50.00"),
        (3, "medium", "60.00"),
        (5, "medium", "100.00"),
        (6, "large", "90.00"),
        (10, "large", "150.00"),
        (11, "extra_large", "132.00"),
        (500, "extra_large", "6000.00"),
    ],
)
def test_the_size_follows_from_the_bags(bags, size, volume):
    amounts = priced(seen(bags=bags, yards="0" if bags else "0.01"))

    assert amounts.size == size
    assert str(amounts.volume) == (volume if bags else "0.45")


@pytest.mark.parametrize(
    ("size", "by_bags", "by_yards"),
    [("small", "100.00", "450.00"), ("medium", "80.00", "400.00"), ("large", "60.00", "350.00"), ("extra_large", "48.00", "300.00")],
)
def test_the_volume_costs_the_larger_of_bags_and_yards_in_the_size_that_was_given(size, by_bags, by_yards):
    assert str(priced(seen(bags=4), size=size).volume) == by_bags
    assert str(priced(seen(bags=4, yards="10"), size=size).volume) == by_yards


def test_yards_without_bags_are_small_and_cost_by_the_yard():
    amounts = priced(seen(bags=0, yards="3"))

    assert (amounts.size, str(amounts.volume), str(amounts.environmental), str(amounts.disposal)) == ("small", "135.00", "36.00", "52.50")


@pytest.mark.parametrize(
    ("province", "base", "environmental", "disposal", "taxes"),
    [
        ("ON", "80.00", "30.00", "45.00", [("HST", "13", "31.85")]),
        ("BC", "96.00", "36.00", "55.00", [("GST", "5", "13.85"), ("PST", "7", "19.39")]),
        ("AB", "72.00", "24.00", "35.00", [("GST", "5", "11.05")]),
        ("QC", "88.00", "40.00", "50.00", [("GST", "5", "13.40"), ("QST", "9.975", "26.73")]),
        ("MB", "80.00", "30.00", "45.00", [("HST", "13", "31.85")]),
        ("", "80.00", "30.00", "45.00", [("HST", "13", "31.85")]),
    ],
)
def test_every_province_has_its_prices_and_any_other_place_those_of_ontario(province, base, environmental, disposal, taxes):
    amounts = priced(seen(bags=2, yards="2"), province)

    assert [str(amounts.base), str(amounts.environmental), str(amounts.disposal)] == [base, environmental, disposal]
    assert [(tax.name, str(tax.percent), str(tax.amount)) for tax in amounts.taxes] == taxes


@pytest.mark.parametrize(
    ("is_rural", "is_commercial", "base"),
    [(False, False, "80.00"), (True, False, "96.00"), (False, True, "104.00"), (True, True, "124.80")],
)
def test_rural_and_commercial_raise_the_base_alone(is_rural, is_commercial, base):
    amounts = priced(seen(bags=2, yards="1", is_commercial=is_commercial), "ON", is_rural=is_rural)

    assert str(amounts.base) == base
    assert str(amounts.subtotal - amounts.base) == "87.50"


@pytest.mark.parametrize(
    ("told", "fees"),
    [
        ({}, []),
        ({"methods": ("hazardous_disposal",)}, [("hazardous_disposal", "75.00")]),
        ({"methods": ("electronics_recycling",)}, [("electronics_recycling", "25.00")]),
        ({"methods": ("construction_disposal",)}, [("construction_disposal", "50.00")]),
        ({"methods": ("restricted_disposal",)}, [("restricted_disposal", "20.00")]),
        ({"methods": ("restricted_disposal", "restricted_disposal")}, [("restricted_disposal", "20.00")]),
        ({"hazardous_items": 3}, [("per_hazardous_item", "45.00")]),
        ({"compliance_issues": 2, "warnings": 9}, [("per_compliance_issue", "60.00")]),
        (
            {"methods": tuple(Method), "hazardous_items": 1, "compliance_issues": 1},
            [
                ("hazardous_disposal", "75.00"),
                ("electronics_recycling", "25.00"),
                ("construction_disposal", "50.00"),
                ("restricted_disposal", "20.00"),
                ("per_hazardous_item", "15.00"),
                ("per_compliance_issue", "30.00"),
            ],
        ),
    ],
)
def test_each_special_fee_is_charged_by_its_name_and_once(told, fees):
    amounts = priced(seen(**told))

    assert [(name, str(fee)) for name, fee in amounts.special_lines] == fees
    assert amounts.special == sum(Decimal(fee) for _, fee in fees)


@pytest.mark.parametrize(
    ("month", "season", "subtotal"),
    [
        *((1, "1.1", "115.50"), (2, "1.1", "115.50"), (3, "1.2", "126.00"), (4, "1.3", "136.50"), (5, "1.2", "126.00")),
        *((6, "1.0", "105.00"), (7, "1.0", "105.00"), (8, "1.0", "105.00"), (9, "1.1", "115.50"), (10, "1.2", "126.00")),
        *((11, "1.1", "115.50"), (12, "1.1", "115.50")),
    ],
)
def test_every_month_has_its_season(month, season, subtotal):
    amounts = priced(seen(bags=1), "ON", month=month)

    assert (str(amounts.season), str(amounts.subtotal), str(amounts.base + amounts.volume)) == (season, subtotal, "105.00")
    assert amounts.adjustment == amounts.subtotal - 105


def test_half_a_cent_goes_up():
    amounts = priced(seen(bags=1, yards="0.05"))  # 72 + 25 + 0.60 + 0.875 = 98.475; × 0.05 = 4.924; 103.40 × 0.85 = 87.89

    assert [str(amounts.disposal), str(amounts.subtotal), str(amounts.tax), str(amounts.total)] == ["0.88", "98.48", "4.92", "103.40"]
    assert [str(amounts.low), str(amounts.high)] == ["87.89", "118.91"]


def test_what_rounding_leaves_over_stands_in_a_line_of_its_own():
    uneven = book(tonnes_per_cubic_yard="0.05", base=FIRST_PRICE_BOOK["base"] | {"general": "60.05"})

    # 54.045 + 25 + 0.60 + 0.0875 = 79.7325 → 79.73, while the lines 54.05 + 25 + 0.60 + 0.09 come to 79.74
    amounts = price(seen(bags=1, yards="0.05"), book=uneven, place=Place(province="AB"), month=JUNE)

    assert lines(amounts)[-2:] == [("Rounding", Decimal("-0.01")), ("GST 5 %", Decimal("3.99"))]
    assert str(amounts.total) == "83.72"


def test_taxes_are_rounded_together_and_none_is_below_zero():
    taxes = [{"name": name, "percent": percent} for name, percent in [("A", "0.05"), ("B", "0.05"), ("C", "0")]]
    there = book(provinces=FIRST_PRICE_BOOK["provinces"] | {"AB": FIRST_PRICE_BOOK["provinces"]["AB"] | {"taxes": taxes}})

    amounts = price(seen(bags=1), book=there, place=Place(province="AB"), month=JUNE)  # 97.00: 0.0485 each, 0.097 together

    assert [str(tax.amount) for tax in amounts.taxes] == ["0.05", "0.05", "0.00"]


def test_the_breakdown_is_what_customers_see():
    there = seen("construction", bags=8, yards="5", methods=("construction_disposal",), hazardous_items=2)

    assert [(label, str(amount)) for label, amount in lines(priced(there, "QC", month=4))] == [
        ("Collection, construction waste", "132.00"),
        ("Volume, large", "175.00"),
        ("Construction disposal", "50.00"),
        ("Hazardous items, 2", "30.00"),
        ("Environmental fee", "100.00"),
        ("Disposal by weight", "125.00"),
        ("Seasonal adjustment, × 1.3", "183.60"),
        ("GST 5 %", "39.78"),
        ("QST 9.975 %", "79.36"),
    ]


def test_amounts_survive_being_kept_as_json():
    amounts = priced(seen("hazardous", bags=7, yards="2.33", hazardous_items=4), "QC", month=3, is_rural=True)

    assert Amounts.from_json(amounts.as_json()) == amounts


# lines that a person wrote


def test_corrected_lines_get_the_taxes_of_the_province_and_a_range():
    amounts = recalculated([("Two  men", Decimal("100")), ("Goodwill", Decimal("-10.50"))], book=BOOK, province="QC")

    assert [(label, str(amount)) for label, amount in lines(amounts)] == [
        ("Two men", "100.00"),
        ("Goodwill", "-10.50"),
        ("GST 5 %", "4.48"),
        ("QST 9.975 %", "8.92"),
    ]
    assert [str(amounts.subtotal), str(amounts.tax), str(amounts.total), str(amounts.low)] == ["89.50", "13.40", "102.90", "87.47"]
    assert Amounts.from_json(amounts.as_json()) == amounts


def test_a_price_whose_lines_nobody_changed_stays_what_it_was():
    amounts = priced(seen("hazardous", bags=7, yards="2.33", hazardous_items=4), "QC", month=3)

    again = recalculated([(line.label, line.amount) for line in amounts.before_tax], book=BOOK, province="QC")

    assert (lines(again), again.total, again.low, again.high) == (lines(amounts), amounts.total, amounts.low, amounts.high)


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        ([], "A price has 1 to 40 lines; there are 0."),
        ([("A", Decimal(1))] * 41, "A price has 1 to 40 lines; there are 41."),
        ([("A", Decimal(5)), (" ", Decimal(1))], "Line 2 needs a name of at most 120 characters."),
        ([("A" * 121, Decimal(1))], "Line 1 needs a name"),
        ([("A\x00", Decimal(1))], "Line 1 needs a name"),
        ([("Trip", Decimal("1.005"))], "Line 1 (Trip): 1.005 is no amount in dollars and cents."),
        ([("Trip", Decimal("NaN"))], "Line 1 (Trip): NaN is no amount"),
        ([("Trip", Decimal("-Infinity"))], "Line 1 (Trip): -Infinity is no amount"),
        ([("Trip", Decimal("1E+30"))], "Line 1 (Trip): 1E+30 is no amount"),
        ([("Trip", Decimal(5)), ("Gift", Decimal(-5))], "The lines come to 0.00 before tax; a price is above 0"),
        ([("Trip", Decimal(900_000))] * 2, "The lines come to 1,800,000.00 before tax"),
    ],
)
def test_lines_that_make_no_price_are_refused_with_a_sentence(written, sentence):
    with pytest.raises(LinesRefused) as refusal:
        recalculated(written, book=BOOK, province="ON")

    assert str(refusal.value).startswith(sentence)


# the book itself


@pytest.mark.parametrize(
    "changes",
    [
        {"base": {"general": "80"}},
        {"season": ["1"] * 11},
        {"default_province": "MB"},
        {"least_total": "500", "most_total": "500"},
        {"rural": True},
        {"valid_days": 0},
        {"discount": "5"},
        {"range_share": "NaN"},
        {"sizes": FIRST_PRICE_BOOK["sizes"] | {"medium": FIRST_PRICE_BOOK["sizes"]["large"]}},
        {"sizes": FIRST_PRICE_BOOK["sizes"] | {"small": FIRST_PRICE_BOOK["sizes"]["extra_large"]}},
    ],
    ids=str,
)
def test_a_book_with_a_slip_in_it_is_no_book(changes):
    with pytest.raises(ValidationError):
        book(**changes)


# what holds of any price

ASSESSMENTS = st.builds(
    lambda category, bags, yards, **told: seen(category, bags=bags, yards=str(yards), **told),
    st.sampled_from(Category),
    st.integers(1, 500),
    st.decimals(0, 200, places=2),
    methods=st.lists(st.sampled_from(Method), max_size=4).map(tuple),
    hazardous_items=st.integers(0, 50),
    compliance_issues=st.integers(0, 50),
    is_commercial=st.booleans(),
)
PLACES = st.builds(Place, province=st.sampled_from(["ON", "BC", "AB", "QC", "MB"]), is_rural=st.booleans())
MONTHS = st.integers(1, 12)


@given(there=ASSESSMENTS, place=PLACES, month=MONTHS)
def test_lines_always_add_up_and_the_total_is_never_below_the_least_base(there, place, month):
    amounts = price(there, book=BOOK, place=place, month=month)

    assert sum(amount for _, amount in lines(amounts)) == amounts.total == amounts.subtotal + amounts.tax > 36
    assert amounts.low <= amounts.total <= amounts.high
    assert all(amount.as_tuple().exponent == -2 for _, amount in lines(amounts))
    exact = (amounts.base + amounts.volume + amounts.special + amounts.environmental + amounts.disposal) * amounts.season
    assert abs(amounts.subtotal - exact) <= Decimal("0.05")


@given(there=ASSESSMENTS, place=PLACES, month=MONTHS, items=st.lists(st.text(min_size=1, max_size=120).filter(str.strip), max_size=30))
def test_no_word_that_was_read_changes_the_price(there, place, month, items):
    wordy = there.model_copy(update={"items": tuple(items), "warnings": 7, "confidence": 1})

    assert price(wordy, book=BOOK, place=place, month=month) == price(there, book=BOOK, place=place, month=month)


@given(there=ASSESSMENTS, place=PLACES, month=MONTHS, size=st.sampled_from(Size), more=st.integers(1, 50))
def test_more_bags_of_the_same_size_never_cost_less(there, place, month, size, more):
    fuller = there.model_copy(update={"bags": there.bags + more})

    assert (
        price(fuller, book=BOOK, place=place, month=month, size=size).total
        >= price(there, book=BOOK, place=place, month=month, size=size).total
    )


@given(there=ASSESSMENTS, place=PLACES, month=MONTHS)
def test_amounts_are_the_same_after_they_were_kept(there, place, month):
    amounts = price(there, book=BOOK, place=place, month=month)

    assert Amounts.from_json(amounts.as_json()) == amounts
