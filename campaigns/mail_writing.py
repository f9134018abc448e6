"""One planned mail in a template's words: the contact's values, links that are counted, the foot, and the headers that unsubscribe."""

from dataclasses import dataclass
from datetime import date
from urllib.parse import urlsplit

from campaigns.contact_fields import Occasion, values_for
from campaigns.links import Links
from campaigns.mail_frame import framed, tracked
from campaigns.models import EmailSchedule
from campaigns.wording import Words
from messaging import rendering
from messaging.merge_fields import Sender
from messaging.models import Lane
from messaging.outbox import Draft
from messaging.rendering import Rendered

ONE_CLICK = "List-Unsubscribe=One-Click"  # what RFC 8058 has a mail program post


@dataclass(frozen=True, kw_only=True)
class Office:
    """Who signs, from which postal address, and the page where contacts look at plans."""

    name: str
    phone: str
    address: str
    plans_url: str

    @property
    def sender(self) -> Sender:
        return Sender(name=self.name, office_name=self.name, office_phone=self.phone, office_address=self.address)


@dataclass(frozen=True, kw_only=True)
class Letter:
    """What is handed over: the schedule, its mail, and the templates' names."""

    schedule: EmailSchedule
    draft: Draft
    template: str
    sms_template: str = ""


def write(mail: EmailSchedule, words: Words, *, links: Links, office: Office, day: date) -> Letter:
    """Raises MissingVariables or TemplateRefused where the contact's data leave a gap."""
    contact = mail.contact
    told = values_for(vars(contact), occasion=occasion(mail), sender=office.sender, plans_url=office.plans_url, today=day)
    body = dressed(mail, rendering.render(words.source, values=told), words=words, links=links, office=office)
    unsubscribe = links.unsubscribe(mail.pk)
    draft = Draft(
        key=str(mail),
        kind=mail.email_type,
        recipient=contact.email,
        subject=body.subject,
        text=body.text,
        html=body.html,
        headers={"List-Unsubscribe": f"<{unsubscribe}>", "List-Unsubscribe-Post": ONE_CLICK},
        template_version=words.version,
        lane=Lane.BULK,
    )
    return Letter(schedule=mail, draft=draft, template=words.version.template.name)


def occasion(mail: EmailSchedule) -> Occasion:
    skipped = (mail.metadata or {}).get("skipped_emails") or []
    name = mail.campaign_instance.name if mail.campaign_instance else ""
    return Occasion(event_on=mail.event_on, campaign=name, skipped=[str(one) for one in skipped])


def dressed(mail: EmailSchedule, body: Rendered, *, words: Words, links: Links, office: Office) -> Rendered:
    hosts = words.hosts | ({urlsplit(office.plans_url).netloc.lower()} if words.leads_to_plans else set())
    counted = tracked(body, hosts=hosts, counted=lambda address: links.click(mail.pk, target=address))
    return framed(counted, office=office.name, address=office.address, unsubscribe=links.unsubscribe(mail.pk))
