"""A backup is one when it has been read back; until then, and after any accident, there is none."""

import os
from dataclasses import dataclass
from datetime import timedelta
from unittest.mock import Mock

import pytest
from django.db import connection
from django.db.models.functions import Now

from messaging import backup, faults, invariants, postgres_programs, restoring
from messaging.invariants import Invariant
from messaging.models import BackupHistory, BackupStatus
from tests.factories import make_case, make_message

pytestmark = pytest.mark.django_db(transaction=True)


@dataclass
class Always:
    action: str = "raise"
    value: str = ""

    def is_due(self) -> bool:
        return True


def files(folder) -> list[str]:
    return sorted(path.suffix for path in folder.iterdir())


def test_a_backup_has_its_size_digest_and_rows_and_is_readable_by_its_owner_only(tmp_path):
    make_case()

    made = backup.make(folder=tmp_path, purpose="a test")

    row = BackupHistory.objects.get()
    assert (row.status, row.sha256, row.size_bytes, row.purpose) == ("verified", made.sha256, made.path.stat().st_size, "a test")
    assert row.rows["messaging_case"] == 1
    assert oct(made.path.stat().st_mode & 0o777) == "0o600"
    assert backup.verify(made.path)["on_record"] is True


@pytest.mark.parametrize("point", ["backup.after_dump", "backup.after_verify", "backup.before_rename"])
def test_a_backup_whose_process_vanishes_is_none_and_the_next_one_cleans_up(tmp_path, monkeypatch, point):
    monkeypatch.setattr(faults, "_plans", {point: Always()})
    with pytest.raises(faults.InjectedFault):
        backup.make(folder=tmp_path)
    assert (files(tmp_path), backup.newest()) == ([".unfinished"], None)
    monkeypatch.undo()

    made = backup.make(folder=tmp_path)

    assert files(tmp_path) == [".dump"]
    assert sorted(BackupHistory.objects.values_list("status", flat=True)) == ["failed", "verified"]
    assert (backup.newest().path, invariants.verify()) == (str(made.path), [])


def test_a_folder_that_cannot_be_written_is_a_sentence_and_a_failed_row(tmp_path):
    (tmp_path / "file").touch()

    with pytest.raises(backup.BackupFailed, match=r"No backup was made: .*Not a directory"):
        backup.make(folder=tmp_path / "file" / "b")

    assert BackupHistory.objects.get().status == BackupStatus.FAILED


def test_without_its_program_a_backup_says_what_to_do(tmp_path, monkeypatch):
    missing = postgres_programs.ProgramMissing("pg_dump is not on this machine: run make setup")
    monkeypatch.setattr(backup, "_written", Mock(side_effect=missing))

    with pytest.raises(backup.BackupFailed, match="No backup was made: pg_dump is not on this machine: run make setup"):
        backup.make(folder=tmp_path)


@pytest.mark.parametrize("name", ["portal.prod", "2026_portal", "my portal", "x" * 63])
def test_the_scratch_database_of_a_drill_has_a_plain_name(tmp_path, monkeypatch, name):
    made = backup.make(folder=tmp_path)
    named = Mock(side_effect=backup.BackupFailed("far enough"))
    monkeypatch.setattr(restoring, "restore", named)
    monkeypatch.setitem(connection.settings_dict, "NAME", name)

    with pytest.raises(backup.BackupFailed, match="far enough"):
        restoring.drill(made.path)
    assert restoring.NAME.fullmatch(named.call_args.kwargs["into"])


def test_an_edited_and_a_cut_file_are_refused_and_nothing_is_restored(tmp_path):
    made = backup.make(folder=tmp_path)
    whole = made.path.read_bytes()
    for spoiled in (whole[:-100], whole[:200] + b"x" + whole[201:]):
        made.path.write_bytes(spoiled)
        with pytest.raises(backup.BackupFailed, match="digest differs"):
            restoring.restore(made.path, into="restored")
    (tmp_path / "strange.dump").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(backup.BackupFailed):
        backup.verify(tmp_path / "strange.dump")
    (tmp_path / "text.dump").write_text("no backup at all")
    with pytest.raises(backup.BackupFailed, match="archive"):
        backup.verify(tmp_path / "text.dump")


def test_a_restore_never_overwrites_and_holds_what_was_backed_up(tmp_path):
    make_message()
    made, into = backup.make(folder=tmp_path), f"restored_{os.getpid()}"

    with pytest.raises(backup.BackupFailed, match="Refusing to overwrite"):
        restoring.restore(made.path, into=connection.settings_dict["NAME"])
    try:
        rows = restoring.restore(made.path, into=into)
        assert rows == BackupHistory.objects.get().rows
    finally:
        restoring.drop_database(into)


@pytest.mark.parametrize("name", ["dbname=victim", "postgres://x/y", "a b", "a\nb", 'a"b', "", "x" * 64, "ärger"])
def test_a_restore_makes_a_database_of_a_plain_name_or_none(tmp_path, name):
    made = backup.make(folder=tmp_path)

    with pytest.raises(backup.BackupFailed, match="no name of a database"):
        restoring.restore(made.path, into=name)


def test_the_drill_restores_compares_and_leaves_nothing_behind(tmp_path):
    make_message()
    made = backup.make(folder=tmp_path)
    make_message()  # what came later is not in it, and does not matter

    found = restoring.drill(made.path)

    assert found["rows"] == sum(BackupHistory.objects.get().rows.values())
    assert BackupHistory.objects.get().restore_tested_at is not None
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_database WHERE starts_with(datname, %s)", [f"{connection.settings_dict['NAME']}_drill_"])
        assert cursor.fetchone() == (0,)


def test_a_backup_that_restores_to_other_rows_is_no_proof(tmp_path):
    made = backup.make(folder=tmp_path)
    BackupHistory.objects.update(rows={"messaging_case": 7})

    with pytest.raises(backup.BackupFailed, match="messaging_case has 0 rows of 7"):
        restoring.drill(made.path)


def test_only_one_is_made_at_a_time(tmp_path):
    with backup._snapshot(), pytest.raises(backup.BackupRunning):
        backup.make(folder=tmp_path)


def test_a_backup_of_some_tables_holds_these_alone_and_its_drill_compares_them(tmp_path):
    make_message()
    made = backup.make(folder=tmp_path, purpose="run 1", tables=["messaging_case", "messaging_message"])

    assert backup.newest() is None, "it is none of the whole"
    assert BackupHistory.objects.get().rows == {"messaging_case": 0, "messaging_message": 1}
    found = restoring.drill(made.path)
    assert (found["tables"], found["rows"]) == (2, 1)


def test_the_newest_that_holds_some_tables_may_hold_more_and_is_not_old(tmp_path):
    asked = {"tables": ["messaging_case"], "within": timedelta(hours=26)}
    backup.make(folder=tmp_path, tables=["messaging_message"])
    assert backup.newest_of(**asked) is None

    whole = backup.make(folder=tmp_path)
    assert backup.newest_of(**asked).pk == whole.history_id
    some = backup.make(folder=tmp_path, tables=["messaging_case"])
    assert backup.newest_of(**asked).pk == some.history_id
    BackupHistory.objects.update(verified_at=Now() - timedelta(hours=27))
    assert backup.newest_of(**asked) is None


def test_a_row_that_is_another_one_in_the_copy_is_found_by_its_table(tmp_path):
    make_case()
    made = backup.make(folder=tmp_path)
    row = BackupHistory.objects.get()
    BackupHistory.objects.update(checksums=row.checksums | {"messaging_case": "0" * 16})

    with pytest.raises(backup.BackupFailed, match=r"not to what was backed up: messaging_case has other rows\."):
        restoring.drill(made.path)
    assert BackupHistory.objects.get().restore_tested_at is None


def test_a_promise_that_was_broken_when_the_backup_was_made_is_named_unless_it_asks_the_clock(tmp_path):
    make_case()
    made = backup.make(folder=tmp_path)
    broken = Invariant(name="X-1", sentence="No case.", sql="SELECT id FROM messaging_case")
    of_the_hour = Invariant(name="X-2", sentence="No old case.", sql="SELECT id FROM messaging_case WHERE now() > '2000-01-01'")

    told = restoring.drill(made.path, promises=[broken, of_the_hour])

    assert (told["promises"], told["violated"]) == (1, {"X-1": 1})


def test_somebody_is_told_now_and_then_that_it_is_still_at_work(tmp_path, monkeypatch):
    monkeypatch.setattr(postgres_programs, "BEAT_SECONDS", 0.001)
    beats = []

    backup.make(folder=tmp_path, beat=lambda: beats.append(1))

    assert beats


def test_what_is_older_than_seven_days_goes_but_never_the_last_one(tmp_path):
    old = backup.make(folder=tmp_path)
    of_a_run = backup.make(folder=tmp_path, tables=["messaging_case"])
    BackupHistory.objects.update(started_at=Now() - timedelta(days=8))

    new = backup.make(folder=tmp_path)

    assert [one.path.exists() for one in (old, of_a_run, new)] == [False, True, True]


def test_the_newest_are_kept_and_the_others_removed_from_disk_but_not_from_the_record(tmp_path):
    made = [backup.make(folder=tmp_path, keep=2) for _ in range(3)]

    assert [one.path.exists() for one in made] == [False, True, True]
    assert sorted(BackupHistory.objects.values_list("status", flat=True)) == ["removed", "verified", "verified"]
