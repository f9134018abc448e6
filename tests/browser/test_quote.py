"""A customer asks for a quote, by day and by night, at a desk and on a phone; pressed twice it is one request."""

import re
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.utils import timezone
from PIL import Image, ImageDraw
from playwright.sync_api import Browser, Page, expect

from messaging.models import Message
from portal.quotes import answers
from portal.quotes.models import Answer, Quote
from portal.sandbox.mailbox import body, opened
from tests.browser.office import IN_A_BROWSER, Eyes, Office, elsewhere, new_page, picture
from tests.portal.quotes.asking import a_priced_quote

pytestmark = IN_A_BROWSER

WORDS = {
    "What shall we take away?": "An old sofa, a broken dresser and about six bags from the garage. The dresser is heavy.",
    "Street address": "12 Example Street, behind the house",
    "City": "Toronto, ON",
    "Your name": "Ada Byron",
    "E-mail": "ada@byron-engines.com",
    "Phone": "+1 (416) 555-0100",
}
TWICE = "button => { button.click(); button.click(); button.form.requestSubmit(); }"


@pytest.fixture
def pictures(tmp_path: Path) -> list[Path]:
    """A sofa and a heap of bags, as far as drawn."""
    made = []
    for name, colour, shape in [
        ("sofa.jpg", "#b5651d", (150, 500, 1450, 1000)),
        ("bags in the garage.png", "#2f4f4f", (500, 300, 1100, 1100)),
    ]:
        image = Image.new("RGB", (1600, 1200), "#dfe6e0")
        ImageDraw.Draw(image).rounded_rectangle(shape, 160, fill=colour)
        image.save(tmp_path / name)
        made.append(tmp_path / name)
    return made


def fill_in(page: Page) -> None:
    for label, words in WORDS.items():
        page.get_by_label(label, exact=False).first.fill(words)
    page.get_by_role("radio", name="2 to 5 p.m.").check()


def test_a_request_with_two_pictures_pressed_twice_is_one_quote(
    office: Office, chrome: Browser, eyes: Eyes, pictures: list[Path], tmp_path: Path
) -> None:
    page = new_page(chrome, office, eyes=eyes)
    page.goto("/quote/")
    picture(page, "quote-1-empty")
    choose = page.get_by_label("Pictures", exact=False)
    choose.set_input_files(pictures[0])
    choose.set_input_files([pictures[0], pictures[1], not_a_picture(tmp_path)])
    expect(page.locator("[data-picked] li")).to_have_count(2)
    expect(page.get_by_text("notes.txt is not a JPEG or PNG picture.")).to_be_visible()
    page.get_by_role("button", name="Remove sofa.jpg").click()
    expect(page.locator("[data-picked] li")).to_have_count(1)
    choose.set_input_files(pictures[0])
    expect(page.locator("[data-picked] li")).to_have_count(2)
    fill_in(page)
    page.wait_for_timeout(300)  # until the small pictures are drawn
    whole(page, "quote-2-filled")

    page.get_by_role("button", name="Ask for my quote").evaluate(TWICE)

    expect(page.get_by_role("heading", name="Thank you, Ada. We have your request.")).to_be_visible()
    picture(page, "quote-3-received")
    kept: list[Any] = []
    hers = Quote.objects.filter(email=WORDS["E-mail"])
    elsewhere(lambda: kept.extend(hers.values_list("pk", "preferred_time", "images__name", "images__width")))
    assert len({pk for pk, *_ in kept}) == 1
    assert sorted(told for _, *told in kept) == [["14-17", "bags in the garage.png", 1600], ["14-17", "sofa.jpg", 1600]]


def test_the_form_fits_a_phone_by_night_and_says_what_is_missing(office: Office, chrome: Browser, eyes: Eyes, pictures: list[Path]) -> None:
    page = new_page(chrome, office, eyes=eyes, phone=True, dark=True)
    page.goto("/quote/")
    fits(page)
    picture(page, "phone-quote-1-empty")
    fill_in(page)
    page.get_by_label("Pictures", exact=False).set_input_files(pictures)
    page.wait_for_timeout(300)
    whole(page, "phone-quote-2-filled")
    page.get_by_label("E-mail").fill("ada@localhost")
    page.get_by_label("Phone").fill("call me maybe")

    page.get_by_role("button", name="Ask for my quote").tap()

    summary = page.get_by_role("alert")
    expect(summary).to_be_focused()
    expect(summary).to_contain_text("please look at 2 things")
    eyes.complaints.clear()  # the answer 422 is what was asked for
    fits(page)
    whole(page, "phone-quote-3-refused")
    summary.get_by_role("link", name="Phone").tap()
    expect(page.get_by_label("Phone")).to_be_focused()
    page.get_by_label("E-mail").fill(WORDS["E-mail"])
    page.get_by_label("Phone").fill(WORDS["Phone"])
    page.get_by_role("button", name="Ask for my quote").tap()
    expect(page.get_by_role("heading", name="Thank you, Ada.")).to_be_visible()
    fits(page)
    whole(page, "phone-quote-4-received")


def test_without_script_the_form_works_as_well(office: Office, chrome: Browser, pictures: list[Path]) -> None:
    page = chrome.new_context(base_url=office.url, java_script_enabled=False, color_scheme="dark").new_page()
    page.goto("/quote/")
    fill_in(page)
    page.get_by_label("Pictures", exact=False).set_input_files(pictures)
    whole(page, "plain-quote-filled")

    page.get_by_role("button", name="Ask for my quote").click()

    expect(page.get_by_role("heading", name="Thank you, Ada.")).to_be_visible()


@pytest.mark.parametrize(("phone", "dark"), [(False, False), (True, True)], ids=["desk", "phone"])
def test_an_answer_is_asked_for_given_once_and_remembered(office: Office, chrome: Browser, eyes: Eyes, phone: bool, dark: bool) -> None:
    page = new_page(chrome, office, eyes=eyes, phone=phone, dark=dark)
    name = "phone-answer" if phone else "answer"
    page.goto(offered())
    expect(page.get_by_role("heading", name="Do you want to think it over?")).to_be_visible()
    page.get_by_role("navigation", name="Other answers").get_by_role("link", name="Accept").click()
    expect(page.get_by_role("heading", name="Do you accept this price?")).to_be_visible()
    fits(page)
    picture(page, f"{name}-1-asked")

    page.get_by_role("button", name="Yes, I accept").evaluate(TWICE)

    expect(page.get_by_role("heading", name="You answered Accept on")).to_be_visible()
    fits(page)
    picture(page, f"{name}-2-given")
    page.goto("/quote/answer/made-up/")
    expect(page.get_by_role("heading", name="This link does not work")).to_be_visible()
    picture(page, f"{name}-3-made-up")
    eyes.complaints.clear()  # the answer 404 is what was asked for


def test_from_the_form_to_the_customers_answer_on_the_desk(
    office: Office, chrome: Browser, page: Page, eyes: Eyes, pictures: list[Path]
) -> None:
    customer = new_page(chrome, office, eyes=eyes)
    customer.goto("/quote/")
    fill_in(customer)
    customer.get_by_label("Pictures", exact=False).set_input_files(pictures)
    customer.get_by_role("button", name="Ask for my quote").click()
    expect(customer.get_by_role("heading", name="Thank you, Ada. We have your request.")).to_be_visible()

    office.work()

    mails = arrived(office)
    assert sorted(mails) == ["quote_admin", "quote_customer", "quote_request"]
    customer.goto(urlsplit(re.search(r"\S+/quote/answer/\S+", mails["quote_customer"])[0]).path)
    expect(customer.get_by_role("heading", name="Do you accept this price?")).to_be_visible()
    customer.get_by_role("button", name="Yes, I accept").click()
    expect(customer.get_by_role("heading", name="You answered Accept on")).to_be_visible()
    office.work()
    assert "quote_answer" in arrived(office)
    page.goto("/admin/portal/quote/")
    picture(page, "quotes-list")
    page.get_by_role("link", name="GC-").first.click()
    expect(page.get_by_text("Accepted").first).to_be_visible()
    whole(page, "quote-answered")


def arrived(office: Office) -> dict[str, str]:
    """The text of each mail in the sandbox's mailbox, by its kind."""
    kinds: dict[str, str] = {}
    elsewhere(lambda: kinds.update(Message.objects.values_list("message_id", "kind")))
    lines = [line for line in office.sandbox.mail_ledger() if kinds[line["message_id"]].startswith("quote_")]
    return {kinds[line["message_id"]]: body(opened(office.sandbox.mailbox.raw(line["n"])), "plain") for line in lines}


def offered() -> str:
    """The link to think a price over that was offered just now."""
    links: list[str] = []
    until = timezone.localdate() + timedelta(days=30)
    elsewhere(lambda: links.append(answers.link(a_priced_quote(valid_until=until), Answer.CONSIDER, site_url="")))
    return links[0]


def not_a_picture(folder: Path) -> Path:
    (folder / "notes.txt").write_text("just words")
    return folder / "notes.txt"


def fits(page: Page) -> None:
    assert page.evaluate("document.documentElement.scrollWidth") == page.viewport_size["width"], page.url


def whole(page: Page, name: str) -> None:
    """All of the page in one picture."""
    seen = page.viewport_size
    page.set_viewport_size({"width": seen["width"], "height": page.evaluate("document.documentElement.scrollHeight")})
    picture(page, name)
    page.set_viewport_size(seen)
