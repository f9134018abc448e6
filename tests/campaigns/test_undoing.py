"""An undone run leaves the schedule as it was before, whatever is cut or repeated. What has left our hands stays, and is told."""

import random
from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.models import F
from django.db.models.functions import Now

from campaigns import chunks, loading, replaced_rows, runs, undoing, writing
from campaigns.models import Contact, ContactCampaign, EmailSchedule, ReplacedSchedule, RunChunk, RunStatus, RunUndo, SchedulerRun, Status
from campaigns.undoing import UndoRefused
from messaging.models import SystemEvent
from tests.campaigns.rows import make_mail
from tests.campaigns.test_runs import ROOMY, TIGHT, TODAY, order, people
from tests.factories import make_message

pytestmark = pytest.mark.django_db
TOMORROW = TODAY + timedelta(days=1)
WHY = "The wrong numbers were in force."


def everything():
    return list(EmailSchedule.objects.order_by("pk").values())


def checksum():
    (some,) = loading.ranges(size=10**6)
    return f"{writing.checksum(some) % 2**64:016x}"


def edit_contacts(chance):
    """Birthdays, policies and states change, as between two nights."""
    for contact in chance.sample(list(Contact.objects.order_by("pk")), 25):
        contact.birth_date = contact.birth_date and contact.birth_date + timedelta(days=chance.randint(-40, 40))
        contact.effective_date = contact.effective_date and contact.effective_date + timedelta(days=chance.randint(-40, 40))
        contact.state = chance.choice(["CA", "MO", "NV", "NY", "TX", "KS"])
        contact.save()


def hand_over(mails):
    for mail in mails:
        message = make_message()
        EmailSchedule.objects.filter(pk=mail.pk).update(status=Status.SCHEDULED, message=message, updated_at=Now())


def written_twice(*, seed=1, **caps):
    """A run, a night in which much changes, and the next run."""
    people(80, seed=seed)
    first = runs.run(order(batch_size=17, **TIGHT))
    edit_contacts(random.Random(seed))
    before = everything()
    second = runs.run(order(day=TOMORROW, batch_size=17, **caps or ROOMY))
    assert second.added
    assert second.changed
    assert second.removed
    return first, second, before


@pytest.mark.parametrize("seed", range(1, 7))
@pytest.mark.parametrize("caps", [TIGHT, ROOMY], ids=["tight", "roomy"])
def test_after_an_undoing_every_row_is_what_it_was_before(seed, caps):
    _, second, before = written_twice(seed=seed, **caps)

    undone = undoing.undo(second.pk, reason=WHY)

    assert everything() == before
    assert checksum() == second.before_checksum
    assert (undone.status, undone.undo.is_exact) == (RunStatus.UNDONE, True)
    assert (undone.undo.put_back, undone.undo.taken_away) == (second.changed + second.removed, second.added)
    assert (undone.undo.left_alone, undone.undo.not_put_back) == (0, 0)
    assert not ReplacedSchedule.objects.exists()


def test_what_a_run_would_undo_is_told_before_and_changes_nothing():
    _, second, _ = written_twice()
    stands = everything()

    told = undoing.preview(second)

    assert (told.put_back, told.taken_away, told.left_alone) == (second.changed + second.removed, second.added, 0)
    assert everything() == stands


def test_the_first_run_keeps_nothing_and_its_undoing_leaves_nothing():
    people(60)
    first = runs.run(order(batch_size=17, **TIGHT))
    assert not ReplacedSchedule.objects.exists()

    undoing.undo(first.pk, reason=WHY)

    assert not EmailSchedule.objects.exists()


def test_after_an_undoing_the_next_run_writes_the_same_again():
    _, second, _ = written_twice()
    undoing.undo(second.pk, reason=WHY)

    third = runs.run(order(day=TOMORROW, batch_size=17, **ROOMY))

    assert third.after_checksum == second.after_checksum


def test_runs_are_undone_one_after_the_other_the_newest_first():
    first, second, _ = written_twice()
    with pytest.raises(UndoRefused, match=f"Run {second.pk} came after run {first.pk} and changed the schedule: undo that one first"):
        undoing.undo(first.pk, reason=WHY)

    undoing.undo(second.pk, reason=WHY)
    undoing.undo(first.pk, reason=WHY)

    assert not EmailSchedule.objects.exists()


def test_a_later_run_that_changed_nothing_is_in_nobodys_way():
    people(60)
    first = runs.run(order(**TIGHT))
    runs.run(order(**TIGHT))

    undoing.undo(first.pk, reason=WHY)

    assert not EmailSchedule.objects.exists()


@pytest.mark.parametrize("seed", range(1, 4))
def test_what_was_handed_over_stays_and_is_listed_and_the_rest_is_as_before(seed):
    _, second, before = written_twice(seed=seed)
    chance = random.Random(seed)
    gone = chance.sample(list(EmailSchedule.objects.planned().filter(run=second)), 12)
    hand_over(gone[:8])
    EmailSchedule.objects.filter(pk__in=[mail.pk for mail in gone[8:]]).update(status=Status.CANCELLED, updated_at=Now())
    stand = {mail["id"]: mail for mail in everything() if mail["id"] in {one.pk for one in gone}}
    told = undoing.preview(second)

    undone = undoing.undo(second.pk, reason=WHY)

    after = {mail["id"]: mail for mail in everything()}
    assert {pk: after[pk] for pk in stand} == stand
    listed = {one["id"]: one["why"] for one in undoing.left_alone(undone)}
    away = {one["id"] for one in undoing.not_put_back(undone)}
    assert {pk: listed[pk] for pk in stand} == {mail.pk: "handed over" if mail in gone[:8] else "stopped for good" for mail in gone}
    assert [mail for mail in after.values() if mail["id"] not in listed] == [m for m in before if m["id"] not in {*listed, *away}]
    assert (undone.undo.left_alone, undone.undo.not_put_back) == (len(listed), len(away))
    assert told.left_alone == len(stand)
    assert undone.undo.is_exact is False


def test_a_removed_mail_whose_event_went_out_meanwhile_stays_away():
    contact = people(1)[0]
    old = make_mail(contact, email_type="birthday", event_on=TODAY + timedelta(days=20), send_on=TODAY + timedelta(days=9))
    run = runs.run(order(**ROOMY))
    assert not EmailSchedule.objects.filter(pk=old.pk).exists()
    other = make_mail(contact, event_on=old.event_on, send_on=TODAY)
    hand_over([other])

    undone = undoing.undo(run.pk, reason=WHY)

    assert list(EmailSchedule.objects.values_list("pk", flat=True)) == [other.pk]
    assert [one["id"] for one in undoing.not_put_back(undone)] == [old.pk]


def test_a_mail_that_another_one_follows_stays():
    people(10)
    run = runs.run(order(**ROOMY))
    parent = EmailSchedule.objects.planned().first()
    make_mail(parent.contact, email_type="followup_1_cold", parent=parent, event_on=parent.event_on)

    undone = undoing.undo(run.pk, reason=WHY)

    assert [one["id"] for one in undoing.left_alone(undone)] == [parent.pk]


def test_a_mail_of_a_contact_that_is_gone_is_not_put_back():
    first, second, _ = written_twice()
    removed = ReplacedSchedule.objects.exclude(id__in=EmailSchedule.objects.values("pk")).first()
    EmailSchedule.objects.filter(contact=removed.contact_id).delete()
    ContactCampaign.objects.filter(contact=removed.contact_id).delete()
    Contact.objects.filter(pk=removed.contact_id).delete()

    undone = undoing.undo(second.pk, reason=WHY)

    assert removed.id in {one["id"] for one in undoing.not_put_back(undone)}
    assert first.pk


def test_an_undoing_that_was_cut_short_goes_on_where_it_stood():
    _, second, before = written_twice()
    undoing.begin(second.pk, reason=WHY)
    undoing.once(second.pk)
    undoing.once(second.pk)
    assert RunChunk.objects.filter(run=second).exclude(undone__isnull=True).count() == 2
    assert SchedulerRun.objects.get(pk=second.pk).status == RunStatus.UNDOING

    undone = undoing.undo(second.pk, reason="Once more")

    assert everything() == before
    assert undone.undo.reason == WHY, "the first word stands"


def test_an_undoing_that_is_repeated_does_nothing_more():
    _, second, before = written_twice()
    undoing.undo(second.pk, reason=WHY)
    told = RunUndo.objects.values().get()

    undoing.undo(second.pk, reason="Once more")

    assert everything() == before
    assert RunUndo.objects.values().get() == told


def test_nothing_else_runs_while_a_run_is_undone_and_the_other_way_round():
    _, second, _ = written_twice()
    undoing.begin(second.pk, reason=WHY)
    with pytest.raises(runs.RunUnderWay, match=f"Run {second.pk} of {TOMORROW} is being undone"):
        runs.start(order())
    undoing.work(second.pk)

    under_way = runs.start(order(day=TOMORROW))
    with pytest.raises(UndoRefused, match="is under way"):
        undoing.begin(under_way.pk, reason=WHY)
    runs.fail(under_way.pk, "It was told to stop.")
    undoing.begin(under_way.pk, reason=WHY)


def test_a_failed_run_is_undone_as_far_as_it_came_and_is_not_resumed_then():
    people(60)
    run = runs.start(order(batch_size=10, **ROOMY))
    while not EmailSchedule.objects.exists():
        runs.once(run.pk, write=True)
    runs.fail(run.pk, "The disk is full.")

    undoing.begin(run.pk, reason=WHY)
    runs.fail(run.pk, "Nothing was heard of it.")
    with pytest.raises(runs.RunFailed, match="is undone in part"):
        runs.resume(run.pk)
    undone = undoing.undo(run.pk, reason=WHY)

    assert not EmailSchedule.objects.exists()
    assert (undone.status, undone.undo.is_exact) == (RunStatus.UNDONE, True)
    with pytest.raises(runs.RunFailed, match="is undone"):
        runs.resume(run.pk)


def test_who_undid_it_when_and_why_is_noted(django_user_model):
    _, second, _ = written_twice()
    boss = django_user_model.objects.create_user("boss")

    undoing.undo(second.pk, reason=WHY, by=boss)

    noted = RunUndo.objects.get()
    assert (noted.by, noted.reason, noted.run_id) == (boss, WHY, second.pk)
    assert noted.asked_at <= noted.ended_at
    assert list(SystemEvent.objects.filter(component="scheduler", by_id=boss.pk).values_list("text", flat=True)) == [
        f"Run {second.pk} is being undone: {WHY}"
    ]


@pytest.mark.parametrize(
    ("run", "reason", "sentence"),
    [("none", WHY, "There is no run"), ("second", "  ", "Say why"), ("forgotten", WHY, "kept for 7 days"), ("second", WHY, "")],
)
def test_an_undoing_that_cannot_be_is_refused_in_a_sentence(run, reason, sentence):
    _, second, _ = written_twice()
    if run == "forgotten":
        SchedulerRun.objects.filter(pk=second.pk).update(ended_at=F("ended_at") - timedelta(days=8))
        assert sum(replaced_rows.forget(before=SchedulerRun.objects.get(pk=second.pk).ended_at + timedelta(days=1)))
    asked = 0 if run == "none" else second.pk
    if not sentence:
        undoing.undo(asked, reason=reason)
        return
    stands = everything()

    with pytest.raises(UndoRefused, match=sentence):
        undoing.undo(asked, reason=reason)

    assert everything() == stands


def test_what_was_replaced_is_forgotten_after_its_time_and_of_no_other_run():
    first, second, _ = written_twice()
    runs.run(order(day=TOMORROW + timedelta(days=1), batch_size=17, **TIGHT))
    SchedulerRun.objects.filter(pk__lte=second.pk).update(ended_at=F("ended_at") - timedelta(days=8))
    kept = SchedulerRun.objects.latest("pk").ended_at - undoing.KEPT

    assert sum(replaced_rows.forget(before=kept)) == second.changed + second.removed
    assert sum(replaced_rows.forget(before=kept)) == 0

    assert set(ReplacedSchedule.objects.values_list("replaced_in", flat=True)) == {SchedulerRun.objects.latest("pk").pk}
    assert list(SchedulerRun.objects.filter(keeps_replaced=False).values_list("pk", flat=True).order_by("pk")) == [first.pk, second.pk]


def test_what_was_replaced_is_never_altered():
    written_twice()

    with pytest.raises(IntegrityError, match="is final"), transaction.atomic():
        ReplacedSchedule.objects.filter(replaced_in__gt=0).update(send_on=TODAY)


def test_a_kept_row_has_every_column_of_the_schedule():
    def columns(model):
        return {field.column: field.db_type(connection) for field in model._meta.concrete_fields} | {"id": "bigint"}

    ours = {name: kind for name, kind in columns(ReplacedSchedule).items() if name not in ("replaced_in", "chunk")}
    assert ours == columns(EmailSchedule)


def test_chunks_of_single_contacts_are_undone_alike():
    contacts = people(40)
    runs.run(order(batch_size=7, **ROOMY))
    edit_contacts(random.Random(3))
    before = everything()
    run = runs.run(order(contact_ids=[one.pk for one in contacts[::3]], batch_size=5, **TIGHT))
    assert run.changed + run.removed
    assert all(isinstance(chunks.contacts_in(chunk), list) for chunk in run.chunks.all())

    undoing.undo(run.pk, reason=WHY)

    assert everything() == before
