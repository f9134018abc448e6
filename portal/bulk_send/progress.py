"""How far a session has come: its messages by state, and the notes that its sent messages owe."""

from dataclasses import dataclass
from typing import Any

from django.db.models import Count

from messaging.models import CmsNote, MessageSession, NoteStatus, Status

OUTCOMES = [Status.SENT, Status.IN_DOUBT, Status.FAILED, Status.HELD, Status.CANCELLED]
UNFINISHED = [Status.QUEUED, Status.CLAIMED, Status.TRANSMITTING]


@dataclass(frozen=True, kw_only=True)
class Progress:
    by_status: dict[str, int]
    notes_pending: int
    notes_processed: int

    @property
    def total(self) -> int:
        return sum(self.by_status.values())

    @property
    def waiting(self) -> int:
        return sum(self.by_status.get(status, 0) for status in UNFINISHED)

    @property
    def settled(self) -> int:
        return self.total - self.waiting

    @property
    def finished(self) -> bool:
        """Nothing moves by itself any more: every mail has its outcome, every note that is owed is in the CMS."""
        return not self.waiting and not self.notes_pending

    def bar(self) -> list[dict[str, Any]]:
        """What the bar is made of, left to right: each outcome that occurs, where it starts and how wide it is in per cent."""
        occurring = [status for status in OUTCOMES if self.by_status.get(status)]
        parts, start = [], 0.0
        for status in occurring:
            width = 100 * self.by_status[status] / self.total
            parts.append({"status": status.value, "label": status.label, "count": self.by_status[status], "start": start, "width": width})
            start += width
        return parts


def of(session: MessageSession) -> Progress:
    notes = CmsNote.objects.filter(message__session=session).order_by().values_list("status").annotate(Count("pk"))
    counted = dict(notes)
    processed = counted.pop(NoteStatus.PROCESSED, 0)
    return Progress(by_status=session.totals(), notes_pending=sum(counted.values()), notes_processed=processed)
