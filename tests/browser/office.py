"""A portal at work for one test: a live web server, the world outside over real sockets, and workers that come when they are called."""

import logging
import os
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.auth.models import Group, User
from django.db import connections
from playwright.sync_api import Browser, ConsoleMessage, Error, Page, Response, expect, sync_playwright

from portal import tasks, wiring
from portal.dashboard.needs import CLUSTERS
from portal.management.commands.load_sample_data import load_cases, load_templates
from portal.models import Heartbeat
from portal.sample_data import contacts, past_weeks
from portal.sandbox import Sandbox

log = logging.getLogger(__name__)
ARTEFACTS = settings.BASE_DIR / "test-artefacts" / "browser"
LOGIN = {"username": "dana", "password": "a-long-password-of-dana"}
DESKTOP = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 844}
PATIENCE_MILLISECONDS = 20_000
PICTURE_TRIES = 3
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
QUIET = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"),
)


@dataclass(frozen=True)
class Office:
    url: str
    sandbox: Sandbox

    def work(self, *, mails: int | None = None) -> None:
        """What the background does in one round: answer the watchdog, sweep, price, act in bulk, send (at most `mails`), add notes."""
        elsewhere(one_round, mails)

    def work_badly(self, *faults: str) -> None:
        """One mail meets each of these faults of the mail server; afterwards all is well again."""
        for fault in faults:
            self.sandbox.use(mail={"modes": [fault]})
            self.work(mails=1)
        self.sandbox.use(mail={})


def elsewhere(act: Callable[..., object], *told: object) -> None:
    """Done, in a thread of its own: in the test's own thread runs the event loop that drives the browser."""

    def with_own_connection() -> None:
        try:
            act(*told)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as worker:
        worker.submit(with_own_connection).result()


def one_round(mails: int | None) -> None:
    for cluster in CLUSTERS:
        Heartbeat.objects.ring(key=cluster, cluster=cluster)
        tasks.heartbeat(cluster)
        Heartbeat.objects.acknowledge(key=cluster)
    tasks.sweep()
    tasks.process_quotes()
    tasks.run_operations()
    tasks.send_due_messages(limit=mails)
    tasks.add_cms_notes()


def fill(*, role: str) -> None:
    """The sample cases and templates, no quote yet, and one person of that role."""
    load_cases()
    load_templates()
    user = User.objects.create_user(LOGIN["username"], password=LOGIN["password"], first_name="Dana", last_name="Reyes", is_staff=True)
    user.groups.add(Group.objects.get(name=role))


def campaigns_so_far(office: Office) -> None:
    """The sample contacts, three weeks of mails to them, and today's in the queue, as a first start of the portal has them."""
    contacts.load(today=wiring.today())
    terms = wiring.hand_over_terms(seconds=600)
    terms = replace(terms, links=replace(terms.links, site_url=office.url))
    past_weeks.live(today=wiring.today(), terms=terms, versions=wiring.scheduler_settings()[1])


def chromium() -> str | None:
    """Where Chromium is: what CHROMIUM names, else what the system has."""
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)


IN_A_BROWSER = [
    pytest.mark.browser,
    pytest.mark.skipif(chromium() is None, reason="no Chromium: install the package chromium, or name the program in CHROMIUM"),
]


class Eyes:
    """What went wrong on the pages that somebody looked at: script errors, refusals of the content security policy, failed answers."""

    def __init__(self) -> None:
        self.complaints: list[str] = []

    def watch(self, page: Page) -> Page:
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.complaints.append(f"{page.url}: {error}"))
        page.on("response", self._answered)
        return page

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(f"{message.location.get('url')}: {message.text}")

    def _answered(self, response: Response) -> None:
        if response.status >= 400:
            self.complaints.append(f"{response.url}: {response.status}")


@contextmanager
def browser() -> Iterator[Browser]:
    expect.set_options(timeout=PATIENCE_MILLISECONDS)
    with sync_playwright() as driver, driver.chromium.launch(executable_path=chromium(), args=QUIET) as chrome:
        yield chrome


def new_page(browser: Browser, office: Office, *, eyes: Eyes, phone: bool = False, dark: bool = False) -> Page:
    """A page of somebody who was not here before."""
    context = browser.new_context(
        base_url=office.url,
        viewport=PHONE if phone else DESKTOP,
        has_touch=phone,
        color_scheme="dark" if dark else "light",
        timezone_id=settings.TIME_ZONE,
        locale="en-US",
        reduced_motion="reduce",
    )
    context.set_default_timeout(PATIENCE_MILLISECONDS)
    return eyes.watch(context.new_page())


def log_in(page: Page) -> None:
    page.goto("/")
    page.get_by_label("Username").fill(LOGIN["username"])
    page.get_by_label("Password").fill(LOGIN["password"])
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("heading", name="Today", exact=True).wait_for()


def picture(page: Page, name: str, *, folder: Path = ARTEFACTS) -> None:
    """One for people to look at. A browser short of memory now and then takes none, which says nothing about the page."""
    folder.mkdir(parents=True, exist_ok=True)
    for _ in range(PICTURE_TRIES):
        try:
            page.screenshot(path=folder / f"{name}.png", animations="disabled")
        except Error as refusal:
            log.warning("no picture %s: %s", name, refusal)
            page.wait_for_timeout(500)
        else:
            return
    assert folder == ARTEFACTS, f"no picture {name}: the old one would stay"
