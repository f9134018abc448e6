"""Case files come in from the shell."""

import time
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from messaging import importing_cases
from messaging.importing_cases import COLUMNS, Imported
from messaging.sheets import Sheet, SheetRefused, read_csv
from messaging.text_input import TextRefused
from portal import wiring
from portal.management.command import DONE, FAILED, NEEDS_ATTENTION, PortalCommand, Report, peak_rss_mb
from portal.management.files import contents, path_option, refuse_overwriting, refuse_unwritable, write_text


class Command(PortalCommand):
    help = (
        "Takes cases in from a CSV file: new ones are added, known ones (same PV) brought up to date, in one transaction. Rows with a "
        "mistake are written to a file of their own, to be corrected and imported again; exit code 3 then. "
        "The same file again changes nothing."
    )

    def options(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=path_option, help="comma-separated, UTF-8, with a header")
        parser.add_argument("--dry-run", action="store_true", help="say what would happen; change nothing, write no file")
        parser.add_argument("--all-or-nothing", action="store_true", help="import nothing if any row is refused")
        parser.add_argument(
            "--refused-file", type=path_option, metavar="FILE", help="where refused rows go (default: beside the file, .refused.csv)"
        )
        parser.add_argument("--resume", action="store_true", help="after an interruption: nothing was left half done, so it begins again")

    def work(self, *, file: Path, dry_run: bool, all_or_nothing: bool, refused_file: Path | None, **told: Any) -> Report:
        started = time.monotonic()
        if refused_file and not dry_run:
            refuse_overwriting(file, by=refused_file)
            refuse_unwritable(refused_file)
        sheet = read(file)
        self.progress(0, len(sheet.rows), "rows merged")
        done = importing_cases.merge(sheet, on=wiring.today(), dry_run=dry_run, all_or_nothing=all_or_nothing)
        self.progress(len(sheet.rows) - len(done.refused), len(sheet.rows), "rows are fit to be merged")
        self.tell([one.sentences for one in done.refused])
        path = None
        if done.refused and not dry_run:
            path = refused_file or file.with_name(f"{file.stem}.refused.csv")
            write_refused(path, sheet, done)
        facts = {
            "rows": done.rows,
            "new": done.new,
            "changed": done.changed,
            "unchanged": done.unchanged,
            "refused": len(done.refused),
            "refused_file": path and str(path),
            "dry_run": dry_run,
            "seconds": round(time.monotonic() - started, 3),
            "peak_rss_mb": peak_rss_mb(),
        }
        stopped = all_or_nothing and done.refused and not dry_run
        return Report(
            facts=facts, text=told_in_words(done, facts), exit_code=FAILED if stopped else NEEDS_ATTENTION if done.refused else DONE
        )


def read(file: Path) -> Sheet:
    try:
        return read_csv(contents(file), columns=COLUMNS)
    except (SheetRefused, TextRefused) as refusal:
        raise CommandError(f"{file.name}: {refusal} Nothing was imported.") from None


def write_refused(path: Path, sheet: Sheet, done: Imported) -> None:
    """The refused rows are in that file; where it cannot be written, what became of the others is told all the same."""
    try:
        write_text(path, importing_cases.refused_file(sheet, done.refused))
    except CommandError as trouble:
        taken = f"{done.new} rows are new, {done.changed} changed, {done.unchanged} unchanged" if done.merged else "Nothing was imported"
        told = f"{taken}, {len(done.refused)} were refused. {trouble}"
        raise CommandError(f"{told} Run it again with a --refused-file that can be written: what is imported stays as it is.") from trouble


def told_in_words(done: Imported, facts: dict[str, Any]) -> str:
    counts = "{rows} rows: {new} new, {changed} changed, {unchanged} unchanged, {refused} refused.".format(**facts)
    if facts["dry_run"]:
        return f"{counts} This was a dry run: nothing was changed."
    if not done.refused:
        return counts
    if done.merged:
        return f"{counts}\nCorrect the refused rows in {facts['refused_file']} and import that file."
    what_next = f"They are in {facts['refused_file']}; correct them in the file itself and import it again, with the rows that are good."
    return f"{done.rows} rows, {facts['refused']} refused: nothing was imported.\n{what_next}"
