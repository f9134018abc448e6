"""10,000 mails for which something changed after they were planned are all stopped; 10,000 others, among them, are all handed over."""

from collections import Counter
from datetime import date, timedelta
from random import Random

import pytest
from django.db import connection

from campaigns.hand_over import hand_over
from campaigns.models import CampaignInstance, Contact, ContactCampaign, EmailSchedule, Status
from campaigns.rules.states import FIRST_STATE_RULES, Anchor, Window
from messaging.models import Message, Suppression
from tests.campaigns.mails import DAY, make_campaign, make_template, terms

MUTATED = 10_000
EVENT = date(2026, 3, 16)
BIRTH = date(1955, 3, 16)
RULES = dict(FIRST_STATE_RULES) | {
    "FL": Window(anchor=Anchor.BIRTHDAY, before=14, after=30),  # was free
    "OR": Window(anchor=Anchor.BIRTHDAY, before=0, after=25),  # was 31 days after
}


def planned_mail(kind: str, number: int, campaigns: dict) -> tuple[Contact, dict]:
    """A contact and its mail as they were when it was planned: all rules said yes."""
    facts = {"id": number, "email": f"contact{number}@client.example", "first_name": "Ada", "zip_code": "75001", "state": "TX"}
    mail = {"email_type": "birthday", "event_on": EVENT, "priority": 5}
    if kind == "rule changed":
        facts["state"] = "FL"
    elif kind == "window moved":
        facts |= {"state": "OR", "birth_date": date(1955, 1, 29)}
        mail = {"email_type": "post_window", "event_on": date(2026, 3, 1), "priority": 6}
    elif kind in campaigns:
        mail = {"email_type": "campaign_rate_increase", "event_on": EVENT, "priority": 1, "campaign_instance": campaigns[kind]}
    elif kind == "control" and number % 3 == 1:
        facts["effective_date"] = date(2020, 4, 1)
        mail = {"email_type": "effective_date", "event_on": date(2026, 4, 1), "priority": 3}
    return Contact(**{"birth_date": BIRTH} | facts), mail


def build(kinds: list[str], campaigns: dict) -> None:
    contacts, mails, targets = [], [], []
    for number, kind in enumerate(kinds, start=1):
        contact, facts = planned_mail(kind, number, campaigns)
        late = number % 5 == 0  # some could not leave on their day
        mail = EmailSchedule(
            contact=contact, send_on=DAY - timedelta(days=2 * late), send_time="08:30", status=Status.PRE_SCHEDULED, **facts
        )
        contacts.append(contact)
        mails.append(mail)
        if mail.campaign_instance_id:
            targets.append(ContactCampaign(contact=contact, instance=mail.campaign_instance, trigger_on=EVENT))
    for model, rows in ((Contact, contacts), (ContactCampaign, targets), (EmailSchedule, mails)):
        model.objects.bulk_create(rows, batch_size=2_000)
    with connection.cursor() as cursor:  # autovacuum sees nothing of this transaction, and the planner would believe in empty tables
        cursor.execute("ANALYZE campaigns_contact, campaigns_contactcampaign, campaigns_emailschedule")


def ids_of(kind: str, kinds: list[str]) -> list[int]:
    return [number for number, one in enumerate(kinds, start=1) if one == kind]


def suppress(ids: list[int]) -> None:
    addresses = Contact.objects.filter(pk__in=ids).values_list("email", flat=True)
    Suppression.objects.bulk_create(Suppression(address=address, reason="asked") for address in addresses)


MUTATIONS = {  # what happens after planning: how it is done, and what the hand-over says
    "rule changed": (lambda ids: None, "exclusion_window"),
    "window moved": (lambda ids: None, "event_gone"),
    "suppression added": (suppress, "suppressed"),
    "birth date corrected": (lambda ids: Contact.objects.filter(pk__in=ids).update(birth_date=date(1955, 3, 18)), "event_gone"),
    "moved to a year-round state": (lambda ids: Contact.objects.filter(pk__in=ids).update(state="NY"), "year_round_exclusion"),
    "moved to a state with a window": (lambda ids: Contact.objects.filter(pk__in=ids).update(state="KY"), "exclusion_window"),
    "campaign ended": (lambda ids: CampaignInstance.objects.filter(name="ends").update(active_until=DAY - timedelta(1)), "campaign_over"),
    "taken out of the campaign": (lambda ids: ContactCampaign.objects.filter(contact__in=ids).delete(), "campaign_over"),
}


@pytest.mark.django_db
def test_everything_that_changed_is_stopped_and_everything_that_did_not_is_handed_over():
    for name in ("birthday", "effective_date", "post_window", "campaign_rate_increase"):
        make_template(name, html="")
    campaigns = {"campaign ended": make_campaign(name="ends"), "taken out of the campaign": make_campaign(name="goes on")}
    campaigns["control campaign"] = campaigns["taken out of the campaign"]
    changed = [list(MUTATIONS)[number % len(MUTATIONS)] for number in range(MUTATED)]
    untouched = ["control campaign" if number % 4 == 0 else "control" for number in range(MUTATED)]
    kinds = changed + untouched
    Random(4).shuffle(kinds)
    build(kinds, campaigns)
    for kind, (change, _) in MUTATIONS.items():
        change(ids_of(kind, kinds))

    tally = hand_over(day=DAY, terms=terms(state_rules=RULES))

    expected = Counter()
    for kind, (_, why) in MUTATIONS.items():
        expected[why] += len(ids_of(kind, kinds))
    assert (tally.handed_over, tally.stopped_by, tally.attention) == (MUTATED, expected, {})
    handed = set(EmailSchedule.objects.handed_over().filter(message__isnull=False).values_list("contact_id", flat=True))
    assert handed == {number for number, kind in enumerate(kinds, start=1) if kind.startswith("control")}
    assert Message.objects.count() == MUTATED
    assert not EmailSchedule.objects.planned().exists()
