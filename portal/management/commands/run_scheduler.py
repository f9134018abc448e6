"""Plan everybody's campaign mails."""

import subprocess
import sys
import time
from dataclasses import replace
from datetime import date
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser
from django.db import transaction

from campaigns import runs, safeguard
from campaigns.models import Contact, RunStatus, SchedulerRun
from campaigns.settings import SettingsRefused
from portal import kept_memory, planning, shutdown
from portal.management.command import DONE, FAILED, NEEDS_ATTENTION, PortalCommand, Report, day_option, peak_rss_mb, whole, wrong_usage

MOST_WORKERS = 16
TOLD_EVERY_SECONDS = 5


class Command(PortalCommand):
    help = (
        "Plans who is sent which campaign mail on which day, for every contact, and writes what differs from the schedule. Before that it "
        "backs up what it may change, and changes nothing if it cannot. Exit code 3 when days are above a cap. While another run is under "
        "way nothing is done, and that is told."
    )
    finishes_first = True
    told_at = 0.0

    def options(self, parser: CommandParser) -> None:
        parser.add_argument("--today", type=day_option, metavar="D", help="plan from this day on, such as 2026-01-31 (default: today)")
        parser.add_argument("--dry-run", action="store_true", help="write nothing; tell what would be added, changed and removed")
        parser.add_argument("--workers", type=whole(1, MOST_WORKERS), default=1, metavar="N", help="processes that share it (default 1)")
        parser.add_argument("--resume", type=whole(1, 2**63 - 1), metavar="RUN", help="go on with a failed run, or help one under way")
        parser.add_argument("--no-backup", metavar="WHY", help="begin without a backup; why is noted on the run")
        parser.add_argument("--contact", type=whole(1, 2**63 - 1), metavar="ID", help="plan for this contact alone")

    def work(
        self, *, today: str | None, dry_run: bool, workers: int, resume: int | None, no_backup: str | None, contact: int | None
    ) -> Report:
        if resume and (today or dry_run or contact):
            raise wrong_usage("--resume goes with --workers and --no-backup alone: the run knows its day and its contacts.")
        if no_backup is not None and not no_backup.strip():
            raise wrong_usage("--no-backup is followed by the reason, which stays on the run.")
        if dry_run and workers > 1:
            raise wrong_usage("--dry-run is one worker's: it undoes all it did at the end.")
        began = time.monotonic()
        try:
            run = self.resumed(resume, no_backup=no_backup) if resume else None
            if run is None:
                order = self.order(today=today, contact=contact, write=not dry_run, no_backup=no_backup)
                run = dry(order) if dry_run else runs.start(order)
            if not dry_run:
                self.join(run, workers=workers)
                planning.forget_replaced()
        except runs.RunUnderWay as under_way:
            return Report(facts={"already_running": True, "run_id": under_way.run.pk}, text=str(under_way))
        except runs.RunUnknown as unknown:
            raise wrong_usage(str(unknown)) from None
        except runs.RunFailed as failure:
            raise CommandError(str(failure)) from failure
        return report(run, seconds=time.monotonic() - began, dry_run=dry_run)

    def resumed(self, run_id: int, *, no_backup: str | None) -> SchedulerRun:
        if no_backup and not safeguard.waive(run_id, reason=no_backup) and SchedulerRun.objects.filter(pk=run_id).exists():
            raise wrong_usage(f"Run {run_id} does not wait for a backup: resume it without --no-backup.")
        return runs.resume(run_id)

    def order(self, *, today: str | None, contact: int | None, write: bool, no_backup: str | None) -> runs.Order:
        if contact and not Contact.objects.filter(pk=contact).exists():
            raise wrong_usage(f"There is no contact {contact}.")
        try:
            everybody = planning.order(reason="Asked for by hand" if contact else "")
        except SettingsRefused as refusal:
            raise CommandError(f"Nothing was planned: {refusal}") from refusal
        day = date.fromisoformat(today) if today else everybody.day
        whom = [contact] if contact else None
        return replace(everybody, day=day, contact_ids=whom, write=write, without_backup=no_backup or everybody.without_backup)

    def join(self, run: SchedulerRun, *, workers: int) -> None:
        """This process and the others work until the run is over."""
        kept_memory.keep_freed()
        command = [sys.executable, str(settings.BASE_DIR / "manage.py"), "run_scheduler", "--json", "--resume", str(run.pk)]
        others = [subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for _ in range(workers - 1)]
        try:
            runs.work(run.pk, stop=shutdown.told, tell=self.tell_progress)
        finally:
            for other in others:
                other.wait()
        run.refresh_from_db()

    def tell_progress(self, run: SchedulerRun) -> None:
        if time.monotonic() - self.told_at > TOLD_EVERY_SECONDS:
            self.told_at = time.monotonic()
            self.progress(run.contacts_done, run.contacts, f"contacts written; now: {run.get_step_display().lower()}")


def dry(order: runs.Order) -> SchedulerRun:
    """The run as it would have been; nothing of it stays."""
    with transaction.atomic():
        run = runs.run(order)
        transaction.set_rollback(True)
    return run


def report(run: SchedulerRun, *, seconds: float, dry_run: bool) -> Report:
    facts = told(run) | {"seconds": round(seconds - safeguard.seconds(run), 2), "peak_rss_mb": peak_rss_mb(), "dry_run": dry_run}
    if dry_run:
        facts |= {"run_id": None, "differences": run.differences}
    if run.status != RunStatus.COMPLETED:
        return Report(facts=facts, text=f"Run {run.pk} was stopped. Go on with --resume {run.pk}.", exit_code=FAILED)
    text = (
        f"{'Would have planned' if dry_run else 'Planned'} {run.scheduled:,} mails for {run.contacts:,} contacts from {run.day} on, "
        f"{run.skipped:,} skipped, {run.invalid:,} contacts invalid. "
        f"{run.added:,} rows added, {run.changed:,} changed, {run.removed:,} removed, {run.unchanged:,} unchanged."
    )
    text += f" Its backup took {safeguard.seconds(run):,.1f} s more." if safeguard.seconds(run) else ""
    if run.over_cap:
        text += f" {len(run.over_cap)} days are above a cap; the first is {run.over_cap[0]['day']}."
    return Report(facts=facts, text=text, exit_code=NEEDS_ATTENTION if above_the_daily_cap(run) else DONE)


def above_the_daily_cap(run: SchedulerRun) -> bool:
    """The limit of effective-date mails is soft: those days are told, and nobody need act."""
    return any(one["cap"] == "daily" for one in run.over_cap)


def told(run: SchedulerRun) -> dict[str, Any]:
    names = ("contacts", "invalid", "scheduled", "skipped", "by_type", "by_reason", "added", "changed", "removed", "unchanged", "over_cap")
    safety = {"backup": run.backup.path if run.backup else None, "backup_seconds": round(safeguard.seconds(run), 2)}
    safety |= {"without_backup": run.without_backup}
    return {"run_id": run.pk, "today": str(run.day), "status": run.status, **{name: getattr(run, name) for name in names}} | {
        "checksum": run.after_checksum,
        "config_versions": run.config_versions,
        **safety,
    }
