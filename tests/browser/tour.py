"""The README's pictures, taken anew from a freshly loaded sample database: `python -m tests.browser` runs this, and nothing else does."""

import re
from pathlib import Path

from django.conf import settings
from playwright.sync_api import Browser, Page, expect

from campaigns.models import Contact
from tests.browser.office import Eyes, Office, campaigns_so_far, elsewhere, log_in, new_page, picture

TOUR = Path("docs", "tour")
LARGEST_BYTES = 200 * 1024


def test_tour(office: Office, chrome: Browser, eyes: Eyes) -> None:
    office.work()
    page = new_page(chrome, office, eyes=eyes)
    log_in(page)

    choose(page)
    confirm(page)
    send_with_trouble(office, page)
    look_at_the_records(page, at_the_sandbox=new_page(chrome, office, eyes=eyes), office=office)
    look_from_elsewhere(office, chrome, eyes)
    look_at_campaigns(page, office)
    for file in sorted(folder().glob("*.png")):
        assert file.stat().st_size <= LARGEST_BYTES, f"{file.name} is larger than the README should carry"


def choose(page: Page) -> None:
    page.goto("/admin/bulk-send/")
    page.get_by_text("High priority: 60-89 days").click()
    page.get_by_label("Template").select_option(label="Status request")
    page.get_by_role("button", name="Look through the mails").click()
    page.get_by_text("Look at this mail").first.click()
    expect(page.frame_locator("iframe").first.locator("body")).to_contain_text("Thank you")
    take(page, "bulk-send-preview")


def confirm(page: Page) -> None:
    page.get_by_role("button", name="Go on with the ticked mails").click()
    page.get_by_role("button", name=re.compile("as a test")).click()
    expect(page.get_by_text(re.compile("^0 of .* have an outcome"))).to_be_visible()


def send_with_trouble(office: Office, page: Page) -> None:
    office.work_badly("drop-after-accept", "refuse-550")
    office.work(mails=9)
    expect(page.locator("#state-sent")).to_have_text("9")
    take(page, "live-progress")
    office.work()
    expect(page.get_by_text("All mails have their outcome.")).to_be_visible()  # one case has no PID yet: its note waits


def look_at_the_records(page: Page, *, at_the_sandbox: Page, office: Office) -> None:
    page.goto("/admin/")
    take(page, "dashboard")
    page.goto("/admin/messaging/message/?state=sent")
    page.locator("#result_list a[href*='/messaging/message/']").first.click()
    expect(page.locator(".story")).to_be_visible()
    page.get_by_role("heading", name="What happened").evaluate("heading => heading.scrollIntoView()")
    take(page, "timeline")
    page.goto("/admin/messaging/cmsnote/")
    take(page, "cms-notes")
    page.goto("/admin/health/")
    take(page, "health")
    at_the_sandbox.goto(office.sandbox.http_url)
    take(at_the_sandbox, "mailbox")


def look_from_elsewhere(office: Office, chrome: Browser, eyes: Eyes) -> None:
    dark = new_page(chrome, office, eyes=eyes, dark=True)
    log_in(dark)
    dark.goto("/admin/messaging/message/?state=needs_a_person")
    take(dark, "messages-dark")
    phone = new_page(chrome, office, eyes=eyes, phone=True)
    log_in(phone)
    take(phone, "dashboard-phone")


def look_at_campaigns(page: Page, office: Office) -> None:
    explained: list[int] = []
    elsewhere(campaigns_so_far, office)
    elsewhere(lambda: explained.append(somebody_with_a_window()))
    office.work()
    page.goto("/admin/")
    page.get_by_role("heading", name="Campaign mails planned").evaluate("heading => heading.scrollIntoView()")
    take(page, "campaigns-month")
    page.goto(f"/admin/campaigns/contact/{explained[0]}/explain/")
    expect(page.locator(".explained-month").last).to_be_attached()
    take(page, "contact-explained")
    page.goto("/admin/states/")
    take(page, "states")


def somebody_with_a_window() -> int:
    """Of a state that excludes days around the birthday, with both dates known and a campaign of their own."""
    of_california = Contact.objects.filter(state="CA", birth_date__isnull=False, effective_date__isnull=False, carrier="Bluestem Mutual")
    return of_california.order_by("pk").values_list("pk", flat=True)[0]


def take(page: Page, name: str) -> None:
    picture(page, name, folder=folder())


def folder() -> Path:
    return settings.BASE_DIR / TOUR
