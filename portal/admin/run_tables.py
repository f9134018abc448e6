"""What a run of the scheduler tells, as tables: counts with the lists they count, differences, crowded days, versions, chunks."""

from collections.abc import Callable
from datetime import date
from typing import Any

from django.utils.formats import date_format
from django.utils.safestring import SafeString

from campaigns.models import EmailSchedule, SchedulerRun, SkipReason, Step
from portal.admin import cells, schedule_cells
from portal.admin.records import Table
from portal.config.models import ConfigVersion

SHOWN = 15  # rows of a long table
CHANGES = {"added": "Added", "changed": "Changed", "removed": "Removed", "missed": "Past, never sent"}
NEXT = {Step.PLAN: "Plan", Step.SETTLE: "Settle", Step.WRITE: "Write", Step.DONE: "Done"}
CAPS = {"daily": "all mails", "effective_date": "effective date"}


def counts(run: SchedulerRun) -> list[Table]:
    """By type and by reason; each line leads to the planned mails as they are now."""
    types = [[schedule_cells.kind(name), linked(mails, state="planned", type=name)] for name, mails in run.by_type.items()]
    reasons = [[reason_of(name), linked(rows, state="skipped", reason=name)] for name, rows in run.by_reason.items()]
    return [
        Table("Planned, by type", ["Type", "Mails"], types, empty="No mail is planned."),
        Table("Skipped, by reason", ["Reason", "Mails"], reasons, empty="No mail is skipped."),
    ]


def crowded(run: SchedulerRun) -> Table:
    """The days above a cap, each with its mails."""
    rows = [
        [
            linked(day_of(one["day"]), state="planned", send_on_from=one["day"], send_on_to=one["day"], **narrowed(one["cap"])),
            CAPS.get(one["cap"], one["cap"]),
            f"{one['mails']:,}",
            f"{one['limit']:,}",
            f"{one['mails'] - one['limit']:,}",
        ]
        for one in run.over_cap[:SHOWN]
    ]
    return Table(
        title("Days above a cap", run.over_cap), ["Day", "Cap of", "Mails", "Allowed", "Above"], rows, empty="No day is above a cap."
    )


def narrowed(cap: str) -> dict[str, str]:
    return {"type": cap} if cap == "effective_date" else {}


def differences(run: SchedulerRun) -> list[Table]:
    """What it changed in the schedule, by type, state, day and reason."""
    if not run.differences:
        return []
    return [
        compared(run, "by_state", "Changed in the schedule, by the contact's state", "State", str),
        compared(run, "by_type", "Changed in the schedule, by type", "Type", schedule_cells.kind),
        compared(run, "by_reason", "Changed in the schedule, by reason for skipping", "Reason", reason_of),
        compared(run, "by_day", "Changed in the schedule, by send day", "Day", day_of),
    ]


def compared(run: SchedulerRun, by: str, words: str, column: str, name_of: Callable[[str], str]) -> Table:
    found = {what: run.differences.get(what, {}).get(by, {}) for what in CHANGES if what in run.differences}
    names = sorted({name for counted in found.values() for name in counted})
    rows = [[name_of(name), *(number(counted.get(name, 0)) for counted in found.values())] for name in names[:SHOWN]]
    return Table(title(words, names), [column, *(CHANGES[what] for what in found)], rows, empty="None of them.")


def versions(run: SchedulerRun) -> Table:
    """Which configuration it was given; a version leads to its page."""
    every = ConfigVersion.objects.filter(number__in=run.config_versions.values()).select_related("series").defer("data")
    known = {(str(one.series), one.number): one for one in every}
    rows = [[series, version(known.get((series, told)), told)] for series, told in sorted(run.config_versions.items())]
    return Table("Configuration it was given", ["Kind", "Version"], rows, empty="None was noted.")


def version(row: ConfigVersion | None, number_told: int) -> Any:
    if row:
        return cells.link(row, f"version {number_told}")
    return f"version {number_told}" if number_told else "as shipped"


def chunks(run: SchedulerRun) -> Table:
    told = list(run.chunks.order_by("number").only("number", "first_id", "last_id", "contacts", "step", "tries", "done_at", "run")[:SHOWN])
    rows = [
        [
            one.number,
            f"{one.first_id} – {one.last_id}",
            f"{one.contacts:,}",
            cells.badge(*standing(one.step)),
            cells.badge(f"{one.tries} failed", "amber") if one.tries else cells.NOTHING,
            cells.when(one.done_at),
        ]
        for one in told
    ]
    every = range(run.chunks.count()) if len(told) == SHOWN else told
    return Table(
        title("Chunks", every), ["Number", "Contact ids", "Contacts", "Next", "Tries", "Written"], rows, empty="There was no contact."
    )


def standing(step: str) -> tuple[str, str]:
    return NEXT[Step(step)], "green" if step == Step.DONE else "blue"


def title(words: str, every: Any) -> str:
    return f"{words}: the first {SHOWN} of {len(every):,}" if len(every) > SHOWN else words


def linked(text: Any, **parameters: str) -> SafeString:
    return cells.listed(EmailSchedule, f"{text:,}" if isinstance(text, int) else text, **parameters)


def number(count: int) -> Any:
    return f"{count:,}" if count else cells.NOTHING


def reason_of(reason: str) -> str:
    return str(SkipReason(reason).label) if reason in SkipReason.values else reason.replace("_", " ")


def day_of(day: str) -> str:
    return date_format(date.fromisoformat(day), "D, M j, Y")


def planned_url(state: str) -> str:
    return cells.list_url(EmailSchedule, state=state)
