"""Quotes brought in a file and taken out again. Whatever is refused has a twin that is taken."""

import csv
import io

import openpyxl
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from portal.quotes.models import Quote
from tests.portal.desk_rows import staff, superuser
from tests.portal.quotes.rows import TEST_TERMS, make_quote, quote_with_mails

pytestmark = pytest.mark.django_db
IMPORT, EXPORT = "/admin/portal/quote/import/", "/admin/portal/quote/export/"
GOOD = {
    "Number": "",
    "Name": "Ada Byron",
    "E-mail": "ada@client.example",
    "Phone": "416-555-0100",
    "Address": "12 Elm Street, M4B 1B3",
    "City": "Toronto",
    "Description": "6 bags of leaves",
    "Preferred Date": "2026-12-01",
    "Preferred Time": "8-11",
    "Status": "",
}


@pytest.fixture(autouse=True)
def uploads(tmp_path, settings):
    settings.MEDIA_ROOT = str(tmp_path)


def sheet(*rows):
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(dict.fromkeys(name for row in rows for name in row)))
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def preview(client, *rows, data=None):
    file = SimpleUploadedFile("quotes.csv", sheet(*rows) if data is None else data)
    return client.post(IMPORT, {"import_file": file, "format": "0", "resource": "0"})


def bring(client, *rows):
    """Previewed and confirmed."""
    shown = preview(client, *rows)
    fields = shown.context["confirm_form"].initial
    return client.post("/admin/portal/quote/process_import/", fields, follow=True)


def taken_out(client, form="0"):
    chosen = {"format": form, "resource": "0"} | {f"quoteresource_{name}": "on" for name in client_fields()}
    return client.post(EXPORT, chosen)


def client_fields():
    return [
        *("number", "key", "name", "email", "phone", "address", "city", "description", "preferred_date", "preferred_time", "status"),
        *("created_at", "source", "quote_amount", "customer_email_state", "customer_email_attempts", "admin_email_state"),
        *("admin_email_attempts", "customer_response", "customer_response_date", "admin_notes"),
    ]


def test_nothing_is_changed_by_the_preview_and_all_of_it_by_the_confirmation():
    boss, rows = superuser(), [GOOD, GOOD | {"Name": "Grace Hopper", "Status": "Completed"}]

    shown = preview(boss, *rows)
    assert (shown.status_code, Quote.objects.count()) == (200, 0)
    bring(boss, *rows)

    kept = list(Quote.objects.order_by("name").values_list("name", "status", "source", "email", "preferred_time"))
    assert kept == [
        ("Ada Byron", "pending", "import", "ada@client.example", "8-11"),
        ("Grace Hopper", "completed", "import", "ada@client.example", "8-11"),
    ]
    assert all(number.startswith("GC-") for number in Quote.objects.values_list("number", flat=True))


def test_a_file_brought_twice_makes_each_quote_once():
    boss = superuser()

    bring(boss, GOOD)
    bring(boss, GOOD | {"Phone": "(416) 555.0100"})

    assert Quote.objects.count() == 1


REFUSED = [
    ({"Name": ""}, "Name", "required"),
    ({"E-mail": "ada@"}, "E-mail", "ada@"),
    ({"Phone": "12"}, "Phone", "at least 10 digits"),
    ({"Address": "here"}, "Address", "too short"),
    ({"Preferred Date": "2026-02-30"}, "Preferred Date", "2026-02-30"),
    ({"Preferred Time": "at night"}, "Preferred Time", "must be one of 8-11"),
    ({"Status": "AI quoted"}, "Status", "AI quoted comes about here, not by a file"),
    ({"Status": "sleeping"}, "Status", "must be Pending or Completed"),
    ({"Number": "41"}, "Number", "GC-YYYYMMDD-XXXXXX"),
    ({"Description": "x" * 1001}, "Description", "1,001 characters"),
    ({"Name": "Ada\u202eByron"}, "Name", "reading direction"),
]


@pytest.mark.parametrize(("changes", "column", "says"), REFUSED, ids=[f"{column}: {says[:20]}" for _, column, says in REFUSED])
def test_a_row_that_is_refused_is_listed_with_its_sentence_and_nothing_can_be_imported(changes, column, says):
    shown = preview(superuser(), GOOD | {"Name": "Fine"}, GOOD | changes)

    text = shown.content.decode().replace("&#x27;", "'")
    assert says in text
    (row,) = shown.context["result"].invalid_rows
    assert column in row.field_specific_errors
    assert "confirm_form" not in shown.context
    assert Quote.objects.count() == 0


def test_two_rows_that_are_the_same_quote_are_refused():
    shown = preview(superuser(), GOOD, GOOD)

    assert "Rows 2 and 3 are the same quote" in shown.content.decode()


def test_a_file_without_a_needed_column_is_refused_as_a_whole():
    shown = preview(superuser(), {"Name": "Ada", "City": "Toronto"})

    assert "Column &#x27;E-mail&#x27; is missing." in shown.content.decode()


def test_what_a_customer_said_is_changed_while_nobody_has_priced_it():
    quote = make_quote(status="pending", ai_processed_at=None, quote_amount=None, generated_quote=None)

    bring(superuser(), GOOD | {"Number": quote.number})

    stored = Quote.objects.get()
    assert (stored.name, stored.source, stored.key) == ("Ada Byron", "form", quote.key)


def test_a_quote_that_is_priced_is_not_changed_by_a_file():
    quote = quote_with_mails(terms=TEST_TERMS)

    shown = preview(superuser(), GOOD | {"Number": quote.number})

    assert f"{quote} is AI quoted: a file changes only what is still pending." in shown.content.decode()


def test_our_own_export_brought_back_changes_nothing():
    quote_with_mails(terms=TEST_TERMS, name="=HYPERLINK(1)", description='"quoted"\nsecond line', admin_notes="@note")
    make_quote(status="pending", ai_processed_at=None, quote_amount=None, generated_quote=None, customer_email_attempts=3)
    before, boss = list(Quote.objects.order_by("pk").values()), superuser()

    shown = preview(boss, data=taken_out(boss).content)

    result = shown.context["result"]
    assert [row.import_type for row in result.valid_rows()] == ["skip", "skip"]
    assert list(Quote.objects.order_by("pk").values()) == before


def test_mails_and_prices_in_a_file_are_passed_over():
    quote = make_quote(status="pending", ai_processed_at=None, quote_amount=None, generated_quote=None)

    bring(superuser(), GOOD | {"Number": quote.number, "Amount CAD": "1.00", "Customer Mail": "sent", "Customer Tries": "9", "Notes": "x"})

    stored = Quote.objects.get()
    assert (stored.name, stored.quote_amount, stored.customer_email_state, stored.customer_email_attempts) == ("Ada Byron", None, "", 0)
    assert stored.admin_notes == ""


def test_an_export_runs_nothing_in_a_spreadsheet():
    make_quote(name="=HYPERLINK(1)", city="+1", address="@home sweet home", description="-1+1")

    text = taken_out(superuser()).content.decode()
    book = openpyxl.load_workbook(io.BytesIO(taken_out(superuser_again(), form="1").content))

    (row,) = csv.DictReader(io.StringIO(text))
    assert (row["Name"], row["City"], row["Address"], row["Description"]) == ("'=HYPERLINK(1)", "'+1", "'@home sweet home", "'-1+1")
    assert book.active.title == "Quotes"
    assert all(cell.data_type != "f" for cells in book.active.iter_rows() for cell in cells)


def superuser_again():
    return staff("portal.view_quote", name="exporter")


def test_an_export_reads_all_rows_with_the_same_number_of_queries(django_assert_max_num_queries):
    boss = superuser()
    for _ in range(12):
        make_quote()

    with django_assert_max_num_queries(12):
        assert len(taken_out(boss).content.decode().splitlines()) == 13


def test_importing_is_for_those_who_may_add_quotes_and_exporting_for_those_who_may_see_them():
    reader = staff("portal.view_quote", name="reader")

    assert reader.get(IMPORT).status_code == 403
    assert preview(reader, GOOD).status_code == 403
    assert reader.get(EXPORT).status_code == 200
    assert staff(name="stranger").get(EXPORT).status_code == 403
    assert preview(staff("portal.view_quote", "portal.add_quote", name="bringer"), GOOD).status_code == 200
