"""What holds on every page: it says that this is a test, fits a phone, is dark where people like it dark, and works without a mouse."""

import re
from typing import Any

import pytest
from django.core.management import call_command
from playwright.sync_api import Browser, Locator, Page, expect

from campaigns.models import CampaignType
from portal import tasks
from tests.browser.office import IN_A_BROWSER, LOGIN, Eyes, Office, elsewhere, log_in, new_page, picture

pytestmark = IN_A_BROWSER

DESKS = ["message", "cmsnote", "case", "messagesession", "emailtemplate", "suppression", "errorgroup", "systemevent", "provider"]
OF_CAMPAIGNS = [
    *("contact", "campaigninstance", "campaigntype", "contactcampaign", "emailschedule"),
    *("engagementevent", "campaignchange", "schedulerrun", "importjob"),
]
MOST_TABS = 60


@pytest.fixture
def busy(office: Office, chrome: Browser) -> Office:
    """Something is on every desk: a batch with a doubt and a failure, a case without PID whose note waits, quotes in every state, a run."""
    elsewhere(call_command, "load_sample_data", "--verbosity=0")
    elsewhere(change_a_campaign)
    elsewhere(tasks.run_scheduler)
    elsewhere(call_command, "bulk_send", "--category", "critical", "--template", "follow-up", "--yes")
    office.work_badly("drop-after-accept", "refuse-550")
    office.work()
    return office


def test_every_page_fits_a_phone_is_dark_and_says_that_this_is_a_test(busy: Office, chrome: Browser, eyes: Eyes) -> None:
    page = new_page(chrome, busy, eyes=eyes, phone=True, dark=True)
    log_in(page)

    look(page, "/admin/", picture_as="dashboard")
    look(page, "/admin/bulk-send/", picture_as="bulk-send")
    look(page, "/admin/states/", picture_as="states")
    look(page, "/admin/portal/configversion/", picture_as="configuration")
    look(page, "/admin/portal/configversion/new/state_rules/")
    look(page, "/admin/summaries/", picture_as="summaries")
    look(page, "/admin/health/", picture_as="health")
    look(page, "/admin/campaigns/schedulerrun/plan/", picture_as="plan-now")
    look(page, "/admin/campaigns/importjob/add/", picture_as="import")
    look(page, "/admin/messaging/case/import/")
    look(page, "/admin/portal/quote/import/")
    look_at_a_review(page)
    campaigns = [f"campaigns/{name}" for name in OF_CAMPAIGNS]
    for desk in [*(f"messaging/{name}" for name in DESKS), *campaigns, "portal/quote", "portal/aicall"]:
        look(page, f"/admin/{desk}/", picture_as=desk.replace("/", "-"))
        first = page.locator("#result_list a").and_(page.locator(f"[href*='/{desk}/'][href*='/change/']")).first
        if first.count():
            look(page, str(first.get_attribute("href")), picture_as=f"{desk.replace('/', '-')}-one")


def change_a_campaign() -> None:
    CampaignType.objects.filter(name="rate_increase").update(priority=2)


def look_at_a_review(page: Page) -> None:
    page.goto("/admin/portal/quote/?state=review")
    page.locator("#result_list th a").first.click()
    page.get_by_role("link", name="Review and approve").click()
    expect(page.get_by_role("button", name="Approve, and send both mails")).to_be_visible()
    as_promised(page)
    picture(page, "phone-quote-review")


def look(page: Page, address: str, *, picture_as: str = "") -> None:
    page.goto(address)
    as_promised(page)
    if picture_as:
        picture(page, f"phone-{picture_as}")


def as_promised(page: Page) -> None:
    expect(page.get_by_text("Test mode. Every mail goes to"), page.url).to_be_visible()
    seen = page.evaluate("({wide: document.documentElement.scrollWidth, dark: document.documentElement.classList.contains('dark')})")
    assert seen == {"wide": page.viewport_size["width"], "dark": True}, page.url


def test_a_batch_is_sent_on_a_phone(office: Office, chrome: Browser, eyes: Eyes) -> None:
    page = new_page(chrome, office, eyes=eyes, phone=True, dark=True)
    log_in(page)
    page.goto("/admin/bulk-send/")
    page.get_by_text("Date of injury missing").tap()
    page.get_by_label("Template").select_option(label="Follow-up")

    page.get_by_role("button", name="Look through the mails").tap()
    page.get_by_text("Look at this mail").first.tap()
    as_promised(page)
    picture(page, "phone-look-through")
    page.get_by_role("button", name="Go on with the ticked mails").tap()
    expect(page.get_by_text("Each sent mail owes a CMS note")).to_be_visible()
    as_promised(page)
    page.get_by_role("button", name=re.compile("Send . as a test")).tap()
    expect(page.get_by_text("mails have an outcome")).to_be_visible()
    office.work()
    expect(page.get_by_text("Finished.")).to_be_visible()
    as_promised(page)
    picture(page, "phone-finished")
    assert len(office.sandbox.mail_ledger()) == len(office.sandbox.note_ledger()) > 0


def test_a_batch_is_sent_without_a_mouse(office: Office, chrome: Browser, eyes: Eyes) -> None:
    page = new_page(chrome, office, eyes=eyes)
    page.goto("/")
    tab_to(page, page.get_by_label("Username"))
    page.keyboard.type(LOGIN["username"])
    tab_to(page, page.get_by_label("Password"))
    page.keyboard.type(LOGIN["password"])
    page.keyboard.press("Enter")

    press(page, page.get_by_role("link", name="Bulk send").first)
    tab_to(page, page.get_by_role("radio", name="A category"))
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("radio", name=re.compile("High priority"))).to_be_checked()
    tab_to(page, page.get_by_label("Template"))
    page.keyboard.type("Status request")
    press(page, page.get_by_role("button", name="Look through the mails"))

    tab_to(page, page.get_by_role("checkbox", name=re.compile("Send mail 1 ")))
    page.keyboard.press("Space")
    expect(page.get_by_role("checkbox", name=re.compile("Send mail 1 "))).not_to_be_checked()
    tab_to(page, page.get_by_label("Tick only"), backwards=True)
    page.keyboard.type("2-4")
    page.keyboard.press("Enter")
    expect(page.locator("[data-ticked='3']")).to_be_visible()
    press(page, page.get_by_role("button", name="Go on with the ticked mails"), backwards=True)
    press(page, page.get_by_role("button", name="Send 3 as a test"))

    expect(page.get_by_text("0 of 3 mails have an outcome")).to_be_visible()
    office.work()
    expect(page.get_by_text("Finished.")).to_be_visible()
    assert len(office.sandbox.mail_ledger()) == 3


def press(page: Page, wanted: Locator, **how: Any) -> None:
    tab_to(page, wanted, **how)
    page.keyboard.press("Enter")


def tab_to(page: Page, wanted: Locator, *, backwards: bool = False) -> None:
    """The focus is where it was wanted, it got there by the Tab key, and it can be seen."""
    expect(wanted).to_be_visible()
    for _ in range(MOST_TABS):
        if wanted.evaluate("element => element === document.activeElement && element.matches(':focus-visible')"):
            return
        page.keyboard.press("Shift+Tab" if backwards else "Tab")
    raise AssertionError(f"{MOST_TABS} presses of Tab do not lead to {wanted}")
