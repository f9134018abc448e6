"""A live portal on the test database, and a headless Chromium before it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from portal.sandbox import Sandbox
from tests.browser.office import Eyes, Office, browser, fill, log_in, new_page, picture

PLAIN_FILES = {"staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}}


@pytest.fixture
def office(live_server: Any, settings: Any, sandbox: Sandbox, tmp_path: Path) -> Office:
    """The sample cases are loaded, nothing is sent yet, and Dana may do what a Manager may."""
    settings.STORAGES = {**settings.STORAGES, **PLAIN_FILES}
    settings.MAIL_MODE = "test"
    settings.OFFICE_PHONE, settings.OFFICE_ADDRESS = "312-555-0100", "1 Example Plaza, Chicago, IL 60601"
    settings.EMAIL_URL, settings.EMAIL_BACKUP_URLS = f"smtp://127.0.0.1:{sandbox.smtp_port}", []
    settings.CMS_URL, settings.CMS_TOKEN, settings.CMS_OPTIONS = f"{sandbox.http_url}/cms", "", {}
    settings.MAIL_PAUSE_SECONDS = settings.CMS_PAUSE_SECONDS = settings.MAIL_RATE_PER_SECOND = 0.0
    settings.SPOOL_DIR = tmp_path / "spool"
    fill(role="Manager")
    return Office(live_server.url, sandbox)


@pytest.fixture
def eyes() -> Iterator[Eyes]:
    """Whoever looks through them has seen nothing go wrong by the end of the test."""
    eyes = Eyes()
    yield eyes
    assert eyes.complaints == []


@pytest.fixture
def chrome(office: Office) -> Iterator[Browser]:
    """Begun after everything that needs the database in this thread, and gone before it is emptied."""
    with browser() as chrome:
        yield chrome


@pytest.fixture
def page(chrome: Browser, office: Office, eyes: Eyes, request: pytest.FixtureRequest) -> Iterator[Page]:
    """Dana's own page, logged in; what it showed last is kept."""
    page = new_page(chrome, office, eyes=eyes)
    log_in(page)
    yield page
    picture(page, f"{request.node.name}-last")
