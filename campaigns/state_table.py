"""The states' rules in words, against what is required of them, and whom a type that ignores windows would write to all the same."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from campaigns.rules.states import FIRST_STATE_RULES, NO_RULE, OTHER, STATES, Anchor, Window
from campaigns.settings import SchedulerSettings

LONG_NAMES = """
    AK Alaska, AL Alabama, AR Arkansas, AZ Arizona, CA California, CO Colorado, CT Connecticut, DC District of Columbia, DE Delaware,
    FL Florida, GA Georgia, HI Hawaii, IA Iowa, ID Idaho, IL Illinois, IN Indiana, KS Kansas, KY Kentucky, LA Louisiana, MA Massachusetts,
    MD Maryland, ME Maine, MI Michigan, MN Minnesota, MO Missouri, MS Mississippi, MT Montana, NC North Carolina, ND North Dakota,
    NE Nebraska, NH New Hampshire, NJ New Jersey, NM New Mexico, NV Nevada, NY New York, OH Ohio, OK Oklahoma, OR Oregon, PA Pennsylvania,
    RI Rhode Island, SC South Carolina, SD South Dakota, TN Tennessee, TX Texas, UT Utah, VA Virginia, VT Vermont, WA Washington,
    WI Wisconsin, WV West Virginia, WY Wyoming
"""
NAMES: Mapping[str, str] = {code: name for code, _, name in (entry.strip().partition(" ") for entry in LONG_NAMES.split(","))} | {
    OTHER: "Anywhere else"
}
ANCHOR_WORDS = {
    Anchor.BIRTHDAY: "the birthday",
    Anchor.BIRTH_MONTH: "the first day of the birth month",
    Anchor.EFFECTIVE_DATE: "the effective date",
}
REQUIRED: Mapping[str, Window] = {state: FIRST_STATE_RULES.get(state, NO_RULE) for state in STATES}


def rule_words(rule: Window) -> str:
    """The rule in a few words: what it is counted from, and how many days before and after are excluded."""
    if rule.anchor == Anchor.ALWAYS:
        return "every day of the year"
    words = "free" if rule.anchor == Anchor.NONE else span(rule, ANCHOR_WORDS[rule.anchor])
    return f"{words}; every day from age {rule.year_round_from_age}" if rule.year_round_from_age else words


def span(rule: Window, anchor: str) -> str:
    begins = f"{days(rule.before)} before {anchor}" if rule.before else anchor
    if rule.after:
        return f"from {begins} to {days(rule.after)} after it"
    return f"from {begins} to that day" if rule.before else f"{anchor} itself"


def window_words(rule: Window, *, lead_days: int) -> str:
    """How long the window is, and when mails stop."""
    if rule.anchor == Anchor.ALWAYS:
        return "no mail at all"
    if rule.anchor == Anchor.NONE:
        return "none"
    return (
        f"{days(rule.before + rule.after + 1)}; mails stop {days(lead_days)} earlier" if lead_days else days(rule.before + rule.after + 1)
    )


def days(number: int) -> str:
    return f"{number} day{'' if number == 1 else 's'}"


@dataclass(frozen=True)
class Concerned:
    """The states in which a type that ignores windows writes to people whom the rules would spare: on every day, or on some."""

    year_round: Sequence[str]
    with_window: Sequence[str]

    @property
    def sentence(self) -> str:
        parts = [
            f"{', '.join(self.year_round)} exclude every day of the year" if self.year_round else "",
            f"{', '.join(self.with_window)} have exclusion windows" if self.with_window else "",
        ]
        return f"{'; '.join(filter(None, parts))}." if any(parts) else "No state has a rule at present."


def states_concerned(settings: SchedulerSettings) -> Concerned:
    """The states that have a rule, by how much of the year it excludes."""
    rules = {state: settings.rules.of(state) for state in STATES}
    always = [state for state, rule in rules.items() if rule.anchor == Anchor.ALWAYS]
    some = [state for state, rule in rules.items() if rule.anchor in ANCHOR_WORDS or (rule.year_round_from_age and state not in always)]
    return Concerned(always, some)


def coverage(rules: Mapping[str, Window]) -> dict[str, list[str]]:
    """The states by what their rule is counted from; a birth month is a birthday too. A state without an entry is `missing`."""
    found: dict[str, list[str]] = {name: [] for name in ("birthday", "effective_date", "year_round", "free", "missing")}
    groups = {Anchor.EFFECTIVE_DATE: "effective_date", Anchor.ALWAYS: "year_round", Anchor.NONE: "free"}
    for state in STATES:
        found[groups.get(rules[state].anchor, "birthday") if state in rules else "missing"].append(state)
    return found


def departures(rules: Mapping[str, Window]) -> list[str]:
    """A sentence for each state whose rule is not the required one, or has no source."""
    told = []
    for state, required in REQUIRED.items():
        rule = rules.get(state)
        if rule is None:
            told.append(f"{state}: no rule and not said to be free; required is {rule_words(required)}.")
        elif substance(rule) != substance(required):
            told.append(f"{state}: {rule_words(rule)}; required is {rule_words(required)}.")
        elif not rule.source.strip():
            told.append(f"{state}: its rule has no source.")
    return told


def substance(rule: Window) -> tuple[Anchor, int, int, int | None]:
    return rule.anchor, rule.before, rule.after, rule.year_round_from_age
