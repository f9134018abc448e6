"""The words by which the estimator knows things: what they are, and how much room one of them takes."""

from decimal import Decimal

from portal.quotes.assessment import Category, Method

UNITS = {  # cubic yards in one of them
    "yard": Decimal(1),
    "yd": Decimal(1),
    "yd3": Decimal(1),
    "foot": Decimal("0.037"),
    "ft": Decimal("0.037"),
    "ft3": Decimal("0.037"),
    "metre": Decimal("1.308"),
    "meter": Decimal("1.308"),
    "m3": Decimal("1.308"),
    "truck": Decimal(15),
    "truckload": Decimal(15),
    "pickup": Decimal("2.5"),
    "trailer": Decimal(5),
    "van": Decimal(6),
    "dumpster": Decimal(10),
    "pallet": Decimal(1),
    "barrel": Decimal("0.3"),
    "drum": Decimal("0.3"),
    "box": Decimal("0.15"),
    "bin": Decimal("0.5"),
}
CUBIC_ONLY = frozenset({"yard", "yd", "foot", "ft", "metre", "meter"})  # a length, unless "cubic" stands before it
BAGS = frozenset({"bag", "sack"})
YARDS_PER_BAG = Decimal("0.15")

THINGS = {  # cubic yards of one of them
    "sofa": Decimal(2),
    "couch": Decimal(2),
    "loveseat": Decimal("1.5"),
    "mattress": Decimal(1),
    "bed": Decimal("1.5"),
    "armchair": Decimal("0.75"),
    "chair": Decimal("0.3"),
    "table": Decimal("0.75"),
    "desk": Decimal(1),
    "dresser": Decimal(1),
    "wardrobe": Decimal("1.5"),
    "cabinet": Decimal("0.5"),
    "bookcase": Decimal("0.75"),
    "shelf": Decimal("0.5"),
    "carpet": Decimal(1),
    "piano": Decimal(3),
    "bicycle": Decimal("0.4"),
    "bike": Decimal("0.4"),
    "tire": Decimal("0.15"),
    "toilet": Decimal("0.3"),
    "bathtub": Decimal(1),
    "sink": Decimal("0.3"),
    "door": Decimal("0.3"),
    "window": Decimal("0.3"),
    "fridge": Decimal("1.5"),
    "refrigerator": Decimal("1.5"),
    "freezer": Decimal("1.5"),
    "washer": Decimal(1),
    "dryer": Decimal(1),
    "stove": Decimal(1),
    "dishwasher": Decimal("0.75"),
    "microwave": Decimal("0.15"),
    "tv": Decimal("0.3"),
    "television": Decimal("0.3"),
    "monitor": Decimal("0.15"),
    "computer": Decimal("0.15"),
    "laptop": Decimal("0.05"),
    "printer": Decimal("0.2"),
    "tree": Decimal("1.5"),
    "stump": Decimal(1),
}

KINDS = {  # the words of each kind; things and bags without a kind of their own are general
    Category.GENERAL: "garbage trash junk rubbish household furniture clutter mixed sofa couch loveseat mattress bed armchair chair table"
    " desk dresser wardrobe cabinet bookcase shelf carpet piano bicycle bike toy clothes clothing tire toilet bathtub sink belongings",
    Category.CONSTRUCTION: "construction renovation demolition drywall plasterboard concrete brick rubble lumber plywood shingle roofing"
    " tile insulation plaster cement asphalt debris flooring door window",
    Category.ELECTRONIC: "electronics electronic computer laptop monitor tv television printer phone tablet cable stereo fridge"
    " refrigerator freezer washer dryer stove dishwasher microwave appliance",
    Category.HAZARDOUS: "hazardous hazard paint solvent thinner asbestos propane battery oil gasoline pesticide herbicide chemical bleach"
    " antifreeze mercury fluorescent acid needle syringe explosive ammunition fuel",
    Category.ORGANIC: "organic yardwaste leaf leaves branch brush grass soil dirt garden compost tree stump hedge shrub weed sod",
    Category.RECYCLABLE: "recyclable recycling cardboard paper newspaper metal steel aluminum aluminium copper scrap bottle glass",
}
KIND_OF = {word: kind for kind, words in KINDS.items() for word in words.split()}

HAZARDS = frozenset(KINDS[Category.HAZARDOUS].split()) - {"hazardous", "hazard"}
RESTRICTED = frozenset({"asbestos", "needle", "syringe", "explosive", "ammunition", "mercury", "medical", "radioactive", "biohazard"})
METHODS = {
    Category.HAZARDOUS: Method.HAZARDOUS,
    Category.ELECTRONIC: Method.ELECTRONICS,
    Category.CONSTRUCTION: Method.CONSTRUCTION,
}

COMMERCIAL = frozenset(
    {"business", "company", "commercial", "warehouse", "restaurant", "retail", "factory", "corporate", "tenant", "storefront"}
)
COMMERCIAL_PAIRS = frozenset({("our", "office"), ("our", "store"), ("our", "shop"), ("office", "building"), ("office", "clearance")})
MEASURES = """pound lb kg kilogram ton tonne foot ft inch cm mm metre meter km mile floor storey stair room bedroom
    people person man men year month week day hour minute am pm dollar percent x by"""
OTHER_MEASURES = frozenset(MEASURES.split())  # a number before one of these counts no waste
NEGATIONS = frozenset({"no", "not", "without", "never", "zero", "isn", "aren"})

COUNTED_OUT = """zero one two three four five six seven eight nine ten eleven twelve
    thirteen fourteen fifteen sixteen seventeen eighteen nineteen twenty"""
NUMBERS = {word: Decimal(number) for number, word in enumerate(COUNTED_OUT.split())} | {
    "thirty": Decimal(30),
    "forty": Decimal(40),
    "fifty": Decimal(50),
    "couple": Decimal(2),
    "pair": Decimal(2),
}
TIMES = {"dozen": Decimal(12), "hundred": Decimal(100), "thousand": Decimal(1000), "million": Decimal(1_000_000)}
PARTS = {"half": Decimal("0.5"), "quarter": Decimal("0.25")}
