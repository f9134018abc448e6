"""Whatever way the same rows are written, ordered or cut short, the same contacts come of them; and memory stays small."""

import csv
import io
import json
import random
import re
import subprocess
import sys
import threading
import time
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection
from django.db.models.functions import Now
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from campaigns.importing import contacts as contact_files
from campaigns.importing import holds, jobs, merging, reading
from campaigns.importing.reading import Pieces, Records, blocks
from campaigns.models import Contact, ImportJob, ImportStatus
from messaging import faults, text_input
from messaging.faults import InjectedFault
from tests.addresses import database_url
from tests.campaigns.files import HEADER, TERMS, ada, brought_in, contacts, counts, table, written
from tests.campaigns.test_importing import leftovers

in_the_database = pytest.mark.django_db(transaction=True)
SAME_ROWS = [
    ada(),
    ada(email="bob@x.example", carrier='Acme, "Life"', first_name="José"),
    ada(email="cleo@x.example", zip_code="02139", state="", birth_date=""),
    ada(email="dora@x.example", zip_code="9021", last_name="Nobody"),
    ada(email="no address"),
]


@in_the_database
@hypothesis_settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_order_of_rows_and_columns_any_quoting_and_any_line_end_give_the_same_contacts(tmp_path, data):
    rows, places = data.draw(st.permutations(SAME_ROWS)), data.draw(st.permutations(range(len(HEADER))))
    quoting = data.draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]))
    line_end, mark = data.draw(st.sampled_from(["\n", "\r\n", "\r"])), data.draw(st.sampled_from(["", "\ufeff"]))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator=line_end, quoting=quoting)
    writer.writerows([cells[place] for place in places] for cells in [HEADER, *rows])
    ImportJob.objects.all().delete()
    Contact.objects.all().delete()

    job = brought_in(written(tmp_path, mark + text.getvalue()))

    assert counts(job) == {"rows": 5, "new": 3, "changed": 0, "unchanged": 0, "refused": 2}
    assert [(email, zip_code, state, carrier, name) for email, zip_code, state, _, _, _, carrier, name, *_ in contacts()] == [
        ("ada@client.example", "90210", "CA", "Acme Life", "Ada"),
        ("bob@x.example", "90210", "CA", 'Acme, "Life"', "José"),
        ("cleo@x.example", "02139", "MA", "Acme Life", "Ada"),
    ]


PLAIN = {
    contact_files.PLAIN_ADDRESS: contact_files.as_address,
    contact_files.PLAIN_PHONE: contact_files.as_phone,
    contact_files.PLAIN_NAME: lambda text: contact_files.as_text(text, name="last_name"),
    contact_files.PLAIN_ID: contact_files.as_id,
}


@pytest.mark.parametrize("pattern", PLAIN, ids=["address", "phone", "name", "id"])
@hypothesis_settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_what_looks_plain_means_itself(pattern, data):
    text = data.draw(st.from_regex(re.compile(pattern.pattern, re.ASCII), fullmatch=True))

    assert PLAIN[pattern](text) == text


@hypothesis_settings(max_examples=300, deadline=None)
@given(st.text(alphabet="ab.-_+@1 ,\u00e9", max_size=30))
def test_no_address_that_would_be_refused_or_altered_looks_plain(text):
    if contact_files.PLAIN_ADDRESS.fullmatch(text):
        assert text_input.email_address(text, field="E-mail") == text


@given(st.lists(st.binary(max_size=40), max_size=12), st.integers(1, 50))
def test_pieces_of_any_size_are_the_same_bytes(pieces, size):
    stream = io.BufferedReader(Pieces(pieces), size)

    assert b"".join(iter(lambda: stream.read(7), b"")) == b"".join(pieces)
    assert b"".join(jobs.in_pieces(pieces)) == b"".join(pieces)


@given(st.lists(st.sampled_from(["a,b", '"x\ny",1', "", "only one", 'bro"ken,"q"q', "1,2,3"]), max_size=30), st.integers(1, 7))
def test_every_record_is_in_exactly_one_block_whatever_its_size(lines, size):
    text = "".join(f"{line}\n" for line in lines)

    def read(size: int) -> list:
        found = list(blocks(Records(io.BytesIO(text.encode())), width=2, size=size))
        assert [block.end for block in found] == sorted({block.end for block in found})
        return [[row for block in found for row in block.rows], [one for block in found for one in block.refused]]

    assert read(size) == read(1_000)


def told_to(monkeypatch, point: str, *, when: int = 1) -> None:
    monkeypatch.setattr(faults, "_plans", faults.parse(f"{point}=raise@{when}"))


@pytest.fixture
def many(tmp_path, monkeypatch) -> Path:
    """Ninety rows, read ten at a time and merged twenty at a time; a few are refused, one by one and beside others."""
    monkeypatch.setattr(reading.blocks, "__kwdefaults__", {"size": 10})
    monkeypatch.setattr(merging, "AT_ONCE", 20)
    rows = [ada(email=f"n{number}@x.example", zip_code="1" if number % 11 == 0 else "90210") for number in range(88)]
    return written(tmp_path, table([*rows, ada(email="n1@x.example"), ada(email="n2@x.example")]))


DONE = {"rows": 90, "new": 78, "changed": 0, "unchanged": 0, "refused": 12}


@in_the_database
@pytest.mark.parametrize(("point", "when"), [("import.after_row_block", 1), ("import.after_row_block", 5), ("import.before_final", 1)])
def test_an_import_that_was_struck_goes_on_where_it_stood(many, monkeypatch, point, when):
    told_to(monkeypatch, point, when=when)
    with pytest.raises(InjectedFault):
        brought_in(many)
    assert Contact.objects.count() == 0
    stood = ImportJob.objects.get()
    monkeypatch.setattr(faults, "_plans", {})

    job = brought_in(many, resume=True)

    assert (job.pk, stood.read_rows) == (stood.pk, 91 if point == "import.before_final" else 10 * when)
    assert (counts(job), Contact.objects.count(), job.refusals.count(), leftovers()) == (DONE, 78, 12, [])


@in_the_database
def test_without_resume_an_interrupted_import_is_given_up_and_begun_again(many, monkeypatch):
    told_to(monkeypatch, "import.after_row_block", when=3)
    with pytest.raises(InjectedFault):
        brought_in(many)
    monkeypatch.setattr(faults, "_plans", {})

    job = brought_in(many)

    assert counts(job) == DONE
    assert list(ImportJob.objects.order_by("pk").values_list("status", flat=True)) == ["cancelled", "applied"]
    assert leftovers() == []


@in_the_database
def test_staged_rows_that_a_crash_of_the_server_took_are_read_again(many, monkeypatch):
    told_to(monkeypatch, "import.after_row_block", when=5)
    with pytest.raises(InjectedFault):
        brought_in(many)
    monkeypatch.setattr(faults, "_plans", {})
    with connection.cursor() as cursor:
        cursor.execute(f"TRUNCATE {leftovers()[0]}")  # what PostgreSQL does to an unlogged table

    assert counts(brought_in(many, resume=True)) == DONE


@in_the_database
@pytest.mark.parametrize("point", ["import.after_row_block=kill@4", "import.before_final=kill"])
def test_a_command_that_was_killed_goes_on_when_told_to_resume(tmp_path, point):
    rows = [ada(email=f"n{number}@x.example") for number in range(45_000)]
    path = written(tmp_path, table(rows))

    assert command(path, PORTAL_FAULTS=point).returncode == -9
    assert Contact.objects.count() == 0
    assert "already" in command(path, "--resume").stdout or "Another process" in command(path, "--resume").stdout
    ImportJob.objects.update(leased_until=Now() - timedelta(seconds=1))  # half a minute later

    done = command(path, "--resume")

    assert (done.returncode, Contact.objects.count(), leftovers()) == (0, 45_000, [])
    assert "45,000 rows: 45,000 new" in done.stdout


def command(path: Path, *options: str, **environment: str) -> subprocess.CompletedProcess:
    told = {"DATABASE_URL": database_url(), "SECRET_KEY": settings.SECRET_KEY, "DEBUG": "1", "PATH": "/usr/bin:/bin"}
    words = [sys.executable, "manage.py", "import_contacts", str(path), *options]
    return subprocess.run(words, env=told | environment, cwd=settings.BASE_DIR, capture_output=True, text=True, timeout=120)


@in_the_database
def test_two_at_the_same_file_do_not_both_import_it(many):
    job = jobs.new_job(many, kind="contacts")  # somebody else's, who is at it

    with pytest.raises(jobs.UnderWay, match="Another process is importing"):
        brought_in(many)

    ImportJob.objects.filter(pk=job.pk).update(leased_until=Now())
    assert counts(brought_in(many)) == DONE


@in_the_database
def test_a_worker_that_lost_its_hold_merges_nothing(many, monkeypatch):
    def lose(point: str) -> None:
        if point == "import.before_final":
            other = threading.Thread(target=take_away)
            other.start()
            other.join()

    monkeypatch.setattr(merging, "fault", lose)

    with pytest.raises(holds.HoldLost):
        brought_in(many)

    assert Contact.objects.count() == 0


def take_away() -> None:
    ImportJob.objects.update(lease=None, leased_until=None)
    connection.close()


@in_the_database
def test_somebody_who_cancels_breaks_a_long_statement_off_and_nothing_is_imported(many, monkeypatch):
    monkeypatch.setattr(holds, "PULSE_SECONDS", 0.05)
    job = jobs.receive([many.read_bytes()], kind="contacts", name="many.csv", by=None)
    jobs.run_due(TERMS)
    jobs.confirm(job)

    def wait_for_ever(point: str) -> None:
        if point == "import.before_final":
            other = threading.Thread(target=cancel)
            other.start()
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_sleep(60)")

    monkeypatch.setattr(merging, "fault", wait_for_ever)
    began = time.monotonic()
    tally = jobs.run_due(TERMS)

    assert (tally.applied, time.monotonic() - began < 30) == (0, True)
    assert ImportJob.objects.get().status == ImportStatus.CANCELLED
    assert (Contact.objects.count(), leftovers()) == (0, [])


def cancel() -> None:
    jobs.cancel(ImportJob.objects.get())
    connection.close()


@in_the_database
def test_an_upload_is_read_previewed_confirmed_and_imported_by_whichever_worker_comes(many):
    job = jobs.receive([many.read_bytes()], kind="contacts", name="many.csv", by=None)

    assert (jobs.run_due(TERMS).previewed, Contact.objects.count()) == (1, 0)
    assert counts(ImportJob.objects.get()) == DONE
    assert not jobs.run_due(TERMS).imports  # a person decides first
    assert (jobs.confirm(job), jobs.confirm(job)) == (True, False)
    assert (jobs.run_due(TERMS).applied, Contact.objects.count()) == (1, 78)
    assert (counts(ImportJob.objects.get()), leftovers(), jobs.cancel(job)) == (DONE, [], False)


@in_the_database
@pytest.mark.parametrize(("point", "when"), [("import.after_row_block", 5), ("import.before_final", 1)])
def test_an_upload_whose_worker_vanished_goes_on_where_it_stood(many, monkeypatch, point, when):
    job = jobs.receive([many.read_bytes()], kind="contacts", name="many.csv", by=None)
    told_to(monkeypatch, point, when=when)

    for _ in range(4):
        try:
            jobs.run_due(TERMS)
        except InjectedFault:
            assert Contact.objects.count() == 0
        jobs.confirm(job)

    assert (counts(ImportJob.objects.get()), Contact.objects.count(), leftovers()) == (DONE, 78, [])


@in_the_database
def test_an_upload_that_cannot_be_read_says_why_and_one_that_nobody_confirmed_is_forgotten(many):
    wrong = jobs.receive([b"name;mail\n"], kind="contacts", name="wrong.csv", by=None)
    late = jobs.receive([many.read_bytes()], kind="contacts", name="many.csv", by=None)
    assert jobs.run_due(TERMS).failed == 1
    assert ImportJob.objects.get(pk=wrong.pk).error.startswith("The separator looks like a semicolon")

    ImportJob.objects.filter(pk=late.pk).update(started_at=Now() - timedelta(hours=25))
    assert jobs.run_due(TERMS).abandoned == 1

    assert ImportJob.objects.get(pk=late.pk).status == ImportStatus.CANCELLED
    assert (Contact.objects.count(), leftovers()) == (0, [])


@in_the_database
def test_contacts_that_changed_since_the_preview_are_compared_anew(many):
    job = jobs.receive([many.read_bytes()], kind="contacts", name="many.csv", by=None)
    jobs.run_due(TERMS)
    for _ in range(2):
        Contact.objects.create(email="N5@x.example", zip_code="90210", state="CA")
    Contact.objects.create(email="N6@x.example", zip_code="90210", state="CA")
    jobs.confirm(job)
    jobs.run_due(TERMS)

    assert counts(ImportJob.objects.get()) == {"rows": 90, "new": 76, "changed": 1, "unchanged": 0, "refused": 13}


@in_the_database
def test_a_hundred_thousand_rows_take_little_memory(tmp_path):
    chance = random.Random(4)
    path = tmp_path / "large.csv"
    with path.open("w") as file:
        file.write("email,zip_code,birth_date,phone,last_name,note\n")
        for number in range(100_000):
            born, phone = f"19{chance.randrange(40, 60)}-{chance.randrange(1, 13):02}-11", f"312-555-{chance.randrange(10_000):04}"
            file.write(f"n{number}@x.example,90210,{born},{phone},Name{number},{'x' * 200}\n")

    done = command(path, "--json")

    told = json.loads(done.stdout)
    assert (done.returncode, told["new"], Contact.objects.count()) == (0, 100_000, 100_000)
    assert told["peak_rss_mb"] < 256
