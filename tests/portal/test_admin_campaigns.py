"""Campaigns on the desk: types, campaigns, the choice of contacts, planned mails, changes; every change under its author's name."""

from datetime import date, timedelta

import pytest
from django.contrib.auth.models import Group, User

from campaigns.models import CampaignChange, CampaignInstance, CampaignType, ContactCampaign, EmailSchedule, EngagementEvent
from campaigns.rules.states import FIRST_STATE_RULES, Window
from campaigns.settings import SchedulerSettings
from portal import wiring
from portal.admin.campaign_confirm import concerns
from tests.campaigns.rows import DAY, make_campaign, make_contact, make_mail
from tests.factories import make_message
from tests.portal.desk_rows import said, staff, superuser

pytestmark = pytest.mark.django_db
TYPES, CAMPAIGNS = "/admin/campaigns/campaigntype/", "/admin/campaigns/campaigninstance/"
MAILS, TARGETS = "/admin/campaigns/emailschedule/", "/admin/campaigns/contactcampaign/"
SWITCHES = ("active", "respect_exclusion_windows", "enable_followups", "target_all_contacts")


def type_form(one=None, **changes):
    values = {"name": "spring", "priority": "10", "days_before_event": "7", "active": "on", "respect_exclusion_windows": "on"}
    if one:
        values = {"priority": one.priority, "days_before_event": one.days_before_event, "seen_at": one.updated_at.isoformat()}
        values |= {name: "on" for name in SWITCHES if getattr(one, name)}
    return {name: value for name, value in (values | changes).items() if value is not None}


def campaign_form(kind, **changes):
    return {"campaign_type": kind.pk, "name": "Spring", "active_from": "", "active_until": "", "metadata": ""} | changes


def shown(response):
    return response.content.decode().replace("&#x27;", "'").replace("&quot;", '"').replace("&lt;", "<")


def test_letting_mail_out_on_excluded_days_names_the_states_and_wants_a_yes():
    boss, one = superuser(), CampaignType.objects.get(name="rate_increase")
    make_contact(state="NY"), make_contact(state="CA"), make_contact(state="KS")
    asked = type_form(one, respect_exclusion_windows=None)

    question = boss.post(f"{TYPES}{one.pk}/change/", asked)

    assert "CT, MA, NY, WA\n1 contact<" in shown(question)
    assert "CA, ID, KY, MD, MO, NV, OK, OR, VA\n1 contact<" in shown(question)
    assert dict(question.context["hidden"]) == {name: str(value) for name, value in asked.items()}
    one.refresh_from_db()
    assert one.respect_exclusion_windows
    assert boss.post(f"{TYPES}{one.pk}/change/", asked | {"windows_confirmed": "yes"}).status_code == 302
    one.refresh_from_db()
    assert not one.respect_exclusion_windows


@pytest.mark.parametrize(
    ("before", "changes", "asks"),
    [
        ({"active": False, "respect_exclusion_windows": False}, {"active": "on"}, True),  # activation
        ({"respect_exclusion_windows": False}, {"priority": "3"}, True),
        ({"respect_exclusion_windows": False}, {"active": None}, False),  # it is switched off
        ({}, {"priority": "3"}, False),
        ({"respect_exclusion_windows": False}, {}, False),  # nothing changes
    ],
)
def test_a_yes_is_wanted_exactly_where_mail_may_go_out_on_excluded_days(before, changes, asks):
    one = CampaignType.objects.get(name="rate_increase")
    CampaignType.objects.filter(pk=one.pk).update(**before)
    one.refresh_from_db()

    response = superuser().post(f"{TYPES}{one.pk}/change/", type_form(one, **changes))

    assert (response.status_code == 200 and "Send on excluded days?" in shown(response)) == asks


def test_a_campaign_of_a_type_that_ignores_windows_wants_the_same_yes():
    boss, kind = superuser(), CampaignType.objects.get(name="initial_blast")

    assert "Send on excluded days?" in shown(boss.post(f"{CAMPAIGNS}add/", campaign_form(kind)))
    assert not CampaignInstance.objects.exists()
    assert boss.post(f"{CAMPAIGNS}add/", campaign_form(kind, windows_confirmed="yes")).status_code == 302
    assert CampaignInstance.objects.get().name == "Spring"


def test_the_states_concerned_are_those_of_the_rules_in_force():
    rules = {"TX": Window(anchor=FIRST_STATE_RULES["NY"].anchor), "NY": Window(anchor=FIRST_STATE_RULES["CA"].anchor, after=3)}

    assert [states for _, states in concerns(SchedulerSettings(state_rules=rules))] == [["TX"], ["NY"]]


def test_a_change_bears_its_authors_name():
    boss, one = superuser(), CampaignType.objects.get(name="rate_increase")
    boss.post(f"{TYPES}{one.pk}/change/", type_form(one, priority="2"))
    campaign = make_campaign()
    form = campaign_form(campaign.campaign_type, name="Summer", active_until="2026-12-31")
    assert "It is not known which campaign you had open" in shown(boss.post(f"{CAMPAIGNS}{campaign.pk}/change/", form))
    boss.post(f"{CAMPAIGNS}{campaign.pk}/change/", form | {"seen_at": campaign.updated_at.isoformat()})

    told = set(CampaignChange.objects.values_list("field", "new_value", "changed_by__username"))
    assert told == {("priority", "2", "boss"), ("name", "Summer", "boss"), ("active_until", "2026-12-31", "boss")}
    page = boss.get("/admin/campaigns/campaignchange/").content.decode()
    assert "active_until" in page
    assert "Waits for a run" in page


REFUSED_TYPES = [
    ({"name": ""}, "This field is required."),
    ({"name": "Spring Sale"}, "Begin with a small letter; then small letters, digits and _"),
    ({"name": "x" * 31}, "at most 30"),
    ({"name": "rate_increase"}, "already exists"),
    ({"days_before_event": "301"}, "less than or equal to 300"),
    ({"priority": "0"}, "greater than or equal to 1"),
    ({"priority": "1e400"}, "Enter a whole number."),
]


@pytest.mark.parametrize(("changes", "sentence"), REFUSED_TYPES, ids=[sentence[:30] for _, sentence in REFUSED_TYPES])
def test_a_type_that_the_scheduler_could_not_read_is_refused(changes, sentence):
    response = superuser().post(f"{TYPES}add/", type_form(**changes))

    assert sentence in shown(response)
    assert CampaignType.objects.count() == 5


def test_every_type_that_is_taken_can_be_read_by_the_scheduler():
    superuser().post(f"{TYPES}add/", type_form(name="a" * 30, days_before_event="-300", priority="1000"))

    settings, _ = wiring.scheduler_settings()
    assert settings.campaign_types["a" * 30].days_before_event == -300


def test_there_are_at_most_as_many_types_as_the_scheduler_can_tell_apart():
    CampaignType.objects.bulk_create([CampaignType(name=f"t{number}") for number in range(51)])

    assert "There are 56 campaign types, and there can be no more" in shown(superuser().post(f"{TYPES}add/", type_form()))


REFUSED_CAMPAIGNS = [
    ({"name": "  "}, "Name is required."),
    ({"name": "A\u202eB"}, "turns the reading direction"),
    ({"active_from": "2026-06-02", "active_until": "2026-06-01"}, "would end on 2026-06-01, before it begins on 2026-06-02"),
    ({"active_from": "0001-01-01"}, "is outside 1901-01-01 to 2100-12-31"),
    ({"metadata": "{"}, "this is no JSON"),
    ({"metadata": '{"a": NaN}'}, "NaN is no value"),
    ({"metadata": '{"a": 1, "a": 2}'}, "stands twice"),
    ({"metadata": "[1]"}, "must be a JSON object"),
    ({"metadata": '{"a": "\\u0000"}'}, "contains a NUL"),
    ({"metadata": "[" * 9_000}, "nested too deeply"),
]


@pytest.mark.parametrize(("changes", "sentence"), REFUSED_CAMPAIGNS, ids=[sentence[:30] for _, sentence in REFUSED_CAMPAIGNS])
def test_a_campaign_typed_wrongly_is_refused_in_words(changes, sentence):
    kind = CampaignType.objects.get(name="rate_increase")

    assert sentence in shown(superuser().post(f"{CAMPAIGNS}add/", campaign_form(kind, **changes)))
    assert not CampaignInstance.objects.exists()


def choice(**changes):
    return {"by": "filter", "trigger_on": "2026-12-01", "spread_days": "1"} | changes


def test_contacts_are_chosen_by_a_filter_counted_and_only_then_in_the_campaign():
    boss, campaign = superuser(), make_campaign()
    chosen = [make_contact(state="CA") for _ in range(12)]
    make_contact(state="TX")
    campaign.targets.create(contact=chosen[0], trigger_on=date(2026, 12, 1))
    asked = choice(states=["CA"])

    preview = boss.post(f"{CAMPAIGNS}{campaign.pk}/target/", asked)

    assert "11 contacts for" in shown(preview)
    assert "1 more is in the campaign already and stays as it is" in shown(preview)
    assert len(preview.context["tables"][0].rows) == 10
    assert ContactCampaign.objects.count() == 1
    done = boss.post(f"{CAMPAIGNS}{campaign.pk}/target/", asked | {"confirmed": "yes"}, follow=True)
    assert "11 contacts are now meant by" in said(done)
    again = boss.post(f"{CAMPAIGNS}{campaign.pk}/target/", asked | {"confirmed": "yes"}, follow=True)
    assert "Nobody was added" in said(again)
    assert set(ContactCampaign.objects.values_list("contact", flat=True)) == {one.pk for one in chosen}
    assert ContactCampaign.objects.filter(targeted="filter").count() == 11


def test_contacts_are_chosen_by_hand_and_each_line_that_names_nobody_is_told():
    boss, campaign, contact = superuser(), make_campaign(), make_contact(email="ada@example.com")
    asked = choice(by="hand", named=f"ADA@example.com, {contact.pk}\nnobody@example.com")

    assert "'nobody@example.com' is neither the id nor the e-mail address of a contact." in shown(
        boss.post(f"{CAMPAIGNS}{campaign.pk}/target/", asked)
    )
    boss.post(f"{CAMPAIGNS}{campaign.pk}/target/", asked | {"confirmed": "yes"})

    assert [(one.contact, one.targeted) for one in ContactCampaign.objects.all()] == [(contact, "hand")]


REFUSED_CHOICES = [
    ({}, "Choose at least one state or carrier"),
    ({"by": "hand", "named": " , \n"}, "Name at least one contact"),
    ({"by": "hand", "named": "x"}, "'x' is neither the id nor the e-mail address"),
    ({"by": "hand", "named": "\n".join(map(str, range(5_001)))}, "5,001 contacts are named"),
    ({"by": "nobody"}, "Select a valid choice."),
    ({"states": ["ZZ"]}, "Select a valid choice. ZZ"),
    ({"by": "all", "spread_days": "366"}, "less than or equal to 365"),
    ({"by": "all", "spread_days": "2", "trigger_on": ""}, "only from a first one on"),
    ({"by": "all", "trigger_on": "2026-02-30"}, "Enter a valid date."),
    ({"by": "all", "trigger_on": "9999-12-31"}, "is outside 1901-01-01 to 2100-12-31"),
]


@pytest.mark.parametrize(("changes", "sentence"), REFUSED_CHOICES, ids=[sentence[:30] for _, sentence in REFUSED_CHOICES])
def test_a_choice_of_nobody_or_of_nonsense_is_refused_and_nobody_is_added(changes, sentence):
    campaign = make_campaign()
    make_contact()

    response = superuser().post(f"{CAMPAIGNS}{campaign.pk}/target/", choice(**changes) | {"confirmed": "yes"})

    assert sentence in shown(response)
    assert not ContactCampaign.objects.exists()


def test_who_may_not_choose_contacts_is_refused_and_sees_no_button():
    campaign, viewer = make_campaign(), staff("campaigns.view_campaigninstance")

    assert "Choose contacts" not in viewer.get(f"{CAMPAIGNS}{campaign.pk}/change/").content.decode()
    assert viewer.post(f"{CAMPAIGNS}{campaign.pk}/target/", choice(by="all", confirmed="yes")).status_code == 403
    assert superuser().get(f"{CAMPAIGNS}4711/target/").status_code == 404


def test_a_target_is_taken_out_again():
    target = make_campaign().targets.create(contact=make_contact())
    boss = superuser()

    assert "Take out of the campaign" in boss.get(f"{TARGETS}{target.pk}/change/").content.decode()
    answer = boss.post(f"{TARGETS}{target.pk}/act/take_out/?_changelist_filters=", {"confirmed": "yes"}, follow=True)

    assert answer.status_code == 200
    assert not ContactCampaign.objects.exists()


def listed(client, query=""):
    return [one.pk for one in client.get(f"{MAILS}{query}").context["cl"].result_list]


def test_planned_mails_are_listed_the_next_first_and_each_filter_shows_exactly_its_rows():
    today, contact = date(2026, 6, 10), make_contact(state="CA", email="ada@example.com")
    later, sooner = make_mail(send_on=today + timedelta(days=2)), make_mail(send_on=today)
    over = make_mail(send_on=today, over_cap=True, email_type="aep")
    late = make_mail(contact, send_on=today, catch_up=True, moved_from=today)
    skipped = make_mail(status="skipped", skip_reason="missed", send_on=today)
    stopped = make_mail(status="cancelled", send_on=today)
    gone = make_mail(status="scheduled", message=make_message(), send_on=today)
    boss = superuser()

    assert listed(boss) == [sooner.pk, over.pk, late.pk, later.pk]
    assert listed(boss, "?state=all") == sorted((one.pk for one in (later, sooner, over, late, skipped, stopped, gone)), reverse=True)
    for query, expected in {
        "?state=planned&type=aep": over,
        "?state=skipped": skipped,
        "?state=cancelled": stopped,
        "?state=handed_over": gone,
        "?reason=missed": skipped,
        "?mark=over_cap": over,
        "?mark=catch_up": late,
        "?mark=moved": late,
        "?of=CA": late,
        "?q=ada@": late,
        f"?q={contact.pk}": late,
        "?state=planned&send_on_from=2026-06-11&send_on_to=2026-06-30": later,
    }.items():
        assert listed(boss, query) == [expected.pk], query


def test_a_mail_is_stopped_with_a_reason_once():
    mail, boss = make_mail(), superuser()
    address = f"{MAILS}{mail.pk}/act/stop/"

    assert "Give a reason" in shown(boss.post(address, {"confirmed": "yes", "reason": " "}))
    assert "1 planned mail is stopped." in said(boss.post(address, {"confirmed": "yes", "reason": "She died."}, follow=True))
    assert EmailSchedule.objects.get().status == "cancelled"
    assert "Stopped by boss: She died.. There is nothing left to stop." in shown(boss.get(address))
    assert "Stopped by boss: She died." in boss.get(f"{MAILS}{mail.pk}/change/").content.decode()


def test_a_mail_that_was_handed_over_is_stopped_as_a_message():
    mail = make_mail(status="scheduled", message=make_message())
    boss = superuser()

    assert "It is a message now." in shown(boss.get(f"{MAILS}{mail.pk}/act/stop/")).replace("it is", "It is")
    assert f"/admin/messaging/message/{mail.message_id}/change/" in boss.get(f"{MAILS}?state=handed_over").content.decode()
    assert staff("campaigns.view_emailschedule").get(f"{MAILS}{mail.pk}/act/stop/").status_code == 403


def test_every_page_of_campaigns_opens_for_a_viewer():
    contact, campaign, viewer = make_contact(), make_campaign(), staff()
    User.objects.get(username="clerk").groups.set([Group.objects.get(name="Viewer")])
    campaign.targets.create(contact=contact, trigger_on=DAY)
    event = EngagementEvent.objects.create(
        key="k", contact=contact, kind="eligibility_answered", has_conditions=True, at="2026-06-01T12:00Z"
    )
    CampaignInstance.objects.filter(pk=campaign.pk).update(active_until=DAY)
    rows = [contact, campaign, campaign.campaign_type, campaign.targets.get(), make_mail(contact, campaign_instance=campaign), event]

    for row in [*rows, CampaignChange.objects.get()]:
        name = row._meta.model_name
        assert viewer.get(f"/admin/campaigns/{name}/").status_code == 200, name
        assert viewer.get(f"/admin/campaigns/{name}/{row.pk}/change/").status_code == 200, name
