"""The fields that a template about a contact may use, and what they hold for one mail. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from campaigns.rules.email_types import CAMPAIGN, FIXED_NAMES
from campaigns.rules.states import OTHER
from messaging.merge_fields import Sender, Value

FIELDS = {  # name: what staff read beside it, in the order they look for it
    "first_name": 'The contact\'s first name; write {{ first_name|default:"there" }} where it may be empty',
    "last_name": "The contact's last name",
    "full_name": "First and last name",
    "state": "The state, such as TX, by the ZIP code; empty in territories",
    "zip_code": "The ZIP code",
    "carrier": "The insurance company of the policy",
    "effective_date": "The day the policy began or begins",
    "event_date": "What the e-mail is about: the birthday, the policy's day, the trigger of a campaign",
    "campaign_name": "The campaign's name; empty where the e-mail belongs to none",
    "skipped_emails.title": "What a post-window e-mail stands for: {% for mail in skipped_emails %}{{ mail.title }}{% endfor %}",
    "plans_url": "The page where contacts look at plans and answer the health questions (PLANS_URL)",
    "sender_name": "Who signs: the office",
    "office_name": "Our office's name",
    "office_phone": "Our office's telephone number",
    "office_address": "Our office's postal address; it stands below every campaign e-mail by itself",
    "today": "The day the e-mail is written",
}

EXAMPLE: Mapping[str, Value] = {  # a mail to a contact who says everything: templates are tried by it before they are kept, and previewed
    "first_name": "Ada",
    "last_name": "Example",
    "full_name": "Ada Example",
    "state": "TX",
    "zip_code": "75001",
    "carrier": "Example Health",
    "effective_date": date(2026, 12, 1),
    "event_date": date(2026, 12, 6),
    "campaign_name": "Our campaign",
    "skipped_emails": [{"title": "a greeting for your birthday"}],
    "plans_url": "https://office.example/plans",
    "sender_name": "The Office",
    "office_name": "The Office",
    "office_phone": "555-0100",
    "office_address": "1 Main Street",
    "today": date(2026, 11, 22),
}

TITLES = {  # what a contact is told that a skipped mail was about
    "birthday": "a greeting for your birthday",
    "effective_date": "the yearly review of your policy",
    "aep": "the Annual Enrollment Period",
    "campaign_rate_increase": "the change of your premium",
    "campaign_seasonal_promo": "our offers of the season",
    "campaign_policy_update": "news about your policy",
}


@dataclass(frozen=True, kw_only=True)
class Occasion:
    """What a mail is about, besides whom it goes to."""

    event_on: date | None
    campaign: str = ""
    skipped: Sequence[str] = ()


def is_about_contacts(kind: str) -> bool:
    """Whether mails of this e-mail type go to contacts, so that their templates use the fields above."""
    return kind in FIXED_NAMES or kind.startswith(CAMPAIGN)


def title_of(email_type: str) -> str:
    return TITLES.get(email_type) or email_type.removeprefix(CAMPAIGN).replace("_", " ")


def values_for(contact: Mapping[str, Value], *, occasion: Occasion, sender: Sender, plans_url: str, today: date) -> dict[str, Value]:
    """A value for every name in `FIELDS`; empty where nothing is known. `contact` is the row by its field names."""
    own = {name: contact[name] for name in ("first_name", "last_name", "zip_code", "carrier", "effective_date")}
    return own | {
        "state": "" if contact["state"] == OTHER else contact["state"],
        "full_name": f"{contact['first_name']} {contact['last_name']}".strip(),
        "event_date": occasion.event_on,
        "campaign_name": occasion.campaign,
        "skipped_emails": [{"title": title_of(one)} for one in occasion.skipped],
        "plans_url": plans_url,
        "sender_name": sender.name,
        "office_name": sender.office_name,
        "office_phone": sender.office_phone,
        "office_address": sender.office_address,
        "today": today,
    }
