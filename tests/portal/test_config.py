"""Configuration: versions follow each other without a gap or an overlap, are checked before they are kept, and are never changed."""

import json
import threading
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, connection, transaction

from messaging.models import SystemEvent
from portal.config import kinds
from portal.config.data import ConfigRefused, differences, merged
from portal.config.kinds import put, read, read_version
from portal.config.models import ConfigVersion
from portal.quotes.price_book import FIRST_PRICE_BOOK, PriceBook

pytestmark = pytest.mark.django_db

JANUARY, MARCH, JUNE = (datetime(2027, month, 1, tzinfo=UTC) for month in (1, 3, 6))
MOMENT = timedelta(microseconds=1)


def prices(**changes):
    return deepcopy(FIRST_PRICE_BOOK) | changes


def put_prices(valid_from, *, note="because", author=None, environment="", **changes):
    data = changes if environment else prices(**changes)
    return put("price_book", data, valid_from=valid_from, author=author, note=note, environment=environment)


def rural_at(at, environment=""):
    number, book = read_version("price_book", at=at, environment=environment)
    return number, str(book.rural)


def periods():
    return [(row.number, row.valid_from, row.valid_until) for row in ConfigVersion.objects.order_by("number")]


def test_until_there_is_a_version_the_portal_reads_what_it_ships():
    assert read_version("price_book", at=JANUARY) == (0, PriceBook.model_validate(FIRST_PRICE_BOOK))


def test_a_version_is_in_force_from_its_first_moment_until_the_first_of_the_next():
    put_prices(JANUARY, rural="1.3")
    put_prices(MARCH, rural="1.4")

    moments = [JANUARY - MOMENT, JANUARY, MARCH - MOMENT, MARCH, MARCH + timedelta(days=9999)]
    assert [rural_at(at) for at in moments] == [(0, "1.2"), (1, "1.3"), (1, "1.3"), (2, "1.4"), (2, "1.4")]
    assert periods() == [(1, JANUARY, MARCH), (2, MARCH, None)]


def test_a_version_before_a_planned_one_ends_where_that_begins():
    put_prices(JANUARY)
    put_prices(JUNE, rural="1.5")
    put_prices(MARCH, rural="1.4")

    assert periods() == [(1, JANUARY, MARCH), (2, JUNE, None), (3, MARCH, JUNE)]


def test_a_version_that_begins_with_another_replaces_it():
    put_prices(JANUARY)
    put_prices(MARCH, rural="1.4")
    put_prices(MARCH, rural="1.5")

    assert rural_at(MARCH) == (3, "1.5")
    assert periods() == [(1, JANUARY, MARCH), (2, None, None), (3, MARCH, None)]
    assert [row.standing(MARCH) for row in ConfigVersion.objects.order_by("number")] == ["over", "never in force", "in force"]


def test_rolling_back_is_a_new_version_with_old_data():
    first = put_prices(JANUARY, rural="1.3")
    second = put_prices(MARCH, rural="1.4")
    third = put("price_book", first.data, valid_from=JUNE, author=None, note="back")

    assert rural_at(JUNE) == (3, "1.3")
    assert (third.data, differences(second.data, third.data)) == (first.data, [("rural", "1.4", "1.3")])
    assert ConfigVersion.objects.get(pk=second.pk).data == second.data


def test_what_is_kept_is_complete_and_says_who_and_why():
    boss = User.objects.create_user("boss")

    version = put_prices(JANUARY, rural=1.25, author=boss, note="  Fuel \n costs more ")

    version.refresh_from_db()
    assert (version.data, version.author, version.note) == (prices(rural="1.25"), boss, "Fuel costs more")
    event = SystemEvent.objects.get()
    assert (event.by_id, event.text) == (boss.pk, "Price book: price_book, version 1 begins 2027-01-01 00:00 UTC: Fuel costs more")


def test_money_and_percents_come_back_exactly():
    data = prices()
    data["provinces"]["QC"]["taxes"][1]["percent"] = 9.975
    put("price_book", data, valid_from=JANUARY, author=None, note="as a number")

    assert read("price_book", at=JANUARY).provinces["QC"].taxes[1].percent == Decimal("9.975")


# environments


def test_an_environment_replaces_single_entries_of_the_general_version():
    put_prices(JANUARY, rural="1.3")
    put_prices(MARCH, environment="staging", least_total="1", fees={"per_hazardous_item": "99"})

    book = read("price_book", at=MARCH, environment="staging")
    general = read("price_book", at=MARCH)
    assert (str(book.least_total), str(book.fees.per_hazardous_item), str(book.fees.restricted_disposal)) == ("1", "99", "20")
    assert (str(general.least_total), rural_at(MARCH, "staging"), rural_at(MARCH, "other")) == ("50", (1, "1.3"), (1, "1.3"))
    assert read("price_book", at=JANUARY, environment="staging") == read("price_book", at=JANUARY)


def test_a_version_that_would_spoil_what_an_environment_makes_of_it_is_refused():
    put_prices(JANUARY, environment="staging", least_total="900")

    with pytest.raises(ConfigRefused, match="price_book in staging, version 1: least_total must be below most_total; got 900 and 500"):
        put_prices(MARCH, most_total="500")
    with pytest.raises(ConfigRefused, match="least_total must be below most_total"):
        put_prices(MARCH, environment="test", least_total="10000")
    assert ConfigVersion.objects.count() == 1


# refused


def with_fee(**fees):
    return FIRST_PRICE_BOOK["fees"] | fees


REFUSED = [
    ({"base": FIRST_PRICE_BOOK["base"] | {"general": "-80"}}, "base.general must be above 0; got -80"),
    ({"base": FIRST_PRICE_BOOK["base"] | {"general": None}}, "base.general must be a number; got nothing"),
    ({"base": FIRST_PRICE_BOOK["base"] | {"paper": "5"}}, "base.paper is not known here; known are 'general', 'construction'"),
    ({"base": {"general": "80"}}, "base has no entry for construction, electronic, hazardous, organic, recyclable"),
    ({"base": "free"}, "base must be a table of named entries; got free"),
    ({"season": ["1.1"] * 11}, "season must have at least 12 entries; it has 11"),
    ({"season": ["1.1"] * 13}, "season must have at most 12 entries; it has 13"),
    ({"season": ["1.1"] * 3 + ["13"] + ["1.1"] * 8}, "season.4 must be at most 10; got 13"),
    ({"season": {"4": "1.3"}}, "season must be a list; got {"),
    ({"fees": with_fee(per_hazardous_item="15.005")}, "fees.per_hazardous_item must have at most 2 digits after the point; got 15.005"),
    ({"fees": with_fee(bribe="15")}, "fees.bribe is not known here"),
    ({"rural": "plenty"}, "rural must be a number; got plenty"),
    ({"rural": True}, "rural must be a number, not true or false"),
    ({"rural": "NaN"}, "rural must be a number; got NaN"),
    ({"valid_days": 1.5}, "valid_days must be a whole number; got 1.5"),
    ({"valid_days": 0}, "valid_days must be at least 1; got 0"),
    ({"range_share": "1"}, "range_share must be below 1; got 1"),
    ({"default_province": "ontario"}, "default_province is not of the right form; got ontario"),
    ({"default_province": "MB"}, "default_province must be one of ON, BC, AB, QC; got MB"),
    ({"provinces": {"ON": {}}}, "provinces.ON.multiplier is missing; provinces.ON.taxes is missing"),
    ({"provinces": {}}, "provinces must have at least 1 entries; it has 0"),
    ({"least_total": "x" * 500}, f"least_total must be a number; got {'x' * 60}…"),
    ({"least_total": "\x00"}, "A text in it has a character that cannot be stored"),
    ({"least_total": "\ud800"}, "A text in it has a character that cannot be stored"),
]


@pytest.mark.parametrize(("changes", "sentence"), REFUSED, ids=[f"{sentence[:60]}" for _, sentence in REFUSED])
def test_data_with_a_slip_in_it_is_refused_with_a_sentence_and_nothing_changes(changes, sentence):
    put_prices(JANUARY)

    with pytest.raises(ConfigRefused) as refusal:
        put_prices(MARCH, **changes)

    assert sentence in str(refusal.value)
    assert periods() == [(1, JANUARY, None)]


@pytest.mark.parametrize("data", [None, [], "text", 5, {}])
def test_data_of_another_shape_is_refused(data):
    with pytest.raises(ConfigRefused, match="Price book: "):
        put("price_book", data, valid_from=JANUARY, author=None, note="because")


@pytest.mark.parametrize("note", ["", "  \n ", "x" * 501])
def test_a_version_without_a_fitting_note_is_refused(note):
    with pytest.raises(ConfigRefused, match="A note of 1 to 500 characters says why"):
        put_prices(JANUARY, note=note)


def test_an_unknown_kind_is_named_with_those_there_are():
    with pytest.raises(kinds.UnknownKind, match="no configuration 'prices'; there is price_book"):
        read("prices", at=JANUARY)
    with pytest.raises(kinds.UnknownKind):
        put("prices", {}, valid_from=JANUARY, author=None, note="because")


# what the database keeps

INSERT = """
    INSERT INTO portal_configversion (series_id, number, data, in_force, note)
    SELECT series_id, number + 1, data, %s::tstzrange, '' FROM portal_configversion
"""


@pytest.mark.parametrize("period", ["[2027-02-01,2027-02-02)", "[2026-01-01,2027-01-02)", "[2028-01-01,)"])
def test_raw_sql_cannot_make_versions_overlap(period):
    put_prices(JANUARY)

    with pytest.raises(IntegrityError, match="versions_of_a_series_never_overlap"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(INSERT, [period])


@pytest.mark.parametrize("period", ["(,2026-02-02)", "[2026-01-01,2026-12-31]", "(2026-01-01,2026-12-31)"])
def test_raw_sql_cannot_leave_a_version_without_its_first_moment_or_give_it_its_last(period):
    put_prices(JANUARY)

    with pytest.raises(IntegrityError, match="config_version_has_a_first_moment"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(INSERT, [period])


def test_versions_of_two_environments_may_hold_at_the_same_time():
    put_prices(JANUARY)
    put_prices(JANUARY, environment="staging", rural="1.5")

    assert ConfigVersion.objects.in_force(JANUARY).count() == 2


CHANGES = [
    "UPDATE portal_configversion SET data = '{}'",
    "UPDATE portal_configversion SET note = 'other'",
    "UPDATE portal_configversion SET created_at = now() - interval '1 day'",
    "UPDATE portal_configversion SET in_force = tstzrange('2026-01-01', '2027-02-01')",
    "UPDATE portal_configversion SET in_force = tstzrange('2027-01-02', NULL)",
    "DELETE FROM portal_configversion",
]


@pytest.mark.parametrize("change", CHANGES)
def test_raw_sql_cannot_change_a_version_or_take_it_away(change):
    put_prices(JANUARY)

    with pytest.raises(IntegrityError, match="never changed"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(change)


def test_a_version_that_has_ended_stays_ended():
    first = put_prices(JANUARY)
    put_prices(MARCH)

    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("UPDATE portal_configversion SET in_force = tstzrange('2027-01-01', NULL) WHERE id = %s", [first.pk])


# differences


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ({"a": "1.0"}, {"a": 1}, []),
        ({"a": True}, {"a": 1}, [("a", True, 1)]),
        ({"a": "x"}, {"a": "y", "b": 2}, [("a", "x", "y"), ("b", None, 2)]),
        ({"a": {"b": [1, 2, {"c": 3}]}}, {"a": {"b": [1, 5, {"c": 4}, 9]}}, [("a.b.2", 2, 5), ("a.b.3.c", 3, 4), ("a.b.4", None, 9)]),
        ({"a": {"b": 1}}, {"a": 7}, [("a", {"b": 1}, 7)]),
        ({"a": [1]}, {}, [("a", [1], None)]),
        (1, 2, [("", 1, 2)]),
    ],
)
def test_differences_name_each_place(old, new, found):
    assert differences(old, new) == found


def test_overrides_replace_values_and_whole_lists_but_only_entries_of_tables():
    assert merged({"a": {"b": 1, "c": [1, 2]}, "d": 1}, {"a": {"c": [3]}, "e": 5}) == {"a": {"b": 1, "c": [3]}, "d": 1, "e": 5}


# many at once


@pytest.mark.django_db(transaction=True)
def test_versions_put_at_the_same_moment_come_one_after_the_other():
    start, failures = threading.Barrier(6), []

    def write(number):
        try:
            start.wait()
            put_prices(JANUARY + timedelta(days=number % 3), rural=f"1.{number}")
        except BaseException as failure:
            failures.append(failure)
        finally:
            connection.close()

    threads = [threading.Thread(target=write, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    rows = list(ConfigVersion.objects.order_by("number"))
    held = sorted((row.valid_from, row.valid_until) for row in rows if not row.in_force.isempty)
    days = [JANUARY + timedelta(days=day) for day in range(3)]
    assert failures == []
    assert [row.number for row in rows] == [1, 2, 3, 4, 5, 6]
    assert held == [(days[0], days[1]), (days[1], days[2]), (days[2], None)]


def test_the_shipped_book_is_kept_as_it_stands():
    assert json.loads(json.dumps(kinds.KINDS["price_book"].shipped)) == FIRST_PRICE_BOOK
