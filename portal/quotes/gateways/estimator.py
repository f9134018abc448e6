"""The built-in estimator: keywords and stated volume, no network, no cost, the same answer to the same words. It looks at no pictures."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from itertools import pairwise

from portal.quotes.assessment import MOST_BAGS, MOST_COUNTED, MOST_CUBIC_YARDS, MOST_ITEMS, Assessment, Category, Method
from portal.quotes.gateways.assessors import AssessmentRefused, Reading, Request
from portal.quotes.waste_words import (
    BAGS,
    COMMERCIAL,
    COMMERCIAL_PAIRS,
    CUBIC_ONLY,
    HAZARDS,
    KIND_OF,
    METHODS,
    NEGATIONS,
    NUMBERS,
    OTHER_MEASURES,
    PARTS,
    RESTRICTED,
    THINGS,
    TIMES,
    UNITS,
    YARDS_PER_BAG,
)

NAME = "estimator"
VERSION = "estimator-1"
WORD = re.compile(r"\d{1,9}(?:\.\d{1,4})?(?:⁄\d{1,4}|/\d{1,4})?|[a-z]+3?")
REACH = 4  # words between a number and what it counts
MOST_WORDS = 2_000
GUESSED_YARDS = Decimal(1)
CENTI = Decimal("0.01")
SURE, ONLY_VOLUME, ONLY_KIND, NOTHING = 75, 40, 35, 10  # percent


@dataclass(frozen=True)
class Seen:
    """A word that means something here, and how many of it; `stated`: a number or an article said so."""

    word: str
    count: Decimal
    stated: bool

    @property
    def yards(self) -> Decimal:
        if self.word in BAGS:
            return self.count * YARDS_PER_BAG
        return self.count * UNITS.get(self.word, THINGS.get(self.word, Decimal(0)))


@dataclass(frozen=True, kw_only=True)
class Estimator:
    """Says what the words say is there. Sure (60 percent or more) only where a volume was stated and a kind of waste named."""

    kind: str = "estimator"

    def most_cost(self, request: Request) -> Decimal:
        return Decimal(0)

    def assess(self, request: Request) -> Reading:
        words = words_of(request.description)
        seen = list(sightings(words))
        refuse_too_much(seen)
        assessment = assessed(seen, is_commercial=is_commercial(words))
        return Reading(
            assessment=assessment,
            model=NAME,
            prompt_version=VERSION,
            prompt_tokens=0,
            completion_tokens=0,
            cost=Decimal(0),
            raw=explained(seen, assessment, pictures=len(request.images)),
        )


def words_of(text: str) -> list[str]:
    """Words in their singular and numbers, in order, in lower case."""
    spelled = re.sub(r"([½¼¾⅓⅔])", r" \1", text)  # else 2½ would become 21⁄2
    plain = unicodedata.normalize("NFKC", spelled).casefold().replace("yard waste", "yardwaste")
    plain = re.sub(r"(?<=\d),(?=\d{3}(?!\d))|\b\d{1,3}(?:st|nd|rd|th)\b", "", plain)  # 1,000 is one number; the 2nd floor counts nothing
    return [singular(word) for word in WORD.findall(plain)[:MOST_WORDS]]


def singular(word: str) -> str:
    """The word as the tables spell it."""
    known = (
        dict.fromkeys(OTHER_MEASURES) | UNITS | THINGS | NUMBERS | PARTS | TIMES | dict.fromkeys(BAGS | RESTRICTED | COMMERCIAL) | KIND_OF
    )
    if word in ("feet", "shelves"):
        return {"feet": "foot", "shelves": "shelf"}[word]
    endings = [word, word.removesuffix("s"), word.removesuffix("es"), word.removesuffix("ies") + "y"]
    return next((one for one in endings if one in known), word)


def sightings(words: list[str]) -> Iterator[Seen]:
    """Every word of the tables, with the number that stands before it. A number counts one thing, and not from afar."""
    count: Decimal | None = None
    said_at = denied_at = -REACH - 1
    for at, word in enumerate(words):
        number = value(word)
        if word in NEGATIONS:
            denied_at = at
        elif number is not None or word in PARTS or word in TIMES:
            count, said_at = counted(word, number, count, words[max(0, at - 2) : at]), at
        elif (word in ("a", "an") and not is_within_number(words, at)) or (word == "full" and (count is None or at - said_at > REACH)):
            count, said_at = Decimal(1), at
        elif means_something(word, words[at - 1] if at else ""):
            stated = count is not None and at - said_at <= REACH
            if at - denied_at > REACH or said_at > denied_at:
                yield Seen(word, count if stated and count is not None else Decimal(1), stated)
            if has_volume(word) or (stated and word in HAZARDS):
                count = None
        elif word in OTHER_MEASURES:
            count = None


def is_within_number(words: list[str], at: int) -> bool:
    """The article of "half a truck", "half of a truck" and "two and a half" counts nothing by itself."""
    after = words[at + 1] if at + 1 < len(words) else ""
    return bool(PARTS.keys() & set(words[max(0, at - 2) : at])) or (words[at - 1 : at] == ["and"] and after in PARTS)


def counted(word: str, number: Decimal | None, count: Decimal | None, before: list[str]) -> Decimal:
    """The number so far, once this word was heard: "two and a half", "three quarters", "two dozen", "2 1/2"."""
    if before[-2:] == ["and", "a"] and word in PARTS and count is not None:
        return count + PARTS[word]
    if word in PARTS:
        return count * PARTS[word] if count is not None and before[-1:] != ["a"] else PARTS[word]
    if word in TIMES:
        return (count if count is not None else Decimal(1)) * TIMES[word]
    assert number is not None
    is_fraction_after_whole = number < 1 and before and (whole := value(before[-1])) is not None and whole == count
    return count + number if is_fraction_after_whole and count is not None else number


def value(word: str) -> Decimal | None:
    """The number that this word is."""
    if not word[0].isdigit():
        return NUMBERS.get(word)
    above, _, below = word.replace("⁄", "/").partition("/")
    return Decimal(above) / Decimal(below) if below.strip("0") else Decimal(above)


def means_something(word: str, before: str) -> bool:
    if word in CUBIC_ONLY:
        return before in ("cubic", "cu") or (word in ("yard", "yd") and value(before or "-") is not None)
    return has_volume(word) or word in KIND_OF or word in RESTRICTED


def has_volume(word: str) -> bool:
    return word in BAGS or word in UNITS or word in THINGS


def is_commercial(words: list[str]) -> bool:
    return bool(COMMERCIAL.intersection(words)) or any(pair in COMMERCIAL_PAIRS for pair in pairwise(words))


def refuse_too_much(seen: list[Seen]) -> None:
    """More than an assessment may say is a slip of the pen, or a matter for a person."""
    said = {
        "bags": (sum_of(seen, BAGS), MOST_BAGS),
        "cubic yards": (yards_of(seen), MOST_CUBIC_YARDS),
        "hazardous items": (sum_of(seen, HAZARDS), MOST_COUNTED),
    }
    for what, (count, most) in said.items():
        if count > most:
            raise AssessmentRefused(f"The text speaks of {count:,.0f} {what}, more than {most}.", model=NAME)


def yards_of(seen: list[Seen]) -> Decimal:
    return sum((one.yards for one in seen), Decimal(0)).quantize(CENTI, rounding=ROUND_HALF_UP)


def sum_of(seen: list[Seen], words: frozenset[str]) -> Decimal:
    return sum((one.count for one in seen if one.word in words), Decimal(0))


def assessed(seen: list[Seen], *, is_commercial: bool) -> Assessment:
    kinds = Counter(KIND_OF[one.word] for one in seen if one.word in KIND_OF)
    found = [kind for kind in Category if kind in kinds] or [Category.GENERAL]
    return Assessment(
        primary_type=max(found, key=lambda kind: kinds[kind]),
        waste_types=tuple(found),
        bags=int(sum_of(seen, BAGS).to_integral_value(rounding=ROUND_HALF_UP)),
        cubic_yards=yards_of(seen) or GUESSED_YARDS,
        items=tuple(line(one) for one in seen if one.yards)[:MOST_ITEMS],
        hazardous_items=int(sum_of(seen, HAZARDS).to_integral_value(rounding=ROUND_HALF_UP)),
        compliance_issues=len({one.word for one in seen if one.word in RESTRICTED}),
        methods=methods(kinds, restricted=any(one.word in RESTRICTED for one in seen)),
        is_commercial=is_commercial,
        confidence=confidence(has_volume=any(one.stated and one.yards for one in seen), has_kind=bool(kinds)),
    )


def line(one: Seen) -> str:
    return f"{one.count.normalize():f} × {one.word}" if one.stated else one.word


def methods(kinds: Counter[Category], *, restricted: bool) -> tuple[Method, ...]:
    wanted = {METHODS[kind] for kind in kinds if kind in METHODS} | ({Method.RESTRICTED} if restricted else set())
    return tuple(method for method in Method if method in wanted)


def confidence(*, has_volume: bool, has_kind: bool) -> int:
    if has_volume:
        return SURE if has_kind else ONLY_VOLUME
    return ONLY_KIND if has_kind else NOTHING


def explained(seen: list[Seen], assessment: Assessment, *, pictures: int) -> str:
    """What it went by, for the person who looks at the quote."""
    stated = ", ".join(line(one) for one in seen if one.stated and has_volume(one.word))
    named = ", ".join(dict.fromkeys(one.word for one in seen if one.word in KIND_OF))
    return "\n".join(
        [
            "Estimated from the words of the request, without an AI.",
            f"Stated volume: {stated or 'none'}. Taken as {assessment.cubic_yards} cubic yards, {assessment.bags} bags.",
            f"Words that name a kind of waste: {named or 'none'}.",
            f"Pictures: {pictures}, not looked at." if pictures else "Pictures: none.",
        ]
    )
