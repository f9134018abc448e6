"""Put the schedule back to what it was before a run."""

from typing import Any

from django.core.management.base import CommandError, CommandParser

from campaigns import runs, undoing
from campaigns.models import RunStatus, SchedulerRun
from portal import shutdown
from portal.management.command import DONE, FAILED, NEEDS_ATTENTION, PortalCommand, Report, whole, wrong_usage

BY_COMMAND = "Asked for by command"


class Command(PortalCommand):
    help = (
        "Puts the schedule back to exactly what it was before a run, chunk by chunk; goes on where it was stopped. "
        "Mails that were handed over or stopped since stay as they are and are listed: exit code 3. The newest run goes first."
    )
    finishes_first = True

    def options(self, parser: CommandParser) -> None:
        parser.add_argument("run", type=whole(1, 2**63 - 1), metavar="RUN", help="the run's number, as run_history lists it")
        parser.add_argument("--reason", default=BY_COMMAND, metavar="TEXT", help="why: the next person reads it beside the run")
        parser.add_argument("--dry-run", action="store_true", help="only tell what would come back, go and stay")

    def work(self, *, run: int, reason: str, dry_run: bool) -> Report:
        found = SchedulerRun.objects.filter(pk=run).first()
        if found is None:
            raise wrong_usage(f"There is no run {run}. run_history lists those there are.")
        if dry_run:
            return would(found)
        was_undone = found.status == RunStatus.UNDONE
        try:
            undone = undoing.undo(run, reason=reason, stop=shutdown.told)
        except (undoing.UndoRefused, runs.RunFailed) as why:
            raise CommandError(str(why)) from why
        return did(undone, was_undone=was_undone)


def would(run: SchedulerRun) -> Report:
    """What undoing it would do at this moment."""
    if why := undoing.refusal(run, run_id=run.pk) if run.status != RunStatus.UNDONE else f"Run {run.pk} is undone already.":
        raise CommandError(why)
    found, stays = undoing.preview(run).as_dict(), undoing.left_alone(run)
    told = facts(run) | {"dry_run": True, "differences": found, "left_alone": stays, "not_put_back": []}
    text = f"Would put back {found['put_back']:,} rows and take {found['taken_away']:,} away; {found['left_alone']:,} stay as they are."
    return Report(facts=told, text="\n".join([text, *map(line, stays)]))


def did(run: SchedulerRun, *, was_undone: bool) -> Report:
    if run.status != RunStatus.UNDONE:
        told = facts(run) | {"dry_run": False, "stopped": True}
        return Report(facts=told, text=f"Stopped before the end. Go on with: undo_run {run.pk}", exit_code=FAILED)
    counts = {name: getattr(run.undo, name) for name in undoing.PutBack().as_dict()}
    stays, away = undoing.left_alone(run), undoing.not_put_back(run)
    told = facts(run) | {"dry_run": False, "differences": counts, "left_alone": stays, "not_put_back": away}
    told |= {"already_undone": was_undone, "is_exact": run.undo.is_exact}
    text = f"Run {run.pk} {'was undone before' if was_undone else 'is undone'}. {undoing.in_words(undoing.PutBack(**counts))}"
    needs_attention = bool(counts["left_alone"] or counts["not_put_back"]) and not was_undone
    return Report(facts=told, text="\n".join([text, *map(line, [*stays, *away])]), exit_code=NEEDS_ATTENTION if needs_attention else DONE)


def facts(run: SchedulerRun) -> dict[str, Any]:
    return {
        "run_id": run.pk,
        "status": run.status,
        "checksums": {"before": run.before_checksum, "after": run.after_checksum},
    }


def line(row: dict[str, Any]) -> str:
    return f"{row['id']}  {row['email_type']} to contact {row['contact_id']} on {row['send_on']}: {row['why']}"
