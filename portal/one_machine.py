"""The whole portal on one machine, for trying it out: database, sample cases, sandbox, background work, web server."""

import fcntl
import http.client
import math
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.db import connections, transaction

from messaging.models import Case, Mode
from portal import cadence, embedded_postgres, tasks, wiring
from portal.ports import LOOPBACK, refuse_taken, sandbox_ports
from portal.running import Children, KeepsEnding
from portal.sample_data import past_weeks

DEMO = "demo"  # the login's name, and its password
ANSWERS_WITHIN_SECONDS = 60.0
GLANCE_EVERY_SECONDS = 1.0
WEB_SERVER = (
    "--worker-class=gthread",
    "--workers=2",
    "--threads=4",
    "--preload",
    "--graceful-timeout=10",
    "--log-level=warning",
    "--no-control-socket",
)

Say = Callable[[str], object]


class AlreadyRuns(Exception):
    """Another process runs the portal of this folder; the text says where."""


def run(port: int, *, say: Say) -> None:
    """The portal answers on 127.0.0.1:`port` until a KeyboardInterrupt; then no process of it is left, and its data stay."""
    with _alone(settings.VAR_DIR / "run.lock", port=port):
        refuse_taken(web=port)
        environment = {"SITE_URL": f"http://{LOOPBACK}:{port}"} | os.environ
        login = _fill_database(say, site_url=environment["SITE_URL"])
        children = Children(folder=settings.BASE_DIR, environment=environment, say=say)
        try:
            _start(children, port=port)
            _wait_until_it_answers(children, port=port)
            say(_welcome(port, login))
            _keep_up(children)
        except KeyboardInterrupt:
            say("\nStopping: what is in hand is finished first. Ctrl-C again stops at once.")
        finally:
            children.stop()
        say("The portal has stopped. Its data stay, and `make run` finds them again.")


@contextmanager
def _alone(path: Path, *, port: int) -> Iterator[None]:
    """Nobody else runs the portal of this folder meanwhile."""
    path.parent.mkdir(exist_ok=True)
    with path.open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise AlreadyRuns(f"The portal of this folder runs already: {lock.read().strip()}.") from None
        lock.truncate(0)
        lock.write(f"http://{LOOPBACK}:{port}/, process {os.getpid()}")
        lock.flush()
        yield


def _fill_database(say: Say, *, site_url: str) -> str:
    """Tables, schedules, sample cases and a login are there; returns how to log in."""
    say("Bringing the database up to date ...")
    call_command("migrate", interactive=False, verbosity=0)
    cadence.sync()
    if not Case.objects.exists():
        _show_something(say, site_url=site_url)
    login = _login()
    connections.close_all()  # what follows is a long wait
    return login


@transaction.atomic
def _show_something(say: Say, *, site_url: str) -> None:
    """The sample data are loaded, and in test mode three weeks of campaigns lie behind them and today's mails are on their way."""
    call_command("load_sample_data")
    if settings.MAIL_MODE == Mode.TEST:
        say("Living through three weeks of campaigns ...")
        terms, (_, versions) = wiring.hand_over_terms(seconds=math.inf), wiring.scheduler_settings()
        links = replace(terms.links, site_url=site_url.rstrip("/"))
        today = past_weeks.live(today=wiring.today(), terms=replace(terms, links=links), versions=versions)
        tasks.ring()
        say(f"{today} campaign mails of today go to the mailbox now.")


def _login() -> str:
    """How to log in. Where only this machine reaches the database, there is a superuser that everybody knows."""
    if not settings.EMBEDDED_POSTGRES:
        return "your own (`manage.py createsuperuser` makes one)"
    user, is_new = get_user_model().objects.get_or_create(username=DEMO, defaults={"is_staff": True, "is_superuser": True})
    if is_new:
        user.set_password(DEMO)
        user.save()
    return f"{DEMO}, password {DEMO}" if user.check_password(DEMO) else f"{DEMO}, with the password you gave it"


def _start(children: Children, *, port: int) -> None:
    """All three run. The last one started is the first to be stopped."""
    smtp, pages = map(str, sandbox_ports())
    sandbox = (sys.executable, "-m", "portal.sandbox", "--smtp-port", smtp, "--http-port", pages, "--folder", settings.VAR_DIR / "sandbox")
    children.start("sandbox", sandbox, grace_seconds=5)
    children.start("background work", (sys.executable, settings.BASE_DIR / "manage.py", "run_cluster"), grace_seconds=130)
    web = (sys.executable, "-m", "gunicorn", "portal.wsgi:application", "--bind", f"{LOOPBACK}:{port}", *WEB_SERVER)
    children.start("web server", web, grace_seconds=15)


def _wait_until_it_answers(children: Children, *, port: int) -> None:
    deadline = time.monotonic() + ANSWERS_WITHIN_SECONDS
    while not (_answers(port, "/healthz") and _answers(sandbox_ports()[1], "/")):
        children.watch()
        if time.monotonic() > deadline:
            raise KeepsEnding(f"The portal did not answer on port {port} within {ANSWERS_WITHIN_SECONDS:.0f} s; see what stands above.")
        time.sleep(0.1)


def _answers(port: int, path: str) -> bool:
    line = http.client.HTTPConnection(LOOPBACK, port, timeout=5)
    try:
        line.request("GET", path)
        return line.getresponse().status < 500
    except (OSError, http.client.HTTPException):
        return False
    finally:
        line.close()


def _welcome(port: int, login: str) -> str:
    database = "PostgreSQL, its log in var/postgres/log" if settings.EMBEDDED_POSTGRES else "the one that DATABASE_URL names"
    mode = "every mail goes to the test inbox" if settings.MAIL_MODE == "test" else "MAIL GOES TO CUSTOMERS"
    return f"""
The portal is ready.

  Portal     http://{LOOPBACK}:{port}/admin/
  Login      {login}
  Mailbox    {settings.SANDBOX_URL}/  (what the sandbox has received)
  Mail       {settings.MAIL_MODE} mode: {mode}
  Database   {database}

Ctrl-C stops everything."""


def _keep_up(children: Children) -> None:
    """Whatever ends by itself is started again, until a KeyboardInterrupt."""
    while True:
        children.watch()
        if settings.EMBEDDED_POSTGRES:
            embedded_postgres.bring_up(settings.VAR_DIR / "postgres")
        time.sleep(GLANCE_EVERY_SECONDS)
