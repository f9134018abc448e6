"""Facts on the local disk: whole or not at all, replayed by whoever comes next, twice at worst."""

import fcntl
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from messaging import spool
from messaging.spool import FactUnusable, Spool, SpoolUnwritable, depth, drain

FULL_DISK = """
import resource, sys
from pathlib import Path
from messaging.spool import Spool, SpoolUnwritable
resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
waiting, kept = Spool(Path(sys.argv[1]), kind="x"), 0
try:
    while True:
        waiting.append({"number": kept, "padding": "p" * 20}, sync=True)
        kept += 1
except SpoolUnwritable as full:
    print(kept, "takes no facts" in str(full))
"""


def kept(folder: Path, *facts: int) -> None:
    """A process wrote these facts and died."""
    with Spool(folder, kind="x") as waiting:
        for number in facts:
            waiting.append({"number": number}, sync=False)


def replay(folder: Path) -> list[int]:
    seen: list[int] = []
    drain(folder, kind="x", save=lambda fact: seen.append(fact["number"]))
    return seen


def test_what_was_kept_is_replayed_in_its_order_and_then_gone(tmp_path):
    kept(tmp_path, 1, 2)
    kept(tmp_path, 3)
    assert depth(tmp_path) == 3

    assert sorted(replay(tmp_path)) == [1, 2, 3]
    assert (replay(tmp_path), depth(tmp_path), list(tmp_path.iterdir())) == ([], 0, [])


def test_facts_of_another_kind_are_left_alone(tmp_path):
    with Spool(tmp_path, kind="y") as other:
        other.append({"number": 9}, sync=False)

    assert (replay(tmp_path), depth(tmp_path)) == ([], 1)


def test_the_file_of_a_living_owner_is_left_alone_until_it_is_given_up(tmp_path):
    waiting = Spool(tmp_path, kind="x")
    waiting.append({"number": 1}, sync=True)

    assert (replay(tmp_path), depth(tmp_path)) == ([], 1)
    waiting.close()
    assert replay(tmp_path) == [1]


def test_what_reached_the_database_is_forgotten_and_an_empty_file_disappears(tmp_path):
    with Spool(tmp_path, kind="x") as waiting:
        waiting.append({"number": 1}, sync=False)
        waiting.forget()
        assert depth(tmp_path) == 0
        waiting.append({"number": 2}, sync=False)
        waiting.forget()

    assert list(tmp_path.iterdir()) == []


def test_a_file_drained_by_somebody_in_the_moment_of_its_making_is_made_again(tmp_path, monkeypatch):
    flock, drained = fcntl.flock, []

    def slow(file: int, how: int) -> None:
        if how == fcntl.LOCK_EX and not drained:
            drained.append(True)
            monkeypatch.setattr(spool.fcntl, "flock", flock)
            replay(tmp_path)
        flock(file, how)

    monkeypatch.setattr(spool.fcntl, "flock", slow)
    kept(tmp_path, 1)

    assert (drained, replay(tmp_path)) == ([True], [1])


def test_a_torn_last_line_was_never_acknowledged(tmp_path):
    kept(tmp_path, 1)
    with next(tmp_path.iterdir()).open("ab") as file:
        file.write(b'{"number": 2')

    assert replay(tmp_path) == [1]


SPOILT = [b"\x00" * 30 + b"\n", b'{"number": {"number": 2}\n', b"\xff\xfe\n", b"\n"]


@pytest.mark.parametrize("line", SPOILT)
def test_a_spoilt_line_is_kept_aside_and_holds_up_no_other(tmp_path, line):
    kept(tmp_path, 1)
    with next(tmp_path.iterdir()).open("ab") as file:
        file.write(line + json.dumps({"number": 3}).encode() + b"\n")

    assert (replay(tmp_path), replay(tmp_path), depth(tmp_path)) == ([1, 3], [], 0)
    assert [path.suffix for path in tmp_path.iterdir()] == [".unusable"]


def test_a_fact_that_nobody_can_use_is_kept_aside_too(tmp_path):
    def save(fact: spool.Fact) -> None:
        if fact["number"] == 1:
            raise FactUnusable("of another version")

    kept(tmp_path, 1, 2)

    assert drain(tmp_path, kind="x", save=save) == 1
    assert [path.suffix for path in tmp_path.iterdir()] == [".unusable"]


def test_a_database_that_fails_half_way_leaves_the_file_for_the_next_one(tmp_path):
    kept(tmp_path, 1, 2)
    seen: list[int] = []

    def save(fact: spool.Fact) -> None:
        if seen:
            raise ConnectionError("away again")
        seen.append(fact["number"])

    with pytest.raises(ConnectionError):
        drain(tmp_path, kind="x", save=save)

    assert replay(tmp_path) == [1, 2]


def test_a_full_disk_is_told_and_leaves_whole_lines_only(tmp_path):
    done = subprocess.run([sys.executable, "-c", FULL_DISK, str(tmp_path)], capture_output=True, text=True, check=True)

    count, told = done.stdout.split()
    assert (int(count), told) == (2, "True")
    assert replay(tmp_path) == [0, 1]


def test_a_place_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "a file").touch()

    with pytest.raises(SpoolUnwritable, match="takes no facts"):
        Spool(tmp_path / "a file" / "spool", kind="x").append({"number": 1}, sync=True)


def test_a_fork_never_writes_into_its_parents_file(tmp_path):
    waiting = Spool(tmp_path, kind="x")
    waiting.append({"number": 1}, sync=False)
    child = os.fork()
    if child == 0:
        try:
            waiting.append({"number": 2}, sync=False)
            waiting.close()
        finally:
            os._exit(0)
    os.waitpid(child, 0)

    assert replay(tmp_path) == [2]
    waiting.close()
    assert replay(tmp_path) == [1]


def test_a_fact_too_long_for_one_write_is_a_bug(tmp_path):
    with pytest.raises(AssertionError, match="a fact of"):
        Spool(tmp_path, kind="x").append({"number": "x" * spool.LINE_BYTES}, sync=False)


def test_nothing_waits_where_there_is_no_folder(tmp_path):
    assert (depth(tmp_path / "none"), replay(tmp_path / "none")) == (0, [])
