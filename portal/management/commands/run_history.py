"""What the scheduler's runs were, planned and changed."""

from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone

from campaigns.models import SchedulerRun
from portal.management.command import PortalCommand, Report, whole, wrong_usage
from portal.management.commands.run_scheduler import told

CHECKSUMS = ("contacts_checksum", "before_checksum", "after_checksum")


class Command(PortalCommand):
    help = "Lists the scheduler's runs, the newest first: day, state, counts, checksums. With the number of a run: also its differences."

    def options(self, parser: CommandParser) -> None:
        parser.add_argument("run", nargs="?", type=whole(1, 2**63 - 1), metavar="RUN", help="this one alone, with its differences")
        parser.add_argument("--limit", type=whole(1), default=20, help="runs that are listed (default 20)")

    def work(self, *, run: int | None, limit: int) -> Report:
        if run is None:
            runs = list(SchedulerRun.objects.select_related("started_by").defer("settings", "decided", "differences")[:limit])
            lines = [line(one) for one in runs]
            return Report(facts={"runs": [facts(one) for one in runs]}, text="\n".join(lines) or "The scheduler has not run yet.")
        found = SchedulerRun.objects.filter(pk=run).first()
        if found is None:
            raise wrong_usage(f"There is no run {run}. run_history without a number lists those there are.")
        return Report(facts=facts(found) | {"differences": found.differences}, text="\n".join(in_words(found)))


def facts(run: SchedulerRun) -> dict[str, Any]:
    return told(run) | {
        "scope": run.scope,
        "reason": run.reason,
        "started_by": str(run.started_by) if run.started_by else "",
        "started_at": run.started_at.isoformat(),
        "ended_at": run.ended_at.isoformat() if run.ended_at else None,
        "seconds": seconds(run),
        "error": run.error,
        "checksums": {name.removesuffix("_checksum"): getattr(run, name) for name in CHECKSUMS},
    }


def seconds(run: SchedulerRun) -> float:
    return round(((run.ended_at or timezone.now()) - run.started_at).total_seconds(), 1)


def line(run: SchedulerRun) -> str:
    counts = f"{run.scheduled:,} planned, {run.skipped:,} skipped; +{run.added:,} ~{run.changed:,} -{run.removed:,} ={run.unchanged:,}"
    over = f"; {len(run.over_cap)} days above a cap" if run.over_cap else ""
    after = f"; schedule {run.after_checksum}" if run.after_checksum else ""
    why = f" ({run.reason})" if run.reason else ""
    error = f"; {run.error[:120]}" if run.error else ""
    return f"{run.pk}  {run.day}  {run.status}, {seconds(run)} s, {run.contacts:,} contacts{why}: {counts}{over}{after}{error}"


def in_words(run: SchedulerRun) -> list[str]:
    lines = [line(run)]
    lines += [f"Checksum of {name.removesuffix('_checksum')}: {getattr(run, name) or 'none'}" for name in CHECKSUMS]
    for what, broken_down in run.differences.items():
        for by, counted in broken_down.items():
            parts = ", ".join(f"{name} {count:,}" for name, count in counted.items())
            lines += [f"{what} {by.replace('_', ' ')}: {parts}"] if parts else []
    return lines
