"""import_contacts and import_targets: what they print, what they write beside the file, and how they end."""

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from campaigns.importing import jobs
from campaigns.models import Contact, ContactCampaign, ImportJob
from tests.campaigns.files import ada, table, written

pytestmark = pytest.mark.django_db(transaction=True)
KEYS = {"rows", "new", "changed", "unchanged", "refused", "refused_file", "seconds", "peak_rss_mb"}


def run(*words: str) -> tuple[int, str, str]:
    """How it ended, what it said, and what it said beside."""
    out, err = StringIO(), StringIO()
    try:
        call_command(*words, stdout=out, stderr=err)
    except SystemExit as ending:
        return int(ending.code or 0), out.getvalue(), err.getvalue()
    return 0, out.getvalue(), err.getvalue()


def test_a_good_file_is_told_in_one_document_and_again_it_changes_nothing(tmp_path):
    path = str(written(tmp_path, table([ada(), ada(email="b@x.example")])))

    code, out, _ = run("import_contacts", path, "--json")
    again = run("import_contacts", path, "--json")

    told = json.loads(out)
    assert told.keys() >= KEYS
    assert (code, told["new"], told["refused_file"]) == (0, 2, None)
    assert (again[0], json.loads(again[1])["unchanged"], json.loads(again[1])["already_imported"]) == (0, 2, True)
    assert "was already imported on" in run("import_contacts", path)[1]


def test_refused_rows_are_told_written_beside_the_file_and_end_in_3(tmp_path):
    path = written(tmp_path, table([ada(), ada(email="b@x.example", zip_code="2139")]))

    code, out, err = run("import_contacts", str(path))

    assert code == 3
    assert "2 rows: 1 new, 0 changed, 0 unchanged, 1 refused." in out
    assert "Row 3, column 'zip_code': '2139' has 4 digits" in err
    beside = path.with_name("contacts.refused.csv")
    assert str(beside) in out
    beside.write_text(beside.read_text().replace(",2139,", ",02139,"))
    assert run("import_contacts", str(beside))[0] == 0
    assert Contact.objects.count() == 2


@pytest.mark.parametrize("how", [[], ["--dry-run"]])
def test_a_date_that_is_none_is_told_with_its_row_and_column_and_taken_as_missing(tmp_path, how):
    path = written(tmp_path, table([ada(), ada(email="b@x.example", birth_date="1950-02-30")]))

    code, out, err = run("import_contacts", str(path), *how)

    assert (code, "1 of those taken have a doubt noted" in out) == (0, True)
    assert "Row 3, column 'birth_date': '1950-02-30' is not a date; write it as 2026-01-31 or 01/31/2026. Taken without that date." in err


def test_refused_rows_are_never_lost_for_a_file_that_cannot_be_written(tmp_path):
    path, good = written(tmp_path, table([ada(), ada(email="?")])), tmp_path / "left.csv"

    with pytest.raises(CommandError, match="Nothing was done") as ending:
        run("import_contacts", str(path), "--refused-file", str(tmp_path / "no" / "left.csv"))
    assert (ending.value.returncode, Contact.objects.count()) == (1, 0)

    path.with_name("contacts.refused.csv").mkdir()
    with pytest.raises(CommandError, match="1 rows are imported, 1 were refused"):
        run("import_contacts", str(path))
    told = json.loads(run("import_contacts", str(path), "--refused-file", str(good), "--json")[1])

    assert (told["already_imported"], told["refused_file"], Contact.objects.count()) == (True, str(good), 1)
    assert "?" in good.read_text()


def test_refused_rows_are_not_written_over_the_file_they_came_from(tmp_path):
    path = written(tmp_path, table([ada(), ada(email="b@x.example", zip_code="2139")]))
    before = path.read_bytes()

    with pytest.raises(CommandError, match="name another file"):
        run("import_contacts", str(path), "--refused-file", str(tmp_path / "." / path.name))

    assert (path.read_bytes(), Contact.objects.count()) == (before, 0)


def test_a_domain_that_may_only_look_like_another_is_told_and_taken(tmp_path):
    path = written(tmp_path, table([ada(email="ada@ex\u0430mple.com"), ada(email="b@example.com")]))

    code, _, err = run("import_contacts", str(path))

    assert (code, Contact.objects.filter(flags=[]).count()) == (0, 2)
    assert "Row 2, column 'email': the domain xn--exmple-4nf.com has letters beyond a-z" in err
    assert "Row 3" not in err


def test_a_dry_run_ends_as_the_import_would_and_leaves_nothing(tmp_path):
    path = written(tmp_path, table([ada(), ada(email="?")]))

    code, out, err = run("import_contacts", str(path), "--dry-run")

    assert (code, "This was a dry run: nothing was changed." in out, "Row 3, column 'email'" in err) == (3, True, True)
    assert (Contact.objects.count(), ImportJob.objects.count(), [one.name for one in tmp_path.iterdir()]) == (0, 0, [path.name])


@pytest.mark.parametrize(("data", "said"), [(b"", "The file is empty. Nothing was imported."), (b"a;b\n", "looks like a semicolon")])
def test_a_file_that_cannot_be_read_ends_in_1_with_a_sentence(tmp_path, data, said):
    with pytest.raises(CommandError, match=said) as ending:
        run("import_contacts", str(written(tmp_path, data)))

    assert ending.value.returncode == 1


def test_a_file_that_is_not_there_is_wrong_usage(tmp_path):
    with pytest.raises(CommandError, match=r"Cannot read .*nothing.csv: No such file") as ending:
        run("import_contacts", str(tmp_path / "nothing.csv"))

    assert ending.value.returncode == 2


def test_a_file_that_another_process_has_in_hand_is_left_to_it(tmp_path):
    path = written(tmp_path, table([ada()]))
    jobs.new_job(path, kind="contacts")

    code, out, _ = run("import_contacts", str(path), "--json")

    assert (code, json.loads(out)["already_running"], Contact.objects.count()) == (0, True, 0)


def test_targets_have_their_own_command(tmp_path):
    Contact.objects.create(email="ada@x.example", zip_code="90210", state="CA")

    code, out, err = run("import_targets", str(written(tmp_path, "contact,campaign\nada@x.example,Nowhere\n")), "--json")

    assert (code, json.loads(out)["refused"], ContactCampaign.objects.count()) == (3, 1, 0)
    assert "there is no campaign 'Nowhere'" in err
