"""A newcomer's first look at campaigns: the month on the dashboard, today's mails in the mailbox, and a reader who has had enough."""

import re
from datetime import date

from playwright.sync_api import Browser, Page, expect

from campaigns import hand_over
from campaigns.models import Contact, EmailSchedule
from messaging.models import Message, Suppression
from portal import wiring
from tests.browser.office import IN_A_BROWSER, Eyes, Office, campaigns_so_far, elsewhere, new_page, picture

pytestmark = IN_A_BROWSER


def test_the_campaign_day_from_the_dashboard_to_a_reader_who_leaves(office: Office, chrome: Browser, page: Page, eyes: Eyes) -> None:
    known: list[tuple[Contact, date]] = []
    elsewhere(campaigns_so_far, office)
    office.work()
    elsewhere(lambda: known.append(somebody_with_more_to_come()))
    contact, next_day = known[0]

    look_at_the_month(page)
    look_at_the_contact(page, contact)
    leave(new_page(chrome, office, eyes=eyes), office, eyes, contact)
    elsewhere(assert_left_out, contact, next_day)
    page.goto(f"/admin/messaging/suppression/?q={contact.email}")
    expect(page.get_by_text(contact.email)).to_be_visible()


def somebody_with_more_to_come() -> tuple[Contact, date]:
    """Was sent a mail today, and has the next one planned."""
    written_to = EmailSchedule.objects.handed_over().filter(send_on=wiring.today(), parent=None).values("contact")
    mail = EmailSchedule.objects.planned().filter(contact__in=written_to).select_related("contact").order_by("send_on", "pk")[0]
    return mail.contact, mail.send_on


def look_at_the_month(page: Page) -> None:
    page.goto("/admin/")
    expect(page.get_by_role("heading", name="Campaigns today")).to_be_visible()
    expect(page.locator("#mails-handed-over")).to_have_text(re.compile("^[1-9].* handed over"))
    expect(page.locator("#mails-due")).to_have_text(re.compile("^0 due"))
    expect(page.get_by_role("heading", name="Campaign mails planned")).to_be_visible()
    picture(page, "campaigns-dashboard")


def look_at_the_contact(page: Page, contact: Contact) -> None:
    page.goto(f"/admin/campaigns/contact/?q={contact.email}")
    page.get_by_role("link", name=contact.email).click()
    page.goto(f"/admin/campaigns/contact/{contact.pk}/explain/")
    expect(page.locator(".explained-month")).to_have_count(13)
    picture(page, "campaigns-contact")


def leave(mailbox: Page, office: Office, eyes: Eyes, contact: Contact) -> None:
    """By the link of a mail in the sandbox's mailbox: a page that changes nothing, then its button."""
    mailbox.goto(f"{office.sandbox.http_url}/?q={contact.email}")
    mailbox.get_by_text(f"[TEST for {contact.email}]").first.click()
    with mailbox.expect_popup() as opened:
        mailbox.frame_locator("iframe").get_by_role("link", name="Unsubscribe").click()
    page = eyes.watch(opened.value)
    expect(page.get_by_role("heading", name="No more mail from us?")).to_be_visible()
    elsewhere(assert_no_suppression, contact)
    picture(page, "campaigns-unsubscribe")
    page.get_by_role("button", name="Unsubscribe").click()
    expect(page.get_by_role("button")).to_have_count(0)


def assert_no_suppression(contact: Contact) -> None:
    assert not Suppression.objects.filter(address=contact.email).exists()


def assert_left_out(contact: Contact, day: date) -> None:
    """The next hand-over cancels what was planned for whoever left, and writes to others."""
    before = Message.objects.filter(intended_for=contact.email).count()
    tally = hand_over.hand_over(day=day, terms=wiring.hand_over_terms(seconds=60))
    assert Suppression.objects.in_force().filter(address=contact.email).exists()
    assert tally.handed_over > 0
    assert tally.stopped_by[hand_over.SUPPRESSED] >= 1
    assert Message.objects.filter(intended_for=contact.email).count() == before
    assert EmailSchedule.objects.filter(contact=contact, send_on=day, status="cancelled").exists()
