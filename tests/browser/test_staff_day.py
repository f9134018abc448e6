"""The bulk-send day, as the people at the desk live it: everything through the browser, every mail and note over real sockets."""

import re

from playwright.sync_api import Page, expect

from tests.browser.office import IN_A_BROWSER, Office, picture

pytestmark = IN_A_BROWSER


def test_the_bulk_send_day_from_choosing_to_the_last_note(office: Office, page: Page) -> None:
    office.work()
    page.reload()
    expect(page.get_by_text("Nothing needs a person")).to_be_visible()

    queued = prepare_a_batch(page)
    send_with_trouble(office, page, mails=queued)
    assert len(office.sandbox.note_ledger()) == queued - 2

    read_a_story(page)
    settle_the_doubt(office, page)
    try_the_failed_one_again(office, page)
    expect(page.get_by_text("Nothing needs a person")).to_be_visible()
    assert len(office.sandbox.mail_ledger()) == len(office.sandbox.note_ledger()) == queued


def prepare_a_batch(page: Page) -> int:
    """Choose a category, look through, untick one, edit one; returns how many mails remain ticked."""
    page.get_by_role("link", name="Bulk send").first.click()
    page.locator("label.bs-pick", has=page.locator("input[value=never_contacted]")).click()
    page.get_by_label("Template").select_option(label="Status request")
    picture(page, "1-choose")
    page.get_by_role("button", name="Look through the mails").click()

    ticks = page.get_by_role("checkbox", name=re.compile("Send mail"))
    expect(ticks.last).to_be_checked()
    all_of_them = ticks.count()
    ticks.nth(1).uncheck()
    expect(page.locator("[data-ticked]")).to_have_text(str(all_of_them - 1))
    page.get_by_text("Look at this mail").first.click()
    expect(page.frame_locator("iframe").first.locator("body")).to_contain_text("Dana Reyes")
    picture(page, "2-look-through")

    page.get_by_role("button", name="Edit mail 5").click()
    page.get_by_label("Subject").fill("A word from us about your client")
    page.get_by_role("button", name="Keep this text").click()
    expect(page.locator(".bs-row").nth(4)).to_contain_text("A word from us about your client")
    expect(ticks.nth(1)).not_to_be_checked()
    page.get_by_role("button", name="Go on with the ticked mails").click()

    picture(page, "3-confirm")
    expect(page.get_by_text("1 left out by you")).to_be_visible()
    expect(page.get_by_text("1 in your own words.")).to_be_visible()
    page.get_by_role("button", name=f"Send {all_of_them - 1} as a test").click()
    return all_of_them - 1


def send_with_trouble(office: Office, page: Page, *, mails: int) -> None:
    """The first mail is taken and its answer lost, the second is refused for good, the others go well. The page follows by itself."""
    expect(page.get_by_text(f"0 of {mails} mails have an outcome")).to_be_visible()
    office.work_badly("drop-after-accept", "refuse-550")
    office.work(mails=3)
    expect(page.get_by_text(f"5 of {mails} mails have an outcome")).to_be_visible()
    picture(page, "4-progress")

    office.work()
    expect(page.get_by_text(f"{mails} of {mails} mails have an outcome")).to_be_visible()
    expect(page.get_by_text("Finished.")).to_be_visible()
    expect(page.locator("#state-sent")).to_have_text(str(mails - 2))
    expect(page.locator("#state-failed")).to_have_text("1")
    expect(page.locator("#state-in_doubt")).to_have_text("1")
    picture(page, "5-finished")


def read_a_story(page: Page) -> None:
    """From the session's total to the list, and on to one mail: its try, the server's words, its note in the CMS."""
    page.locator("#state-sent").click()
    expect(page.get_by_role("heading", name="Messages")).to_be_visible()
    picture(page, "6-messages")
    page.get_by_role("link", name="A word from us about your client").click()
    story = page.locator(".story")
    expect(story).to_contain_text("Accepted by the server")
    expect(story).to_contain_text("250")
    expect(story).to_contain_text("A CMS note is owed")
    expect(story).to_contain_text("added by the CMS")
    expect(page.locator(".what-next")).to_contain_text("nothing is left to do")
    picture(page, "7-story")


def settle_the_doubt(office: Office, page: Page) -> None:
    """The dashboard shows it; somebody marks it as sent and says why; its note follows."""
    page.goto("/")
    expect(page.locator("#need-in_doubt")).to_have_text("1 in doubt")
    picture(page, "8-dashboard-in-doubt")
    page.locator("#act-in_doubt").click()
    page.get_by_role("link", name="Mark as sent").click()
    page.get_by_label("Reason").fill("The provider's log has it as accepted.")
    picture(page, "9-mark-as-sent")
    page.get_by_role("button", name="Mark as sent").click()
    expect(page.get_by_text("1 message is marked as sent.")).to_be_visible()
    notes = len(office.sandbox.note_ledger())

    page.goto("/")
    expect(page.locator("#need-notes_pending")).to_have_text("1 CMS note pending")
    office.work()
    assert len(office.sandbox.note_ledger()) == notes + 1
    page.reload()
    expect(page.locator("#calm-notes_pending")).to_be_visible()


def try_the_failed_one_again(office: Office, page: Page) -> None:
    expect(page.locator("#need-failed")).to_have_text("1 failed")
    page.locator("#act-failed").click()
    page.get_by_label("Reason").fill("The mailbox exists again.")
    page.get_by_role("button", name="Try again now").click()
    expect(page.get_by_text("1 message will be tried again now.")).to_be_visible()
    office.work()
    page.goto("/")
