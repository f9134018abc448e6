"""What PostgreSQL itself refuses of campaigns, from raw SQL as from the ORM; and beside each refusal its twin that is accepted."""

from collections.abc import Callable
from dataclasses import replace
from itertools import product
from typing import Any

import pytest
from django.apps import apps
from django.db import IntegrityError, connection, transaction

from campaigns.changes import made_by
from campaigns.models import CampaignChange, CampaignInstance, CampaignType, EmailSchedule, SchedulerRun
from campaigns.models.run import RUN_MOVES, RunStatus
from campaigns.models.schedule import SCHEDULE_MOVES, Status
from messaging.models import Mode
from tests.campaigns.rows import NUMBERS
from tests.factories import SENDER, make_message

pytestmark = pytest.mark.django_db
AT = "2026-06-01 12:00+00"
DAY = "2026-06-01"


def insert(table: str, facts: dict[str, Any]) -> int:
    names = ", ".join(f'"{name}"' for name in facts)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"INSERT INTO {table} ({names}) VALUES ({', '.join(['%s'] * len(facts))}) RETURNING id", list(facts.values()))
        return cursor.fetchone()[0]


def change(table: str, row: int, facts: dict[str, Any]) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"UPDATE {table} SET {', '.join(f'{name} = %s' for name in facts)} WHERE id = %s", [*facts.values(), row])


def delete(table: str, row: int) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"DELETE FROM {table} WHERE id = %s", [row])


def contact(**facts: Any) -> int:
    plain = {"email": "a@example.com", "first_name": "", "last_name": "", "zip_code": "66842", "state": "KS", "phone": "", "carrier": ""}
    return insert("campaigns_contact", plain | {"flags": []} | facts)


def kind(**facts: Any) -> int:
    plain = {"name": f"type{next(NUMBERS)}", "respect_exclusion_windows": True, "enable_followups": True, "days_before_event": 0}
    return insert("campaigns_campaigntype", plain | {"target_all_contacts": False, "priority": 10, "active": True} | facts)


def campaign(**facts: Any) -> int:
    plain = {"campaign_type_id": facts.pop("campaign_type_id", None) or kind(), "name": "c", "metadata": "{}"}
    return insert("campaigns_campaigninstance", plain | facts)


def target(**facts: Any) -> int:
    return insert("campaigns_contactcampaign", {"targeted": "hand"} | facts)


def noted(**facts: Any) -> int:
    return insert("campaigns_campaignchange", {"field": "name", "requires_rescheduling": True} | facts)


def engaged(**facts: Any) -> int:
    return insert("campaigns_engagementevent", {"key": f"k{next(NUMBERS)}", "kind": "clicked", "at": AT, "metadata": "{}"} | facts)


def run(standing: RunStatus = RunStatus.COMPLETED, **facts: Any) -> int:
    plain = {"day": DAY, "scope": "all", "reason": "", "status": standing.value, "error": "", "settings": "{}", "config_versions": "{}"}
    plain |= {"step": "done", "differences": "{}"}
    numbers = ("contacts", "contacts_done", "invalid", "scheduled", "skipped", "added", "changed", "removed", "unchanged")
    plain |= dict.fromkeys((*numbers, "daily_cap", "peak_rss_mb"), 0) | dict.fromkeys(("by_type", "by_reason", "by_day", "over_cap"), "{}")
    plain |= {"chunk_count": 0, "keeps_replaced": True, "backup_to": "", "without_backup": "A test"}
    plain |= dict.fromkeys(("contacts_checksum", "before_checksum", "after_checksum"), "")
    return insert("campaigns_schedulerrun", plain | RUN_STANDING[standing] | facts)


def undone(**facts: Any) -> int:
    plain = dict.fromkeys(("put_back", "taken_away", "left_alone", "not_put_back"), 0)
    return insert("campaigns_runundo", plain | {"run_id": run(), "reason": "why"} | facts)


def chunk(**facts: Any) -> int:
    plain = {"run_id": facts.pop("run_id", None) or run(), "number": 1, "first_id": 1, "last_id": 9, "contacts": 9, "counts": "{}"}
    plain |= {"step": "plan", "tries": 0}
    return insert("campaigns_runchunk", plain | facts)


def imported(**facts: Any) -> int:
    numbers = ("size_bytes", "read_rows", "read_bytes", "staged", "done_rows", "rows", "new", "changed", "unchanged", "refused", "flagged")
    plain = {"kind": "contacts", "file_name": "a.csv", "sha256": "0" * 64, "status": "reading", "error": "", "is_stored": False}
    return insert(
        "campaigns_importjob", plain | dict.fromkeys(numbers, 0) | {"header": "[]", "ignored_columns": "[]", "doubts": "[]"} | facts
    )


def piece(**facts: Any) -> int:
    return insert("campaigns_importpiece", {"job_id": facts.pop("job_id", None) or imported(), "number": 1, "data": b"id"} | facts)


def refused_row(**facts: Any) -> int:
    plain = {
        "job_id": facts.pop("job_id", None) or imported(),
        "row": 2,
        "column": "email",
        "reason": "no address",
        "record": b"id",
        "by_comparison": False,
    }
    return insert("campaigns_importrefusal", plain | facts)


def mail(standing: Status = Status.PRE_SCHEDULED, **facts: Any) -> int:
    plain = {"email_type": "birthday", "send_on": DAY, "send_time": "08:30", "priority": 5, "catch_up": False, "over_cap": False}
    plain |= {"email_template": "", "sms_template": "", "skip_reason": "", "status": standing.value}
    plain |= {"event_on": f"2026-07-{next(NUMBERS) % 28 + 1:02}", "contact_id": facts.pop("contact_id", None) or contact()}
    return insert("campaigns_emailschedule", plain | standing_of(standing) | facts)


def message() -> int:
    """A test, whose schedule may be planned anew: of a real one test_trials.py tells."""
    return make_message(sender=replace(SENDER, mode=Mode.TEST)).pk


def standing_of(status: Status) -> dict[str, Any]:
    """The facts a mail must have to stand in a state."""
    if status == Status.SCHEDULED:
        return {"message_id": message()}
    return {"skip_reason": "missed"} if status == Status.SKIPPED else {}


EMPTY = {"message_id": None, "skip_reason": ""}
RUN_STANDING: dict[RunStatus, dict[str, Any]] = {
    RunStatus.RUNNING: {"ended_at": None},
    RunStatus.COMPLETED: {"ended_at": AT},
    RunStatus.FAILED: {"ended_at": AT, "error": "why"},
    RunStatus.UNDOING: {"ended_at": AT},
    RunStatus.UNDONE: {"ended_at": AT},
}


def twice(make: Callable[..., int], other: dict[str, Any] | None = None, **facts: Any) -> None:
    """Two rows, the second one different in `other`."""
    make(**facts)
    make(**facts | (other or {}))


def two_of(**second: Any) -> Callable[[], None]:
    """Two mails to one contact about one event, the second one different in this."""
    return lambda: twice(mail, second, contact_id=contact(), event_on=DAY)


def two_messages(second: int | None = None) -> None:
    first = message()
    mail(Status.SCHEDULED, message_id=first)
    mail(Status.SCHEDULED, message_id=second or first)


Act = Callable[[], object]
REFUSED: dict[str, tuple[Act, Act]] = {  # constraint: its violation, and the twin that is accepted
    "contact_has_an_address": (lambda: contact(email="nobody"), lambda: contact(email="a@b")),
    "contact_has_a_state": (lambda: contact(state=""), lambda: contact(state="other")),
    "campaign_type_priority_in_range": (lambda: kind(priority=0), lambda: kind(priority=1)),
    "campaign_type_lead_in_range": (lambda: kind(days_before_event=301), lambda: kind(days_before_event=-300)),
    "campaign_type_name_plain": (lambda: kind(name="Rate-Increase"), lambda: kind(name="rate_increase_2")),
    "one_campaign_per_type_and_name": (lambda: twice(campaign, campaign_type_id=kind()), lambda: twice(campaign, name="same")),
    "campaign_ends_after_it_begins": (
        lambda: campaign(active_from=DAY, active_until="2026-05-31"),
        lambda: campaign(active_from=DAY, active_until=DAY),
    ),
    "one_target_per_contact_and_trigger": (
        lambda: twice(target, contact_id=contact(), instance_id=campaign(), trigger_on=None),
        lambda: twice(target, {"trigger_on": DAY}, contact_id=contact(), instance_id=campaign(), trigger_on=None),
    ),
    "change_of_a_type_or_an_instance": (
        lambda: noted(campaign_type_id=kind(), instance_id=campaign()),
        lambda: (noted(campaign_type_id=kind()), noted(instance_id=campaign())),
    ),
    "engagement_kind_known": (lambda: engaged(contact_id=contact(), kind="opened"), lambda: engaged(contact_id=contact())),
    "only_an_answer_tells_of_conditions": (
        lambda: engaged(contact_id=contact(), has_conditions=False),
        lambda: engaged(contact_id=contact(), has_conditions=False, kind="eligibility_answered"),
    ),
    "one_schedule_per_event": (two_of(send_on="2026-06-02"), two_of(send_on="2026-06-02", event_on="2027-06-01")),
    "one_mail_per_type_and_day": (two_of(event_on="2027-06-01"), two_of(event_on="2027-06-01", status="skipped", skip_reason="missed")),
    "one_follow_up_per_mail": (
        lambda: twice(mail, parent_id=mail(), email_type="followup_1_cold"),
        lambda: (mail(parent_id=mail()), mail(parent_id=mail())),
    ),
    "one_schedule_per_message": (two_messages, lambda: two_messages(message())),
    "schedule_status_known": (lambda: mail(status="sent"), lambda: mail(status="cancelled")),
    "schedule_skipped_for_a_reason": (lambda: mail(status="skipped", skip_reason="rain"), lambda: mail(Status.SKIPPED)),
    "schedule_has_its_message_iff_handed_over": (lambda: mail(status="scheduled"), lambda: mail(Status.SCHEDULED)),
    "one_run_at_a_time": (lambda: (run(RunStatus.RUNNING), run(RunStatus.UNDOING)), lambda: (run(RunStatus.RUNNING), run())),
    "run_ends_iff_it_is_over": (lambda: run(ended_at=None), lambda: run(RunStatus.RUNNING)),
    "failed_run_says_why": (lambda: run(RunStatus.FAILED, error=""), lambda: run(RunStatus.FAILED)),
    "completed_run_covered_every_contact": (lambda: run(contacts=9, contacts_done=8), lambda: run(contacts=9, contacts_done=9)),
    "run_begins_from_a_backup_or_says_why_not": (lambda: run(without_backup=""), lambda: run(without_backup="", step="backup")),
    "undo_says_why": (lambda: undone(reason=""), undone),
    "one_chunk_per_number": (lambda: twice(chunk, run_id=run()), lambda: twice(chunk, {"number": 2}, run_id=run())),
    "chunk_has_a_range": (lambda: chunk(first_id=10), lambda: chunk(first_id=9)),
    "a_file_is_imported_once": (
        lambda: twice(imported, status="applied", ended_at=AT),
        lambda: twice(imported, {"kind": "targets"}, status="applied", ended_at=AT),
    ),
    "one_piece_per_import_and_number": (
        lambda: twice(piece, job_id=imported()),
        lambda: twice(piece, {"number": 2}, job_id=imported()),
    ),
    "one_refusal_per_import_and_row": (
        lambda: twice(refused_row, job_id=imported()),
        lambda: twice(refused_row, {"row": 3}, job_id=imported()),
    ),
    "refusal_says_why": (lambda: refused_row(reason=""), refused_row),
}


def test_every_constraint_has_its_violation_here():
    models = apps.get_app_config("campaigns").get_models()

    named = {constraint.name for model in models for constraint in model._meta.constraints}
    assert named - {name for name in named if "lease" in name} <= set(REFUSED)
    assert set(REFUSED) <= named


@pytest.mark.parametrize("name", REFUSED)
def test_a_constraint_refuses_its_violation_by_name(name):
    with pytest.raises(IntegrityError) as refusal:
        REFUSED[name][0]()

    assert refusal.value.__cause__.diag.constraint_name == name


@pytest.mark.parametrize("name", REFUSED)
def test_the_twin_of_a_violation_is_accepted(name):
    REFUSED[name][1]()


@pytest.mark.parametrize(("source", "target"), [pair for pair in product(Status, Status) if pair[0] != pair[1]])
def test_a_planned_mail_makes_the_legal_moves_and_no_other(source, target):
    row = mail(source)
    raw = {"status": target.value} | EMPTY | standing_of(target)
    if target in SCHEDULE_MOVES[source]:
        change("campaigns_emailschedule", row, raw)
        assert EmailSchedule.objects.get().status == target
    else:
        with pytest.raises(IntegrityError, match=f"cannot go from {source.value} to {target.value}"):
            change("campaigns_emailschedule", row, raw)
        with pytest.raises(IntegrityError), transaction.atomic():
            EmailSchedule.objects.update(**raw)
        assert EmailSchedule.objects.move(target, **{name: value for name, value in raw.items() if name != "status"}) == 0


@pytest.mark.parametrize(("source", "target"), [pair for pair in product(RunStatus, RunStatus) if pair[0] != pair[1]])
def test_a_run_makes_the_legal_moves_and_no_other(source, target):
    row = run(source)
    raw = {"status": target.value, "error": ""} | RUN_STANDING[target]
    if target in RUN_MOVES[source]:
        change("campaigns_schedulerrun", row, raw)
        assert SchedulerRun.objects.get().status == target
    else:
        with pytest.raises(IntegrityError, match=f"cannot go from {source.value} to {target.value}"):
            change("campaigns_schedulerrun", row, raw)
        with pytest.raises(IntegrityError), transaction.atomic():
            SchedulerRun.objects.update(**raw)
        assert SchedulerRun.objects.move(target, **{name: value for name, value in raw.items() if name != "status"}) == 0


def test_a_lifecycle_knows_every_state_and_leads_only_to_known_ones():
    for moves, states in ((SCHEDULE_MOVES, Status), (RUN_MOVES, RunStatus)):
        assert set(moves) == set(states)
        assert set().union(*moves.values()) <= set(states)


PINNED = {
    "contact_id": lambda: contact(),
    "email_type": lambda: "aep",
    "campaign_instance_id": lambda: campaign(),
    "event_on": lambda: "2030-01-01",
    "parent_id": lambda: mail(),
    "message_id": lambda: message(),
}


@pytest.mark.parametrize("column", PINNED)
def test_whom_a_mail_that_was_handed_over_is_for_and_what_about_is_final(column):
    row, other = mail(Status.SCHEDULED), PINNED[column]()

    with pytest.raises(IntegrityError, match="was handed over"):
        change("campaigns_emailschedule", row, {column: other})
    with pytest.raises(IntegrityError, match="was handed over"), transaction.atomic():
        EmailSchedule.objects.filter(pk=row).update(**{column: other})
    change("campaigns_emailschedule", row, {"email_template": "known-now"})


@pytest.mark.parametrize("column", [name for name in PINNED if name != "message_id"])
def test_a_planned_mail_may_still_be_for_another_event(column):
    change("campaigns_emailschedule", mail(), {column: PINNED[column]()})


@pytest.mark.parametrize("status", Status)
def test_only_what_is_planned_or_skipped_may_be_deleted(status):
    row = mail(status)
    if status in (Status.PRE_SCHEDULED, Status.SKIPPED):
        delete("campaigns_emailschedule", row)
        assert not EmailSchedule.objects.exists()
    else:
        with pytest.raises(IntegrityError, match="is kept"):
            delete("campaigns_emailschedule", row)
        with pytest.raises(IntegrityError, match="is kept"), transaction.atomic():
            EmailSchedule.objects.all().delete()


def test_every_change_of_a_campaign_is_noted_whoever_made_it(django_user_model):
    author, row = django_user_model.objects.create_user("mia"), campaign()
    with made_by(author):
        CampaignInstance.objects.filter(pk=row).update(active_until="2026-07-01", name="another")
        CampaignType.objects.filter(instances=row).update(priority=2)
    change("campaigns_campaigninstance", row, {"active_until": None})
    change("campaigns_campaigninstance", row, {"active_until": None})  # the same again is no change

    told = [(one.field, one.old_value, one.new_value, one.changed_by, one.requires_rescheduling) for one in CampaignChange.objects.all()]
    assert sorted(told[:1]) == [("active_until", "2026-07-01", None, None, True)]
    assert sorted(told[1:], key=lambda one: one[0]) == [
        ("active_until", None, "2026-07-01", author, True),
        ("name", "c", "another", author, False),
        ("priority", "10", "2", author, True),
    ]


def test_what_was_changed_is_final_but_that_it_was_planned_anew_is_told():
    row = noted(campaign_type_id=kind())

    with pytest.raises(IntegrityError, match="what was changed is final"):
        change("campaigns_campaignchange", row, {"new_value": "another"})
    with pytest.raises(IntegrityError, match="what was changed is final"):
        delete("campaigns_campaignchange", row)
    change("campaigns_campaignchange", row, {"rescheduled_at": AT})
