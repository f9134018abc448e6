"""Which template a planned mail is written with, and whether it can be used at all: found out before anything is sent."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property

from campaigns.contact_fields import EXAMPLE
from campaigns.models import EmailSchedule
from campaigns.rules.email_types import FIXED_NAMES
from messaging import rendering
from messaging.models import EmailTemplate, TemplateVersion
from messaging.rendering import TemplateSource

FOLLOW_UP_NAMES = FIXED_NAMES[4:]
OVERRIDES = "follow_up_templates"  # in a campaign's metadata: {follow-up type: template name}
TEXT_MESSAGE = "_sms"  # the template of a type's text message is named like the type, with this behind
HOST = re.compile(r"https?://([^\s/\"'<>{}?#]+)", re.IGNORECASE)


class TemplateUnfit(Exception):
    """There is no template for a mail, or it cannot be used; the text says which, why, and what to do."""


@dataclass(frozen=True)
class Words:
    version: TemplateVersion

    @cached_property
    def source(self) -> TemplateSource:
        return TemplateSource(subject=self.version.subject, text=self.version.text, html=self.version.html)

    @cached_property
    def hosts(self) -> frozenset[str]:
        """Where the template's own links lead; an address that a contact's data bring in is none of them."""
        return frozenset(host.lower() for host in HOST.findall(f"{self.source.text} {self.source.html}"))

    @property
    def leads_to_plans(self) -> bool:
        return "plans_url" in self.source.text or "plans_url" in self.source.html


class Wording:
    """The templates of one hand-over, each read once.

    The order of the seed: the campaign's own, else the one named like the e-mail type; of a follow-up the one that the campaign of its
    parent names in its metadata, else the one named like its type.
    """

    def __init__(self) -> None:
        self.known: dict[str, Words | TemplateUnfit] = {}

    def of(self, mail: EmailSchedule) -> Words:
        """Raises TemplateUnfit."""
        name = name_for(mail)
        if name not in self.known:
            self.known[name] = read(name, email_type=mail.email_type)
        found = self.known[name]
        if isinstance(found, TemplateUnfit):
            raise found
        return found

    def text_message_of(self, mail: EmailSchedule) -> str:
        """The name of the template for a text message; empty without a phone or a template."""
        if not mail.contact.phone.strip():
            return ""
        campaign = mail.campaign_instance
        if campaign and campaign.sms_template and mail.email_type not in FOLLOW_UP_NAMES:
            return campaign.sms_template.name
        name = mail.email_type + TEXT_MESSAGE
        return name if name in self.text_messages else ""

    @cached_property
    def text_messages(self) -> Collection[str]:
        return set(EmailTemplate.objects.in_use().filter(name__endswith=TEXT_MESSAGE).values_list("name", flat=True))


def name_for(mail: EmailSchedule) -> str:
    campaign = mail.campaign_instance
    if campaign is None:
        return mail.email_type
    if mail.email_type in FOLLOW_UP_NAMES:
        overrides = (campaign.metadata or {}).get(OVERRIDES)
        named = overrides.get(mail.email_type) if isinstance(overrides, Mapping) else None
        return str(named or mail.email_type)
    return campaign.email_template.name if campaign.email_template else mail.email_type


def read(name: str, *, email_type: str) -> Words | TemplateUnfit:
    """The newest words of that template, or what keeps them from being used."""
    template = EmailTemplate.objects.filter(name=name).first()
    if template is None:
        return TemplateUnfit(f"{email_type}: there is no template {name}. Write one of that name, then hand over again.")
    if not template.is_active:
        return TemplateUnfit(f"{email_type}: the template {name} is not in use. Put it in use, then hand over again.")
    version = template.current
    if version is None:
        return TemplateUnfit(f"{email_type}: the template {name} has no words yet. Write them, then hand over again.")
    words = Words(version)
    if problems := rendering.check(words.source, example=EXAMPLE):
        return TemplateUnfit(f"{email_type}: the template {name} cannot be used. {problems[0]}")
    return words
