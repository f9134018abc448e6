"""What an undone run tells: who undid it and why, what came back, and the planned mails that stay."""

from typing import Any

from campaigns import undoing
from campaigns.models import EmailSchedule, RunUndo, SchedulerRun
from portal.admin import cells, schedule_cells
from portal.admin.operations import name_of
from portal.admin.records import Table

SHOWN = 15


def undone(run: SchedulerRun) -> list[Table]:
    """Nothing where nobody has begun to undo it."""
    told = RunUndo.objects.filter(run=run).select_related("by").first()
    if told is None:
        return []
    return [summary(told), *rows_of(run, told)]


def summary(told: RunUndo) -> Table:
    rows: list[list[Any]] = [
        ["By", name_of(told.by) or "a command"],
        ["Why", told.reason],
        ["Asked for", cells.when(told.asked_at)],
        ["Done", cells.when(told.ended_at) if told.ended_at else "not yet"],
    ]
    if told.ended_at:
        rows += [
            ["Rows as they were before", f"{told.put_back:,}"],
            ["Rows it had added, gone", f"{told.taken_away:,}"],
            ["Rows that stay", f"{told.left_alone:,}"],
            ["Rows that stay away", f"{told.not_put_back:,}"],
            [
                "Checksum",
                "that of before the run" if told.is_exact else "another: mails stay, or others have changed meanwhile",
            ],
        ]
    return Table("Undone", ["What", "As it was"], rows)


def rows_of(run: SchedulerRun, told: RunUndo) -> list[Table]:
    """The planned mails that an undoing left as they are, or could not put back."""
    lists = (("Stays", undoing.left_alone(run), told.left_alone), ("Stays away", undoing.not_put_back(run), told.not_put_back))
    return [mails(name, found, of=count) for name, found, count in lists if told.ended_at and found]


def mails(name: str, found: list[dict[str, Any]], *, of: int) -> Table:
    title = f"{name}: the first {SHOWN} of {of:,}" if of > SHOWN else name
    rows = [
        [mail(one), one["contact_id"], schedule_cells.kind(one["email_type"]), schedule_cells.day(one["send_on"]), one["why"]]
        for one in found[:SHOWN]
    ]
    return Table(title, ["Planned mail", "Contact", "Type", "Day", "Why"], rows)


def mail(one: dict[str, Any]) -> Any:
    return cells.link(EmailSchedule(pk=one["id"]), str(one["id"])) if "message_id" in one else str(one["id"])
