"""Cases on the desk: typed, brought in a file, and taken out again. Whatever is refused has a twin that is taken."""

import io
import zipfile

import openpyxl
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from messaging.models import Acknowledgment, Case
from messaging.models.case import Category
from portal import wiring
from portal.admin import case_files
from tests.portal.desk_rows import a_case, said, staff, superuser

pytestmark = pytest.mark.django_db
HEADER = "CMS,PV,Status,Patient,Law Firm,Attorney Email,Balance"
GOOD = {
    "CMS": "400777",
    "PV": "900777",
    "Status": "Active",
    "Patient": "Grace H",
    "Law Firm": "Hopper LLP",
    "Attorney Email": "g@hopper.example",
}


@pytest.fixture(autouse=True)
def uploads(tmp_path, settings):
    settings.MEDIA_ROOT = str(tmp_path)
    return tmp_path / "imports"


def form(case=None, **changes):
    """What the browser posts for a case, with no acknowledgments."""
    values = {"pid": "400001", "pv": "900001", "status": "active", "patient_name": "Ada Byron", "firm": "Byron & Co"}
    values |= {"attorney_email": "ada@byron.example", "balance": "10.50", "status_note": "", "attorney_name": "", "attorney_phone": ""}
    values |= {"injured_on": "2024-02-29", "last_sent_on": "", "last_reply_on": "", "seen_at": case.updated_at.isoformat() if case else ""}
    inline = {f"acknowledgments-{name}": "0" for name in ("TOTAL_FORMS", "INITIAL_FORMS", "MIN_NUM_FORMS")}
    return values | inline | changes


REFUSED = [
    ({"pid": "12a"}, "PID must be digits 0-9 only; got '12a'."),
    ({"pid": "1.2E+09"}, "was changed by Excel"),
    ({"pid": "٣"}, "PID must be digits 0-9 only"),
    ({"pid": "9" * 21}, "PID has 21 digits; at most 20."),
    ({"pv": ""}, "PV is required."),
    ({"pv": "   "}, "PV is required."),
    ({"pid": "900001"}, "PID and PV are both 900001."),
    ({"pid": "400009"}, "PID 400009 is already the number of Other (PID 400009, PV 900009)."),
    ({"pv": "900009"}, "PV 900009 is already the number of Other"),
    ({"patient_name": ""}, "Patient name is required."),
    ({"patient_name": "x" * 201}, "at most 200"),
    ({"patient_name": "Ada\u202eByron"}, "turns the reading direction"),
    ({"attorney_email": "a@b"}, "it is not of the form name@firm.example"),
    ({"attorney_email": "a@x.example,b@y.example"}, "one e-mail address and nothing else"),
    ({"balance": "NaN"}, "Enter a number."),
    ({"balance": "-1"}, "Balance must be 0 or more"),
    ({"balance": "1" * 20}, "Ensure that there are no more than 12 digits"),
    ({"injured_on": "2026-02-29"}, "Enter a valid date."),
    ({"injured_on": "2098-01-01"}, "2098-01-01 is in the future."),
    ({"injured_on": "1900-01-01"}, "1900-01-01 is before 1901-01-01."),
    ({"status": "sleeping"}, "Select a valid choice."),
]


@pytest.mark.parametrize(("changes", "sentence"), REFUSED, ids=[sentence[:40] for _, sentence in REFUSED])
def test_a_case_typed_wrongly_is_refused_in_words_and_nothing_changes(changes, sentence):
    case = a_case(patient_name="Before")
    a_case(9, patient_name="Other")

    response = superuser().post(f"/admin/messaging/case/{case.pk}/change/", form(case, **changes))

    assert sentence in response.content.decode().replace("&#x27;", "'")
    case.refresh_from_db()
    assert case.patient_name == "Before"


TAKEN = [
    ({"pid": " 00012 "}, "pid", "00012"),
    ({"pid": ""}, "pid", ""),
    ({"pv": "900002"}, "pv", "900002"),
    ({"patient_name": " Ada <b>Byron</b> "}, "patient_name", "Ada <b>Byron</b>"),
    ({"attorney_email": "Ada@BYRON.example"}, "attorney_email", "Ada@byron.example"),
    ({"balance": ""}, "balance", None),
    ({"injured_on": "2099-01-01"}, "injured_on", None),
    ({"firm": "=HYPERLINK(1)"}, "firm", "=HYPERLINK(1)"),
    ({"status": "settled"}, "status", "settled"),
]


@pytest.mark.parametrize(("changes", "field", "stored"), TAKEN, ids=[f"{field}={stored}" for _, field, stored in TAKEN])
def test_a_case_typed_rightly_is_kept_cleaned(changes, field, stored):
    case = a_case(patient_name="Before")

    response = superuser().post(f"/admin/messaging/case/{case.pk}/change/", form(case, **changes))

    assert response.status_code == 302, response.context["adminform"].form.errors
    case.refresh_from_db()
    assert getattr(case, field) == stored


def test_a_change_that_somebody_else_made_meanwhile_is_not_overwritten():
    case = a_case()
    stale = form(case, firm="Mine")
    Case.objects.get(pk=case.pk).save()

    response = superuser().post(f"/admin/messaging/case/{case.pk}/change/", stale)

    assert "Somebody else changed this case" in response.content.decode()
    case.refresh_from_db()
    assert case.firm == "Byron & Co"


def test_a_case_is_put_to_sleep_under_the_name_of_who_did_it():
    case, boss = a_case(), superuser()
    inline = {"acknowledgments-TOTAL_FORMS": "1", "acknowledgments-0-reason": "Trial in May", "acknowledgments-0-review_on": "2099-05-01"}

    boss.post(f"/admin/messaging/case/{case.pk}/change/", form(case, **inline))

    snooze = Acknowledgment.objects.get()
    assert (snooze.reason, snooze.acknowledged_by.username) == ("Trial in May", "boss")
    assert not Case.objects.awake(wiring.today()).exists()


@pytest.mark.parametrize(("day", "said"), [("2020-05-01", "has come already"), ("9999-12-31", "is after 2100-12-31")])
def test_a_case_sleeps_neither_until_yesterday_nor_beyond_all_times(day, said):
    case = a_case()
    inline = {"acknowledgments-TOTAL_FORMS": "1", "acknowledgments-0-reason": "Trial", "acknowledgments-0-review_on": day}

    response = superuser().post(f"/admin/messaging/case/{case.pk}/change/", form(case, **inline))

    assert said in response.content.decode()
    assert not Acknowledgment.objects.exists()


@pytest.mark.parametrize("category", Category.values)
def test_the_filter_by_category_shows_what_the_category_means(category):
    today = wiring.today()
    for number, days in enumerate((5, 40, 70, 200), start=1):
        a_case(number, last_sent_on=today.fromordinal(today.toordinal() - days), injured_on="2001-01-01")
    a_case(5)

    shown = superuser().get(f"/admin/messaging/case/?category={category}").context["cl"].result_list

    assert {case.pk for case in shown} == set(Case.objects.in_category(category, today).values_list("pk", flat=True))
    assert shown


def test_cases_are_found_by_number_name_firm_and_address():
    case = a_case(attorney_name="Q")
    a_case(2, patient_name="Zoe", firm="Other", attorney_email="z@z.example")
    boss = superuser()
    for term in ("4000", "400001", "900001", "ada", "byron", "ada byron", "ADA@byron"):
        found = [one.pk for one in boss.get("/admin/messaging/case/", {"q": term}).context["cl"].result_list]
        assert case.pk in found, term
        assert term == "4000" or found == [case.pk], term


# files


def csv(*rows, header=HEADER):
    return SimpleUploadedFile("cases.csv", "\n".join([header, *rows]).encode())


def row(**changes):
    values = GOOD | {"Balance": "12.30"} | changes
    return ",".join(values.values())


def upload(client, file):
    return client.post("/admin/messaging/case/import/", {"import_file": file, "format": "0", "resource": "0"})


def confirm(client, preview):
    return client.post("/admin/messaging/case/process_import/", preview.context["confirm_form"].initial, follow=True)


def test_a_good_file_is_previewed_and_then_imported(uploads):
    case, boss = a_case(777, firm="Old"), superuser()
    Case.objects.filter(pk=case.pk).update(pid="400777", pv="900777", last_sent_on="2026-01-02")
    preview = upload(boss, csv(row(), row(CMS="", PV="900778")))
    assert "confirm_form" in preview.context, preview.context["form"].errors
    assert Case.objects.get().firm == "Old"

    done = confirm(boss, preview)

    assert "1 new, 1 updated" in said(done)
    case.refresh_from_db()
    assert (case.firm, str(case.balance), str(case.last_sent_on)) == ("Hopper LLP", "12.30", "2026-01-02")
    assert not list(uploads.iterdir())


def test_a_workbook_is_imported_like_a_csv_file():
    book = openpyxl.Workbook()
    for line in (HEADER, row(PV="900555")):
        book.active.append([int(cell) if cell.isdecimal() else cell for cell in line.split(",")])
    out = io.BytesIO()
    book.save(out)
    boss = superuser()

    confirm(boss, upload(boss, SimpleUploadedFile("cases.xlsx", out.getvalue())))

    assert Case.objects.get().pv == "900555"


BAD_ROWS = [
    ([row(CMS="12a")], "Row 2, column 'CMS' must be digits 0-9 only; got '12a'."),
    ([row(PV="1.23E+09")], "was changed by Excel"),
    ([row(CMS="900777")], "PID and PV are both 900777"),
    ([row(), row(CMS="400778")], "Rows 2 and 3 both contain PV 900777."),
    ([row(**{"Attorney Email": "nobody"})], "not of the form name@firm.example"),
    ([row(Status="asleep")], "must begin with one of active"),
    ([row() + ",more"], "Row 2 has 8 values, the header has 7."),
    ([row(CMS="400001")], "already the number of the case with PV 900001"),
]


@pytest.mark.parametrize(("rows", "sentence"), BAD_ROWS, ids=[sentence[:30] for _, sentence in BAD_ROWS])
def test_a_file_with_a_bad_row_is_told_row_by_row_and_imports_nothing(rows, sentence):
    a_case()

    preview = upload(
        superuser(), csv(row(PV="900888", CMS="400888"), *rows) if "Rows 2" not in sentence and "Row 2" not in sentence else csv(*rows)
    )

    page = preview.content.decode().replace("&#x27;", "'")
    assert sentence in page
    assert "confirm_form" not in preview.context
    assert Case.objects.count() == 1


BAD_FILES = [
    (b"", "cases.csv", "The submitted file is empty."),
    (b" \n", "cases.csv", "The file is empty."),
    (HEADER.encode(), "cases.csv", "No data rows found under the header."),
    (b"PV,Patient\n1,Ada", "cases.csv", "Column 'CMS' is missing."),
    (HEADER.replace("Patient", "Pateint").encode() + b"\n" + row().encode(), "cases.csv", "Did you mean 'Patient'?"),
    (HEADER.replace(",", ";").encode() + b"\n", "cases.csv", "looks like a semicolon"),
    (b"\xff\xfe\x00", "cases.csv", "is not UTF-8 at byte 1"),
    (b"PK\x03\x04 cut", "cases.xlsx", "cut off or damaged"),
    (row().encode(), "cases.xlsm", "Only .csv or .xlsx files."),
    (HEADER.encode() + b'\n"' + row().encode(), "cases.csv", "a quote opened here is never closed."),
]


@pytest.mark.parametrize(("data", "name", "sentence"), BAD_FILES, ids=[sentence[:30] for *_, sentence in BAD_FILES])
def test_a_file_that_is_no_table_is_refused_in_words(data, name, sentence):
    response = upload(superuser(), SimpleUploadedFile(name, data))

    assert response.status_code == 200
    assert sentence in response.content.decode().replace("&#x27;", "'")
    assert not Case.objects.exists()


def archive(**files):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, data in files.items():
            packed.writestr(name.replace("__", "/").replace("_xml", ".xml").replace("_bin", ".bin"), data)
    return out.getvalue()


ARCHIVES = [
    (archive(xl__workbook_xml="x", xl__worksheets__a_xml="0" * 9_000_000), "Unpacked it would have 9,000,001 bytes"),
    (archive(xl__workbook_xml="x", xl__vbaProject_bin="x"), "this workbook holds macros"),
    (archive(other="x"), "another kind of archive"),
    (archive(xl__workbook_xml="x"), "cannot be read"),
]


@pytest.mark.parametrize(("data", "sentence"), ARCHIVES, ids=[sentence for _, sentence in ARCHIVES])
def test_a_hostile_workbook_is_refused_before_it_is_unpacked(data, sentence):
    response = upload(superuser(), SimpleUploadedFile("cases.xlsx", data))

    assert sentence in response.content.decode()
    assert "confirm_form" not in response.context


def test_a_file_longer_than_a_browser_can_preview_names_the_command(monkeypatch):
    monkeypatch.setattr(case_files, "MOST_ROWS", 1)

    response = upload(superuser(), csv(row(), row(CMS="", PV="900778")))

    assert "python manage.py import_cases FILE" in response.content.decode()
    assert "confirm_form" not in response.context


@pytest.mark.parametrize("name", ["../../etc/passwd", "0" * 32, "x"])
def test_a_confirmation_of_another_file_is_refused(name):
    facts = {"import_file_name": name, "original_file_name": "x", "format": "0", "resource": "0"}

    response = superuser().post("/admin/messaging/case/process_import/", facts, follow=True)

    assert "Choose the file again" in said(response)


def test_cases_that_changed_between_preview_and_confirmation_stop_the_import():
    boss = superuser()
    preview = upload(boss, csv(row()))
    a_case(pid="400777", pv="900123")

    done = confirm(boss, preview)

    assert "Nothing was imported" in said(done)
    assert Case.objects.count() == 1


def test_only_staff_with_the_right_may_import():
    assert upload(staff("messaging.view_case", "messaging.change_case", name="a"), csv(row())).status_code == 403
    assert "confirm_form" in upload(staff("messaging.import_case", name="b"), csv(row())).context


FORMULAS = ["=cmd|' /C calc'!A0", "+1", "-1", "@SUM(A1)", "＝1", "|calc"]


@pytest.mark.parametrize("file_format", ["0", "1"], ids=["csv", "xlsx"])
def test_an_export_runs_nothing_in_a_spreadsheet_and_reads_back_as_it_was(file_format):
    for number, formula in enumerate(FORMULAS, start=1):
        a_case(number, firm=formula, balance="12.30")
    boss = superuser()

    data = boss.post("/admin/messaging/case/export/", {"format": file_format, "resource": "0"}).content

    if file_format == "1":
        lines = list(openpyxl.load_workbook(io.BytesIO(data)).active.iter_rows(values_only=True))
        assert lines[1][lines[0].index("Balance")] == 12.3
        firms = [line[lines[0].index("Law Firm")] for line in lines[1:]]
        assert sorted(firms) == sorted(f"'{formula}" for formula in FORMULAS)
    else:
        assert all(f"'{formula}" in data.decode() for formula in FORMULAS)
    again = upload(boss, SimpleUploadedFile(f"cases.{'xlsx' if file_format == '1' else 'csv'}", data))
    assert {line.import_type for line in again.context["result"].rows} == {"skip"}, again.context["form"].errors
