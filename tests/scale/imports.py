"""How long an import of contacts takes, and how much memory: `python -m tests.scale.imports`. A scratch database, the real command."""

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import psycopg

from campaigns.zip_codes import table
from portal import embedded_postgres, settings
from tests.scale import databases, machine
from tests.scale.table import machine_line

HEADER = "id,email,first_name,last_name,zip_code,state,birth_date,effective_date,phone,carrier,plan,agent"
FIRST = ["Ada", "Ben", "Cleo", "Dora", "Emil", "Fay", "Gus", "Hana", "Ivo", "June", "Kurt", "Lena", "Milo", "Nora", "Otto", "Pia"]
CARRIERS = [f"Carrier {letter}" for letter in "ABCDEFGHIJ"]
PLANS = ["F", "G", "N"]
SEED = 4
BORN, BEGUN = date(1935, 1, 1), date(2005, 1, 1)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.scale.imports", description=__doc__)
    parser.add_argument("--contacts", type=int, default=3_000_000)
    parser.add_argument("--identity", choices=["id", "email"], default="email", help="what says who a row is about")
    told = parser.parse_args()
    if settings.EMBEDDED_POSTGRES:
        embedded_postgres.hold(settings.VAR_DIR / "postgres")
    settings.VAR_DIR.mkdir(exist_ok=True)
    name = f"scale_{os.getpid()}_imports"
    with tempfile.TemporaryDirectory(prefix="scale-", dir=settings.VAR_DIR) as folder, databases.scratch(name):
        measure(Path(folder), name=name, contacts=told.contacts, identity=told.identity)
    return 0


def measure(folder: Path, *, name: str, contacts: int, identity: str) -> None:
    say(machine_line(machine.describe(database=name)) + "\n")
    manage(name, "migrate", "-v", "0")
    first, second = folder / "first.csv", folder / "second.csv"
    write(first, contacts=contacts, identity=identity, moved=0)
    write(second, contacts=contacts, identity=identity, moved=100)
    say(f"{contacts:,} rows of 12 columns, {first.stat().st_size / 1e6:,.0f} MB, by {identity}\n")
    tell("into an empty table", name, first)
    with databases.connect(name) as database:
        database.execute("ANALYZE campaigns_contact")
    tell("the same people, 1 in 100 moved", name, second)
    tell("the same file again", name, second)


def tell(what: str, name: str, file: Path) -> None:
    started, used = time.monotonic(), cpu_seconds()
    done = manage(name, "import_contacts", str(file), "--json")
    facts: dict[str, Any] = json.loads(done)
    client, server = (f"{now - before:.0f}" for now, before in zip(cpu_seconds(), used, strict=True))
    counts = ", ".join(f"{facts[key]:,} {key}" for key in ("new", "changed", "unchanged", "refused"))
    say(
        f"{what}: {facts['seconds']:.1f} s ({time.monotonic() - started:.1f} s with the start), {facts['peak_rss_mb']:.0f} MB, "
        f"CPU {client} s Python + {server} s PostgreSQL; {counts}\n"
    )


def cpu_seconds() -> tuple[float, float]:
    """Of the commands that ended so far, and of the server, all it does."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return ended.ru_utime + ended.ru_stime, databases.cpu_seconds() or 0.0


def manage(name: str, *words: str) -> str:
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "tests.scale.ours_settings", "SCALE_DATABASE": name}
    environment.setdefault("SECRET_KEY", "only-for-the-bench-0123456789-0123456789-0123456789")
    done = subprocess.run([sys.executable, "manage.py", *words], env=environment, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{words[0]} ended with {done.returncode}")
    return done.stdout


def write(path: Path, *, contacts: int, identity: str, moved: int) -> None:
    header = HEADER if identity == "id" else HEADER.replace("id,", "number,", 1)
    with path.open("w") as file:
        file.write(header + "\n")
        file.writelines(lines(contacts, moved=moved))


def lines(contacts: int, *, moved: int) -> Iterator[str]:
    """The same people every time; one in `moved` has another carrier."""
    chance, zips = random.Random(SEED), sorted(table().items())
    for number in range(1, contacts + 1):
        zip_code, state = chance.choice(zips)
        first, last = chance.choice(FIRST), f"{chance.choice(FIRST)}{chance.randrange(4_000):04}".translate(LETTERS)
        born, begun = BORN + timedelta(chance.randrange(9_500)), BEGUN + timedelta(chance.randrange(7_500))
        carrier = chance.choice(CARRIERS)
        if moved and number % moved == 0:
            carrier = "Another one"
        phone = f"312-555-{chance.randrange(10_000):04}"
        yield (
            f"{number},{first.lower()}.{last.lower()}.{number}@client{number % 97}.example,{first},{last},{zip_code},{state},"
            f"{born},{begun},{phone},{carrier},{chance.choice(PLANS)},agent {number % 500}\n"
        )


LETTERS = str.maketrans("0123456789", "aeioulnrst")


def say(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except psycopg.Error as reason:
        sys.exit(f"PostgreSQL did not let the bench make its scratch database (the role needs CREATEDB): {reason}")
