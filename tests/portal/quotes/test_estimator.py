"""The built-in estimator: what it takes from the words of a request, and how sure it says it is."""

from decimal import Decimal

import pytest

from portal.quotes.assessment import Category, Method
from portal.quotes.gateways.assessors import AssessmentRefused, Picture, Request
from portal.quotes.gateways.estimator import Estimator

SURE = 60  # percent: below it a person looks

VOLUMES = [  # text, bags, cubic yards
    ("8 bags of garbage", 8, "1.20"),
    ("10 garbage bags", 10, "1.50"),
    ("ten black garbage bags", 10, "1.50"),
    ("8-10 bags of trash", 10, "1.50"),
    ("two dozen bags of leaves", 24, "3.60"),
    ("one hundred bags of rubbish", 100, "15.00"),
    ("5 cubic yards of drywall", 0, "5.00"),
    ("3 yd³ of soil", 0, "3.00"),
    ("3yd3 of soil", 0, "3.00"),
    ("3 cu. yd. of soil", 0, "3.00"),
    ("3 yards of yard waste", 0, "3.00"),
    ("27 cubic feet of junk", 0, "1.00"),
    ("2 m³ of junk", 0, "2.62"),
    ("two and a half cubic yards of concrete", 0, "2.50"),
    ("2½ cubic yards of dirt", 0, "2.50"),
    ("2 1/2 cubic yards of dirt", 0, "2.50"),
    ("2.5 cubic yards of dirt", 0, "2.50"),
    ("half a truck of junk", 0, "7.50"),
    ("half of a truck of junk", 0, "7.50"),
    ("three quarters of a truck, mixed", 0, "11.25"),
    ("a full truck of junk", 0, "15.00"),
    ("a pickup of junk", 0, "2.50"),
    ("two sofas", 0, "4.00"),
    ("a couple of old leather sofas and a fridge", 0, "5.50"),
    ("4 bags and a mattress", 4, "1.60"),
    ("1,000 pounds, in a trailer, of junk", 0, "5.00"),
    ("20 lbs of junk from 3 rooms and a sofa", 0, "2.00"),
    ("two full trailers of junk", 0, "10.00"),
    ("a half truck of junk", 0, "7.50"),
    ("on the 2nd floor a sofa", 0, "2.00"),
]
NO_VOLUME = [
    "some old computers",
    "garbage",
    "drywall, 10 x 12 ft",
    "0 bags of trash",
    "sofas",
    "No sofas, garbage only",
    "12 people, and then much later sofas",
]
KINDS = [  # text, primary kind, all kinds, methods
    ("8 bags of trash", "general", "general", []),
    ("5 yd3 of concrete and bricks", "construction", "construction", [Method.CONSTRUCTION]),
    ("3 old computers and a printer", "electronic", "electronic", [Method.ELECTRONICS]),
    ("4 cans of paint, a propane tank and oil", "hazardous", "hazardous", [Method.HAZARDOUS]),
    ("10 bags of leaves and branches", "organic", "organic", []),
    ("2 boxes of cardboard and scrap metal", "recyclable", "recyclable", []),
    ("a sofa, tvs and drywall debris", "construction", "general construction electronic", [Method.ELECTRONICS, Method.CONSTRUCTION]),
    ("asbestos tiles, asbestos", "hazardous", "construction hazardous", [Method.HAZARDOUS, Method.CONSTRUCTION, Method.RESTRICTED]),
    ("8 bags", "general", "general", []),
    ("8 bags of trash, no paint, no electronics", "general", "general", []),
]
HAZARDS = [  # text, hazardous items, compliance issues
    ("8 bags of trash", 0, 0),
    ("5 cans of paint", 5, 0),
    ("paint, oil and batteries", 3, 0),
    ("2 propane tanks and 3 batteries", 5, 0),
    ("asbestos and asbestos tiles, needles", 3, 2),
    ("there is no asbestos", 0, 0),
    ("8 bags of trash without paint", 0, 0),
]
COMMERCIAL = [
    ("our restaurant closes: 3 tables", True),
    ("Our office moves, 12 desks", True),
    ("an office chair", False),
    ("3 contractor bags of trash", False),
    ("a commercial dumpster", True),
]
TOO_MUCH = [
    ("1,000,000 bags of trash", "1,000,000 bags, more than 500"),
    ("two million sofas", "4,000,000 cubic yards, more than 200"),
    ("14 trucks of junk", "210 cubic yards, more than 200"),
    ("51 batteries", "51 hazardous items, more than 50"),
]


@pytest.mark.parametrize(("text", "bags", "cubic_yards"), VOLUMES)
def test_a_stated_volume_is_understood_and_makes_it_sure(text, bags, cubic_yards):
    found = seen(text)

    assert (found.bags, found.cubic_yards, found.confidence >= SURE) == (bags, Decimal(cubic_yards), True)


@pytest.mark.parametrize("text", NO_VOLUME)
def test_without_a_stated_volume_it_is_not_sure(text):
    assert seen(text).confidence < SURE


@pytest.mark.parametrize("text", ["8 bags", "5 cubic yards", "half a truck", "", "stuff", "Ω ☃ \x00 \ud800"])
def test_without_a_kind_of_waste_it_is_not_sure(text):
    assert seen(text).confidence < SURE


@pytest.mark.parametrize(("text", "primary", "kinds", "methods"), KINDS)
def test_words_name_kinds_of_waste_and_ways_of_disposal(text, primary, kinds, methods):
    found = seen(text)

    assert (found.primary_type, found.waste_types) == (Category(primary), tuple(map(Category, kinds.split())))
    assert set(found.methods) == set(methods)


@pytest.mark.parametrize(("text", "hazards", "issues"), HAZARDS)
def test_hazards_are_counted_unless_they_are_denied(text, hazards, issues):
    found = seen(text)

    assert (found.hazardous_items, found.compliance_issues) == (hazards, issues)


@pytest.mark.parametrize(("text", "is_commercial"), COMMERCIAL)
def test_a_business_is_known_by_its_words(text, is_commercial):
    assert seen(text).is_commercial == is_commercial


@pytest.mark.parametrize(("text", "why"), TOO_MUCH)
def test_more_than_can_be_is_left_to_a_person(text, why):
    with pytest.raises(AssessmentRefused, match=why):
        seen(text)


def test_it_costs_nothing_says_who_it_is_and_that_it_looked_at_no_picture():
    picture = Picture(content=b"", media_type="image/jpeg")
    request = Request(description="8 bags of garbage", city="Toronto", images=(picture, picture))

    reading = Estimator().assess(request)

    assert (Estimator().kind, Estimator().most_cost(request), reading.cost) == ("estimator", 0, 0)
    assert (reading.model, reading.prompt_version, reading.prompt_tokens) == ("estimator", "estimator-1", 0)
    assert "without an AI" in reading.raw
    assert "Stated volume: 8 × bag" in reading.raw
    assert "Pictures: 2, not looked at." in reading.raw
    assert reading == Estimator().assess(request)


def test_a_long_text_is_read_to_a_bound_and_lists_a_bounded_number_of_lines():
    found = seen("a chair, " * 200)

    assert len(found.items) == 30
    assert found.cubic_yards == Decimal("60.00")


def seen(text: str):
    return Estimator().assess(Request(description=text, city="Toronto")).assessment
