"""What the commands import_contacts and import_targets share: the file named, its progress, what became of it."""

import time
from pathlib import Path
from typing import Any, ClassVar

from django.core.management.base import CommandError, CommandParser

from campaigns.importing import jobs, refusals
from campaigns.importing.holds import Cancelled, HoldLost
from campaigns.importing.refusals import AlreadyImported
from campaigns.models import ImportJob
from portal import wiring
from portal.management.command import DONE, NEEDS_ATTENTION, PortalCommand, Report, peak_rss_mb, wrong_usage
from portal.management.files import path_option, refuse_overwriting, refuse_unwritable, write_bytes

EVERY_SECONDS = 3.0  # a line of progress in a log
COUNTS = ("rows", "new", "changed", "unchanged", "refused", "flagged")


class ImportCommand(PortalCommand):
    kind: ClassVar[str]

    def options(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=path_option, help="comma-separated, UTF-8, with a header; of any size")
        parser.add_argument("--dry-run", action="store_true", help="say what would happen; change nothing, write no file")
        parser.add_argument("--resume", action="store_true", help="go on where an interrupted import of this file stood")
        parser.add_argument(
            "--refused-file", type=path_option, metavar="FILE", help="where refused rows go (default: beside the file, .refused.csv)"
        )

    def work(self, *, file: Path, dry_run: bool, resume: bool, refused_file: Path | None) -> Report:
        started = self.told_at = time.monotonic()
        if file.exists() and not file.is_file():
            raise wrong_usage(f"Cannot read {file}: it is no plain file, and large ones are read twice. Save it as a file and name that.")
        if refused_file and not dry_run:
            refuse_overwriting(file, by=refused_file)
            refuse_unwritable(refused_file)
        terms = jobs.Terms(on=wiring.today(), told=self.now_and_then)
        try:
            if dry_run:
                job, sentences = jobs.dry_run(file, kind=self.kind, terms=terms)
            else:
                job = jobs.import_file(file, kind=self.kind, terms=terms, resume=resume)
                sentences = jobs.first_refusals(job)
        except AlreadyImported as known:
            path = self.refused_rows(known.job, refused_file)
            return report(known.job, started, text=str(known), refused_file=path and str(path), already_imported=True)
        except jobs.UnderWay as other:
            return Report(facts=dict.fromkeys(COUNTS, 0) | {"already_running": True}, text=f"{other} Nothing was done.")
        except OSError as trouble:
            raise wrong_usage(f"Cannot read {file}: {trouble.strerror}.") from trouble
        except jobs.Unfit as why:
            raise CommandError(f"{file.name}: {without_end(str(why))} Nothing was imported.") from None
        except (Cancelled, HoldLost):
            raise CommandError(f"{file.name}: somebody cancelled this import in the portal. Nothing was imported.") from None
        self.tell([*ignored(job), *sentences])
        self.tell(job.doubts)
        path = None if dry_run else self.refused_rows(job, refused_file or file.with_name(f"{file.stem}.refused.csv"))
        return report(job, started, text=told_in_words(job, path=path, dry_run=dry_run), refused_file=path and str(path), dry_run=dry_run)

    def refused_rows(self, job: ImportJob, path: Path | None) -> Path | None:
        """They are in that file, to be corrected; None where there are none, or no file was named."""
        if not job.refused or path is None:
            return None
        try:
            write_bytes(path, refusals.refused_file(job))
        except CommandError as trouble:
            told = f"{job.rows - job.refused:,} rows are imported, {job.refused:,} were refused. {trouble}"
            raise CommandError(f"{told} Run it again with a --refused-file that can be written: it only writes that.") from trouble
        return path

    def now_and_then(self, done: int, of: int, what: str) -> None:
        """Progress, not for every block."""
        if self.stderr.isatty() or done >= of or time.monotonic() - self.told_at > EVERY_SECONDS:
            self.told_at = time.monotonic()
            self.progress(done, of, what)


def report(job: ImportJob, started: float, *, text: str, **facts: Any) -> Report:
    """An import of before changes nothing now: what it took is unchanged."""
    counts = {name: getattr(job, name) for name in COUNTS}
    if facts.get("already_imported"):
        counts |= {"new": 0, "changed": 0, "unchanged": job.rows - job.refused}
    told = {"import": job.pk, "refused_file": None, "dry_run": False, "ignored_columns": job.ignored_columns, "doubts": job.doubts}
    timing = {
        "seconds": round(time.monotonic() - started, 3),
        "peak_rss_mb": peak_rss_mb(),
    }
    needs_attention = job.refused and not facts.get("already_imported")
    return Report(facts=counts | told | facts | timing, text=text, exit_code=NEEDS_ATTENTION if needs_attention else DONE)


def ignored(job: ImportJob) -> list[str]:
    names = ", ".join(f"'{name}'" for name in job.ignored_columns)
    return [f"Passed over, since no such column is known: {names}."] if names else []


def told_in_words(job: ImportJob, *, path: Path | None, dry_run: bool) -> str:
    counts = f"{job.rows:,} rows: {job.new:,} new, {job.changed:,} changed, {job.unchanged:,} unchanged, {job.refused:,} refused."
    if job.flagged:
        counts += f" {job.flagged:,} of those taken have a doubt noted (state or date)."
    if dry_run:
        return f"{counts} This was a dry run: nothing was changed."
    return "\n".join([counts, *([f"Correct the refused rows in {path} and import that file."] if path else [])])


def without_end(sentence: str) -> str:
    return sentence.removesuffix(" Nothing was imported.")
