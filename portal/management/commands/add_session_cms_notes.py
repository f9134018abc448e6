"""Every pending note is tried once, now."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.core.management.base import CommandParser
from django.db import connection
from django.db.models.functions import Now

from messaging import note_decisions
from messaging.models import CmsNote, Provider, Purpose
from portal import shutdown, tasks, wiring
from portal.management.command import DONE, FAILED, NEEDS_ATTENTION, PortalCommand, Report, whole

TURN_SECONDS = 5.0  # between two lines of progress
COUNTED = ("attempted", "processed", "failed", "unknown")
ONE_AT_A_TIME = 715_020  # the name of the lock in the database


class Command(PortalCommand):
    help = "Tries to add every pending note to the CMS, once. What succeeds is processed; what fails stays pending."
    finishes_first = True

    def options(self, parser: CommandParser) -> None:
        parser.add_argument("--limit", type=whole(1), help="try at most so many notes")

    def work(self, *, limit: int | None, **told: Any) -> Report:
        with alone() as ours:
            done = self.try_all(limit) if ours else Counter()
        facts = {name: done[name] for name in COUNTED} | {"pending": CmsNote.objects.pending().count()}
        if not ours:
            return Report(facts=facts | {"already_running": True}, text="Another add_session_cms_notes is at work; it does this one's too.")
        text = "{attempted} tried: {processed} processed, {failed} failed, {unknown} unclear. {pending} pending.".format(**facts)
        if wiring.cms_client().is_manual:
            text += " This portal's CMS is manual: confirm the notes in the admin."
        exit_code = NEEDS_ATTENTION if facts["pending"] else DONE
        return Report(facts=facts, text=text, exit_code=FAILED if shutdown.told() else exit_code)

    def try_all(self, limit: int | None) -> Counter[str]:
        """A person asks, so neither a note's wait nor a pause of the CMS is in the way of this one try."""
        Provider.objects.filter(purpose=Purpose.CMS).down().update(paused_until=Now())
        wanted = min(note_decisions.try_again_now(CmsNote.objects.all()), limit or CmsNote.objects.count())
        done: Counter[str] = Counter()
        while done["attempted"] < wanted and not shutdown.told():
            turn = tasks.add_cms_notes(limit=wanted - done["attempted"], seconds=TURN_SECONDS)
            done.update({name: turn[name] for name in COUNTED})
            self.progress(done["attempted"], wanted, "notes tried")
            if turn["seconds"] < TURN_SECONDS:
                break
        return done


@contextmanager
def alone() -> Iterator[bool]:
    """True while no other process tries all notes; the database lets go when we end, however we end."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [ONE_AT_A_TIME])
        ours = cursor.fetchone()[0]
    try:
        yield ours
    finally:
        if ours:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [ONE_AT_A_TIME])
