"""Case files: read strictly, merged by PV, refused row by row in words that say where."""

from datetime import date
from decimal import Decimal

import pytest

from messaging import importing_cases, sheets
from messaging.importing_cases import COLUMNS, clean, merge, refused_file
from messaging.models import Case
from messaging.sheets import SheetRefused, read_csv, read_rows
from messaging.text_input import TextRefused

TODAY = date(2026, 3, 2)
HEADER = "CMS,PV,Status,Patient,DOI,Law Firm,Attorney,Attorney Email,Attorney Phone,Balance,Last Sent,Last Reply"
ADA = '101,9001,Active,Ada Field,2025-01-31,Field & Stone,Jo Stone,jo@stone.example,555-0101,"$1,234.50",2026-01-05,'
BEN = "102,9002,Settled,Ben Hill,2099-01-01,Hill Law,,office@hill.example,,,,"
GOOD = {
    "CMS": "101",
    "PV": "9001",
    "Status": "Active",
    "Patient": "Ada Field",
    "Law Firm": "Field & Stone",
    "Attorney Email": "jo@stone.example",
}


def sheet(*rows: str, header: str = HEADER) -> sheets.Sheet:
    return read_csv("\n".join([header, *rows]).encode(), columns=COLUMNS)


def counts(done: importing_cases.Imported) -> tuple[int, int, int, int]:
    return done.new, done.changed, done.unchanged, len(done.refused)


def test_new_cases_are_taken_in_with_every_column(db):
    done = merge(sheet(ADA, BEN), on=TODAY)

    assert (done.rows, *counts(done)) == (2, 2, 0, 0, 0)
    ada, ben = Case.objects.order_by("pv")
    assert (ada.pid, ada.status, ada.injured_on, ada.balance) == ("101", "active", date(2025, 1, 31), Decimal("1234.50"))
    assert (ada.last_sent_on, ada.last_reply_on, ada.attorney_name) == (date(2026, 1, 5), None, "Jo Stone")
    assert (ben.status, ben.injured_on, ben.balance) == ("settled", None, None)


def test_the_same_file_again_changes_nothing(db):
    merge(sheet(ADA, BEN), on=TODAY)
    before = list(Case.objects.order_by("pk").values())

    assert counts(merge(sheet(ADA, BEN), on=TODAY)) == (0, 0, 2, 0)
    assert list(Case.objects.order_by("pk").values()) == before


def test_a_changed_row_changes_its_case_and_no_other(db):
    merge(sheet(ADA, BEN), on=TODAY)

    done = merge(sheet(ADA.replace("jo@stone.example", "new@stone.example"), BEN), on=TODAY)

    assert counts(done) == (0, 1, 1, 0)
    assert Case.objects.get(pv="9001").attorney_email == "new@stone.example"


def test_an_empty_pid_or_last_mail_never_erases_what_is_known(db):
    merge(sheet(ADA), on=TODAY)

    done = merge(sheet(ADA.replace("101,", ",", 1).replace("2026-01-05", "")), on=TODAY)

    assert counts(done) == (0, 0, 1, 0)
    assert Case.objects.get().pid == "101"
    assert Case.objects.get().last_sent_on == date(2026, 1, 5)


def test_a_column_that_the_file_does_not_have_is_left_alone(db):
    merge(sheet(ADA), on=TODAY)
    short = "101,9001,Active,Ada Field,Field & Stone,jo@stone.example"

    done = merge(sheet(short, header="CMS,PV,Status,Patient,Law Firm,Attorney Email"), on=TODAY)

    assert counts(done) == (0, 0, 1, 0)
    assert Case.objects.get().balance == Decimal("1234.50")


def test_good_rows_are_merged_and_refused_ones_come_back_in_a_file_that_can_be_corrected(db):
    wrong = BEN.replace("office@hill.example", "office at hill")
    table = sheet(ADA, wrong)

    done = merge(table, on=TODAY)
    again = read_csv(refused_file(table, done.refused).replace("office at hill", "office@hill.example", 2).encode(), columns=COLUMNS)

    assert counts(done) == (1, 0, 0, 1)
    assert [problem[0] for problem in done.refused[0].problems] == ["Attorney Email"]
    assert done.refused[0].sentences.startswith("Row 3, column 'Attorney Email'")
    assert refused_file(table, done.refused).splitlines()[0] == f"Problem,{HEADER}"
    assert counts(merge(again, on=TODAY)) == (1, 0, 0, 0)


@pytest.mark.parametrize(("options", "cases"), [({"dry_run": True}, 0), ({"all_or_nothing": True}, 0), ({}, 1)])
def test_nothing_is_written_by_a_dry_run_or_where_one_refused_row_stops_all(db, options, cases):
    done = merge(sheet(ADA, BEN.replace("9002", "")), on=TODAY, **options)

    assert Case.objects.count() == cases
    assert done.merged == bool(cases)
    assert len(done.refused) == 1


def test_all_or_nothing_merges_a_file_without_refused_rows(db):
    assert counts(merge(sheet(ADA, BEN), on=TODAY, all_or_nothing=True)) == (2, 0, 0, 0)
    assert Case.objects.count() == 2


TWINS = [  # rows, the sentences
    ([ADA, BEN.replace("9002", "9001")], ["Rows 2 and 3 both contain PV 9001.", "Rows 2 and 3 both contain PV 9001."]),
    ([ADA, BEN.replace("102", "101", 1)], ["Rows 2 and 3 both contain PID 101.", "Rows 2 and 3 both contain PID 101."]),
]


@pytest.mark.parametrize(("rows", "sentences"), TWINS)
def test_two_rows_with_one_number_are_both_refused_and_a_third_is_taken(db, rows, sentences):
    done = merge(sheet(*rows, "103,9003,Active,Cy Moor,,Moor Law,,cy@moor.example,,,,"), on=TODAY)

    assert counts(done) == (1, 0, 0, 2)
    assert [refused.sentences for refused in done.refused] == sentences


def test_two_cases_without_a_pid_are_no_twins(db):
    assert counts(merge(sheet(ADA.replace("101", "", 1), BEN.replace("102", "", 1)), on=TODAY)) == (2, 0, 0, 0)


def test_a_pid_of_another_case_is_refused_and_a_free_one_taken(db):
    merge(sheet(ADA), on=TODAY)

    taken = merge(sheet(BEN.replace("102", "101", 1)), on=TODAY)
    free = merge(sheet(BEN), on=TODAY)

    assert taken.refused[0].sentences == "Row 2: PID 101 is already the number of the case with PV 9001; correct one of the two."
    assert counts(free) == (1, 0, 0, 0)


CELLS = [  # column, refused, what the sentence says, accepted, the field, its value
    ("CMS", "10a", "must be digits 0-9 only", "0107", "pid", "0107"),
    ("CMS", "9001", "PID and PV are both 9001", "9002", "pid", "9002"),
    ("CMS", "1.23E+09", "was changed by Excel", "1230000000", "pid", "1230000000"),
    ("PV", "", "is required", "77", "pv", "77"),
    ("PV", "٣", "must be digits 0-9 only", "3", "pv", "3"),
    ("Status", "Actve", "must begin with one of active", "ACTIVE", "status", "active"),
    ("Status", "", "is required", "Closed - paid in full", "status_note", "Closed - paid in full"),
    ("Patient", "  ", "is required", " Ada ", "patient_name", "Ada"),
    ("Patient", "Ada\nField", "must be one line", "<script>", "patient_name", "<script>"),
    ("DOI", "2026-02-29", "is not a date", "02/28/2026", "injured_on", date(2026, 2, 28)),
    ("DOI", "2026-03-03", "is in the future", "2026-03-02", "injured_on", TODAY),
    ("DOI", "1/2/25", "write the year with 4 digits", "12/31/2099", "injured_on", None),
    ("Law Firm", "x" * 201, "at most 200", "x" * 200, "firm", "x" * 200),
    ("Attorney Email", "a@b.example, c@d.example", "enter one e-mail address", "A@B.example", "attorney_email", "A@b.example"),
    ("Attorney Email", "a@localhost", "form is not accepted", "", "attorney_email", ""),
    ("Attorney Phone", "5" * 41, "at most 40", "(555) 010-0199", "attorney_phone", "(555) 010-0199"),
    ("Balance", "1,5", "must be an amount", "1.5", "balance", Decimal("1.50")),
    ("Balance", "NaN", "must be an amount", "", "balance", None),
    ("Last Sent", "2099-01-01", "is in the future", "2026-03-01", "last_sent_on", date(2026, 3, 1)),
    ("Last Reply", "soon", "is not a date", "", "last_reply_on", None),
]


@pytest.mark.parametrize(("column", "refused", "says", "accepted", "field", "value"), CELLS)
def test_a_cell_is_refused_by_its_column_and_its_twin_accepted(column, refused, says, accepted, field, value):
    nothing, problems = clean(GOOD | {column: refused}, on=TODAY, row=8)
    fields, none = clean(GOOD | {column: accepted}, on=TODAY, row=8)

    assert nothing == {}
    assert [place for place, _ in problems] == [column]
    assert problems[0][1].startswith("Row 8")
    assert says in problems[0][1]
    assert none == []
    assert fields[field] == value


def test_every_problem_of_a_row_is_told_and_without_a_row_the_column_leads():
    _, problems = clean(GOOD | {"PV": "", "Balance": "much"}, on=TODAY)

    assert [sentence[:17] for _, sentence in problems] == ["Column 'PV' is re", "Column 'Balance' "]


FILES = [  # the file, what is said, a twin that is read
    (b"", "The file is empty.", f"{HEADER}\n{ADA}"),
    (b"\n  \n", "The file is empty.", f"\n{HEADER}\n\n{ADA}\n"),
    (HEADER.encode(), "No data rows found under the header.", f"{HEADER}\r\n{ADA}\r\n"),
    (b"CMS,PV,Status\n1,2,active", "Column 'Patient' is missing. Found: 'CMS', 'PV', 'Status'. Needed: CMS, PV,", f"{HEADER}\n{ADA}"),
    (f"{HEADER},cms\n{ADA},1".encode(), "Column 'CMS' appears twice (columns 1 and 13).", f"{HEADER.lower()}\n{ADA}"),
    (f"{HEADER},Atorney Phone\n".encode(), "Column 'Atorney Phone' is not known. Did you mean 'Attorney Phone'?", f"{HEADER}\n{ADA}"),
    (f"{HEADER},Zzz\n".encode(), "Column 'Zzz' is not known. Known: CMS, PV,", f"{HEADER},Problem\n{ADA},said before"),
    (f"{HEADER},\n".encode(), "Column 13 has no name.", f"{HEADER}\n{ADA},"),
    (f'{HEADER}\n{ADA}\n102,9002,"Active,Ben\n{BEN}\n'.encode(), "Row 3: a quote opened here is never closed.", f"{HEADER}\n{ADA}"),
    (f'{HEADER}\n102,9002,Active,"Ben" Hill'.encode(), "Row 2: a quote stands inside a value", f"{HEADER}\n{ADA.replace('Ada', 'Ada B')}"),
    (HEADER.replace(",", ";").encode(), "The separator looks like a semicolon.", f"\ufeff{HEADER}\n{ADA}"),
    (HEADER.replace(",", "\t").encode(), "The separator looks like a tab.", f"{HEADER}\n{ADA}"),
    (f"{HEADER}\n{ADA}".encode("utf-16"), "The file is not UTF-8 at byte 1", f"{HEADER}\n{ADA.replace('Ada', 'Adä 🙂')}"),
    (b"PK\x03\x04 and so on", "This looks like a workbook", f"{HEADER}\n{ADA}"),
    (f"{HEADER}\n{'x' * 100_001}".encode(), "Row 2: a value is longer than 100,000 characters", f"{HEADER}\n{ADA}"),
]


@pytest.mark.parametrize(("data", "says", "twin"), FILES)
def test_a_file_that_cannot_be_read_is_refused_whole_and_its_twin_read(data, says, twin):
    with pytest.raises((SheetRefused, TextRefused)) as refusal:
        read_csv(data, columns=COLUMNS)

    assert str(refusal.value).startswith(says)
    assert len(read_csv(twin.encode(), columns=COLUMNS).rows) == 1


def test_a_row_of_another_length_is_refused_and_the_others_taken(db):
    done = merge(sheet(ADA, "102,9002,Active,Ben Hill,2025-01-01"), on=TODAY)

    assert counts(done) == (1, 0, 0, 1)
    assert done.refused[0].sentences == "Row 3 has 5 values, the header has 12."


@pytest.mark.parametrize("ragged", [ADA.replace("2026-01-05,", "2026-01-05"), f"{ADA}, ext 5"])
def test_a_refused_row_of_another_length_comes_back_as_it_was_and_is_refused_again(db, ragged):
    merge(sheet(ADA), on=TODAY)
    table = sheet(ragged, BEN.replace("9002", "9oo2"))

    again = read_csv(refused_file(table, merge(table, on=TODAY).refused).encode(), columns=COLUMNS)

    assert [row.cells[1:] for row in again.rows] == [row.cells for row in table.rows]
    assert len(merge(again, on=TODAY).refused) == 2
    assert Case.objects.get().balance == Decimal("1234.50")


def test_two_numbers_in_each_others_place_are_refused_and_in_their_own_are_taken(db):
    merge(sheet(ADA), on=TODAY)
    swapped = ADA.replace("101,9001", "9001,101")

    (refused,) = merge(sheet(swapped), on=TODAY).refused
    both = merge(sheet(BEN, BEN.replace("102,9002", "9002,102")), on=TODAY)

    assert refused.sentences == "Row 2: there is a case or a row with PV 9001 and PID 101, so the two numbers of this row look exchanged."
    assert (len(both.refused), Case.objects.count()) == (2, 1)
    assert counts(merge(sheet(ADA, BEN), on=TODAY)) == (1, 0, 1, 0)


def test_rows_of_a_workbook_are_read_like_those_of_a_file():
    assert read_rows([HEADER.split(","), BEN.split(",")], columns=COLUMNS).rows == sheet(BEN).rows


def test_more_rows_than_the_limit_are_refused_and_as_many_taken(monkeypatch):
    monkeypatch.setattr(sheets, "MOST_ROWS", 2)

    assert len(sheet(ADA, BEN).rows) == 2
    with pytest.raises(SheetRefused, match="More than 2 rows"):
        sheet(ADA, BEN, BEN)


def test_a_larger_file_than_the_limit_is_refused_before_it_is_read(monkeypatch):
    size = len(f"{HEADER}\n{ADA}".encode())
    monkeypatch.setattr(sheets, "MOST_BYTES", size)

    assert len(sheet(ADA).rows) == 1
    with pytest.raises(SheetRefused, match=f"The file has {size + 1} bytes; at most {size}"):
        sheet(ADA + " ")
