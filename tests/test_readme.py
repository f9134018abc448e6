"""The README says what is: its drawings, tables, map and pictures are compared with the code."""

import os
import re
import secrets
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.management import load_command_class
from django.core.management.base import BaseCommand
from django.urls import resolve

from campaigns.models.run import RUN_MOVES
from campaigns.models.schedule import SCHEDULE_MOVES
from messaging.lifecycles import Moves
from messaging.models.message import MOVES
from messaging.models.note import NOTE_MOVES
from portal.cadence import CADENCE
from portal.quotes.models import MOVES as QUOTE_MOVES
from portal.summaries.models import MOVES as SUMMARY_MOVES
from portal.urls import urlpatterns

HOUSE = Path(__file__).resolve().parent.parent
README = (HOUSE / "README.md").read_text()
COMMANDS = HOUSE / "portal" / "management" / "commands"
UNMAPPED = {"__init__.py", "__pycache__"}


def section(heading: str) -> str:
    """What stands below a heading, up to the next one."""
    found = re.search(rf"^#+ {re.escape(heading)}\n(.*?)(?=^#+ |\Z)", README, re.MULTILINE | re.DOTALL)
    assert found, f"the README has no heading {heading!r}"
    return found[1]


def block(text: str, language: str) -> str:
    """The first block of that language."""
    found = re.search(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert found, f"there is no block of {language}"
    return found[1]


def rows(text: str) -> list[list[str]]:
    """The cells of every table row, without the heads."""
    lines = [line for line in text.splitlines() if line.startswith("| ")][1:]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def names(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


LIFECYCLES = [
    ("A message", MOVES),
    ("A CMS note", NOTE_MOVES),
    ("A quote", QUOTE_MOVES),
    ("A planned mail", SCHEDULE_MOVES),
    ("A scheduler run", RUN_MOVES),
    ("A daily summary", SUMMARY_MOVES),
]


@pytest.mark.parametrize(("heading", "moves"), LIFECYCLES)
def test_each_diagram_shows_exactly_the_legal_moves(heading: str, moves: Moves) -> None:
    drawing = block(section(heading), "mermaid")

    assert set(re.findall(r"^\s+(\w+) --> (\w+)$", drawing, re.MULTILINE)) == {(drawn(a), drawn(b)) for a in moves for b in moves[a]}
    assert set(re.findall(r"^\s+(\w+) --> \[\*\]$", drawing, re.MULTILINE)) == {drawn(state) for state, ends in moves.items() if not ends}


def drawn(state: Any) -> str:
    """A hyphen is an arrow in a drawing."""
    return str(state.value).replace("-", "_")


def test_the_command_table_names_exactly_the_commands_on_disk() -> None:
    on_disk = {path.stem for path in COMMANDS.glob("*.py")} - {"__init__"}

    told = [names(row[0])[0] for row in rows(section("Commands"))]

    assert len(told) == len(set(told))
    assert set(told) == on_disk


@pytest.mark.parametrize("row", rows(section("Commands")), ids=lambda row: names(row[0])[0])
def test_the_command_table_names_exactly_the_options_of_each(row: list[str]) -> None:
    (command,) = names(row[0])

    assert {name for name in names(row[2]) if name.startswith("--")} == own_options(load_command_class("portal", command))


def own_options(command: BaseCommand) -> set[str]:
    """The options that are shown in --help and are not Django's, nor the --json that all have."""
    parser = command.create_parser("manage.py", "this")
    shown = {name for action in parser._actions if action.help != "==SUPPRESS==" for name in action.option_strings if name.startswith("--")}
    return (
        shown
        - {name for action in BaseCommand().create_parser("manage.py", "this")._actions for name in action.option_strings}
        - {"--json"}
    )


def test_the_cadence_table_says_when_everything_runs() -> None:
    told = {name: (cluster, every.split(",")[0]) for name, cluster, every in rows(section("What runs by itself"))}

    assert told == {name: (cluster, in_words(when)) for name, (_, cluster, when) in CADENCE.items()}


def in_words(when: int | str) -> str:
    """Minutes, or cron's way of saying a time of the day."""
    if isinstance(when, int):
        return f"{when} minute{'s' * (when > 1)}"
    minute, hour, *every = when.split()
    assert every == ["*", "*", "*"], f"teach this test to say {when}"
    return f"day at {int(hour):02}:{int(minute):02}"


@pytest.mark.parametrize("address", [names(row[0])[0] for row in rows(section("Addresses"))])
def test_every_address_is_answered(address: str) -> None:
    assert resolve(address)


def test_no_address_of_ours_is_missing() -> None:
    told = {names(row[0])[0] for row in rows(section("Addresses"))}

    assert {f"/{pattern.pattern}" for pattern in urlpatterns} <= told


def mapped() -> list[Path]:
    """Every file and folder on the map, in its place. A line is indented by its depth and ends with words after two spaces."""
    found, above = [], [HOUSE]
    for line in block(section("The house"), "map").splitlines():
        depth = (len(line) - len(line.lstrip())) // 2
        entries = [name for name in re.split(r"\s{2,}", line.strip()) if re.fullmatch(r"[\w/]+(\.py|/)", name)]
        assert entries, f"the map's line {line!r} names nothing"
        found += [above[depth] / name for name in entries]
        above = [*above[: depth + 1], found[-1]]
    return found


def test_everything_on_the_map_exists() -> None:
    assert [str(path.relative_to(HOUSE)) for path in mapped() if not path.exists()] == []


@pytest.mark.parametrize("floor", ["portal", "campaigns", "messaging"])
def test_every_module_and_every_room_is_on_the_map(floor: str) -> None:
    rooms = {path for path in (HOUSE / floor).iterdir() if path.suffix == ".py" or path.is_dir()}

    assert {path.name for path in rooms - set(mapped())} <= UNMAPPED


def test_every_folder_of_the_tests_that_mirrors_none_is_on_the_map() -> None:
    folders = {path for path in (HOUSE / "tests").iterdir() if path.is_dir() and (path / "__init__.py").exists()}

    assert {path.name for path in folders - set(mapped())} <= {"portal", "campaigns", "messaging"}


def test_the_settings_table_names_exactly_those_of_the_example() -> None:
    told = [name for row in rows(section("Settings")) for name in names(row[0])]

    assert len(told) == len(set(told))
    assert set(told) == set(re.findall(r"^#([A-Z_]+)=", (HOUSE / ".env.example").read_text(), re.MULTILINE))


def test_every_setting_is_read_by_name_in_one_file() -> None:
    source = (HOUSE / "portal" / "settings.py").read_text()
    told = {name for row in rows(section("Settings")) for name in names(row[0])}

    read = set(re.findall(r"env\.\w+\(\s*['\"]([A-Z_]+)['\"]", source))
    assert read <= told
    assert {name for name in told - read if not re.search(rf'"{name.removeprefix("CMS_").lower()}"', source)} == set()


def test_the_make_table_names_exactly_the_targets() -> None:
    told = [names(row[0])[0] for row in rows(section("Development"))]

    assert sorted(told) == sorted(f"make {name}" for name in re.findall(r"^(\w+):.*## ", (HOUSE / "Makefile").read_text(), re.MULTILINE))


def test_every_picture_and_file_that_is_linked_is_there() -> None:
    links = re.findall(r"\]\(([^)#:]+)\)|src=\"([^\":]+)\"", README)
    linked = {HOUSE / (link or source) for link, source in links}

    assert len(linked) >= 8
    assert {str(path) for path in linked if not path.is_file()} == set()
    assert set((HOUSE / "docs" / "tour").iterdir()) <= linked


def test_the_deployment_of_the_readme_passes_its_own_check(tmp_path: Path) -> None:
    deployment = production(tmp_path)

    assert checked(deployment) == (0, "System check identified no issues (0 silenced).\n")
    assert checked(deployment | {"MAIL_MODE": "production"}) == (0, "System check identified no issues (0 silenced).\n")
    assert checked(deployment | {"SECRET_KEY": "short"})[0] == 1


def production(place: Path) -> dict[str, str]:
    """The README's settings, with a key of one's own, and folders that this test may write."""
    block_of_settings = next(text for text in re.findall(r"^```sh\n(.*?)^```", README, re.MULTILINE | re.DOTALL) if "SECRET_KEY=" in text)
    told = dict(line.split("=", 1) for line in block_of_settings.splitlines())
    folders = {name: value.replace("/var/lib/portal", str(place)) for name, value in told.items()}
    return folders | {"SECRET_KEY": secrets.token_urlsafe(60)}


def checked(deployment: dict[str, str]) -> tuple[int, str]:
    command = [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"]
    done = subprocess.run(command, cwd=HOUSE, env={"PATH": os.defpath} | deployment, capture_output=True, text=True)
    return done.returncode, done.stdout
