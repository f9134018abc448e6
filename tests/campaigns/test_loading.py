"""What the rules are told of a chunk's contacts is read by their index, so a chunk costs the same however much is planned."""

from datetime import date, time

import numpy as np
import pytest
from django.db import connection

from campaigns import loading, loading_queries, writing
from campaigns.models import Contact, EmailSchedule
from messaging import outbox
from portal import wiring
from tests.factories import SENDER

CONTACTS = 3000
QUERIES = {
    "standing": writing.STANDS,
    "of concern": loading_queries.OF_CONCERN,
    "whole": loading_queries.HISTORIES,
    "held": loading_queries.HELD,
}


@pytest.fixture
def before_a_first_run(db: None) -> list[Contact]:
    """Nothing is planned, nothing was due so far, and the statistics say so."""
    told = {"email_type": "birthday", "send_on": date(2026, 8, 1), "send_time": time(8, 30), "status": "cancelled", "priority": 5}
    contacts = Contact.objects.bulk_create(Contact(email=f"c{n}@client.example", zip_code="66842") for n in range(CONTACTS))
    EmailSchedule.objects.bulk_create(EmailSchedule(contact=one, event_on=date(2026, 8, 15), **told) for one in contacts)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE campaigns_emailschedule")
    return contacts


@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES)
def test_a_chunk_is_read_by_its_contacts_when_the_statistics_promise_an_empty_plan(before_a_first_run: list[Contact], query: str) -> None:
    settings, _ = wiring.scheduler_settings()
    half = loading.Range(first_id=before_a_first_run[0].pk, last_id=before_a_first_run[CONTACTS // 2].pk)
    told = loading.facts(half, day=np.datetime64("2026-06-01", "D"), settings=settings)

    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {loading.filled_in(query, half, told, column='mail.contact_id')}", told)
        plan = "\n".join(row[0] for row in cursor.fetchall())

    assert "schedule_by_status_and_day" not in plan  # that of everybody


def test_only_the_messages_of_the_chunk_s_own_mails_are_read(db: None) -> None:
    text = {"kind": "birthday", "subject": "Good day", "text": "Hello"}
    drafts = [outbox.Draft(key=f"mail {n}", recipient=f"c{n}@client.example", **text) for n in range(CONTACTS)]
    ours = [message.pk for message in outbox.queue(drafts, sender=SENDER)[:20]]
    told = {"messages": f"{{{','.join(map(str, ours))}}}", "zone": "America/Chicago", "nothing": loading_queries.NOTHING}

    with connection.cursor() as cursor:
        cursor.execute("ANALYZE messaging_message")
        cursor.execute(f"EXPLAIN {loading_queries.MESSAGES}", told)
        plan = "\n".join(row[0] for row in cursor.fetchall())

    assert "messaging_message_pkey" in plan
