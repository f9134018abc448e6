"""Which sent e-mails still wait for their note in the CMS."""

from typing import Any

from django.core.management.base import CommandParser
from django.db.models import Count
from django.utils import timezone

from messaging.models import CmsNote, NoteAttempt, NoteOutcome
from messaging.models.note import CmsNoteQuerySet
from portal.management.command import DONE, NEEDS_ATTENTION, PortalCommand, Report, whole

NOTED = [NoteOutcome.CREATED, NoteOutcome.EXISTS, NoteOutcome.CONFIRMED]
ALL_DONE = "All emails have CMS notes!"


class Command(PortalCommand):
    help = "Shows the e-mails whose note in the CMS is not confirmed yet, by type. Exit code 3 while there is any."

    def options(self, parser: CommandParser) -> None:
        parser.add_argument("--limit", type=whole(0), default=5, help="examples of each type (default 5)")

    def work(self, *, limit: int, **told: Any) -> Report:
        pending = CmsNote.objects.pending()
        groups = [
            (f"test_{kind}" if is_test else kind, is_test, kind, count)
            for is_test, kind, count in pending.values_list("message__is_test", "message__kind")
            .annotate(Count("pk"))
            .order_by("message__kind")
        ]
        facts = {
            "pending": sum(count for *_, count in groups),
            "needs_pid": CmsNote.objects.needs_pid().count(),
            "unknown": CmsNote.objects.unknown().count(),
            "processed": CmsNote.objects.processed().count(),
            "notes": NoteAttempt.objects.filter(outcome__in=NOTED).count(),
            "by_type": {email_type: count for email_type, *_, count in groups},
            "test": sum(count for _, is_test, _, count in groups if is_test),
            "production": sum(count for _, is_test, _, count in groups if not is_test),
        }
        lines = [summary(facts)] if groups else [ALL_DONE, summary(facts)]
        for email_type, is_test, kind, count in groups:
            of_type = pending.filter(message__is_test=is_test, message__kind=kind)
            lines += ["", f"{email_type}: {count}", *examples(of_type, limit=limit, count=count)]
        return Report(facts=facts, text="\n".join(lines), exit_code=NEEDS_ATTENTION if groups else DONE)


def summary(facts: dict[str, Any]) -> str:
    return (
        "{pending} pending ({production} production, {test} test; {needs_pid} need a PID, {unknown} unknown), "
        "{processed} processed, {notes} notes confirmed by the CMS."
    ).format(**facts)


def examples(notes: CmsNoteQuerySet, *, limit: int, count: int) -> list[str]:
    """The oldest few, and how many more there are."""
    lines = []
    for note in notes.select_related("message__case").order_by("created_at", "pk")[:limit]:
        case = note.message.case
        why = note.attention or note.error
        since = timezone.localtime(note.created_at)
        lines.append(
            f"  PID {(case and case.pid) or 'missing'}  {note.message.recipient}  since {since:%Y-%m-%d %H:%M}{why and f'  {why}'}"
        )
    return [*lines, f"  +{count - limit} more"] if count > limit else lines
