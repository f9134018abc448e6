"""Whatever staff can do to a record: never by a GET, never without the permission, and always as the functions below would do it."""

import pytest
from django.contrib import admin
from django.contrib.auth.models import AnonymousUser, Permission, User
from django.test import RequestFactory
from django_q.models import Failure, OrmQ, Schedule, Success

from campaigns.models import CampaignInstance, CampaignType, Contact, ContactCampaign, EmailSchedule, SchedulerRun
from campaigns.models.imports import ImportJob
from messaging.models import (
    CmsNote,
    Decision,
    EmailTemplate,
    ErrorGroup,
    Message,
    NoteStatus,
    Provider,
    Status,
    Suppression,
    SystemEvent,
    Verdict,
)
from portal.admin.records import Desk
from portal.operations.models import Operation
from portal.quotes.models import Quote
from portal.summaries.models import DailySummary
from tests.factories import make_preference
from tests.portal.desk_rows import a_case, a_message, a_template, bring, said, staff, superuser
from tests.portal.quotes.rows import TEST_TERMS, mail_of, make_quote, quote_with_mails

pytestmark = pytest.mark.django_db
ACTS = [(model, act) for model, desk in admin.site._registry.items() if isinstance(desk, Desk) for act in desk.acts]
NAMES = [f"{model._meta.model_name}-{act.name}" for model, act in ACTS]
GOES_THROUGH = {  # act: the state a message is in before, and after
    "try_again_now": (Status.FAILED, Status.QUEUED),
    "mark_as_sent": (Status.IN_DOUBT, Status.SENT),
    "send_again": (Status.IN_DOUBT, Status.QUEUED),
    "give_up": (Status.FAILED, Status.CANCELLED),
    "put_back": (Status.HELD, Status.QUEUED),
    "hold": (Status.QUEUED, Status.HELD),
}


def a_row(model, act_name):
    """A row of the model to which the act applies."""
    if model is Message:
        return a_message(a_case(), GOES_THROUGH[act_name][0])
    if model is CmsNote:
        note = a_message(a_case(), Status.SENT).note
        if act_name == "add_again":
            CmsNote.objects.filter(pk=note.pk).update(
                status=NoteStatus.POSTING, lease="00000000-0000-0000-0000-000000000001", leased_until="2020-01-01T00:00Z"
            )
            CmsNote.objects.filter(pk=note.pk).update(
                status=NoteStatus.UNKNOWN, lease=None, leased_until=None, unclear_since="2020-01-01T00:00Z"
            )
        return note
    if model is EmailTemplate:
        return a_template().template
    if model is ErrorGroup:
        return ErrorGroup.objects.create(fingerprint="a" * 16, component="delivery", shape="550 no", sample="550 no")
    if model is Suppression:
        return Suppression.objects.create(address="no@firm.example", reason="asked us")
    if model is Quote:
        return a_quote_for(act_name)
    if model is Operation:
        author = User.objects.create_user("author")
        return Operation.objects.create(kind="process_quotes", parameters={"limit": 1}, asked="Price quotes", author=author, total=1)
    if model is DailySummary:
        return a_failed_summary()
    if model is ContactCampaign:
        campaign = CampaignInstance.objects.create(campaign_type=CampaignType.objects.get(name="rate_increase"), name="Spring")
        return ContactCampaign.objects.create(contact=a_contact(), instance=campaign, trigger_on="2026-06-01")
    if model is EmailSchedule:
        day = {"send_on": "2026-06-01", "send_time": "08:30", "event_on": "2026-06-15"}
        return EmailSchedule.objects.create(contact=a_contact(), email_type="birthday", status="pre-scheduled", priority=5, **day)
    if model is SchedulerRun:
        return SchedulerRun.objects.create(
            day="2026-06-01", status="failed", without_backup="A test", ended_at="2026-06-01T08:00Z", error="a chunk failed"
        )
    if model is ImportJob:
        return an_import()
    assert model is Provider
    return Provider.objects.create(name="primary", purpose="mail", paused_until="2999-01-01T00:00Z", reason="away")


def a_contact():
    return Contact.objects.create(email="ada@client.example", zip_code="66842", state="KS")


def an_import():
    return ImportJob.objects.create(kind="contacts", file_name="contacts.csv", sha256="0" * 64, size_bytes=9, status="ready")


def a_failed_summary():
    user = make_preference(user=User.objects.create_user("reader", is_staff=True), notification_email="reader@portal.example").user
    at = {"due_at": "2026-03-04T15:00Z", "open_until": "2026-03-05T06:00Z", "failed_at": "2026-03-04T15:00Z"}
    facts = {"zone": "America/Chicago", "status": "failed", "error": "550 no", "notification_email": "reader@portal.example"}
    return DailySummary.objects.create(user=user, day="2026-03-04", **at, **facts)


def a_quote_for(act_name):
    if act_name.startswith("try_"):
        quote = quote_with_mails(terms=TEST_TERMS)
        for leg in ("customer", "admin"):
            bring(mail_of(quote, leg), Status.FAILED)
        return Quote.objects.get(pk=quote.pk)
    if act_name.startswith("mark_"):
        return make_quote(status="contacted" if act_name == "mark_completed" else "ai_quoted")
    return make_quote(status="ai_error" if act_name == "put_back" else "pending", ai_processed_at=None, ai_error_message="no answer")


def answers(act_name, case=None):
    known = {"confirm_by_hand": {"remote_id": "N-7"}, "send_test": {"case": case.pk if case else ""}}
    return {"confirmed": "yes", "reason": "looked it up"} | known.get(act_name, {})


def act_url(model, row, act_name):
    return f"/admin/{model._meta.app_label}/{model._meta.model_name}/{row.pk}/act/{act_name}/"


def picture(model, row):
    """All that an act may change; who was refused is another matter."""
    events = SystemEvent.objects.exclude(component="access").count()
    return model.objects.filter(pk=row.pk).values().first(), Decision.objects.count(), Message.objects.count(), events


def refusals():
    return list(SystemEvent.objects.filter(component="access").values_list("text", flat=True))


def test_every_action_of_every_desk_names_a_permission_that_exists():
    request = RequestFactory().get("/")
    request.user = User.objects.create_superuser("root")
    for model, desk in admin.site._registry.items():
        assert isinstance(desk, Desk), f"{model} has no desk of ours"
        assert not any([desk.actions_list, desk.actions_row, desk.actions_detail, desk.actions_submit_line]), f"{desk}: links that change"
        assert "delete_selected" not in desk.get_actions(request)
        for function, _, _ in desk.get_actions(request).values():
            (permission,) = function.allowed_permissions
            assert Permission.objects.filter(codename=permission.partition(".")[2]).exists(), f"{desk}: {permission} does not exist"


def test_an_action_is_not_offered_to_somebody_who_may_not_do_it():
    request = RequestFactory().get("/")
    request.user = AnonymousUser()

    assert [desk.get_actions(request) for desk in admin.site._registry.values()] == [{}] * len(admin.site._registry)


@pytest.mark.parametrize(("model", "act"), ACTS, ids=NAMES)
def test_looking_at_an_act_changes_nothing(model, act):
    row = a_row(model, act.name)
    before = picture(model, row)

    response = superuser().get(act_url(model, row, act.name))

    assert response.status_code == 200
    assert picture(model, row) == before


@pytest.mark.parametrize(("model", "act"), ACTS, ids=NAMES)
def test_an_act_is_refused_to_staff_who_may_only_look_and_done_for_those_who_may(model, act):
    row = a_row(model, act.name)
    look = f"{model._meta.app_label}.view_{model._meta.model_name}"
    before = picture(model, row)
    case = a_case(7, attorney_email="other@firm.example")

    refused = staff(look, name="looker").post(act_url(model, row, act.name), answers(act.name, case))
    assert refused.status_code == 403
    assert picture(model, row) == before
    assert refusals() == [f"looker was refused POST {act_url(model, row, act.name)}."]

    done = staff(look, "messaging.view_case", act.permission, name="doer").post(
        act_url(model, row, act.name), answers(act.name, case), follow=True
    )
    assert done.status_code == 200
    assert act.done[0] in said(done)
    assert picture(model, row) != before


@pytest.mark.parametrize(
    ("model", "act"), [(m, a) for m, a in ACTS if a.in_bulk], ids=[n for n, (_, a) in zip(NAMES, ACTS, strict=True) if a.in_bulk]
)
def test_a_bulk_act_is_refused_to_staff_who_may_only_look_and_asks_before_it_is_done(model, act):
    row = a_row(model, act.name)
    look = f"{model._meta.app_label}.view_{model._meta.model_name}"
    listed = f"/admin/{model._meta.app_label}/{model._meta.model_name}/"
    chosen = {"action": act.name, "index": "0", "_selected_action": [str(row.pk)]}
    before = picture(model, row)

    assert staff(look, name="looker").post(listed, chosen | answers(act.name)).status_code == 403
    assert picture(model, row) == before
    assert refusals() == [f"looker was refused POST {listed}."]
    doer = staff(look, act.permission, name="doer")
    asked = doer.post(listed, chosen)
    assert asked.status_code == 200
    assert f'value="{row.pk}"' in asked.content.decode()
    assert picture(model, row) == before

    doer.post(listed, chosen | answers(act.name))
    assert picture(model, row) != before


@pytest.mark.parametrize(("verdict", "states"), GOES_THROUGH.items(), ids=str)
def test_a_decision_on_the_desk_is_carried_out_and_recorded_with_its_reason_and_author(verdict, states):
    message = a_message(a_case(), states[0])

    superuser().post(act_url(Message, message, verdict), {"confirmed": "yes", "reason": "the firm called"})

    message.refresh_from_db()
    decision = Decision.objects.get()
    assert (message.status, decision.verdict, decision.reason) == (states[1], verdict, "the firm called")
    assert (decision.from_status, decision.decided_by.username) == (states[0], "boss")


@pytest.mark.parametrize(
    ("reason", "said"),
    [("", "Give a reason"), ("   ", "Give a reason"), ("\n", "Give a reason"), ("he\x1b[2J called", "contains the control character")],
)
def test_a_decision_without_a_readable_reason_is_refused_in_words(reason, said):
    message = a_message(a_case(), Status.FAILED)

    response = superuser().post(act_url(Message, message, "give_up"), {"confirmed": "yes", "reason": reason})

    assert said in response.content.decode()
    message.refresh_from_db()
    assert (message.status, Decision.objects.count()) == (Status.FAILED, 0)


def test_a_second_press_of_the_same_button_decides_nothing_and_says_who_decided():
    message, boss = a_message(a_case(), Status.IN_DOUBT), superuser()
    url = act_url(Message, message, "send_again")

    boss.post(url, {"confirmed": "yes", "reason": "it never came"})
    second = boss.post(url, {"confirmed": "yes", "reason": "it never came"}, follow=True)

    assert Decision.objects.count() == 1
    assert "Decided by boss as “Send again” on" in said(second)


def test_sending_again_what_was_delivered_is_refused_with_its_date():
    message = a_message(a_case(), Status.SENT)

    response = superuser().get(act_url(Message, message, "send_again"))

    assert "Already delivered on" in response.content.decode()
    assert "<button" not in response.content.decode().split('<div class="act">')[1].split("modal")[0]


def test_a_selection_of_which_some_moved_on_says_how_many():
    case = a_case()
    failed = [a_message(case, Status.FAILED, number=number) for number in (1, 2, 3)]
    moved = a_message(case, Status.QUEUED, number=4)
    Message.objects.filter(pk=moved.pk).update(status=Status.HELD, reason="because")

    chosen = {"action": "try_again_now", "index": "0", "_selected_action": [str(one.pk) for one in [*failed, moved]]}
    response = superuser().post("/admin/messaging/message/", chosen | {"confirmed": "yes", "reason": "relay is back"}, follow=True)

    assert "3 of 4 messages will be tried again now; 1 had moved on meanwhile." in said(response)
    assert Decision.objects.filter(verdict=Verdict.TRY_AGAIN_NOW).count() == 3


def test_a_confirmed_selection_still_counts_what_its_filter_has_lost_meanwhile():
    failed = a_message(a_case(), Status.FAILED)
    moved = a_message(a_case(2), Status.HELD)
    chosen = {"action": "try_again_now", "index": "0", "_selected_action": [str(failed.pk), str(moved.pk)]}

    response = superuser().post("/admin/messaging/message/?state=failed", chosen | {"confirmed": "yes", "reason": "back"}, follow=True)

    assert "1 of 2 messages" in said(response)


def test_more_rows_than_a_person_can_answer_for_are_refused(monkeypatch):
    monkeypatch.setattr("portal.admin.records.MOST_AT_ONCE", 1)
    case = a_case()
    failed = [a_message(case, Status.FAILED, number=number) for number in (1, 2)]
    chosen = {"action": "give_up", "index": "0", "_selected_action": [str(one.pk) for one in failed]}

    response = superuser().post("/admin/messaging/message/", chosen | {"confirmed": "yes", "reason": "old"}, follow=True)

    assert "At most 1 rows at once" in said(response)
    assert Decision.objects.count() == 0


def test_a_post_without_the_csrf_token_is_refused():
    message, boss = a_message(a_case(), Status.FAILED), superuser()
    boss.handler.enforce_csrf_checks = True

    assert boss.post(act_url(Message, message, "give_up"), {"confirmed": "yes", "reason": "old"}).status_code == 403
    assert Decision.objects.count() == 0


def test_the_rings_for_what_was_decided_wait_in_the_queue(django_capture_on_commit_callbacks):
    message = a_message(a_case(), Status.FAILED)
    with django_capture_on_commit_callbacks(execute=True):
        superuser().post(act_url(Message, message, "try_again_now"), {"confirmed": "yes", "reason": "relay is back"})

    assert [ring.task["func"] for ring in OrmQ.objects.all()] == ["portal.tasks.send_due_messages"]


def test_a_note_is_confirmed_under_the_reference_that_was_typed():
    note = a_message(a_case(), Status.SENT).note

    superuser().post(act_url(CmsNote, note, "confirm_by_hand"), {"confirmed": "yes", "remote_id": " N-42 "})

    note.refresh_from_db()
    assert (note.status, note.remote_id, note.confirmed_by.username) == (NoteStatus.PROCESSED, "N-42", "boss")


def test_a_note_without_a_reference_in_the_cms_is_confirmed_by_the_tick():
    note = a_message(a_case(), Status.SENT).note

    superuser().post(act_url(CmsNote, note, "confirm_by_hand"), {"confirmed": "yes", "without_reference": "on"})

    note.refresh_from_db()
    assert (note.status, note.remote_id) == (NoteStatus.PROCESSED, f"manual:{note.pk}")


@pytest.mark.parametrize("given", [{}, {"remote_id": "N-1", "without_reference": "on"}, {"remote_id": "a\nb"}, {"remote_id": "x" * 101}])
def test_a_confirmation_that_says_nothing_or_two_things_changes_nothing(given):
    note = a_message(a_case(), Status.SENT).note

    response = superuser().post(act_url(CmsNote, note, "confirm_by_hand"), {"confirmed": "yes"} | given)

    assert response.status_code == 200
    note.refresh_from_db()
    assert note.status == NoteStatus.PENDING


def test_a_reference_that_another_note_has_is_refused_in_words():
    one, other = (a_message(a_case(number), Status.SENT).note for number in (1, 2))
    boss = superuser()
    boss.post(act_url(CmsNote, one, "confirm_by_hand"), {"confirmed": "yes", "remote_id": "N-42"})

    response = boss.post(act_url(CmsNote, other, "confirm_by_hand"), {"confirmed": "yes", "remote_id": "N-42"})

    assert "is the reference of another note already" in response.content.decode()
    other.refresh_from_db()
    assert other.status == NoteStatus.PENDING


def test_the_queue_of_background_tasks_has_no_desk():
    assert [model for model in (Schedule, Success, Failure, OrmQ) if model in admin.site._registry] == []
