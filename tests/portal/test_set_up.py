"""Two commands on a fresh machine: what `make` needs, says and refuses, and the settings a person may change."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from django.contrib.auth import get_user_model

from portal import one_machine, ports
from portal.ports import PortTaken

CLONE = Path(__file__).resolve().parents[2]
TOOLS = ("sh", "make", "id", "cmp", "rm", "cp", "awk")
KNOWS_EVERYTHING = f'#!/bin/sh\necho "$@" >> called\ncase "$*" in *venv\\ --clear*) exit 7;; esac\nexec "{sys.executable}" "$@"\n'
TOO_OLD = '#!/bin/sh\ncase "$1" in --version) echo Python 3.9.2;; *) exit 1;; esac\n'
SETTINGS_AS_TEXT = (
    "from portal import settings\n"
    "for name, value in sorted(vars(settings).items()):\n"
    "    if name.isupper() and name not in ('CMS_OPTIONS', 'LOGIN_URL', 'LOGIN_REDIRECT_URL', 'UNFOLD'): print(name, '=', value)\n"
)
READS = re.compile(r"env\.\w+\(f?['\"](\w+)")


@pytest.fixture
def fresh(tmp_path: Path) -> Path:
    """A clone's Makefile on a machine that has no Python."""
    for name in ("Makefile", "requirements.lock"):
        shutil.copy(CLONE / name, tmp_path)
    (tmp_path / "bin").mkdir()
    for tool in TOOLS:
        (tmp_path / "bin" / tool).symlink_to(shutil.which(tool) or pytest.skip(f"no {tool} here"))
    return tmp_path


def give_python(fresh: Path, script: str) -> None:
    python = fresh / "bin" / "python3"
    python.write_text(script)
    python.chmod(0o755)


def make(fresh: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    around = {"PATH": str(fresh / "bin"), "SHELL": "/bin/sh"}
    return subprocess.run(["make", *arguments], cwd=fresh, env=around, capture_output=True, text=True, timeout=60)


def test_make_alone_lists_what_there_is(fresh):
    listed = re.findall(r"^make (\w+) +\S", make(fresh).stdout, re.MULTILINE)

    assert listed == ["help", "setup", "run", "test", "check", "bench", "storm", "audit", "lock"]


@pytest.mark.parametrize(("python", "found"), [(None, "none"), (TOO_OLD, r"Python 3\.9\.2")])
def test_set_up_without_a_recent_python_prints_the_line_that_installs_one(fresh, python, found):
    if python:
        give_python(fresh, python)

    done = make(fresh, "setup")

    assert done.returncode != 0
    assert re.search(rf"needs Python 3\.11 or newer; here is {found}\..*\n.*apt-get install -y python3\.11 python3\.11-venv", done.stderr)
    assert not (fresh / ".venv").exists()


def test_set_up_with_a_python_whose_ensurepip_is_packed_apart_prints_the_line_that_installs_it(fresh):
    (fresh / "without").mkdir()
    (fresh / "without" / "ensurepip.py").write_text("raise ModuleNotFoundError(\"No module named 'ensurepip'\")")
    give_python(fresh, f'#!/bin/sh\nPYTHONPATH={fresh}/without exec "{sys.executable}" "$@"\n')

    done = make(fresh, "setup")

    assert done.returncode != 0
    assert f"apt-get install -y python3.{sys.version_info[1]}-venv" in done.stderr
    assert not (fresh / ".venv").exists()


def test_set_up_that_was_complete_does_and_says_nothing(fresh):
    (fresh / ".venv" / "bin").mkdir(parents=True)
    (fresh / ".venv" / "bin" / "python").symlink_to(sys.executable)
    shutil.copy(fresh / "requirements.lock", fresh / ".venv")

    done = make(fresh, "setup")

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_set_up_that_was_interrupted_is_begun_anew(fresh):
    (fresh / ".venv" / "bin").mkdir(parents=True)
    (fresh / ".venv" / "bin" / "python").symlink_to(sys.executable)
    give_python(fresh, KNOWS_EVERYTHING)

    make(fresh, "setup")

    assert "-m venv --clear .venv" in (fresh / "called").read_text()


def test_the_example_names_every_setting_and_each_default_is_the_real_one(tmp_path):
    source = (CLONE / "portal" / "settings.py").read_text()
    names, options = READS.findall(source), re.findall(r"\*\((.*)\),", source)
    read = {*names} - {"CMS_"} | {f"CMS_{name.upper()}" for name in re.findall(r"\w+", " ".join(options))}
    example = dict(re.findall(r"^#([A-Z_]+)=(.*)$", (CLONE / ".env.example").read_text(), re.MULTILINE))

    assert set(example) == read
    assert settings_with(example, tmp_path) == settings_with({}, tmp_path)


def settings_with(told: dict[str, str], folder: Path) -> str:
    """Every setting as this environment makes it, in a clone without .env."""
    (folder / "portal").mkdir(exist_ok=True)
    for path in (CLONE / "portal").glob("*.py"):
        shutil.copy(path, folder / "portal")
    places = {name: str(folder / value) for name, value in told.items() if value.startswith("var/")}
    around = {"PATH": os.defpath} | told | places
    done = subprocess.run([sys.executable, "-c", SETTINGS_AS_TEXT], cwd=folder, env=around, capture_output=True, text=True)
    assert "MAIL_MODE = test" in done.stdout, done.stderr
    return done.stdout


def test_a_taken_port_is_named_with_a_command_that_avoids_it(settings, monkeypatch):
    monkeypatch.setattr(ports, "LET_GO_WITHIN_SECONDS", 0)
    settings.EMAIL_URL, settings.SANDBOX_URL = "smtp://127.0.0.1:18025", "http://127.0.0.1:18026"
    monkeypatch.setattr(ports, "is_taken", lambda number: number in (18000, 18026))

    with pytest.raises(PortTaken) as refusal:
        ports.refuse_taken(web=18000)

    assert str(refusal.value) == (
        "Another program listens on port 18000 and 18026. Stop it, or let the portal use others: "
        "PORT=19000 SANDBOX_URL=http://127.0.0.1:19026 CMS_URL=http://127.0.0.1:19026/cms make run"
    )


@pytest.mark.django_db
def test_the_demo_login_is_made_once_and_keeps_a_password_that_somebody_gave_it(settings):
    settings.EMBEDDED_POSTGRES = True

    assert one_machine._login() == "demo, password demo"
    user = get_user_model().objects.get(username="demo")
    assert (user.check_password("demo"), user.is_superuser) == (True, True)
    user.set_password("another one")
    user.save()
    assert one_machine._login() == "demo, with the password you gave it"


@pytest.mark.django_db
def test_a_database_of_somebody_elses_gets_no_demo_login(settings):
    settings.EMBEDDED_POSTGRES = False

    assert "createsuperuser" in one_machine._login()
    assert not get_user_model().objects.exists()
