"""Where in Canada an address lies, as far as prices depend on it: the province, and whether it is rural."""

import re
import unicodedata
from dataclasses import dataclass

MOST_CHARACTERS = 500  # of an address, counted from its end, where the province stands
UNKNOWN = "ON"

POSTAL_CODE = re.compile(r"(?<![A-Z0-9])([ABCEGHJ-NPRSTVXY])([0-9])[ABCEGHJ-NPRSTV-Z][ -]?[0-9][ABCEGHJ-NPRSTV-Z][0-9](?![A-Z0-9])")
BY_FIRST_LETTER = {
    **dict.fromkeys("KLMNP", "ON"),
    **dict.fromkeys("GHJ", "QC"),
    **{"V": "BC", "T": "AB", "A": "NL", "B": "NS", "C": "PE", "E": "NB", "R": "MB", "S": "SK", "X": "NT", "Y": "YT"},
}
CODES = {"ON", "QC", "BC", "AB", "NL", "NS", "PE", "NB", "MB", "SK", "NT", "NU", "YT"}
NAMES = {
    **{"ONTARIO": "ON", "ONT": "ON", "QUEBEC": "QC", "QUE": "QC", "PQ": "QC", "BRITISH COLUMBIA": "BC", "B C": "BC", "ALBERTA": "AB"},
    **{"ALTA": "AB", "NEWFOUNDLAND AND LABRADOR": "NL", "NEWFOUNDLAND": "NL", "NOVA SCOTIA": "NS", "PRINCE EDWARD ISLAND": "PE"},
    **{"NEW BRUNSWICK": "NB", "MANITOBA": "MB", "SASKATCHEWAN": "SK", "NORTHWEST TERRITORIES": "NT", "NUNAVUT": "NU", "YUKON": "YT"},
}
CITIES = {
    "ON": ["Toronto", "Ottawa", "Mississauga", "Brampton", "Hamilton", "London", "Markham", "Vaughan", "Kitchener", "Windsor"],
    "QC": ["Montreal", "Quebec City", "Ville de Quebec", "Laval", "Gatineau", "Longueuil", "Sherbrooke", "Saguenay", "Levis"],
    "BC": ["Vancouver", "North Vancouver", "West Vancouver", "Surrey", "Burnaby", "Richmond", "Abbotsford", "Victoria", "Kelowna"],
    "AB": ["Calgary", "Edmonton", "Red Deer", "Lethbridge", "Medicine Hat", "St Albert", "Airdrie", "Grande Prairie", "Fort McMurray"],
    "MB": ["Winnipeg"],
    "SK": ["Saskatoon", "Regina"],
    "NS": ["Halifax"],
    "NB": ["Moncton", "Fredericton"],
}
BY_CITY = {city.upper(): province for province, cities in CITIES.items() for city in cities}


@dataclass(frozen=True, kw_only=True)
class Place:
    province: str = UNKNOWN  # two letters
    is_rural: bool = False


def place_of(address: str, city: str) -> Place:
    """By the postal code if there is one, else by the province or the city that is named; where nothing is, Ontario and not rural."""
    address, city = plain(address), plain(city)
    for text in (address, city):
        if codes := POSTAL_CODE.findall(text):
            letter, second = codes[-1]
            return Place(province=BY_FIRST_LETTER[letter], is_rural=second == "0")
    found = named(city) or named(address) or BY_CITY.get(words(city)) or BY_CITY.get(words(address.rpartition(",")[2]))
    return Place(province=found or UNKNOWN)


def plain(text: str) -> str:
    """Capital letters without accents, single spaces, and no more of it than an address needs."""
    letters = unicodedata.normalize("NFD", text[-MOST_CHARACTERS:]).upper()
    return " ".join("".join(letter for letter in letters if not unicodedata.combining(letter)).split())


def named(text: str) -> str:
    """The province a text ends with, by its name or its two letters; "" if it ends otherwise."""
    ending = f" {words(text)}".removesuffix(" CANADA")
    if ending[-3:-2] == " " and ending[-2:] in CODES:
        return ending[-2:]
    return next((province for name, province in NAMES.items() if ending.endswith(f" {name}")), "")


def words(text: str) -> str:
    return " ".join(re.findall(r"[A-Z0-9]+", text))
