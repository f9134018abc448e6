"""Files of contacts for the tests of their import."""

import csv
import io
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from campaigns.importing import jobs
from campaigns.models import Contact, ImportJob, ImportKind, ImportRefusal

TODAY = date(2026, 6, 1)
TERMS = jobs.Terms(on=TODAY)
HEADER = ("email", "zip_code", "state", "birth_date", "effective_date", "phone", "carrier", "first_name", "last_name")
ADA = ("ada@client.example", "90210", "CA", "1950-03-01", "2020-07-01", "310-555-0100", "Acme Life", "Ada", "Example")
TOLD = ("rows", "new", "changed", "unchanged", "refused")


def written(folder: Path, text: str | bytes, *, name: str = "contacts.csv") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def table(rows: Sequence[Sequence[str]], *, header: Sequence[str] = HEADER, quoting: int = csv.QUOTE_MINIMAL) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n", quoting=quoting).writerows([header, *rows])
    return text.getvalue()


def ada(**facts: str) -> list[str]:
    """A good row, but for these facts."""
    return list((dict(zip(HEADER, ADA, strict=True)) | facts).values())


def brought_in(path: Path, *, kind: str = ImportKind.CONTACTS, **told: bool) -> ImportJob:
    return jobs.import_file(path, kind=kind, terms=TERMS, **told)


def counts(job: ImportJob) -> dict[str, int]:
    return {name: getattr(job, name) for name in TOLD}


def reasons(job: ImportJob) -> list[tuple[int, str, str]]:
    return list(ImportRefusal.objects.filter(job=job).order_by("row").values_list("row", "column", "reason"))


def contacts() -> list[tuple]:
    """All there is, without ids and times."""
    return sorted(Contact.objects.values_list(*HEADER, "flags").order_by("email"), key=str)
