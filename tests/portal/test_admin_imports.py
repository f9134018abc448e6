"""The desk of imports: upload, preview, confirm or cancel, and the refused rows to take home."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django_q.models import OrmQ

from campaigns.models import Contact, ImportJob, ImportPiece
from messaging.models import SystemEvent
from portal import tasks
from tests.campaigns.files import ada, table
from tests.portal.desk_rows import said, staff, superuser

pytestmark = pytest.mark.django_db(transaction=True)
DESK = "/admin/campaigns/importjob/"
GOOD = table([ada(), ada(email="b@x.example", zip_code="2139"), ada(email="c@x.example")])


def upload(client, text: str = GOOD, *, kind: str = "contacts", name: str = "contacts.csv"):
    return client.post(f"{DESK}add/", {"kind": kind, "file": SimpleUploadedFile(name, text.encode())})


def test_a_file_is_uploaded_previewed_and_imported():
    boss = superuser()

    answer = upload(boss)
    job = ImportJob.objects.get()
    assert (answer.status_code, answer["Location"]) == (302, f"{DESK}{job.pk}/change/")
    assert "It waits for a worker" in boss.get(answer["Location"]).content.decode()
    assert [ring.task["func"] for ring in OrmQ.objects.all()] == ["portal.tasks.run_imports"]
    assert tasks.run_imports()["previewed"] == 1

    page = boss.get(answer["Location"]).content.decode()
    assert "would write 2 rows" in page
    assert "has 4 digits; a spreadsheet may have dropped a leading 0." in page
    assert "Import the good rows" in page
    assert Contact.objects.count() == 0

    confirmed = boss.post(f"{DESK}{job.pk}/act/import/", {"confirmed": "yes"}, follow=True)
    assert "1 import is being imported." in said(confirmed)
    assert tasks.run_imports()["applied"] == 1
    assert Contact.objects.count() == 2
    assert "All good rows are in" in boss.get(f"{DESK}{job.pk}/change/").content.decode()
    assert SystemEvent.objects.filter(component="imports").earliest("pk").text.startswith("Uploaded by boss")


def test_the_refused_rows_are_downloaded_as_they_were():
    boss = superuser()
    upload(boss)
    tasks.run_imports()

    answer = boss.get(f"{DESK}{ImportJob.objects.get().pk}/refused/")

    lines = b"".join(answer.streaming_content).decode().splitlines()
    assert answer["Content-Disposition"].startswith("attachment")
    assert lines[0].startswith("Problem,email,zip_code")
    assert lines[1].endswith(",".join(ada(email="b@x.example", zip_code="2139")))


def test_what_was_cancelled_is_forgotten_and_imports_nothing():
    boss = superuser()
    upload(boss)
    tasks.run_imports()
    job = ImportJob.objects.get()

    assert "1 import is cancelled." in said(boss.post(f"{DESK}{job.pk}/act/cancel/", {"confirmed": "yes"}, follow=True))

    assert "is past that: cancelled" in said(boss.post(f"{DESK}{job.pk}/act/import/", {"confirmed": "yes"}, follow=True))
    assert (ImportJob.objects.get().status, ImportPiece.objects.count(), Contact.objects.count()) == ("cancelled", 0, 0)


@pytest.mark.parametrize(
    ("kind", "text", "sentence"),
    [("contacts", "", "The file is empty."), ("people", GOOD, "Select a valid choice."), ("contacts", "again", "under way already")],
)
def test_an_upload_that_cannot_be_taken_says_why(kind, text, sentence):
    boss = superuser()
    upload(boss, "again")

    answer = upload(boss, text, kind=kind)

    assert answer.status_code == 422
    assert sentence in answer.content.decode()
    assert ImportJob.objects.count() == 1


def test_the_same_file_is_not_taken_again_once_it_was_imported():
    boss = superuser()
    upload(boss)
    tasks.run_imports()
    boss.post(f"{DESK}{ImportJob.objects.get().pk}/act/import/", {"confirmed": "yes"})
    tasks.run_imports()

    assert "was already imported on" in upload(boss, name="other.csv").content.decode()


def test_the_page_moves_while_a_worker_is_at_it_and_is_shown_anew_at_a_new_stage():
    boss = superuser()
    upload(boss)
    job = ImportJob.objects.get()
    live = f"{DESK}{job.pk}/live/?stage=reading-False"

    assert "HX-Refresh" not in boss.get(live)
    tasks.run_imports()
    assert boss.get(live)["HX-Refresh"] == "true"


def test_who_may_only_look_can_neither_upload_nor_confirm_nor_take_rows_home():
    upload(superuser())
    tasks.run_imports()
    job, clerk = ImportJob.objects.get(), staff("campaigns.view_importjob")

    assert clerk.get(DESK).status_code == 200
    assert "Import the good rows" not in clerk.get(f"{DESK}{job.pk}/change/").content.decode()
    for address in (f"{DESK}add/", f"{DESK}{job.pk}/act/import/", f"{DESK}{job.pk}/refused/"):
        assert clerk.get(address).status_code == 403


def test_hostile_names_and_values_are_shown_as_text():
    boss = superuser()
    upload(boss, "email,zip_code,<script>alert(1)</script>\n<b>x</b>,90210,1\n", name="<img src=x>.csv")
    tasks.run_imports()

    page = boss.get(f"{DESK}{ImportJob.objects.get().pk}/change/").content.decode()

    assert "<script>alert" not in page
    assert "<b>x</b>" not in page
    assert "<img src=x>" not in page
