"""Links in campaign mails: looking at one changes nothing, posting ends the mails, a click is counted once and leads where it says."""

import pytest
from django.test import Client

from campaigns.hand_over import hand_over
from campaigns.links import Links, NotOurs
from campaigns.models import Contact, EngagementEvent
from messaging import delivery
from messaging.models import Message, Status, Suppression, SystemEvent
from portal import wiring
from tests.campaigns.mails import DAY, TERMS, make_template, plan

pytestmark = pytest.mark.django_db
ONE_CLICK = {"List-Unsubscribe": "One-Click"}
ELSEWHERE = "https://plans.example/look?a=1&b=2#c"


@pytest.fixture
def mail(db):
    make_template("birthday")
    mail = plan()
    hand_over(day=DAY, terms=TERMS)
    return mail


@pytest.fixture
def links():
    return wiring.links()


def path(url: str) -> str:
    return url.removeprefix(wiring.links().site_url)


@pytest.fixture
def strict() -> Client:
    """A mail program: no cookie, no referrer, and nothing is let pass for being a test."""
    return Client(enforce_csrf_checks=True)


def test_looking_at_the_page_changes_nothing(mail, links, strict):
    for ask in (strict.get, strict.head):
        response = ask(path(links.unsubscribe(mail.pk)))
        assert response.status_code == 200

    assert b"Unsubscribe" in strict.get(path(links.unsubscribe(mail.pk))).content
    assert not Suppression.objects.exists()


@pytest.mark.parametrize("form", ["multipart", "urlencoded"])
def test_one_post_of_a_mail_program_unsubscribes_without_cookie_or_redirect(mail, links, strict, form):
    told = (
        {"data": ONE_CLICK}
        if form == "multipart"
        else {
            "data": "List-Unsubscribe=One-Click",
            "content_type": "application/x-www-form-urlencoded",
        }
    )

    response = strict.post(path(links.unsubscribe(mail.pk)), **told)

    assert (response.status_code, response.cookies) == (200, {})
    assert [row.address for row in Suppression.objects.in_force()] == [mail.contact.email]
    assert SystemEvent.objects.filter(component="campaigns").count() == 1
    assert mail.contact.email not in SystemEvent.objects.get(component="campaigns").text


def test_unsubscribing_twice_or_after_the_mail_is_gone_is_fine(mail, links, strict):
    codes = [strict.post(path(links.unsubscribe(pk)), ONE_CLICK).status_code for pk in (mail.pk, mail.pk, 987_654)]

    assert codes == [200, 200, 200]
    assert Suppression.objects.count() == 1


def test_the_address_written_to_and_the_one_known_now_are_both_stopped_for_good(mail, links, strict):
    before = mail.contact.email
    Contact.objects.update(email="New@client.example")
    Suppression.objects.create(address=before, reason="bounced", suppressed_until="2099-01-01T00:00Z")

    strict.post(path(links.unsubscribe(mail.pk)), ONE_CLICK)

    assert set(Suppression.objects.values_list("address", "suppressed_until")) == {(before, None), ("new@client.example", None)}


def tampered(url: str) -> list[str]:
    head, token = url.rstrip("/").rsplit("/", 1)
    body, signature = token.rsplit(":", 1)
    return [f"{head}/{bad}/" for bad in (token[:-1], token[:-1] + "-", f"{body}x:{signature}", body, f"{body}:", "x", f"{token}x")]


def test_cut_and_forged_links_change_nothing_and_their_twin_works(mail, links, strict):
    good = links.unsubscribe(mail.pk)
    click = links.click(mail.pk, target=ELSEWHERE)
    swapped = [good.replace("/unsubscribe/", "/t/"), click.replace("/t/", "/unsubscribe/")]
    stranger = Links(site_url=links.site_url, key="another key of somebody else").unsubscribe(mail.pk)

    for bad in [*tampered(good), swapped[1], stranger]:
        response = strict.post(path(bad), ONE_CLICK)
        assert (response.status_code, b"unsubscribe" in response.content) == (400, True)
    assert not Suppression.objects.exists()
    for bad in [*tampered(click), swapped[0]]:
        assert strict.get(path(bad)).status_code == 404
    assert not EngagementEvent.objects.exists()

    assert strict.post(path(good), ONE_CLICK).status_code == 200
    assert strict.get(path(click)).status_code == 302


def test_a_post_without_its_field_is_refused(mail, links, strict):
    for told in ({}, {"List-Unsubscribe": "No"}, {"list-unsubscribe": "One-Click"}):
        assert strict.post(path(links.unsubscribe(mail.pk)), told).status_code == 400

    assert not Suppression.objects.exists()


def test_a_key_that_was_changed_is_believed_as_long_as_it_is_told():
    old = Links(site_url="https://portal.example", key="old")
    token = old.unsubscribe(7).split("/")[-2]

    assert Links(site_url="", key="new", old_keys=("older", "old")).read_unsubscribe(token) == 7
    with pytest.raises(NotOurs):
        Links(site_url="", key="new").read_unsubscribe(token)


def test_links_hold_no_address_and_their_keys_are_not_shown(mail, links):
    assert "@" not in links.unsubscribe(mail.pk)
    assert links.key not in repr(links)


def test_a_click_is_counted_once_and_leads_to_the_page_of_the_mail(mail, links, client):
    click = path(links.click(mail.pk, target=ELSEWHERE))

    answers = [client.get(click), client.get(click), client.head(click)]

    assert {(answer.status_code, answer["Location"]) for answer in answers} == {(302, ELSEWHERE)}
    event = EngagementEvent.objects.get()
    assert (event.contact_id, event.kind, event.message.schedules.get().pk) == (mail.contact_id, "clicked", mail.pk)


def test_a_scanner_that_only_asks_for_the_head_is_no_click(mail, links, client):
    client.head(path(links.click(mail.pk, target=ELSEWHERE)))

    assert not EngagementEvent.objects.exists()


def test_no_parameter_turns_a_click_into_a_way_elsewhere(mail, links, client):
    answer = client.get(path(links.click(mail.pk, target=ELSEWHERE)) + "?next=https://evil.example&url=//evil.example")

    assert answer["Location"] == ELSEWHERE


@pytest.mark.django_db(transaction=True)
def test_a_mail_that_was_queued_already_does_not_leave_after_its_contact_unsubscribed(mail, links, strict, sandbox, settings):
    settings.EMAIL_URL = f"smtp://127.0.0.1:{sandbox.smtp_port}"
    other = plan()
    hand_over(day=DAY, terms=TERMS)
    Message.objects.update(due_at="2026-01-01T00:00Z", expires_at=None)

    strict.post(path(links.unsubscribe(mail.pk)), ONE_CLICK)
    tally = delivery.send_due(wiring.mail_terms())

    assert (tally.sent, tally.cancelled) == (1, 1)
    states = {message.intended_for: message.status for message in Message.objects.all()}
    assert states == {mail.contact.email: Status.CANCELLED, other.contact.email: Status.SENT}
