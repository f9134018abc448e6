"""The States page: every state with its rule, who says so, whom it concerns, what comes next; and the preview of a change's impact."""

import json
from datetime import date, timedelta

import pytest
from django.utils import timezone
from django.utils.html import strip_tags

from campaigns.models import Contact
from portal.config import kinds
from portal.config.kinds import KINDS
from portal.config.models import ConfigVersion
from tests.portal.desk_rows import staff, superuser

pytestmark = pytest.mark.django_db

PAGE = "/admin/states/"
DESK = "/admin/portal/configversion/"
RULES = KINDS["state_rules"].shipped


def put(kind="state_rules", *, days=-1, environment="", **changes):
    data = changes if environment else KINDS[kind].shipped | changes
    begins = timezone.now() + timedelta(days=days)
    return kinds.put(kind, data, valid_from=begins, author=None, note="because", environment=environment)


def text_of(response):
    return " ".join(response.content.decode().split())


def rows_of(response):
    return {row[0]: row[1:] for table in response.context["tables"] for row in plain(table.rows)}


def plain(rows):
    return [[strip_tags(str(cell).replace("</div><div", "</div> <div")) for cell in row] for row in rows]


def people(state, count=1):
    Contact.objects.bulk_create(
        [Contact(email=f"{state}{n}@x.example", zip_code="0", state=state, birth_date=date(1950, 7, 10)) for n in range(count)]
    )


def test_every_state_has_its_row_those_with_a_rule_first():
    people("CA", 3)
    people("TX", 1_200)

    response = superuser().get(PAGE)

    rows = rows_of(response)
    assert [len(table.rows) for table in response.context["tables"]] == [13, 39]
    assert rows["CA California"] == [
        "birthday from 30 days before the birthday to 60 days after it",
        "91 days; mails stop 60 days earlier",
        "seed 4; business_logic.md §4 not legally verified",
        "2024-01-01",
        "3",
        "–",
    ]
    assert rows["TX Texas"][4] == "1,200"
    assert {"DC District of Columbia", "other Anywhere else"} <= set(rows)
    assert "In force here (production): state rules as shipped." in text_of(response)
    assert "differ from what is required" not in text_of(response)


def test_contacts_are_counted_in_one_query(django_assert_max_num_queries):
    boss = superuser()
    boss.get(PAGE)
    with django_assert_max_num_queries(10):  # the person, the menu's figures, two of the configuration, one count
        boss.get(PAGE)


def test_the_next_planned_change_stands_beside_its_state():
    put(days=9, OR=RULES["OR"] | {"after": 50}, WA=RULES["WA"] | {"status": "verified by counsel"})
    put(days=5, OR=RULES["OR"] | {"after": 40})

    rows = rows_of(superuser().get(PAGE))

    assert rows["OR Oregon"][-1].startswith("from the birthday to 40 days after it from ")
    assert rows["WA Washington"][-1].startswith("status: verified by counsel from ")
    assert rows["CA California"][-1] == "–"


def test_a_rule_that_is_not_as_required_is_told_at_the_top():
    put(MD=RULES["MD"] | {"after": 33})

    page = text_of(superuser().get(PAGE))

    assert "1 state differs from what is required" in page
    assert "MD: from the birthday to 33 days after it; required is" in page
    assert "state rules, version 1" in page


def test_the_environment_of_this_portal_decides(settings):
    put(environment="staging", OR={"after": 40})

    assert "to 31 days after" in rows_of(superuser().get(PAGE))["OR Oregon"][0]
    settings.CONFIG_ENVIRONMENT = "staging"
    assert "to 40 days after" in rows_of(staff("portal.view_configversion").get(PAGE))["OR Oregon"][0]


def test_rules_that_cannot_be_read_are_told_in_a_sentence():
    version, now = put(), timezone.now()
    ConfigVersion.objects.filter(pk=version.pk).update(in_force=(version.valid_from, now))
    ConfigVersion.objects.create(series=version.series, number=2, data={"ZZ": {}}, in_force=(now, None), note="old")

    response = superuser().get(PAGE)
    assert response.status_code == 200
    assert "The rules in force cannot be used: State rules (state_rules, version 2)" in text_of(response)


def test_the_page_is_for_those_who_may_see_the_configuration():
    assert staff(name="nobody").get(PAGE).status_code == 403
    assert staff("portal.view_configversion", name="viewer").get(PAGE).status_code == 200
    assert superuser().post(PAGE).status_code == 405


# the impact of a change, before it is saved


def confirm_page(kind, **changes):
    told = {"content": json.dumps(KINDS[kind].shipped | changes), "valid_from_0": "", "valid_from_1": "", "note": "why", "seen": "0"}
    return superuser().post(f"{DESK}new/{kind}/", told)


def test_what_a_change_does_to_the_plan_is_told_before_it_is_saved():
    people("TX", 3)

    response = confirm_page("state_rules", TX=RULES["TX"] | {"anchor": "always"})

    impact = response.context["impact"]
    assert impact.sentence == "6 planned mails become 0: 6 excluded, 0 released, 0 moved. Planned as of today for all 3 contacts."
    assert [table.title for table in impact.tables] == ["By state", "Why mails would not go out any more", "By day"]
    assert plain(impact.tables[0].rows) == [["TX Texas", "6", "–", "–"]]
    assert plain(impact.tables[1].rows) == [["The state excludes every day", "6"]]
    assert "What it does to the plan" in text_of(response)
    assert not ConfigVersion.objects.exists()


@pytest.mark.parametrize(("says", "asked"), [(False, True), (True, False)])
def test_a_type_that_would_ignore_windows_is_named_with_the_states_before_it_is_saved(says, asked):
    page = text_of(confirm_page("campaign_types", rate_increase={"respect_exclusion_windows": says, "priority": 2}))

    told = "rate_increase would ignore exclusion windows. CT, MA, NY, WA exclude every day of the year; CA, ID, KY, MD, MO, NV, OK"
    assert (told in page, "Save it, send on excluded days too" in page, "Save this version" in page) == (asked, asked, not asked)


def test_every_field_that_is_wrong_is_named_below_the_data():
    response = confirm_page("state_rules", CA=RULES["CA"] | {"source": "", "after": 400}, TX=RULES["TX"] | {"anchr": "always"})

    assert response.context["form"].errors["content"] == [
        "CA.after must be a whole number from 0 to 183; got 400.",
        "CA.source must say where the rule comes from, in 1 to 300 characters; got nothing.",
        "TX.anchr is not known here; did you mean anchor.",
    ]
    assert not ConfigVersion.objects.exists()


def test_a_change_that_no_plan_depends_on_has_no_impact():
    response = confirm_page("price_book", rural="1.35")

    assert response.context["count"] == 1
    assert "What it does to the plan" not in text_of(response)


def test_a_version_for_elsewhere_changes_nothing_here():
    own = put("timing", environment="staging", send_time="09:00")
    told = {"content": '{"overdue_days": 3}', "valid_from_0": "", "valid_from_1": "", "note": "why", "seen": "1"}

    response = superuser().post(f"{DESK}new/timing/?from={own.pk}", told)

    assert response.context["impact"].sentence == "Nothing here: it is for staging, and this portal is production."


def test_the_impact_cannot_be_told_while_other_rules_cannot_be_read_but_the_version_may_be_saved():
    version, now = put(), timezone.now()
    ConfigVersion.objects.filter(pk=version.pk).update(in_force=(version.valid_from, now))
    ConfigVersion.objects.create(series=version.series, number=2, data={"ZZ": {}}, in_force=(now, None), note="old")

    page = text_of(confirm_page("timing", send_time="09:00"))
    assert "Nobody can say: State rules (state_rules, version 2)" in page
    assert "Save this version" in page


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "price_book"])
def test_every_kind_has_its_pages(kind):
    boss = superuser()
    version = kinds.put(kind, KINDS[kind].shipped, valid_from=timezone.now(), author=None, note="as shipped")

    for address in (DESK, f"{DESK}shipped/{kind}/", f"{DESK}new/{kind}/", f"{DESK}{version.pk}/change/"):
        assert boss.get(address).status_code == 200
