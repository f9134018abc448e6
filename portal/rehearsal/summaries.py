"""The end of the day: the office's person has the summary of it, once."""

from dataclasses import replace
from typing import Any

from django.contrib.auth.models import User

from messaging import delivery
from messaging.models import Message
from messaging.outbox import Sender
from portal.rehearsal.patience import Tell, until_none
from portal.sandbox import Sandbox
from portal.summaries import daily
from portal.summaries.contents import Desk
from portal.summaries.models import DailySummary, SummaryPreference
from portal.summary_wiring import summary_terms

READER = "reader@portal.example"
Facts = dict[str, Any]


def summarise(sandbox: Sandbox, *, sender: Sender, site_url: str, delivery_terms: delivery.Terms, tell: Tell) -> Facts:
    """One person wants a summary and is sent it, whoever asks however often; what was expected, what is found, and the differences."""
    sandbox.use(mail={})
    reader = User.objects.create_user("reader", email=READER, is_staff=True, is_superuser=True)
    SummaryPreference.objects.create(user=reader, notification_email=READER)
    desk = Desk(pending=summary_terms().desk().pending, site_url=site_url, office_name=sender.address)
    terms = replace(summary_terms(), sender=replace(sender, max_attempts=1), desk=lambda: desk)
    queued = daily.send_due(terms, force=True).queued
    until_none(Message.objects.unfinished(), "summaries sent", lambda: delivery.send_due(delivery_terms), tell=tell)
    queued += daily.send_due(terms, force=True).queued
    found = {
        "queued": queued,
        "completed": DailySummary.objects.filter(status="completed").count(),
        "arrived": sum(line["recipient"] == READER for line in sandbox.mail_ledger()),
    }
    differences = [f"Daily summaries {name}: {count}, and was to be 1" for name, count in found.items() if count != 1]
    return found | {f"expected_{name}": 1 for name in found} | {"differences": differences}
