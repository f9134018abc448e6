"""A run is proved: an edited row, a chunk cut out, a count that is no sum are named; what the portal did itself is allowed for."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.db.models import F
from django.db.models.functions import Now

from campaigns import following_up, proving, replaced_rows, runs, stopping, undoing
from campaigns.hand_over import hand_over
from campaigns.models import CampaignType, Contact, EmailSchedule, RunChunk, SchedulerRun, Status
from campaigns.proving import ProofRefused
from campaigns.rules.email_types import FIRST_CAMPAIGN_TYPES
from messaging.models import Suppression
from tests.campaigns.mails import make_template, sent, terms
from tests.campaigns.test_runs import ROOMY, TODAY, order, people

pytestmark = pytest.mark.django_db(transaction=True)  # a row is known by the transaction that wrote it


@pytest.fixture
def run():
    for name, behaviour in FIRST_CAMPAIGN_TYPES.items():  # a test before this one has emptied the tables
        told = {one: getattr(behaviour, one) for one in behaviour.__dataclass_fields__}
        CampaignType.objects.get_or_create(name=name, defaults=told)
    people(60)
    return runs.run(order(batch_size=20, **ROOMY))


def edit(sql, *told):
    with connection.cursor() as cursor:
        cursor.execute(sql, told)
        assert cursor.rowcount == 1


def some_mail(**facts):
    return EmailSchedule.objects.planned().filter(**facts).order_by("pk")[7]


def stop_elsewhere(mail, *, by):
    """In a transaction of its own, as it is done from a page."""
    with transaction.atomic():
        stopping.stop(EmailSchedule.objects.filter(pk=mail.pk), reason="She called", by=by)
    connection.close()


def test_a_run_nobody_touched_is_proved(run):
    proof = proving.prove(run)

    assert (proof.differences, proof.notes, proof.chunks) == ([], [], 3)
    assert proof.checksum == run.after_checksum


@pytest.mark.parametrize(
    "change",
    [
        "send_on = send_on + 1",
        "priority = 9",
        "status = 'cancelled'",
        "status = 'skipped', skip_reason = 'missed'",
        "metadata = '{\"skipped_emails\": []}'",
        "event_on = event_on - 400",
        "send_time = '09:00', updated_at = now()",
    ],
)
def test_an_edited_row_is_found_with_its_chunk(run, change):
    mail = some_mail()

    edit(f"UPDATE campaigns_emailschedule SET {change} WHERE id = %s", mail.pk)

    (found,) = proving.prove(run).differences
    chunk = run.chunks.get(first_id__lte=mail.contact_id, last_id__gte=mail.contact_id)
    assert (found.chunk, found.first_id, found.last_id) == (chunk.number, chunk.first_id, chunk.last_id)
    assert [(row["id"], row["contact_id"], row["why"]) for row in found.rows] == [(mail.pk, mail.contact_id, "edited past the portal")]
    assert found.says == f"Chunk {chunk.number} (contacts {chunk.first_id} to {chunk.last_id}): 1 row edited past the portal."


def test_a_deleted_row_is_found_with_its_chunk(run):
    mail = some_mail()

    edit("DELETE FROM campaigns_emailschedule WHERE id = %s", mail.pk)

    (found,) = proving.prove(run).differences
    assert found.first_id <= mail.contact_id <= found.last_id
    assert "rows are gone" in found.says


def test_an_added_row_is_found(run):
    mail = some_mail()
    mail.pk, mail.event_on, mail.send_on = None, mail.event_on + timedelta(days=1), mail.send_on + timedelta(days=1)
    mail.save()

    (found,) = proving.prove(run).differences
    assert [row["id"] for row in found.rows] == [mail.pk]


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_chunk_cut_out_is_named(run, number):
    RunChunk.objects.filter(run=run, number=number).delete()

    said = [one.says for one in proving.prove(run).differences]

    assert said[0].startswith(f"Chunk {number} is missing: contacts ")
    assert "The run tells 60 contacts, its chunks 40." in said


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"added": 1}, "The run tells 1 added, its chunks"),
        ({"contacts": 61, "contacts_done": 61}, "The run tells 61 contacts, its chunks 60."),
        ({"after_checksum": "00000000000000aa"}, "The run's after checksum is 00000000000000aa, the sum of its chunks"),
    ],
)
def test_counts_that_are_no_sum_are_named(run, change, sentence):
    SchedulerRun.objects.filter(pk=run.pk).update(**change)

    (found,) = proving.prove(SchedulerRun.objects.get(pk=run.pk)).differences
    assert found.says.startswith(sentence)


def test_chunks_that_overlap_are_named(run):
    RunChunk.objects.filter(run=run, number=2).update(first_id=F("first_id") - 1)

    assert "Chunks 1 and 2 overlap." in [one.says for one in proving.prove(run).differences]


def by_the_doors(run):
    """Mails are handed over, stopped by a person and at hand-over, followed, and some planned anew."""
    for name in sorted(set(EmailSchedule.objects.values_list("email_type", flat=True))):
        make_template(name)
    day = EmailSchedule.objects.planned().order_by("send_on").first().send_on
    stopped = EmailSchedule.objects.planned().filter(send_on=day).last().contact
    Suppression.objects.create(address=stopped.email, reason="Asked for")
    assert hand_over(day=day, terms=terms(**ROOMY)).handed_over
    return day


def test_what_the_portal_did_since_is_allowed_for(run, django_user_model):
    day = by_the_doors(run)
    stopping.stop(
        EmailSchedule.objects.filter(pk__in=[one.pk for one in EmailSchedule.objects.planned()[:3]]),
        reason="Asked for",
        by=django_user_model.objects.create_user("boss"),
    )
    for mail in EmailSchedule.objects.handed_over():
        sent(mail)
    at = terms().now
    following_up.schedule_follow_ups(day=day + timedelta(days=2), at=at, settings=terms(followup_days_after=1).settings)

    proof = proving.prove(run)

    assert proof.differences == []
    assert any("moved on by the portal's own doors" in note for note in proof.notes)
    assert proof.checksum != run.after_checksum


def test_what_the_portal_does_while_a_chunk_is_written_is_allowed_for(run, django_user_model, monkeypatch):
    """By then the chunk has read its rows and has no number yet: what comes in between is older than what it writes."""
    somebody, keep = django_user_model.objects.create(username="ann"), replaced_rows.keep
    planned = EmailSchedule.objects.planned().filter(contact__lte=run.chunks.first().last_id).order_by("pk")
    corrected = planned.filter(email_type="birthday").first().contact_id
    Contact.objects.filter(pk=corrected).update(birth_date=F("birth_date") + timedelta(days=40))
    mail = planned.exclude(contact=corrected).last()

    def stopped_first(*told, **more):
        with ThreadPoolExecutor(1) as thread:
            thread.submit(stop_elsewhere, mail, by=somebody).result()
        keep(*told, **more)

    monkeypatch.setattr(replaced_rows, "keep", stopped_first)
    second = runs.run(order(day=TODAY, batch_size=20, **ROOMY))

    assert EmailSchedule.objects.get(pk=mail.pk).status == Status.CANCELLED
    assert proving.prove(second).differences == []


def test_an_edit_among_what_the_portal_did_is_found(run):
    day = by_the_doors(run)
    mail = EmailSchedule.objects.planned().exclude(send_on=day).order_by("pk").first()
    edit("UPDATE campaigns_emailschedule SET send_on = send_on + 1 WHERE id = %s", mail.pk)

    (found,) = proving.prove(run).differences
    assert [row["id"] for row in found.rows] == [mail.pk]


def test_an_edit_of_a_mail_that_was_handed_over_is_found(run):
    by_the_doors(run)
    mail = EmailSchedule.objects.handed_over().first()
    edit("UPDATE campaigns_emailschedule SET send_on = send_on + 1 WHERE id = %s", mail.pk)

    (found,) = proving.prove(run).differences
    assert "one that was handed over was edited" in found.says


def test_what_later_runs_planned_anew_is_allowed_for_and_an_edit_beside_it_found(run):
    some = list(Contact.objects.order_by("pk")[:30])
    for contact in some:
        contact.birth_date = contact.birth_date and contact.birth_date + timedelta(days=11)
        contact.save()
    later = runs.run(order(day=TODAY + timedelta(days=1), contact_ids=[one.pk for one in some], batch_size=8, **ROOMY))
    assert later.added or later.changed
    runs.run(order(day=TODAY + timedelta(days=30), batch_size=25, **ROOMY))
    assert proving.prove(run).differences == []

    mail = EmailSchedule.objects.planned().filter(run=run).first()
    edit("UPDATE campaigns_emailschedule SET priority = 8 WHERE id = %s", mail.pk)

    assert [row["id"] for one in proving.prove(run).differences for row in one.rows] == [mail.pk]


def test_what_undoing_a_later_run_wrote_anew_is_nobody_s_edit(run):
    for name in sorted(set(EmailSchedule.objects.values_list("email_type", flat=True))):
        make_template(name)
    first = EmailSchedule.objects.planned().order_by("send_on").first().send_on
    later = runs.run(order(day=first + timedelta(days=2), batch_size=20, **ROOMY))
    undoing.undo(later.pk, reason="A test")
    assert proving.prove(run).differences == []

    assert hand_over(day=first + timedelta(days=2), terms=terms(**ROOMY), limit=1).handed_over == 1

    proof = proving.prove(run)
    assert proof.differences == []
    assert any("a later run over it was undone" in note for note in proof.notes)


def test_a_run_that_failed_is_proved_as_far_as_it_came():
    people(60)
    run = runs.start(order(batch_size=20, **ROOMY))
    while not EmailSchedule.objects.exists():
        runs.once(run.pk, write=True)
    runs.fail(run.pk, "The disk is full.")

    proof = proving.prove(SchedulerRun.objects.get(pk=run.pk))

    assert (proof.differences, proof.chunks) == ([], 1)


def test_a_run_that_is_undone_or_under_way_is_not_proved(run):
    undoing.undo(run.pk, reason="A test")
    with pytest.raises(ProofRefused, match="is undone"):
        proving.prove(SchedulerRun.objects.get(pk=run.pk))
    with pytest.raises(ProofRefused, match="is running"):
        proving.prove(runs.start(order()))


def test_a_mail_cancelled_by_status_alone_is_no_stop(run):
    mail = some_mail()
    EmailSchedule.objects.filter(pk=mail.pk).update(status=Status.CANCELLED, updated_at=Now())

    assert [row["id"] for one in proving.prove(run).differences for row in one.rows] == [mail.pk]
