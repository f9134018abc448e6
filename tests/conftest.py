"""What every test may ask for."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection
from hypothesis import settings as hypothesis_settings

from messaging import journal
from messaging.gateways import cms, mail
from portal.quotes.gateways import ai
from portal.sandbox import Sandbox
from tests import emptying

hypothesis_settings.register_profile("portal", deadline=None)  # no test asserts a time
hypothesis_settings.load_profile("portal")


def pytest_configure() -> None:
    """Tests run on the sources, not on collected static files, whose manifest a deployment makes."""
    settings.BACKUP_BEFORE_RUN = False  # but where a test says so
    os.environ["BACKUP_BEFORE_RUN"] = "false"
    settings.STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup, django_db_blocker) -> Iterator[None]:
    with ExitStack() as stack:
        if connection.settings_dict["NAME"].startswith("test_"):  # none is made for a run that has no test marked for one
            with django_db_blocker.unblock():
                stack.enter_context(emptying.lightly())
        yield


@pytest.fixture(autouse=True)
def _no_spool_of_the_house(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test that breaks a transaction on purpose leaves no event behind in the portal's own spool."""
    monkeypatch.setattr(journal, "_default_folder", None)
    monkeypatch.setattr(journal, "_left_alone_until", 0.0)


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[Sandbox]:
    """The world outside, over real sockets: a mail server, a case-management system and an AI."""
    with Sandbox(tmp_path / "outside") as sandbox:
        yield sandbox


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits minutes for a mail server or a CMS that does not answer."""
    for name in ("CONNECT_SECONDS", "COMMAND_SECONDS", "DATA_SECONDS", "BODY_SECONDS", "REPLY_SECONDS"):
        monkeypatch.setattr(mail, name, 0.4)
    monkeypatch.setattr(mail.Dialogue, "deadline_seconds", 0.4)
    for name in ("CONNECT_SECONDS", "READ_SECONDS"):
        monkeypatch.setattr(cms, name, 0.4)
        monkeypatch.setattr(ai, name, 0.4)
    for module in (cms, ai):
        monkeypatch.setattr(module, "TOTAL_SECONDS", 0.8)  # a machine with much to do is no server that drips


@pytest.fixture(scope="session")
def certificate(tmp_path_factory) -> Path:
    """A key and its certificate in one file, for localhost and for no other name."""
    folder = tmp_path_factory.mktemp("certificate")
    key, found = folder / "key.pem", folder / "localhost.pem"
    told = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-days", "2", "-nodes"]
    kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
    subprocess.run(["openssl", "req", "-x509", *kind, *told, "-keyout", str(key), "-out", str(found)], check=True, capture_output=True)
    found.write_text(found.read_text() + key.read_text())
    return found
