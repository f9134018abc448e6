"""explain_contact and its page: what they say, to whom, and what they refuse."""

import json
import re
from datetime import date

import pytest

from campaigns.models import Contact
from portal import wiring
from tests.portal.desk_rows import staff
from tests.portal.test_commands import run

pytestmark = pytest.mark.django_db

TODAY = date(2026, 5, 1)
CALIFORNIA = "California excludes from 11 April to 8 September 2026: 90 days before to 60 days after the birthday on 10 July"


@pytest.fixture(autouse=True)
def first_of_may(monkeypatch):
    monkeypatch.setattr(wiring, "today", lambda: TODAY)


@pytest.fixture
def ada():
    return Contact.objects.create(
        email="ada@client.example", first_name="Ada", state="CA", zip_code="90210", birth_date="1950-07-10", effective_date="2010-12-01"
    )


@pytest.fixture
def client():
    return staff("campaigns.view_contact")


def address(contact, on=""):
    return f"/admin/campaigns/contact/{contact.pk}/explain/" + (f"?on={on}" if on else "")


def test_an_id_as_long_as_files_may_bring_is_explained():
    contact = Contact.objects.create(pk=999_999_999_999_999, email="far@client.example", state="TX", zip_code="75001")

    code, out, _ = run("explain_contact", str(contact.pk), "--json")

    assert (code, json.loads(out)["id"]) == (0, contact.pk)


def test_the_command_tells_the_verdict_the_mails_and_the_rules(ada):
    code, out, err = run("explain_contact", str(ada.pk), "--on", "2026-09-08")

    assert (code, err) == (0, "")
    assert f"On 8 September 2026 this contact may not be written to, because {CALIFORNIA}; that changes on 9 September 2026." in out
    assert "12. Follow-ups:" in out


def test_as_json_it_has_the_keys_that_are_promised(ada):
    code, out, _ = run("explain_contact", str(ada.pk), "--json")

    told = json.loads(out)
    assert code == 0
    assert (told["id"], told["today"], told["on"]) == (ada.pk, "2026-05-01", "2026-05-01")
    assert told["verdict"]["changes_on"] == told["changes_on"] == "2026-09-09"
    assert {"rule", "inputs", "answer", "version", "source"} <= set(told["rules"][0])
    assert [mail["email_type"] for mail in told["mails"]] == ["birthday", "post_window", "aep", "effective_date"]


def test_an_unknown_contact_is_a_sentence_and_exit_2():
    code, out, err = run("explain_contact", "404")

    assert (code, out) == (2, "")
    assert err == "There is no contact 404. Look the id up in the list of contacts."


@pytest.mark.parametrize("words", [("1", "--on", "2026-02-30"), ("1", "--on", "soon"), ("1", "--on", ""), ("1", "--on", "0001-01-01")])
def test_a_day_that_is_none_is_wrong_usage(ada, words):
    code, out, err = run("explain_contact", *words)

    assert (code, out) == (2, "")
    assert "--on" in err


def test_an_id_that_is_no_number_is_wrong_usage():
    for word in ("ada", "-1", "1.5", "9" * 30):
        assert run("explain_contact", word)[0] == 2


def test_the_page_says_the_verdict_and_draws_the_days(client, ada):
    answer = client.get(address(ada))

    page = answer.content.decode()
    assert answer.status_code == 200
    assert CALIFORNIA in page
    assert page.count('class="explained-month"') == 13
    assert len(re.findall(r'class="day day-statutory', page)) == 21 + 31 + 31 + 8  # 10 June to 8 September
    assert "26 June 2026: Within the state&#x27;s window, birthday mail skipped" in page
    assert "not legally verified" in page
    assert "<script>" not in page.split('class="record explained"')[1]
    assert "style=" not in page.split('class="record explained"')[1].split("</ol>")[0]


def test_another_day_may_be_asked_about(client, ada):
    page = client.get(address(ada, on="2026-09-15")).content.decode()

    assert "On 15 September 2026 this contact may be written to" in page
    assert "That day’s mail: Goes out on 15 September 2026, the AEP day." in page


@pytest.mark.parametrize("on", ["soon", "2026-02-30", "%00", "x" * 5_000, "9999-12-31"])
def test_a_day_that_is_none_is_told_on_the_page(client, ada, on):
    answer = client.get(address(ada, on=on))

    assert answer.status_code == 400
    assert "Below stands today’s answer." in answer.content.decode()


def test_a_contact_that_is_not_there_is_not_found(client):
    for number in (404, 10**18, 10**30):
        assert client.get(f"/admin/campaigns/contact/{number}/explain/").status_code == 404


def test_only_staff_who_may_look_at_contacts_see_it(ada):
    assert staff("messaging.view_message", name="other").get(address(ada)).status_code == 403
    assert staff("campaigns.view_contact").post(address(ada)).status_code == 405


def test_hostile_text_is_shown_as_text(client):
    hostile = Contact.objects.create(
        email="eve@client.example", first_name="<script>alert(1)</script>", last_name="{{ 7*7 }}\u202e", state="TX", zip_code="75001"
    )

    page = client.get(address(hostile)).content.decode()

    assert "<script>alert(1)" not in page
    assert "{{ 7*7 }}" in page
