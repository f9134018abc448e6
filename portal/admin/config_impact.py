"""What a version would do to the plan, told on the page where it is confirmed."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from django.conf import settings
from django.db import OperationalError, transaction
from django.utils.formats import date_format
from django.utils.html import format_html

from campaigns.impact import GONE, Impact
from campaigns.models.schedule import SkipReason
from campaigns.state_table import NAMES
from portal.admin import cells
from portal.admin.records import Table
from portal.config.data import ConfigRefused
from portal.config.kinds import KINDS
from portal.config.models import ConfigSeries
from portal.wiring import impact_of, newly_ignoring_windows

MOST_DAYS = 31  # that are listed


@dataclass(frozen=True)
class Told:
    sentence: str
    note: str = ""
    tables: list[Table] = field(default_factory=list)
    refused: bool = False
    ignoring: str = ""  # which types would write on excluded days, and where


def impact_told(series: ConfigSeries, data: Any, *, at: datetime) -> Told | None:
    """None for a kind that no plan depends on. The version may be saved also where nobody can say."""
    if not KINDS[series.kind].is_of_scheduler:
        return None
    try:
        with transaction.atomic():
            ignoring = newly_ignoring_windows(series.kind, data, at=at, environment=series.environment)
            found = impact_of(series.kind, data, at=at, environment=series.environment)
    except ConfigRefused as refusal:
        return Told(f"Nobody can say: {refusal}", refused=True)
    except OperationalError:
        return Told("Nobody can say: looking at the contacts took too long.", refused=True)
    if found is None:
        return Told(f"Nothing here: it is for {series.environment}, and this portal is {settings.CONFIG_ENVIRONMENT}.")
    return Told(found.sentence, note(found), tables(found) if found.excluded or found.released or found.moved else [], ignoring=ignoring)


def note(found: Impact) -> str:
    if not found.is_sample:
        return ""
    return f"Each figure is the sample's times {found.factor:,.1f}, so small ones are rough. Every preview looks at the same contacts."


def tables(found: Impact) -> list[Table]:
    states = [[cells.two_lines(state, NAMES[state]), *figures(found, counts)] for state, counts in by_size(found.by_state)]
    days = sorted(found.by_day.items())
    listed = [[day_cell(day), *day_figures(found, counts)] for day, counts in days[:MOST_DAYS]]
    more = f" (the first {MOST_DAYS} of {len(days)})" if len(days) > MOST_DAYS else ""
    reasons = [[reason_words(reason), whole(found, count)] for reason, count in found.by_reason.most_common()]
    return [
        Table("By state", ["State", "Excluded", "Released", "Moved"], states),
        *([Table("Why mails would not go out any more", ["Reason", "Mails"], reasons)] if reasons else []),
        Table(f"By day{more}", ["Day", "Excluded", "Released", "Move away", "Come here"], listed),
    ]


def by_size(counts: dict[str, Any]) -> Iterable[tuple[str, Any]]:
    return sorted(counts.items(), key=lambda one: (-one[1].total(), one[0]))


def figures(found: Impact, counts: Any) -> list[Any]:
    return [whole(found, counts[name]) for name in ("excluded", "released", "moved")]


def day_figures(found: Impact, counts: Any) -> list[Any]:
    return [whole(found, counts[name]) for name in ("excluded", "released", "moved_away", "moved_here")]


def whole(found: Impact, count: int) -> Any:
    return f"{round(count * found.factor):,}" if count else cells.NOTHING


def day_cell(day: str) -> Any:
    return format_html('<span class="unbroken">{}</span>', date_format(date.fromisoformat(day), "M j, Y"))


def reason_words(reason: str) -> str:
    return "Nothing is planned any more" if reason == GONE else SkipReason(reason).label
