"""Why a contact is written to, or not, on a phone in the dark and on a desk in the light."""

from datetime import timedelta

from playwright.sync_api import Browser, expect

from campaigns.models import CampaignInstance, CampaignType, Contact, ContactCampaign, EmailSchedule
from portal import wiring
from tests.browser.office import IN_A_BROWSER, Eyes, Office, elsewhere, log_in, new_page, picture
from tests.browser.test_every_page import as_promised

pytestmark = IN_A_BROWSER

MONTHS = 13


def plant() -> None:
    """A contact with a window, a campaign, and a mail that somebody stopped."""
    today = wiring.today()
    ada = Contact.objects.create(
        pk=7, email="ada@client.example", first_name="Ada", last_name="Field", state="CA", zip_code="90210", birth_date="1950-07-10"
    )
    kind = CampaignType.objects.get(name="rate_increase")
    instance = CampaignInstance.objects.create(campaign_type=kind, name="Spring letter")
    ContactCampaign.objects.create(contact=ada, instance=instance, trigger_on=today + timedelta(days=40))
    told = {"send_on": today.replace(day=1), "send_time": "08:30", "status": "cancelled", "priority": 7}
    EmailSchedule.objects.create(contact=ada, email_type="effective_date", event_on=today, **told)


def test_the_explanation_fits_a_phone_and_another_day_is_a_tap_away(office: Office, chrome: Browser, eyes: Eyes) -> None:
    elsewhere(plant)
    page = new_page(chrome, office, eyes=eyes, phone=True, dark=True)
    log_in(page)
    page.goto("/admin/campaigns/contact/7/explain/")
    as_promised(page)
    expect(page.locator(".explained-month")).to_have_count(MONTHS)
    picture(page, "phone-explained")

    page.get_by_label("Lead time before").first.tap()

    expect(page.locator(".verdict-sentence")).to_contain_text("may not be written to, because California excludes from 11 April")
    expect(page.locator(".day-asked")).to_have_count(2)  # in the calendar, and in its legend
    as_promised(page)
    page.locator("summary").first.tap()
    expect(page.get_by_text("90210", exact=True)).to_be_visible()
    as_promised(page)


def test_the_explanation_on_a_desk(office: Office, chrome: Browser, eyes: Eyes) -> None:
    elsewhere(plant)
    page = new_page(chrome, office, eyes=eyes)
    log_in(page)
    page.goto("/admin/campaigns/contact/7/explain/")

    page.get_by_label("Ask about another day").fill("2027-09-09")
    page.keyboard.press("Enter")

    expect(page.locator(".verdict-sentence")).to_contain_text("On 9 September 2027 this contact may be written to")
    picture(page, "explained")
