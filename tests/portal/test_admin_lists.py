"""The lists and pages of the desk: who may open them, what odd addresses meet, and that large tables are read by their indexes."""

import re
from datetime import datetime, timedelta

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import URLResolver, get_resolver
from django.utils import timezone

from messaging.models import Case, Message, Status
from portal.admin.listing import BoundedPaginator
from tests.portal.desk_rows import a_case, a_message, a_template, staff, superuser
from tests.portal.quotes.rows import make_quote

pytestmark = pytest.mark.django_db
LISTS = [f"/admin/{model._meta.app_label}/{model._meta.model_name}/" for model in admin.site._registry]
OPEN_TO_ALL_STAFF = {
    "index",
    "login",
    "logout",
    "password_change",
    "password_change_done",
    "jsi18n",
    "search",
    "view_on_site",
    "autocomplete",
    "portal_summarypreference_add",  # everybody may have a summary of their own
}
SPELLED = {"act_name": "give_up", "kind": "price_book", "leg": "customer", "position": "1"}  # the other parts of addresses
ODD = [
    "?o=-1.99",
    "?p=999999",
    "?p=x",
    "?e=1",
    "?nonsense=1",
    "?state=nonsense",
    "?q=%25_%5C",
    "?q=" + "a" * 10_000,
    "?q=%00",
    "?q=(a%2B)%2B%24",
    "?pk__exact=99999999999999999999",
    "?all=",
    "?q=99999999999999999999",
    "?_changelist_filters=x",
    "?created_at_from=yesterday&at_to=9999-12-31&send_on_to=9999-12-31&received_at_from=0001-01-01",
]


def test_every_page_of_the_desk_is_closed_to_staff_without_rights():
    message = a_message(a_case(), Status.SENT)
    clerk, version = staff(), a_template()
    rows = [message, message.case, message.note, version, version.template, User.objects.get(), make_quote()]
    seen = set()
    for name, address in addresses({row._meta.model_name: row.pk for row in rows}):
        if name not in OPEN_TO_ALL_STAFF:
            response = clerk.get(address)
            missing = response.status_code == 302 and response["Location"] == "/admin/"
            assert response.status_code in (403, 405) or missing, f"{name}: GET {address} answered {response.status_code}"
            seen |= set() if missing else {name}
    assert {"messaging_message_change", "messaging_message_body", "messaging_message_act", "messaging_case_import"} <= seen
    assert {"portal_quote_change", "portal_quote_picture", "portal_quote_mail", "portal_quote_review", "portal_quote_import"} <= seen
    assert {"messaging_case_history", "messaging_cmsnote_change", "auth_user_password_change", "messaging_emailtemplate_preview"} <= seen


def test_every_page_of_the_desk_asks_strangers_to_log_in():
    for name, address in addresses({}):
        if name not in {"login", "logout"}:
            assert Client().get(address).status_code in (302, 401, 405), name


def addresses(keys):
    """Every address of the admin, with the key of its model's row, or 1, for whatever it needs."""
    (resolver,) = [each for each in get_resolver().url_patterns if isinstance(each, URLResolver) and each.app_name == "admin"]
    yield from walk(resolver, "/admin/", keys)


def walk(resolver, prefix, keys):
    for each in resolver.url_patterns:
        if isinstance(each, URLResolver):
            yield from walk(each, prefix + str(each.pattern), keys)
        elif each.name and "." not in str(each.pattern) and "(" not in str(each.pattern):
            key = str(next((keys[model] for model in keys if f"/{model}/" in prefix), 1))
            path = re.sub(r"<(?:\w+:)?(\w+)>", lambda found, key=key: SPELLED.get(found[1], key), str(each.pattern))
            yield each.name, prefix + path


@pytest.mark.parametrize(
    ("asked", "says"), [("", "Nothing here yet"), ("?q=nobody", "Nothing matches"), ("?state=sent", "Nothing matches")]
)
def test_an_empty_list_says_whether_there_is_nothing_or_nothing_that_matches(asked, says):
    assert says in superuser().get(f"/admin/messaging/message/{asked}").content.decode()


@pytest.mark.parametrize("address", LISTS)
def test_an_odd_address_is_answered_in_words_never_with_an_error(address):
    boss = superuser()

    assert {odd: boss.get(address + odd, follow=True).status_code for odd in ODD} == dict.fromkeys(ODD, 200)


@pytest.mark.parametrize(
    "address",
    [
        "/admin/auth/user/?password__startswith=p",
        "/admin/messaging/message/?queued_by__password__startswith=p",
        "/admin/messaging/case/?acknowledgments__acknowledged_by__password__startswith=p",
    ],
)
def test_nobody_looks_into_passwords_through_a_filter(address):
    assert superuser().get(address).status_code in (302, 400)


@pytest.mark.parametrize(
    "address",
    [
        "/admin/messaging/message/?session__id__exact=1",
        "/admin/messaging/message/?status__exact=failed",
        "/admin/messaging/cmsnote/?message__case__id__exact=1",
    ],
)
def test_the_links_of_other_pages_into_the_list_are_allowed(address):
    assert superuser().get(address).status_code == 200


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("from=2026-03-08&created_at_to=2026-03-08", {"first", "last"}),
        ("from=2026-03-08", {"first", "last", "next"}),
        ("to=2026-03-07", {"eve"}),
        ("to=2026-03-08", {"eve", "first", "last"}),
        ("from=2026-03-10", set()),
        ("to=9999-12-31", {"eve", "first", "last", "next"}),
        ("from=0001-01-01", {"eve", "first", "last", "next"}),
    ],
)
def test_days_are_whole_days_of_the_office_both_ends_included(asked, found):
    case, day = a_case(), timezone.make_aware(datetime(2026, 3, 8))  # of 23 hours: clocks go forward
    moments = {
        "eve": day - timedelta(seconds=1),
        "first": day,
        "last": day + timedelta(hours=22, minutes=59),
        "next": day + timedelta(days=1),
    }
    for number, (name, at) in enumerate(moments.items()):
        a_message(case, number=number, created_at=at, error=name)

    rows = superuser().get(f"/admin/messaging/message/?created_at_{asked}").context["cl"].result_list

    assert {row.error for row in rows} == found


def test_a_day_that_is_none_is_told_so():
    answer = superuser().get("/admin/messaging/message/?created_at_from=yesterday")

    assert answer.status_code == 302
    assert answer["Location"].endswith("?e=1")


@pytest.mark.parametrize(
    "asked",
    [
        "campaigns/contact/?flags=birth_date_invalid",
        "campaigns/contact/?email__regex=(",
        "messaging/case/?id__range=1",
        "campaigns/emailschedule/?send_on__year=0",
        "campaigns/emailschedule/?send_on__year=10000",
        "messaging/message/?subject__iregex=*",
        "messaging/message/?kind__trigram_similar=x",
        "messaging/message/?case__patient_name__unaccent=x",
        "messaging/message/?case__status__regex=a",
        "messaging/message/?pk__regex=1",
        "messaging/message/?kind__contains=a",
        "messaging/message/?created_at__date__gte=2026-01-01",
        "messaging/message/?headers__a__b=1",
        "messaging/message/?nothing__at__all=1",
        "auth/user/?username__regex=[",
    ],
)
def test_what_no_column_can_be_compared_with_is_told_so(asked):
    answer = superuser().get(f"/admin/{asked}")

    assert answer.status_code == 302
    assert answer["Location"].endswith("?e=1")


EXPORTS = ["messaging/message/export/csv/", "messaging/message/export/json/", "messaging/case/export/", "portal/quote/export/"]


@pytest.mark.parametrize(
    "asked", ["?nosuch=1", "?id__exact=abc", "?created_at_from=zz&state=zz&status__exact=zz&x__y=1", "?q=%00", "?pk__regex=1"]
)
@pytest.mark.parametrize("export", EXPORTS)
def test_an_export_is_asked_for_as_its_list_is(export, asked):
    boss = superuser()

    answers = [boss.get(f"/admin/{export}{asked}")]
    if export.endswith("export/"):
        answers.append(boss.post(f"/admin/{export}{asked}"))

    listed = f"/admin/{'/'.join(export.split('/')[:2])}/"
    assert [(answer.status_code, answer["Location"].partition("?")[0]) for answer in answers] == [(302, listed)] * len(answers)
    assert boss.get(f"/admin/{export}").status_code == 200


def test_what_cannot_be_searched_for_is_offered_nothing():
    case, boss = a_case(patient_name="Ada Byron"), superuser()
    asked = "/admin/autocomplete/?app_label=messaging&model_name=message&field_name=case&term="

    assert boss.get(f"{asked}%00").json()["results"] == []
    assert [row["id"] for row in boss.get(f"{asked}Ada").json()["results"]] == [str(case.pk)]


@pytest.mark.parametrize("key", ["abc", "-1", "99999999999999999999", "1%00", "1' OR 1=1"])
def test_a_record_that_does_not_exist_is_told_so(key):
    boss = superuser()

    assert boss.get(f"/admin/messaging/message/{key}/change/", follow=True).status_code in (200, 404)
    assert boss.get(f"/admin/messaging/message/{key}/act/give_up/").status_code in (302, 404)


def test_a_selection_of_nonsense_changes_nothing():
    boss = superuser()
    for key in ("abc", "99999999999999999999", "-1", "1\x00"):
        chosen = {"action": "give_up", "index": "0", "_selected_action": [key], "confirmed": "yes", "reason": "x"}
        assert boss.post("/admin/messaging/message/", chosen, follow=True).status_code == 200


STATES = [("needs_a_person", {"failed", "in_doubt", "held"}), ("waiting", {"queued"}), ("sent", {"sent"}), ("failed", {"failed"})]
STATES += [
    ("in_doubt", {"in_doubt"}),
    ("held", {"held"}),
    ("cancelled", {"cancelled"}),
    ("", {*["failed", "in_doubt", "held", "queued", "sent", "cancelled"]}),
]


@pytest.mark.parametrize(("state", "expected"), STATES, ids=[state or "all" for state, _ in STATES])
def test_the_filter_by_state_shows_exactly_its_messages(state, expected):
    case = a_case()
    for number, status in enumerate(["queued", "sent", "failed", "in_doubt", "held", "cancelled"]):
        a_message(case, status, number=number)

    response = superuser().get(f"/admin/messaging/message/?state={state}")

    assert {message.status for message in response.context["cl"].result_list} == expected


def test_messages_are_found_by_all_that_staff_have_at_hand():
    message = a_message(a_case(), Status.SENT)
    a_message(a_case(2, attorney_email="zoe@other.example", patient_name="Zoe"), Status.SENT, number=2)
    boss = superuser()
    for term in ("ada@", "ADA@BYRON", str(message.pk), message.key, message.message_id, message.message_id.strip("<>"), "400001", "900001"):
        found = boss.get("/admin/messaging/message/", {"q": term}).context["cl"].result_list
        assert [one.pk for one in found] == [message.pk], term


NOTES = [("pending", 3), ("needs_pid", 1), ("needs_attention", 1), ("unknown", 0), ("processed", 1), ("", 4)]


@pytest.mark.parametrize(("state", "count"), NOTES, ids=[state or "all" for state, _ in NOTES])
def test_the_filter_of_notes_shows_exactly_its_notes(state, count):
    plain, refused, _, done = (a_message(a_case(n, pid="" if n == 3 else f"4{n}"), Status.SENT, number=n).note for n in (1, 2, 3, 4))
    assert plain.status == "pending"
    type(refused).objects.filter(pk=refused.pk).update(attention="no such PID")
    type(done).objects.filter(pk=done.pk).update(status="processed", remote_id="N-1", processed_at="2026-01-01T00:00Z")

    response = superuser().get(f"/admin/messaging/cmsnote/?state={state}")

    assert len(response.context["cl"].result_list) == count


def test_the_lists_take_the_same_number_of_queries_for_few_rows_and_for_many():
    a_template()
    boss = superuser()
    counts = []
    for more in (2, 6):
        for number in range(more):
            case = a_case(more * 100 + number)
            a_message(case, Status.SENT if number % 2 else Status.FAILED, number=more * 100 + number)
        spent = []
        for address in ("message", "cmsnote", "case", "messagesession", "emailtemplate", "systemevent"):
            with CaptureQueriesContext(
                connection,
            ) as queries:
                boss.get(f"/admin/messaging/{address}/")
            spent.append(len(queries))
        counts.append(spent)
    assert counts[0] == counts[1]


@pytest.fixture
def many_messages():
    """Enough rows for the planner to care which way it goes."""
    case = a_case()
    a_message(case, Status.FAILED)
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO messaging_message (key, kind, lane, is_test, needs_note, sender, recipient, intended_for, subject, text, html,"
            " headers,"
            " message_id, status, round, attempts, max_attempts, tries, claims, reason, error, provider, remote_id, sent_at)"
            " SELECT 'k:'||n, 'follow_up', 9, false, false, 'o@p.example', 'r'||n||'@firm.example', 'r'||n||'@firm.example', 's', 't', '',"
            " '{}',"
            " '<m'||n||'@p.example>', 'sent', 1, 1, 3, 1, 0, '', '', '', '', now() FROM generate_series(1, 30000) n"
        )
        cursor.execute("ANALYZE messaging_message")
        cursor.execute("ANALYZE messaging_case")


PLANS = [
    ("?q=r123@firm", "message_intended_for"),
    ("?q=k:77", "messaging_message_pkey"),
    ("?q=%3Cm77@p.example%3E", "messaging_message_pkey"),
    ("?q=400001", "message_case"),
    ("?state=needs_a_person", "message_needs_a_person"),
    ("?state=in_doubt", "message_needs_a_person"),
    ("?state=waiting", "message_worked_on"),
    ("?state=cancelled", "message_cancelled"),
    ("?mode=test", "message_test"),
    ("?kind=nothing_of_it", "message_by_kind"),
    ("?created_at_from=2020-01-01&created_at_to=2020-01-31", "message_newest_first"),
    ("", "message_newest_first"),
]


def test_the_list_of_messages_is_read_by_an_index(many_messages):
    boss = superuser()
    for query, index in PLANS:
        rows = boss.get(f"/admin/messaging/message/{query}").context["cl"].queryset[:51]
        plan = rows.explain()
        assert index in plan, f"{query}: {plan}"
        assert "Seq Scan on messaging_message " not in plan, f"{query}: {plan}"


def test_a_long_list_is_counted_so_far_as_pages_are_worth_turning(monkeypatch):
    monkeypatch.setattr("portal.admin.listing.COUNTED_AT_MOST", 2)
    for number in range(4):
        a_case(number)

    assert str(BoundedPaginator(Case.objects.order_by("pk"), 50).count) == "over 2"
    assert BoundedPaginator(Case.objects.filter(pv="900001"), 50).count == 1


def test_the_page_of_a_message_tells_its_story_in_order():
    message = a_message(a_case(), Status.FAILED)
    boss = superuser()
    boss.post(f"/admin/messaging/message/{message.pk}/act/give_up/", {"confirmed": "yes", "reason": "the firm closed"})

    page = boss.get(f"/admin/messaging/message/{message.pk}/change/")

    titles = [moment.title for moment in page.context["story"]]
    assert [title.split(",")[0].split(":")[0] for title in titles] == ["Queued for ada@byron.example", "Try 1", "Decided"]
    assert "the firm closed" in page.content.decode()


def test_a_record_takes_no_edits():
    message = a_message(a_case(), Status.FAILED)

    assert superuser().post(f"/admin/messaging/message/{message.pk}/change/", {"status": "sent"}).status_code == 403
    assert Message.objects.get().status == Status.FAILED


def test_the_html_of_a_mail_is_shown_in_a_box_that_runs_nothing():
    message = a_message(a_case())

    body = superuser().get(f"/admin/messaging/message/{message.pk}/body/")

    assert body.content == b"<p>Dear <b>Ada</b></p>"
    assert body["Content-Security-Policy"].startswith("sandbox; default-src 'none'")
    page = superuser_page(f"/admin/messaging/message/{message.pk}/change/")
    assert f'<iframe class="mail-frame" sandbox="" src="/admin/messaging/message/{message.pk}/body/"' in page


def superuser_page(address):
    client = staff("messaging.view_message", name="reader")
    return client.get(address).content.decode()


def test_staff_read_the_subject_as_it_was_meant_and_never_the_key():
    message = a_message(a_case(), Status.FAILED)
    Message.objects.filter(pk=message.pk).update(subject=f"[TEST for {message.intended_for}] How is Ada?")
    address, boss = f"/admin/messaging/message/{message.pk}/", superuser()

    header = boss.get(f"{address}change/").content.decode().split("</h1>")[0]
    asked = boss.get(f"{address}act/give_up/").content.decode()

    assert "How is Ada?" in header
    assert message.key not in header
    assert "[TEST" not in header
    assert f"<li>How is Ada? – to {message.intended_for}</li>" in asked


def test_the_first_button_of_an_import_says_that_it_previews():
    page = superuser().get("/admin/messaging/case/import/").content.decode()

    assert '<button type="submit" class="act-button primary">Preview</button>' in page
