"""Files of contacts come in: who is meant, what is refused and in which words, what a second file changes."""

import csv
import io

import pytest
from django.db import connection

from campaigns.importing import jobs, reading, staging
from campaigns.importing.invariants import OF_IMPORTS
from campaigns.importing.refusals import AlreadyImported, refused_file
from campaigns.models import Contact, ImportJob, ImportPiece, ImportRefusal
from messaging import invariants
from messaging.sheets import SheetRefused
from tests.campaigns.files import ADA, HEADER, TERMS, ada, brought_in, contacts, counts, reasons, table, written

pytestmark = pytest.mark.django_db(transaction=True)

WRONG = [  # column, a value, what is said of it, and a value like it that is taken
    ("email", "", "column 'email' is required.", "a@x.example"),
    ("email", "ada", "column 'email': this address form is not accepted", "ada@x.example"),
    ("email", "a@localhost", "this address form is not accepted", "a@local.example"),
    ("email", "a@x.example, b@x.example", "column 'email': enter one e-mail address and nothing else", " a@x.example "),
    ("email", "-f@x.example", "it must begin with a letter or a digit", "f-@x.example"),
    ("email", "a\x00@x.example", "column 'email' contains a NUL character at position 2.", "a0@x.example"),
    ("email", "a\n@x.example", "column 'email': the e-mail address contains a line break.", "an@x.example"),
    ("email", f"{'a' * 65}@x.example", "at most 64 before the @", f"{'a' * 64}@x.example"),
    ("zip_code", "", "column 'zip_code' is required.", "90210"),
    ("zip_code", "2139", "'2139' has 4 digits; a spreadsheet may have dropped a leading 0.", "02139"),
    ("zip_code", "9021O", "column 'zip_code': A ZIP code has 5 digits", "90210-1234"),
    ("zip_code", "00000", "column 'zip_code': No state has the ZIP code 00000.", "00601"),
    ("state", "Calif.", "column 'state': 'Calif.' is not the code of a US state", "ca"),
    ("state", "XX", "'XX' is not the code of a US state", ""),
    ("phone", "1.23E+09", "column 'phone': '1.23E+09' was changed by Excel", "+1 (310) 555-0100"),
    ("phone", "1" * 41, "column 'phone' is 41 characters; at most 40.", "1" * 40),
    ("carrier", "x" * 101, "column 'carrier' is 101 characters; at most 100.", "x" * 100),
    ("carrier", "Bell\x07", "column 'carrier' contains the control character", "Bell"),
    ("first_name", "Ada\nB", "column 'first_name' must be one line", "Ada B"),
    ("last_name", "\u202eelpmaxE", "which turns the reading direction", "Šťastný 🙂"),
    ("last_name", b"Stra\xdfe".decode("utf-8", "surrogateescape"), "column 'last_name' is not valid Unicode at position 5.", "Straße"),
]


@pytest.mark.parametrize(("column", "value", "sentence", "twin"), WRONG, ids=lambda one: ascii(one)[:30])
def test_a_row_that_cannot_be_taken_says_where_and_why_and_its_twin_is_taken(tmp_path, column, value, sentence, twin):
    rows = [ada(email="before@x.example"), ada(**{column: value}), ada(email="after@x.example")]
    text = table(rows).encode("utf-8", "surrogateescape")

    job = brought_in(written(tmp_path, text))
    other = brought_in(written(tmp_path, table([ada(**{column: twin})]), name="twin.csv"))

    ((row, place, reason),) = reasons(job)
    assert (row, place) == (3, column)
    assert reason.startswith("Row 3, column")
    assert sentence in reason
    assert counts(job) == {"rows": 3, "new": 2, "changed": 0, "unchanged": 0, "refused": 1}
    assert counts(other) == {"rows": 1, "new": 1, "changed": 0, "unchanged": 0, "refused": 0}


SHARED = "Row 4, column 'email': several contacts have the address twin@x.example. Add the column id to say which one is meant."
SHAPES = [  # a line among good ones, what is said of it, and one like it that is taken
    ("bob@x.example,90210", "Row 3 has 2 values, the header has 3.", "bob@x.example,90210,"),
    ("bob@x.example,90210,CA,1", "Row 3 has 4 values, the header has 3.", "bob@x.example,90210,CA,,"),
    ('bob@x.example,90210,"C"A', "Row 3: a quote stands inside a value", 'bob@x.example,90210,"CA"'),
    ("bob@x.example,90210," + "x" * 100_001, "Row 3: a value is longer than 100,000 characters", "bob@x.example,90210,CA"),
]


@pytest.mark.parametrize(("line", "sentence", "twin"), SHAPES, ids=range(len(SHAPES)))
def test_a_row_of_another_shape_is_refused_alone(tmp_path, line, sentence, twin):
    def told(middle: str) -> str:
        return f"email,zip_code,state\nann@x.example,90210,CA\n{middle}\ncleo@x.example,90210,CA\n"

    job = brought_in(written(tmp_path, told(line)))
    other = brought_in(written(tmp_path, told(twin)))

    ((row, column, reason),) = reasons(job)
    assert (row, column) == (3, "")
    assert reason.startswith(sentence)
    assert (counts(job)["new"], counts(other)["new"], counts(other)["refused"]) == (2, 1, 0)


FILES = [  # what is in the file, and why none of it can be taken
    (b"", "The file is empty."),
    (b"\n  \n", "The file is empty."),
    (b"email,zip_code\n", "No data rows found under the header."),
    (b"email,state\na@x.example,CA\n", "Column 'zip_code' is missing."),
    (b"email,zip_code,e-mail\n", "Column 'email' appears twice (columns 1 and 3)."),
    (b"emial,zip_code\n", "Column 'emial' is not known. Did you mean 'email'?"),
    (b"email,zip_code,birth_dat\n", "Column 'birth_dat' is not known. Did you mean 'birth_date'?"),
    (b"email,,zip_code\n", "Column 2 has no name."),
    (b"email;zip_code\na@x.example;90210\n", "The separator looks like a semicolon."),
    (b"email\tzip_code\na@x.example\t90210\n", "The separator looks like a tab."),
    (b'email,zip_code\na@x.example,90210\n"b@x.example,90210\n', "Row 3: a quote opened here is never closed."),
    (b'email,zip_code\n"' + b"x,\n" * 50_000, "Row 2: a value is longer than 100,000 characters, or a quote opened here is never closed."),
    (b"x" * 1_100_000, "the line is longer than 1,000,000 characters"),
    (b"PK\x03\x04rest", "This looks like a workbook or an archive."),
    ("email,zip_code\na@x.example,90210\n".encode("utf-16"), "This looks like text in UTF-16."),
    (b"email," + b",".join(b"c%d" % number for number in range(200)), "The header has 201 columns; at most 200."),
]


@pytest.mark.parametrize(("data", "sentence"), FILES, ids=lambda one: ascii(one)[:40])
def test_a_file_that_cannot_be_read_changes_nothing_and_says_why(tmp_path, data, sentence):
    with pytest.raises(SheetRefused) as refusal:
        brought_in(written(tmp_path, data))

    assert sentence in str(refusal.value)
    job = ImportJob.objects.get()
    assert (job.status, job.error, Contact.objects.count()) == ("failed", str(refusal.value), 0)
    assert leftovers() == []


def leftovers() -> list[str]:
    """Staging tables and pieces of files that nobody needs any more."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 'campaigns_staged_' || id FROM campaigns_importjob WHERE to_regclass('campaigns_staged_' || id) IS NOT NULL")
        return [name for (name,) in cursor.fetchall()] + [str(piece) for piece in ImportPiece.objects.all()]


def test_the_header_may_be_in_any_order_have_other_names_and_columns_that_nobody_knows(tmp_path):
    text = "\ufeffRemarks,ZIP,E-Mail,DOB,agent\r\nExample,02139-0001,Ada@Client.EXAMPLE,03/01/1950,9\r\n"

    job = brought_in(written(tmp_path, text))

    assert job.ignored_columns == ["Remarks", "agent"]
    assert list(Contact.objects.values_list("email", "zip_code", "state", "birth_date__year", "last_name")) == [
        ("Ada@client.example", "02139-0001", "MA", 1950, "")
    ]


def test_a_zip_code_wins_over_a_stated_state_and_no_date_is_absent_each_with_its_flag(tmp_path):
    rows = [
        ada(email="a@x.example", state="KS", birth_date="2026-02-30", effective_date="soon"),
        ada(email="b@x.example", state="", birth_date="2026-06-02", effective_date=""),  # born tomorrow
        ada(email="c@x.example", birth_date="3/1/1950", effective_date="2027-01-01"),
        ada(email="d@x.example", birth_date="03/01/50"),
    ]

    job = brought_in(written(tmp_path, table(rows)))

    assert [(state, str(born), str(begun), flags) for _, _, state, born, begun, *_, flags in contacts()] == [
        ("CA", "None", "None", ["state_zip_mismatch", "birth_date_invalid", "effective_date_invalid"]),
        ("CA", "None", "None", ["birth_date_invalid"]),
        ("CA", "1950-03-01", "2027-01-01", []),
        ("CA", "None", "2020-07-01", ["birth_date_invalid"]),
    ]
    assert (job.flagged, job.refused) == (3, 0)


def test_a_second_file_changes_only_who_differs_and_only_in_its_columns(tmp_path):
    brought_in(written(tmp_path, table([ada(), ada(email="bob@x.example", state="KS", birth_date="?"), ada(email="cleo@x.example")])))
    untouched = Contact.objects.get(email=ADA[0]).updated_at

    rows = [["ADA@client.example", "90210", "Acme Life"], ["bob@x.example", "02139", "Acme Life"], ["cleo@x.example", "90210", "Other"]]
    job = brought_in(written(tmp_path, table([*rows, ["dora@x.example", "90210", ""]], header=["email", "zip", "carrier"])))

    assert counts(job) == {"rows": 4, "new": 1, "changed": 2, "unchanged": 1, "refused": 0}
    told = {email: rest for email, *rest in Contact.objects.values_list("email", "state", "carrier", "first_name", "flags")}
    assert told == {
        "ada@client.example": ["CA", "Acme Life", "Ada", []],
        "bob@x.example": ["MA", "Acme Life", "Ada", ["birth_date_invalid"]],  # the state's doubt went with the ZIP code
        "cleo@x.example": ["CA", "Other", "Ada", []],
        "dora@x.example": ["CA", "", "", []],
    }
    assert Contact.objects.get(email=ADA[0]).updated_at == untouched


def test_where_a_file_has_ids_they_say_who_is_meant_and_become_the_contacts_ids(tmp_path):
    header = ["id", "email", "zip_code"]
    brought_in(written(tmp_path, table([["7", "a@x.example", "90210"], ["0012", "a@x.example", "90210"]], header=header)))

    job = brought_in(written(tmp_path, table([["7", "new@x.example", "90210"], ["13", "c@x.example", "90210"]], header=header)))
    by_hand = Contact.objects.create(email="h@x.example", zip_code="90210", state="CA")

    assert counts(job) == {"rows": 2, "new": 1, "changed": 1, "unchanged": 0, "refused": 0}
    assert sorted(Contact.objects.exclude(pk=by_hand.pk).values_list("pk", "email")) == [
        (7, "new@x.example"),
        (12, "a@x.example"),
        (13, "c@x.example"),
    ]
    assert by_hand.pk > 13


@pytest.mark.parametrize("wrong", ["", "0", "-1", "x", "1e5", "1" * 16])
def test_an_id_that_is_none_is_refused(tmp_path, wrong):
    job = brought_in(written(tmp_path, table([[wrong, "a@x.example", "90210"]], header=["id", "email", "zip_code"])))

    assert [(row, column) for row, column, _ in reasons(job)] == [(2, "id")]
    assert not Contact.objects.exists()


def test_two_rows_about_one_contact_are_both_refused_and_so_is_an_address_that_several_contacts_share(tmp_path):
    for _ in range(2):
        Contact.objects.create(email="Twin@x.example", zip_code="90210", state="CA")
    rows = [ada(), ada(email="bob@x.example"), ada(email="twin@x.example"), ada(email="BOB@x.example")]

    job = brought_in(written(tmp_path, table(rows)))

    assert reasons(job) == [
        (3, "email", "Rows 3 and 5 both contain bob@x.example."),
        (
            4,
            "email",
            SHARED,
        ),
        (5, "email", "Rows 3 and 5 both contain bob@x.example."),
    ]
    assert counts(job) == {"rows": 4, "new": 1, "changed": 0, "unchanged": 0, "refused": 3}


def test_two_rows_with_one_id_are_both_refused(tmp_path):
    rows = [["7", "a@x.example", "90210"], ["07", "b@x.example", "90210"], ["8", "a@x.example", "90210"]]

    job = brought_in(written(tmp_path, table(rows, header=["id", "email", "zip_code"])))

    said = "Rows 2 and 3 both have the id 7."
    assert reasons(job) == [(2, "id", said), (3, "id", said)]
    assert list(Contact.objects.values_list("pk", flat=True)) == [8]


def test_the_refused_rows_come_back_as_they_were_and_once_corrected_go_in(tmp_path):
    odd = ada(zip_code="2139", last_name='O"Hara, "the" <b>', carrier="=1+1")
    rows = [odd, ada(email="b@x.example"), ada(email="B@x.example"), ada(email="c@x.example")[:-1]]
    job = brought_in(written(tmp_path, table(rows, quoting=csv.QUOTE_ALL)))

    back = b"".join(refused_file(job)).decode()
    lines = list(csv.reader(back.splitlines()))
    assert lines[0] == ["Problem", *HEADER]
    assert [line[1:] for line in lines[1:]] == [[str(cell) for cell in row] for row in rows]
    assert lines[4][0] == "Row 5 has 8 values, the header has 9."

    fixed = back.replace(",2139,", ",02139,").replace("B@x.example", "d@x.example")
    again = brought_in(written(tmp_path, fixed, name="again.csv"))
    assert counts(again) == {"rows": 4, "new": 3, "changed": 0, "unchanged": 0, "refused": 1}
    assert Contact.objects.get(zip_code="02139").last_name == 'O"Hara, "the" <b>'


@pytest.mark.parametrize("column", HEADER)
@pytest.mark.parametrize("text", ["a\r\nb", "a\rb", "a\nb", "a\0b", 'a"b\r\n', "\u2028"])
def test_a_row_that_is_refused_for_hostile_text_comes_back_as_it_was(tmp_path, column, text):
    row = ada(**{"zip_code": "2139", column: text})
    job = brought_in(written(tmp_path, table([row, ada()], quoting=csv.QUOTE_ALL)))

    back = b"".join(refused_file(job)).decode()
    assert list(csv.reader(io.StringIO(back, newline="")))[1][1:] == row


def test_doubts_name_the_row_the_column_and_what_stood_there(tmp_path):
    rows = [
        ada(birth_date="2030-01-01", state="TX"),
        ada(email="b@x.example"),
        ada(email="c@x.example", effective_date="2026-02-30"),
        ada(email="d@x.example", zip_code="2139", birth_date="never"),
    ]

    job = brought_in(written(tmp_path, table(rows)))

    assert job.doubts == [
        "Row 2, column 'state' says TX, but the ZIP code 90210 lies in CA, which counts.",
        "Row 2, column 'birth_date': 2030-01-01 is outside 1901-01-01 to 2026-06-01. Taken without that date.",
        "Row 4, column 'effective_date': '2026-02-30' is not a date; write it as 2026-01-31 or 01/31/2026. Taken without that date.",
    ]
    assert (job.flagged, job.refused) == (2, 1)


def test_the_first_doubts_of_a_large_file_are_told_and_all_are_noted(tmp_path):
    job = brought_in(written(tmp_path, table([ada(email=f"a{n}@x.example", birth_date="?") for n in range(150)])))

    assert (len(job.doubts), job.flagged, Contact.objects.flagged().count()) == (100, 150, 150)


def test_a_refused_row_keeps_the_very_bytes_it_came_in(tmp_path):
    job = brought_in(written(tmp_path, b"email,zip_code,last_name\na@x.example,90210,Stra\xdfe\n"))

    assert b"".join(refused_file(job)).endswith(b",a@x.example,90210,Stra\xdfe\n")


def test_the_same_file_again_is_not_imported_again(tmp_path):
    path = written(tmp_path, table([ada(), ada(email="")]))
    first = brought_in(path)
    Contact.objects.update(first_name="Corrected")

    with pytest.raises(AlreadyImported, match=rf"already imported on .* \(import {first.pk}, contacts.csv\). Nothing was changed"):
        brought_in(path)

    assert Contact.objects.get().first_name == "Corrected"
    assert ImportJob.objects.count() == 1


def test_a_dry_run_says_what_would_happen_and_writes_nothing(tmp_path):
    brought_in(written(tmp_path, table([ada(), ada(email="bob@x.example")])))
    path = written(tmp_path, table([ada(), ada(email="bob@x.example", carrier="B"), ada(email="c@x.example"), ada(email="x")]))
    before = contacts()

    job, sentences = jobs.dry_run(path, kind="contacts", terms=TERMS)

    assert counts(job) == {"rows": 4, "new": 1, "changed": 1, "unchanged": 1, "refused": 1}
    assert [sentence[:21] for sentence in sentences] == ["Row 5, column 'email'"]
    assert (contacts(), ImportJob.objects.count(), ImportRefusal.objects.count(), leftovers()) == (before, 1, 0, [])
    assert counts(brought_in(path)) == counts(job)


def test_a_file_of_which_too_much_is_wrong_is_not_taken_at_all(tmp_path, monkeypatch):
    monkeypatch.setattr(staging, "MOST_REFUSED", 3)
    path = written(tmp_path, table([ada(), *(ada(email=f"{number}") for number in range(4))]))

    with pytest.raises(staging.TooManyRefused, match="More than 3 rows are refused, the first one: Row 3, column 'email'"):
        brought_in(path)

    assert (Contact.objects.count(), ImportRefusal.objects.count(), leftovers()) == (0, 0, [])


def test_more_rows_than_a_file_may_have_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "MOST_ROWS", 2)

    assert counts(brought_in(written(tmp_path, table([ada(), ada(email="b@x.example")]))))["new"] == 2
    with pytest.raises(SheetRefused, match="More than 2 rows"):
        brought_in(written(tmp_path, table([ada(email=f"n{number}@x.example") for number in range(3)])))
    assert Contact.objects.count() == 2


def test_the_promises_of_imports_hold_and_are_seen_to_be_broken(tmp_path):
    job = brought_in(written(tmp_path, table([ada(), ada(email="x")])))
    assert [found.name for found in invariants.verify(*OF_IMPORTS)] == []

    job.refusals.all().delete()

    assert [found.name for found in invariants.verify(*OF_IMPORTS)] == ["I-70"]
