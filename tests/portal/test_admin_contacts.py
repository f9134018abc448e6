"""Contacts on the desk: typed, found, looked at. Whatever is refused has a twin that is taken."""

from datetime import timedelta

import pytest
from django.utils import timezone

from campaigns.models import Contact, EngagementEvent, Flag
from messaging.models import Suppression
from portal import wiring
from tests.campaigns.rows import make_campaign, make_contact, make_mail
from tests.portal.desk_rows import staff, superuser

pytestmark = pytest.mark.django_db
LIST = "/admin/campaigns/contact/"


def form(contact=None, **changes):
    """What the browser posts for a contact."""
    values = {"email": "ada@example.com", "first_name": "Ada", "last_name": "Byron", "zip_code": "90210", "phone": "", "carrier": ""}
    values |= {"birth_date": "1950-02-28", "effective_date": "2020-03-01", "seen_at": contact.updated_at.isoformat() if contact else ""}
    return values | changes


def shown(response):
    return response.content.decode().replace("&#x27;", "'").replace("&quot;", '"')


REFUSED = [  # G-set of bad text, and what only contacts have
    ({"email": ""}, "E-mail is required."),
    ({"email": "ada@b"}, "it is not of the form name@firm.example"),
    ({"email": "a@x.example,b@y.example"}, "one e-mail address and nothing else"),
    ({"email": "a\u200bda@example.com"}, "is not a plain letter, digit or sign"),
    ({"email": "ada@example.com\r\nBcc: x@y.example"}, "E-mail: the e-mail address contains a line break."),
    ({"first_name": "x" * 101}, "First name is 101 characters; at most 100."),
    ({"first_name": "A\u202eda"}, "turns the reading direction"),
    ({"last_name": "By\x07ron"}, "contains the control character"),
    ({"last_name": "By\u2028ron"}, "Last name must be one line"),
    ({"last_name": "Z" + "\u0300" * 50}, "piles more than 4 marks"),
    ({"phone": "5" * 41}, "Phone is 41 characters; at most 40."),
    ({"carrier": "x" * 101}, "Carrier is 101 characters; at most 100."),
    ({"zip_code": ""}, "ZIP code is required"),
    ({"zip_code": "9021"}, "A ZIP code has 5 digits, or 5 and 4 like 90210-1234; got '9021'."),
    ({"zip_code": "٩٠٢١٠"}, "A ZIP code has 5 digits"),
    ({"zip_code": "00000"}, "No state has the ZIP code 00000."),
    ({"birth_date": "2026-02-29"}, "Enter a valid date."),
    ({"birth_date": "2098-01-01"}, "2098-01-01 is in the future."),
    ({"birth_date": "1900-01-01"}, "1900-01-01 is before 1901-01-01."),
    ({"effective_date": "9999-12-31"}, "9999-12-31 is after 2100-12-31."),
]


@pytest.mark.parametrize(("changes", "sentence"), REFUSED, ids=[sentence[:40] for _, sentence in REFUSED])
def test_a_contact_typed_wrongly_is_refused_in_words_and_nothing_changes(changes, sentence):
    contact = make_contact(first_name="Before")

    response = superuser().post(f"{LIST}{contact.pk}/change/", form(contact, **changes))

    assert sentence in shown(response)
    contact.refresh_from_db()
    assert (contact.first_name, contact.state) == ("Before", "KS")


TAKEN = [
    ({}, {"state": "CA", "email": "ada@example.com"}),
    ({"zip_code": " 10001-0001 "}, {"state": "NY", "zip_code": "10001-0001"}),
    ({"zip_code": "00901"}, {"state": "PR"}),
    ({"first_name": "<script>alert(1)</script>", "last_name": "'; DROP TABLE x;--"}, {"first_name": "<script>alert(1)</script>"}),
    ({"last_name": "{{ 7*7 }}{% include 'x' %}"}, {"last_name": "{{ 7*7 }}{% include 'x' %}"}),
    ({"first_name": "  Zoe\u0308  "}, {"first_name": "Zo\u00eb"}),
    ({"carrier": "=cmd|' /C calc'!A0"}, {"carrier": "=cmd|' /C calc'!A0"}),
    ({"birth_date": "", "effective_date": ""}, {"birth_date": None, "effective_date": None}),
]


@pytest.mark.parametrize(("changes", "expected"), TAKEN)
def test_a_contact_is_taken_as_it_was_typed_and_shown_as_mere_text(changes, expected):
    boss = superuser()

    assert boss.post(f"{LIST}add/", form(**changes)).status_code == 302

    contact = Contact.objects.get()
    assert {name: getattr(contact, name) for name in expected} == expected
    page = boss.get(f"{LIST}{contact.pk}/change/").content.decode() + boss.get(LIST).content.decode()
    assert "<script>alert(1)" not in page


def test_another_zip_code_is_another_state_and_settles_the_doubt():
    contact = make_contact(flags=[Flag.STATE_ZIP_MISMATCH, Flag.BIRTH_DATE_INVALID])

    superuser().post(f"{LIST}{contact.pk}/change/", form(contact, birth_date=""))

    contact.refresh_from_db()
    assert (contact.state, contact.flags) == ("CA", [Flag.BIRTH_DATE_INVALID])


def test_somebody_elses_change_is_not_overwritten_unseen():
    contact, boss = make_contact(), superuser()
    late = form(contact, first_name="Late")
    boss.post(f"{LIST}{contact.pk}/change/", form(contact, first_name="Early"))

    assert "Somebody else changed this contact while you had it open" in shown(boss.post(f"{LIST}{contact.pk}/change/", late))
    assert Contact.objects.get().first_name == "Early"


def found(client, query):
    return {one.pk for one in client.get(f"{LIST}{query}").context["cl"].result_list}


def test_contacts_are_found_by_id_and_by_the_beginning_of_address_or_last_name():
    ada, boss = make_contact(email="Ada.B@example.com", last_name="Byron"), superuser()
    make_contact(email="zoe@example.org", last_name="Adams")

    for term in (str(ada.pk), "ADA.", "ada.b@example.com", "byr"):
        assert found(boss, f"?q={term}") == {ada.pk}, term
    assert found(boss, "?q=amb") == found(boss, "?q=%25") == set()


def test_each_filter_shows_exactly_its_contacts():
    plain = make_contact(state="KS", carrier="A", birth_date="1950-01-01", effective_date="2020-01-01")
    unknown = make_contact(state="CA", birth_date=None, effective_date="2020-01-01")
    no_policy = make_contact(state="MO", birth_date="1950-01-01", effective_date=None)
    stopped, doubtful = make_contact(email="Stop@example.com"), make_contact(flags=[Flag.STATE_ZIP_MISMATCH])
    Suppression.objects.create(address="stop@example.com", reason="asked")
    Suppression.objects.create(address=plain.email, reason="over", suppressed_until=timezone.now() - timedelta(days=1))
    boss = superuser()

    assert found(boss, "?state=CA") == {unknown.pk}
    assert found(boss, "?carrier=A") == {plain.pk}
    assert found(boss, "?look=exclusion_unknown") == {unknown.pk, no_policy.pk}
    assert found(boss, "?look=suppressed") == {stopped.pk}
    assert found(boss, "?look=flagged") == {doubtful.pk}


def test_the_page_of_a_contact_shows_what_is_planned_who_means_it_what_it_did_and_that_it_must_not_be_mailed():
    contact, campaign = make_contact(email="ada@example.com", state="CA"), make_campaign(name="Spring")
    mail = make_mail(contact, send_on=wiring.today())
    campaign.targets.create(contact=contact)
    EngagementEvent.objects.create(key="k", contact=contact, kind="clicked", at=timezone.now())
    Suppression.objects.create(address="ada@example.com", reason="She asked us")

    page = superuser().get(f"{LIST}{contact.pk}/change/").content.decode()

    for words in (f"/emailschedule/{mail.pk}/change/", "rate_increase: Spring", "Clicked a link", "She asked us", "Exclusion unknown"):
        assert words in page, words


def test_a_viewer_reads_a_contact_and_changes_nothing():
    contact, viewer = make_contact(first_name="Ada"), staff("campaigns.view_contact")

    assert "Ada" in viewer.get(f"{LIST}{contact.pk}/change/").content.decode()
    assert viewer.post(f"{LIST}{contact.pk}/change/", form(contact)).status_code == 403
    assert viewer.get(f"{LIST}add/").status_code == 403
