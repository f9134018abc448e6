"""2,000 invented contacts and three campaigns about them: drawn with a fixed seed, so that every load makes the same people.

Their ZIP codes are real and lie in every state, territory and military post; their names are made up, their domains reserved. Days of
campaigns and of engagement are counted from the day of loading, so that mails are due on it whenever that is.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from random import Random

from django.db import transaction

from campaigns import targeting, zip_codes
from campaigns.models import Behaviour, CampaignInstance, CampaignType, Contact, EngagementEvent, Targeted

CONTACTS = 2_000
SEED = 20_261
ALWAYS_THERE = 4  # contacts that every state, territory and post has at least
DOMAINS = ("example.com", "example.org", "example.net")
FIRST_NAMES = """
    Adela Alden Bea Bertram Calla Corwin Delphine Dorian Edda Emmett Fern Fergus Greta Gideon Hollis Hazel Ida Ivo June Jasper Kestrel Kit
    Leona Lorcan Mabel Milo Nell Noble Odette Orson Pearl Piers Quill Ramona Rufus Sabine Silas Tamsin Tobias Una Ulric Vesper Viola Wendell
    Willa Xenia Yara York Zelda Zeno
"""
LAST_NAMES = """
    Abernale Birchby Coldwater Dunmarrow Elmsworth Fairlock Garrowby Hawksmere Inglethorpe Juniperfield Kettlewick Larkmoor Mistlebrook
    Nettlecombe Oakhallow Pemberdale Quillstone Ravenhythe Silverbeck Thistlewood Underbough Vellacombe Wrenfield Yarrowgate Zephyrson
    Ashenholt Brackenridge Cloverley Driftwell Emberton
"""
CARRIERS = ("Bluestem Mutual", "Harborlight Health", "Juniper Life", "Meridian Plains", "Old Orchard Insurance")
BIG_STATES = ("CA", "NV", "OR", "OK", "MO", "VA", "MD", "KY", "ID", "TX", "FL", "PA", "OH", "NY", "IL", "KS")


@dataclass(frozen=True, kw_only=True)
class Campaign:
    """`trigger_in` days from the day of loading, spread over `spread_days`; only of these states and carriers, where some are named."""

    type_name: str
    name: str
    trigger_in: int
    spread_days: int
    among: targeting.Filter


CAMPAIGNS = (
    Campaign(
        type_name="rate_increase",
        name="Bluestem rates next year",
        trigger_in=10,
        spread_days=40,
        among=targeting.Filter(carriers=("Bluestem Mutual",)),
    ),
    Campaign(
        type_name="policy_update",
        name="New member cards",
        trigger_in=3,
        spread_days=40,
        among=targeting.Filter(carriers=("Juniper Life",)),
    ),
    Campaign(
        type_name="regulatory_notice",
        name="Privacy notice",
        trigger_in=0,
        spread_days=10,
        among=targeting.Filter(states=("TX", "FL", "NY")),
    ),
)


@transaction.atomic
def load(*, today: date) -> int:
    """The sample contacts with their campaigns and engagement, unless they are there; how many came."""
    if Contact.objects.filter(email=next(people(Random(SEED), today=today)).email).exists():
        return 0
    contacts = Contact.objects.bulk_create(people(Random(SEED), today=today), batch_size=1_000)
    for campaign in CAMPAIGNS:
        start(campaign, today=today)
    EngagementEvent.objects.bulk_create(engagement(contacts, chance=Random(SEED), today=today))
    return len(contacts)


def people(chance: Random, *, today: date, count: int = CONTACTS) -> Iterator[Contact]:
    """The same people for the same seed and count."""
    firsts, lasts, zips = FIRST_NAMES.split(), LAST_NAMES.split(), by_place()
    places = [place for place in zips for _ in range(ALWAYS_THERE)]
    places += chance.choices(BIG_STATES, k=(count - len(places)) // 2)
    places += chance.choices(sorted(zips), k=count - len(places))
    chance.shuffle(places)
    for number, place in enumerate(places[:count], start=1):
        first, last = chance.choice(firsts), chance.choice(lasts)
        yield Contact(
            email=f"{first}.{last}.{number}@{chance.choice(DOMAINS)}".lower(),
            first_name=first,
            last_name=last,
            zip_code=zip_of(zips[place], chance),
            state=place,
            birth_date=birth_date(number, chance),
            effective_date=effective_date(number, chance, today=today),
            phone=f"{chance.randint(201, 989)}-555-01{chance.randint(0, 99):02}" if number % 3 else "",
            carrier=chance.choice(CARRIERS) if number % 9 else "",
        )


def by_place() -> dict[str, list[str]]:
    """Every ZIP code there is, by state, territory or post."""
    found: dict[str, list[str]] = {}
    for zip_code, place in sorted(zip_codes.table().items()):
        found.setdefault(place, []).append(zip_code)
    return found


def zip_of(zips: Sequence[str], chance: Random) -> str:
    """Some people know their last four digits."""
    return chance.choice(zips) + (f"-{chance.randint(1, 9_999):04}" if chance.random() < 0.1 else "")


def birth_date(number: int, chance: Random) -> date | None:
    """Of people of 64 to 90 years; some born on leap days, some around New Year; of some it is not known."""
    year, day = chance.randint(1936, 1962), chance.randint(0, 364)
    if number % 25 == 0:
        return None
    if number % 40 == 1:
        return date(chance.choice(range(1936, 1963, 4)), 2, 29)
    if number % 20 == 2:
        return date(year, 12, 20) + timedelta(days=day % 25)
    return date(year, 1, 1) + timedelta(days=day)


def effective_date(number: int, chance: Random, *, today: date) -> date | None:
    """The first of a month, as policies begin; of some it is not known, and a few begin soon."""
    month = date(chance.randint(2012, today.year - 1), chance.randint(1, 12), 1)
    if number % 12 == 0:
        return None
    return today + timedelta(days=chance.randint(20, 90)) if number % 150 == 7 else month


def start(campaign: Campaign, *, today: date) -> None:
    kind = CampaignType.objects.get(name=campaign.type_name)
    instance, _ = CampaignInstance.objects.get_or_create(campaign_type=kind, name=campaign.name)
    plan = targeting.Plan(trigger_on=today + timedelta(days=campaign.trigger_in), spread_days=campaign.spread_days)
    targeting.add(campaign.among.contacts(), instance_id=instance.pk, plan=plan, targeted=Targeted.FILTER)


def engagement(contacts: Sequence[Contact], *, chance: Random, today: date) -> Iterator[EngagementEvent]:
    """Some clicked during the last month; of those, some answered the health questions a while later."""
    midnight = datetime.combine(today, time(), UTC)
    for contact in chance.sample(contacts, 120):
        clicked = midnight - timedelta(days=chance.randint(1, 30), minutes=chance.randint(0, 600))
        yield EngagementEvent(key=f"sample:click:{contact.email}", contact=contact, kind=Behaviour.CLICKED, at=clicked)
        if chance.random() < 0.4:
            answered, conditions = clicked + timedelta(minutes=9), chance.random() < 0.5
            facts = {"at": answered, "has_conditions": conditions, "metadata": {"questions": 5}}
            yield EngagementEvent(key=f"sample:answer:{contact.email}", contact=contact, kind=Behaviour.ANSWERED, **facts)
