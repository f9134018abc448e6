"""Configuration on the desk: read as tables, compared before it is saved, brought back as a new version, and by managers only."""

import json
from copy import deepcopy
from datetime import timedelta

import pytest
from django.utils import timezone
from django.utils.html import strip_tags

from portal.config.kinds import put, read
from portal.config.models import ConfigVersion
from portal.quotes.price_book import FIRST_PRICE_BOOK
from tests.portal.desk_rows import said, staff, superuser

pytestmark = pytest.mark.django_db

DESK = "/admin/portal/configversion/"
NEW = f"{DESK}new/price_book/"
LOOK, ADD = "portal.view_configversion", "portal.add_configversion"


def prices(**changes):
    return deepcopy(FIRST_PRICE_BOOK) | changes


def a_version(*, days=-1, note="because", environment="", **changes):
    data = changes if environment else prices(**changes)
    valid_from = timezone.now() + timedelta(days=days)
    return put("price_book", data, valid_from=valid_from, author=None, note=note, environment=environment)


def answers(data=None, **changes):
    told = {"content": json.dumps(prices() if data is None else data), "valid_from_0": "", "valid_from_1": "", "note": "Fuel", "seen": "0"}
    return told | changes


def text_of(response):
    return " ".join(response.content.decode().split())


def rows_of(response, number=0):
    return [[strip_tags(str(cell)) for cell in row] for row in response.context["tables"][number].rows]


def errors_of(response):
    return [sentence for sentences in response.context["form"].errors.values() for sentence in sentences]


def test_the_list_shows_every_kind_and_its_versions():
    boss = superuser()
    assert "as shipped" in text_of(boss.get(DESK))

    a_version(note="The first one")
    a_version(days=5, note="The next one")

    page = text_of(boss.get(DESK))
    assert "version 1 in force" in page
    assert all(words in page for words in ["The first one", "The next one", "In force", "Planned", "a new one begins"])


def test_a_version_is_read_as_tables_with_what_it_changed():
    a_version(days=-2)
    version = a_version(rural="1.35")

    response = superuser().get(f"{DESK}{version.pk}/change/")

    titles = [table.title.partition(":")[0] for table in response.context["tables"]]
    assert titles == ["What it changed", "Single values", "Base", "Sizes", "Provinces", "Fees", "Season"]
    assert rows_of(response) == [["rural", "1.2", "1.35"]]
    assert rows_of(response, 2)[0] == ["general", "80"]
    assert rows_of(response, 4)[3] == ["QC", "1.1", "GST 5, QST 9.975", "20", "50"]


def test_the_first_version_is_compared_with_what_is_shipped():
    version = a_version(season=["1.5", *FIRST_PRICE_BOOK["season"][1:]])

    assert rows_of(superuser().get(f"{DESK}{version.pk}/change/")) == [["season.1", "1.1", "1.5"]]


def test_what_is_shipped_has_a_page_of_its_own():
    response = staff(LOOK).get(f"{DESK}shipped/price_book/")

    assert ["general", "80"] in rows_of(response, 1)
    assert superuser().get(f"{DESK}shipped/nonsense/").status_code == 404


def test_the_form_begins_with_what_is_in_force():
    boss = superuser()
    assert json.loads(boss.get(NEW).context["form"].initial["content"]) == prices()

    a_version(rural="1.35")
    a_version(days=5, rural="1.5")

    form = boss.get(NEW).context["form"]
    assert (json.loads(form.initial["content"]), form.initial["seen"]) == (prices(rural="1.35"), 2)
    assert list(json.loads(form.initial["content"])) == list(FIRST_PRICE_BOOK)


def test_the_differences_are_shown_before_anything_is_saved():
    a_version(rural="1.3")
    a_version(days=5)

    response = superuser().post(NEW, answers(prices(rural="1.35"), seen="2"))

    assert rows_of(response) == [["rural", "1.3", "1.35"]]
    assert "version 2 begins" in text_of(response)
    assert "Save this version" in text_of(response)
    assert ConfigVersion.objects.count() == 2


def test_a_form_that_changes_nothing_has_nothing_to_save():
    response = superuser().post(NEW, answers())

    assert "Nothing changes." in text_of(response)
    assert "Save this version" not in text_of(response)


def test_a_confirmed_version_is_in_force_at_once_and_says_by_whom_and_why():
    boss = superuser()

    response = boss.post(NEW, answers(prices(rural="1.35")) | {"confirmed": "yes"}, follow=True)

    version = ConfigVersion.objects.select_related("author").get()
    assert said(response) == "Price book, version 1 is saved: in force."
    assert (version.author.username, version.note, str(read("price_book", at=timezone.now()).rural)) == ("boss", "Fuel", "1.35")
    assert response.redirect_chain == [(f"{DESK}{version.pk}/change/", 302)]


def test_a_version_may_begin_later():
    planned = {"valid_from_0": "2099-05-01", "valid_from_1": "08:00:00"}

    boss = superuser()
    preview = boss.post(NEW, answers(prices(rural="1.35"), **planned))
    response = boss.post(NEW, dict(preview.context["hidden"]) | {"confirmed": "yes"}, follow=True)

    assert "May 1, 2099, 08:00" in text_of(preview)
    assert said(response) == "Price book, version 1 is saved: planned."
    assert timezone.localtime(ConfigVersion.objects.get().valid_from).isoformat()[:16] == "2099-05-01T08:00"
    assert str(read("price_book", at=timezone.now()).rural) == "1.2"


def test_going_back_from_the_differences_keeps_what_was_typed():
    boss = superuser()
    preview = boss.post(NEW, answers(prices(rural="1.35")))

    response = boss.post(NEW, dict(preview.context["hidden"]) | {"edit": "yes"})

    assert json.loads(response.context["form"]["content"].value()) == prices(rural="1.35")
    assert not ConfigVersion.objects.exists()


REFUSED = [
    (answers(prices(rural="-1")), "rural must be at least 0.1; got -1."),
    (answers(prices(season=["1"] * 11)), "season must have at least 12 entries; it has 11."),
    (answers(content="{"), "Line 1, column 2: this is no JSON"),
    (answers(content='{"rural": "1", "rural": "2"}'), "rural stands twice in the same table; keep one of them."),
    (answers(content='{"rural": NaN}'), "NaN is no value; write a number."),
    (answers(content="[" * 100_000), "This JSON is nested too deeply"),
    (answers(content="9" * 10_000), "is too large a number"),
    (answers(content='{"rural": "\\u0000"}'), "A text in it has a character that cannot be stored."),
    (answers(content="x" * 200_001), "at most 200000 characters"),
    (answers(content=""), "This field is required."),
    (answers(note=""), "Say why: the next person must be able to see it."),
    (answers(note="x" * 501), "at most 500 characters"),
    (answers(valid_from_0="2020-05-01", valid_from_1="08:00"), "That time has passed: choose a later one"),
    (answers(valid_from_0="9999-05-01", valid_from_1="08:00"), "At most the year 2200."),
    (answers(valid_from_0="2020-05-01"), "Enter a valid time."),
    (answers(seen="x"), "Enter a whole number."),
]


@pytest.mark.parametrize(("told", "sentence"), REFUSED, ids=[sentence[:40] for _, sentence in REFUSED])
@pytest.mark.parametrize("more", [{}, {"confirmed": "yes"}], ids=["asked", "confirmed"])
def test_what_cannot_be_used_is_refused_in_words(told, sentence, more):
    response = superuser().post(NEW, told | more)

    assert sentence in " ".join(errors_of(response))
    assert not ConfigVersion.objects.exists()


def test_every_slip_is_named_at_once():
    response = superuser().post(NEW, answers(prices(rural="-1", commercial="much", discount="5")))

    assert errors_of(response) == [
        "rural must be at least 0.1; got -1.",
        "commercial must be a number; got much.",
        "discount is not known here.",
    ]


def test_a_version_saved_by_somebody_else_meanwhile_is_not_buried():
    boss = superuser()
    preview = boss.post(NEW, answers(prices(rural="1.35")))
    a_version(rural="1.5")

    response = boss.post(NEW, dict(preview.context["hidden"]) | {"confirmed": "yes"})

    assert errors_of(response) == ["Somebody saved version 1 while you had this form open. Copy your data, then begin anew."]
    assert str(read("price_book", at=timezone.now()).rural) == "1.5"


def test_a_version_is_brought_back_as_a_new_one():
    old = a_version(days=-2, rural="1.35")
    a_version(rural="1.5")
    boss = superuser()
    page = text_of(boss.get(f"{DESK}{old.pk}/change/"))
    address = f"{NEW}?from={old.pk}"
    assert "Bring this version back" in page
    assert address in page

    told = boss.get(address).context["form"].initial | {"note": "Fuel is cheap again"}
    preview = boss.post(address, told)
    boss.post(address, dict(preview.context["hidden"]) | {"confirmed": "yes"})

    assert rows_of(preview) == [["rural", "1.5", "1.35"]]
    assert ConfigVersion.objects.count() == 3
    assert str(read("price_book", at=timezone.now()).rural) == "1.35"
    assert ConfigVersion.objects.get(pk=old.pk).standing(timezone.now()) == "over"


def test_a_version_of_an_environment_is_followed_by_one_of_the_same_environment():
    own = a_version(environment="staging", rural="1.5")
    boss, address = superuser(), f"{NEW}?from={own.pk}"

    preview = boss.post(address, answers({"rural": "1.6"}, seen="1"))
    boss.post(address, dict(preview.context["hidden"]) | {"confirmed": "yes"})

    assert rows_of(preview) == [["rural", "1.5", "1.6"]]
    assert rows_of(boss.get(f"{DESK}{own.pk}/change/")) == [["rural", "–", "1.5"]]
    assert str(read("price_book", at=timezone.now(), environment="staging").rural) == "1.6"
    assert str(read("price_book", at=timezone.now()).rural) == "1.2"


@pytest.mark.parametrize(
    "address", ["new/nonsense/", "new/price_book/?from=99", "new/price_book/?from=x", "new/price_book/?from=" + "9" * 30]
)
def test_what_is_not_there_is_not_found(address):
    assert superuser().get(DESK + address).status_code == 404


def test_those_who_may_only_look_can_make_no_version():
    version = a_version()
    looker, manager = staff(LOOK, name="looker"), staff(LOOK, ADD, name="manager")

    for page in (DESK, f"{DESK}{version.pk}/change/", f"{DESK}shipped/price_book/"):
        assert "New version" not in text_of(looker.get(page))
        assert looker.get(page).status_code == 200
    assert [looker.get(NEW).status_code, looker.post(NEW, answers() | {"confirmed": "yes"}).status_code] == [403, 403]
    assert "New version" in text_of(manager.get(DESK))
    assert manager.post(NEW, answers(prices(rural="1.5"), seen="1") | {"confirmed": "yes"}).status_code == 302
    assert ConfigVersion.objects.count() == 2


def test_those_without_the_right_to_look_see_nothing_and_nobody_edits_or_deletes():
    version = a_version()
    nobody, boss = staff(name="nobody"), superuser()

    assert [nobody.get(page).status_code for page in (DESK, f"{DESK}{version.pk}/change/", f"{DESK}shipped/price_book/", NEW)] == [403] * 4
    assert boss.post(f"{DESK}{version.pk}/change/", {"note": "other"}).status_code == 403
    assert boss.get(f"{DESK}add/").status_code == 403
    assert boss.post(f"{DESK}{version.pk}/delete/", {"post": "yes"}).status_code == 403
