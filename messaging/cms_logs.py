"""The portal's record as the log files that older installations kept: three of CMS notes, two of sent e-mails."""

import errno
import os
from collections.abc import Callable, Iterable, Iterator
from datetime import tzinfo
from pathlib import Path

from messaging.log_lines import CmsLine, CmsLog, SentLine, format_cms_line, format_sent_line, format_test_line
from messaging.models import CmsNote, Message
from messaging.models.message import MessageQuerySet
from messaging.models.note import CmsNoteQuerySet

AT_ONCE = 2_000  # rows held in memory


def write(folder: Path, *, zone: tzinfo) -> dict[str, int]:
    """The five files exist in `folder`, each whole, with times of `zone`; returns the lines of each."""
    folder.mkdir(parents=True, exist_ok=True)
    if taken := next((folder / name for name in FILES if (folder / name).is_dir()), None):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(taken))
    return {name: replace(folder / name, lines(zone)) for name, lines in FILES.items()}


def pending(zone: tzinfo) -> Iterator[str]:
    return note_lines(CmsNote.objects.pending().order_by("pk"), CmsLog.PENDING, zone)


def processed(zone: tzinfo) -> Iterator[str]:
    return note_lines(CmsNote.objects.processed().order_by("processed_at", "pk"), CmsLog.PROCESSED, zone)


def noted(zone: tzinfo) -> Iterator[str]:
    return note_lines(CmsNote.objects.processed().order_by("processed_at", "pk"), CmsLog.NOTED, zone)


def sent(zone: tzinfo) -> Iterator[str]:
    return (format_sent_line(line) for line in sent_lines(Message.objects.sent().production(), zone))


def test(zone: tzinfo) -> Iterator[str]:
    return (format_test_line(line) for line in sent_lines(Message.objects.sent().test(), zone))


FILES: dict[str, Callable[[tzinfo], Iterator[str]]] = {
    "session_emails_pending.log": pending,
    "session_emails_processed.log": processed,
    "session_cms_notes.log": noted,
    "sent_emails.log": sent,
    "test_emails.log": test,
}


def note_lines(notes: CmsNoteQuerySet, log: CmsLog, zone: tzinfo) -> Iterator[str]:
    """A pending line tells when the e-mail was sent, the others when the note was confirmed."""
    for note in notes.select_related("message__case").iterator(chunk_size=AT_ONCE):
        mail = note.message
        at = note.processed_at or mail.sent_at
        assert at is not None, f"note {note.pk} is for a message that is not sent"
        pid = mail.case.pid if mail.case else ""
        line = CmsLine(at=at.astimezone(zone), pid=pid, kind=mail.email_type, sent_to=mail.recipient)
        yield format_cms_line(line, log=log)


def sent_lines(mails: MessageQuerySet, zone: tzinfo) -> Iterator[SentLine]:
    """The e-mails about cases; the others have no PV and owe no note."""
    about_cases = mails.filter(case__isnull=False).order_by("sent_at", "pk").select_related("case")
    for mail in about_cases.iterator(chunk_size=AT_ONCE):
        assert mail.case
        assert mail.sent_at
        yield SentLine(
            pv=mail.case.pv,
            sent_to=mail.recipient,
            subject=mail.subject,
            provider_id=mail.message_id,
            intended_for=mail.intended_for if mail.is_test else "",
            at=mail.sent_at.astimezone(zone),
        )


def replace(path: Path, lines: Iterable[str]) -> int:
    """The file is the new one or the old one, never half of either."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    count = 0
    try:
        with unfinished.open("w", encoding="utf-8") as file:
            for line in lines:
                file.write(f"{line}\n")
                count += 1
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
    return count
