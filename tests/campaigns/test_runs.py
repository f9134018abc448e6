"""A run writes what the rules say, whatever is cut, killed, repeated, changed or deleted meanwhile."""

from datetime import date, timedelta

import numpy as np
import pytest
from django.db import OperationalError

from campaigns import chunks, loading, run_totals, runs, scheduler
from campaigns.models import CampaignType, Contact, ContactCampaign, EmailSchedule, RunChunk, RunStatus, SchedulerRun, Step
from campaigns.rules.shapes import REASON_WORDS, STATUS_WORDS
from campaigns.runs import Order
from campaigns.settings import SchedulerSettings
from messaging.models import SystemEvent
from tests.campaigns.rows import make_campaign, make_contact, make_mail

pytestmark = pytest.mark.django_db
TODAY = date(2026, 6, 1)
STATES = {"CA": "90001", "MO": "63101", "NV": "89101", "NY": "10001", "TX": "75001", "KS": "66842"}
TIGHT = {"daily_send_percentage_cap": 0.03, "ed_daily_soft_limit": 2, "max_emails_per_period": 2}
ROOMY = {"daily_send_percentage_cap": 1.0, "ed_daily_soft_limit": 10_000}


def order(*, day=TODAY, **told):
    who = {name: told.pop(name) for name in ("contact_ids", "write") if name in told}
    return Order(
        day=day,
        settings=SchedulerSettings(campaign_types=CampaignType.objects.behaviours(), **told),
        versions={},
        without_backup="A test",
        **who,
    )


def people(number, *, seed=1):
    """Contacts of several states, crowded effective dates, every third one meant by a campaign."""
    random = np.random.default_rng(seed)
    rows = []
    for n in range(number):
        state = str(random.choice(sorted(STATES)))
        born = date(1940, 1, 1) + timedelta(days=int(random.integers(0, 9_000))) if random.random() > 0.1 else None
        since = date(2015 + n % 5, int(random.choice([7, 8])), 1) if random.random() > 0.2 else None
        told = {"zip_code": STATES[state], "state": state, "birth_date": born, "effective_date": since}
        rows.append(Contact(email=f"p{seed}-{n}@client.example", **told))
    contacts = Contact.objects.bulk_create(rows)
    campaigns = [make_campaign("rate_increase"), make_campaign("seasonal_promo")]
    for n, contact in enumerate(contacts):
        if n % 3 == 0:
            trigger = TODAY + timedelta(days=20 + n % 4)
            ContactCampaign.objects.create(contact=contact, instance=campaigns[n % 2], trigger_on=trigger)
    return contacts


def schedule():
    names = ("contact_id", "email_type", "send_on", "event_on", "campaign_instance_id", "status", "skip_reason", "moved_from", "over_cap")
    return sorted(EmailSchedule.objects.values_list(*names), key=str)


def said(rows, settings):
    """ROWs as the table has them."""
    return sorted(
        (
            (
                int(row["contact"]),
                settings.email_types.names[row["kind"]],
                row["send_on"].item(),
                row["event_on"].item(),
                int(row["instance"]) if row["instance"] >= 0 else None,
                STATUS_WORDS[row["status"]],
                REASON_WORDS[row["reason"]] or "",
                row["moved_from"].item(),
                bool(row["over_cap"]),
            )
            for row in rows
        ),
        key=str,
    )


def by_memory(asked):
    day = np.datetime64(asked.day, "D")
    (some,) = loading.ranges(size=10**6)
    chunk = loading.chunk(some, day=day, settings=asked.settings)
    (rows,) = scheduler.schedule([chunk], day=day, settings=asked.settings)
    return said(rows, asked.settings)


def work_until(run, step):
    while SchedulerRun.objects.get(pk=run.pk).step != step:
        runs.once(run.pk, write=True)


def events(level):
    return SystemEvent.objects.filter(level=level, component="scheduler")


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("batch_size", [1_000, 40, 7])
@pytest.mark.parametrize("caps", [TIGHT, ROOMY], ids=["tight", "roomy"])
def test_a_run_writes_what_the_rules_say_in_memory_however_the_contacts_are_cut(seed, batch_size, caps):
    people(90, seed=seed)
    asked = order(batch_size=batch_size, **caps)
    expected = by_memory(asked)

    run = runs.run(asked)

    assert schedule() == expected
    assert run.chunks.count() == -(-90 // batch_size)
    assert run.added == len(expected) == run.scheduled + run.skipped
    if caps is TIGHT:
        assert any(row[7] for row in expected), "no day was too full: nothing was settled"


def test_a_campaign_that_is_skipped_keeps_no_other_off_its_day():
    blast, rise = make_campaign("initial_blast"), make_campaign("rate_increase")
    tomorrow, after = TODAY + timedelta(days=1), TODAY + timedelta(days=2)
    first, second = make_contact(), make_contact(zip_code="10001", state="NY")
    for contact in (first, second):
        ContactCampaign.objects.create(contact=contact, instance=blast, trigger_on=tomorrow)
    ContactCampaign.objects.create(contact=second, instance=rise, trigger_on=after + timedelta(days=14))

    runs.run(order(daily_send_percentage_cap=0.5))  # one mail a day

    campaigns = EmailSchedule.objects.filter(contact=second, email_type__startswith="campaign_")
    assert set(campaigns.values_list("email_type", "send_on", "skip_reason")) == {
        ("campaign_initial_blast", after, ""),
        ("campaign_rate_increase", after, "year_round_exclusion"),
    }


def test_a_second_run_of_the_day_writes_nothing():
    people(60)
    first = runs.run(order(**TIGHT))
    before = list(EmailSchedule.objects.order_by("pk").values())

    second = runs.run(order(**TIGHT))

    assert (second.added, second.changed, second.removed, second.unchanged) == (0, 0, 0, first.added)
    assert second.before_checksum == second.after_checksum == first.after_checksum
    assert list(EmailSchedule.objects.order_by("pk").values()) == before


def test_the_next_day_only_what_changed_is_written_and_the_counts_add_up():
    people(60)
    first = runs.run(order(**ROOMY))

    second = runs.run(order(day=TODAY + timedelta(days=1), **ROOMY))

    assert second.before_checksum == first.after_checksum
    assert second.unchanged > second.added + second.changed
    assert EmailSchedule.objects.filter(run=second).count() == second.added + second.changed


def test_some_contacts_alone_get_what_they_would_get_among_all():
    contacts = people(60)
    runs.run(order(**ROOMY))
    expected = schedule()
    some = [one.pk for one in contacts[::4]]
    EmailSchedule.objects.filter(contact__in=some).delete()

    run = runs.run(order(contact_ids=some, **ROOMY))

    assert schedule() == expected
    assert (run.contacts, run.scope) == (len(some), "some")


def test_a_run_for_nobody_is_over_at_once():
    assert runs.run(order(contact_ids=[])).status == RunStatus.COMPLETED
    assert runs.run(order()).status == RunStatus.COMPLETED


@pytest.mark.parametrize("step", [Step.SETTLE, Step.WRITE])
def test_a_contact_deleted_between_two_steps_stops_no_run(step):
    contacts = people(60)
    run = runs.start(order(**TIGHT))
    work_until(run, step)
    ContactCampaign.objects.filter(contact=contacts[5]).delete()
    contacts[5].delete()
    late = make_contact(birth_date=date(1950, 9, 9))

    runs.work(run.pk)

    run.refresh_from_db()
    assert run.status == RunStatus.COMPLETED
    assert not EmailSchedule.objects.filter(contact__in=[late.pk]).exists(), "it came too late, and is planned next time"
    runs.run(order(**TIGHT))
    assert EmailSchedule.objects.filter(contact=late).exists()


@pytest.mark.parametrize("change", [{"zip_code": ""}, {"birth_date": date(1950, 12, 24)}, {"zip_code": "10001", "state": "NY"}])
def test_what_is_known_of_a_contact_now_is_what_counts(change):
    contact = make_contact(birth_date=date(1950, 9, 9))
    runs.run(order(**ROOMY))
    Contact.objects.filter(pk=contact.pk).update(**change)

    runs.run(order(**ROOMY))

    assert schedule() == by_memory(order(**ROOMY))
    assert ("zip_code" in change and not change["zip_code"]) == (not EmailSchedule.objects.exists())


def test_what_is_overdue_stays_for_a_week_and_is_missed_then():
    contact = make_contact(birth_date=date(1950, 9, 9))
    late = make_mail(contact, send_on=TODAY - timedelta(days=3), event_on=TODAY + timedelta(days=11))
    lost = make_mail(contact, send_on=TODAY - timedelta(days=8), event_on=TODAY + timedelta(days=6))

    run = runs.run(order(**ROOMY))

    late.refresh_from_db()
    lost.refresh_from_db()
    assert (late.status, lost.status, lost.skip_reason, lost.run_id) == ("pre-scheduled", "skipped", "missed", run.pk)


def test_what_a_person_stopped_is_not_planned_again():
    contact = make_contact(birth_date=date(1950, 7, 1))
    runs.run(order(**ROOMY))
    EmailSchedule.objects.filter(email_type="birthday").move("cancelled")

    run = runs.run(order(**ROOMY))

    assert list(EmailSchedule.objects.filter(contact=contact, email_type="birthday").values_list("status", flat=True)) == ["cancelled"]
    assert (run.added, run.changed, run.removed) == (0, 0, 0)


def test_there_is_one_run_at_a_time_until_nothing_is_heard_of_it():
    people(5)
    first = runs.start(order())
    with pytest.raises(runs.RunUnderWay, match=f"--resume {first.pk}"):
        runs.start(order())
    SchedulerRun.objects.update(heartbeat_at=first.heartbeat_at - timedelta(minutes=6))

    second = runs.start(order())

    first.refresh_from_db()
    assert (first.status, second.status) == ("failed", "running")
    assert "Nothing was heard of it for 5 minutes" in first.error
    with pytest.raises(runs.RunFailed, match="Another run is under way"):
        runs.resume(first.pk)


def test_a_chunk_that_fails_three_times_fails_the_run_which_can_be_resumed(monkeypatch):
    people(30)
    whole = order(**TIGHT)
    expected = by_memory(whole)
    monkeypatch.setattr(runs, "WAIT_SECONDS", 0)
    monkeypatch.setattr(runs, "timedelta", lambda **told: timedelta(0))
    broken = chunks.STEPS | {Step.WRITE: lambda *told: 1 // 0}
    run = runs.start(whole)

    with monkeypatch.context() as patch:
        patch.setattr(chunks, "STEPS", broken)
        with pytest.raises(runs.RunFailed, match=f"--resume {run.pk}"):
            runs.work(run.pk)

    run.refresh_from_db()
    assert (run.status, run.step) == ("failed", "write")
    assert "Chunk 1 (contacts " in run.error
    assert "division" in run.error
    assert events("alarm").count() == 1
    assert events("warning").count() == runs.MOST_TRIES
    runs.resume(run.pk)
    runs.work(run.pk)
    run.refresh_from_db()
    assert run.status == RunStatus.COMPLETED
    assert schedule() == expected


def test_what_breaks_between_two_steps_is_told_on_the_run(monkeypatch):
    people(10)
    run = runs.start(order())
    with monkeypatch.context() as patch:
        patch.setattr(run_totals, "BETWEEN", {Step.PLAN: lambda *told: 1 // 0})
        with pytest.raises(runs.RunFailed, match="all chunks are put together"):
            runs.work(run.pk)

    runs.resume(run.pk)
    runs.work(run.pk)

    run.refresh_from_db()
    assert run.status == RunStatus.COMPLETED


def test_who_joins_a_run_under_way_takes_nobodys_chunk():
    people(10)
    run = runs.start(order())
    (held,) = run.chunks.at(Step.PLAN).free().claim(lease=runs.LEASE, limit=1)

    runs.resume(run.pk)

    assert RunChunk.objects.get(pk=held.pk).lease == held.lease


def test_a_worker_whose_hold_ran_out_writes_nothing():
    people(10)
    run = runs.start(order())
    (held,) = run.chunks.at(Step.PLAN).free().claim(lease=timedelta(seconds=-1), limit=1)
    (other,) = run.chunks.at(Step.PLAN).free().claim(lease=runs.LEASE, limit=1)
    assert other.pk == held.pk

    runs.do(run, held, write=True)
    assert RunChunk.objects.get(pk=held.pk).step == Step.PLAN

    runs.do(run, other, write=True)
    assert RunChunk.objects.get(pk=held.pk).step == Step.SETTLE


def test_told_to_stop_a_run_ends_as_failed_and_goes_on_later():
    people(10)
    asked = [False, False, True]

    run = runs.run(order(), stop=lambda: asked.pop(0))

    assert (run.status, run.error) == ("failed", "It was told to stop.")
    runs.resume(run.pk)
    runs.work(run.pk)
    run.refresh_from_db()
    assert run.status == RunStatus.COMPLETED
    with pytest.raises(runs.RunFailed, match="nothing to resume"):
        runs.resume(run.pk)
    with pytest.raises(runs.RunFailed, match="no run 987654"):
        runs.resume(987654)


def test_a_dry_run_tells_and_writes_no_mail():
    people(30)

    run = runs.run(order(write=False, **TIGHT))

    assert run.added == run.scheduled + run.skipped > 0
    assert run.before_checksum == run.after_checksum
    assert not EmailSchedule.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_the_database_away_in_the_middle_is_waited_for_and_the_chunk_is_free_at_once(monkeypatch):
    people(10)
    run, plan, away = runs.start(order()), chunks.STEPS[Step.PLAN], [True]

    def planned(*told):
        if away.pop() if away else False:
            raise OperationalError("the server closed the connection")
        return plan(*told)

    monkeypatch.setattr(chunks, "STEPS", chunks.STEPS | {Step.PLAN: planned})
    monkeypatch.setattr(runs.time, "sleep", lambda seconds: None)
    with pytest.raises(OperationalError):
        runs.once(run.pk, write=True)
    assert RunChunk.objects.get(run=run).leased_until is None
    runs.work(run.pk)

    run.refresh_from_db()
    assert (run.status, run.contacts_done) == ("completed", 10)
