"""Templates on the desk: refused with line numbers, kept as new versions, previewed in a box, sent to oneself."""

import pytest

from messaging.models import EmailTemplate, Lane, Message, TemplateVersion
from tests.portal.desk_rows import a_case, a_template, said, staff, superuser

pytestmark = pytest.mark.django_db


def words(version=None, **changes):
    values = {"title": "Status request", "name": "status-request", "kind": "status_request", "is_active": "on"}
    values |= {"subject": "About {{ patient_name }}", "text": "PV {{ pv }}", "html": "", "seen_version": version.number if version else ""}
    return values | changes


def test_changed_words_become_a_new_version_and_the_old_one_stays():
    version = a_template()

    superuser().post(f"/admin/messaging/emailtemplate/{version.template_id}/change/", words(version, text="Our file {{ pv }}\r\n"))

    first, second = version.template.versions.order_by("number")
    assert (first.text, second.text, second.number, second.created_by.username) == ("PV {{ pv }}", "Our file {{ pv }}\n", 2, "boss")


def test_unchanged_words_make_no_version():
    version = a_template()

    superuser().post(f"/admin/messaging/emailtemplate/{version.template_id}/change/", words(version, title="New title"))

    assert TemplateVersion.objects.count() == 1
    assert EmailTemplate.objects.get().title == "New title"


def test_a_new_template_begins_with_version_one():
    superuser().post("/admin/messaging/emailtemplate/add/", words())

    assert TemplateVersion.objects.get().number == 1


REFUSED = [
    ({"text": "PV\n{{ nmae }}"}, "text", "Line 2: Unknown field"),
    ({"text": "{{ pv"}, "text", "Line 1:"),
    ({"text": "{% include 'x' %}"}, "text", "Line 1:"),
    ({"text": "{{ pv|safe }}"}, "text", "Line 1:"),
    ({"subject": "a{% debug %}"}, "subject", "Line 1:"),
    ({"subject": ""}, "subject", "Line 1: Subject is required."),
    ({"text": ""}, "text", "Line 1: Write a text or an HTML part."),
    ({"html": "<p>{{ pv }}</p>\n<script>alert(1)</script>"}, "html", "Line 2:"),
    ({"text": "x" * 100_001}, "text", "at most 100,000"),
    ({"text": "PV {{ pv|money }}"}, "text", "Line 1: '{{ pv|money }}' shows nothing, whatever"),
    ({"name": "not a slug!"}, "name", "valid"),
    ({"title": "Status\nrequest"}, "title", "The title must be one line"),
    ({"title": "Status\x1b"}, "title", "The title contains the control character"),
]


@pytest.mark.parametrize(("changes", "field", "sentence"), REFUSED, ids=[f"{field}: {sentence}" for _, field, sentence in REFUSED])
def test_words_that_cannot_be_used_are_refused_beside_their_field(changes, field, sentence):
    version = a_template()

    response = superuser().post(f"/admin/messaging/emailtemplate/{version.template_id}/change/", words(version, **changes))

    assert sentence in " ".join(response.context["adminform"].form.errors[field])
    assert TemplateVersion.objects.count() == 1


@pytest.mark.parametrize(("length", "versions"), [(200, 2), (201, 1)])
def test_a_subject_is_as_long_as_its_column_and_no_longer(length, versions):
    version = a_template()

    response = superuser().post(f"/admin/messaging/emailtemplate/{version.template_id}/change/", words(version, subject="y" * length))

    assert response.status_code == (302 if versions == 2 else 200)
    assert TemplateVersion.objects.count() == versions


def test_a_version_saved_by_somebody_else_meanwhile_is_not_buried():
    version = a_template()
    TemplateVersion.objects.create(template=version.template, number=2, subject="Theirs", text="Theirs")

    response = superuser().post(f"/admin/messaging/emailtemplate/{version.template_id}/change/", words(version, text="Mine"))

    assert "saved version 2 while you had version 1 open" in response.content.decode()
    assert TemplateVersion.objects.count() == 2


def test_words_of_which_it_is_not_known_what_they_replace_are_not_saved():
    version = a_template()

    answers = {**words(version, text="PV {{ pv }}."), "seen_version": ""}
    response = superuser().post(f"/admin/messaging/emailtemplate/{version.template_id}/change/", answers)

    assert "It is not known which version you had open" in response.content.decode()
    assert TemplateVersion.objects.count() == 1


def test_staff_who_may_only_look_save_nothing():
    version = a_template()
    address = f"/admin/messaging/emailtemplate/{version.template_id}/change/"

    assert staff("messaging.view_emailtemplate", name="a").post(address, words(version, text="x")).status_code == 403
    assert TemplateVersion.objects.count() == 1
    assert staff("messaging.change_emailtemplate", name="b").post(address, words(version, text="x")).status_code == 302
    assert TemplateVersion.objects.count() == 2


def preview(client, case, **changes):
    return client.post("/admin/messaging/emailtemplate/preview/", words(**changes) | {"preview_case": case.pk if case else ""})


def test_the_preview_shows_the_words_as_typed_with_the_case_that_was_chosen():
    case = a_case(patient_name="Ada <script>")

    shown = preview(superuser(), case, html="<p>Dear {{ patient_name }}</p>")

    assert "<p>Dear Ada &lt;script&gt;</p>" in shown.content.decode()
    assert shown["Content-Security-Policy"].startswith("sandbox; default-src 'none'")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"text": "{{ nmae }}"}, "Unknown field"),
        ({"text": "{{ attorney_name }}"}, "No value for attorney_name"),
        ({"subject": ""}, "required"),
    ],
)
def test_the_preview_says_why_there_is_none(changes, sentence):
    shown = preview(superuser(), a_case(), **changes)

    assert sentence in shown.content.decode()
    assert shown["Content-Security-Policy"].startswith("sandbox")


@pytest.mark.parametrize("key", ["abc", "99999999999999999999", "-1", "0"])
def test_the_preview_of_no_case_says_so(key):
    shown = superuser().post("/admin/messaging/emailtemplate/preview/", words() | {"preview_case": key})

    assert "no case" in shown.content.decode().lower()


def test_the_preview_needs_the_right_to_see_cases():
    case = a_case()

    assert preview(staff("messaging.view_emailtemplate", name="a"), case).status_code == 403
    assert preview(staff("messaging.view_emailtemplate", "messaging.view_case", name="b"), case).status_code == 200


def send_test(client, version, case):
    address = f"/admin/messaging/emailtemplate/{version.template_id}/act/send_test/"
    return client.post(address, {"confirmed": "yes", "case": case.pk if case else ""}, follow=True)


def test_a_test_goes_to_oneself_and_is_recorded_like_any_mail():
    version, case, boss = a_template(), a_case(), superuser()

    send_test(boss, version, case)
    send_test(boss, version, case)

    first, second = Message.objects.order_by("pk")
    assert (first.recipient, first.is_test, first.needs_note, first.lane) == ("boss@portal.example", True, False, Lane.PERSON)
    assert (first.template_version, first.case, first.text, first.queued_by.username) == (version, case, "PV 900001", "boss")
    assert first.key != second.key


@pytest.mark.parametrize(
    ("email", "text", "sentence"),
    [("", "PV {{ pv }}", "Your account has no e-mail address"), ("c@portal.example", "{{ attorney_name }}", "No value for attorney_name")],
)
def test_a_test_that_cannot_be_sent_says_why(email, text, sentence):
    version, case = a_template(text=text), a_case()
    client = staff("messaging.view_emailtemplate", "messaging.send_message", email=email)

    response = send_test(client, version, case)

    assert sentence in response.content.decode()
    assert not Message.objects.exists()


def test_a_test_without_a_case_asks_for_one():
    response = send_test(superuser(), a_template(), None)

    assert "This field is required." in response.content.decode()
    assert not Message.objects.exists()


def test_what_was_sent_is_told():
    assert "is on its way to you" in said(send_test(superuser(), a_template(), a_case()))
