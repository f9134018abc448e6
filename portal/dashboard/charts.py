"""The dashboard's chart, in the words of the theme's Chart.js."""

import json
from collections.abc import Sequence
from typing import Any

from django.utils.formats import date_format

from portal.dashboard.campaign_figures import Day
from portal.dashboard.figures import Hour

GREY = "#9ca3af"
OPTIONS = json.dumps(
    {
        "animation": False,
        "responsive": True,
        "maintainAspectRatio": False,
        "maxBarThickness": 22,
        "interaction": {"mode": "index", "intersect": False},
        "datasets": {"bar": {"borderRadius": 3, "categoryPercentage": 0.9, "barPercentage": 0.9}},
        "scales": {
            "x": {"stacked": True, "grid": {"display": False}, "ticks": {"color": GREY, "maxRotation": 0, "autoSkipPadding": 14}},
            "y": {
                "stacked": True,
                "beginAtZero": True,
                "suggestedMax": 4,
                "border": {"display": False},
                "ticks": {"color": GREY, "precision": 0, "maxTicksLimit": 5},
            },
        },
        "plugins": {
            "legend": {
                "align": "end",
                "labels": {"color": GREY, "boxWidth": 8, "boxHeight": 8, "usePointStyle": True, "pointStyle": "circle"},
            },
        },
    }
)


def month(days: Sequence[Day], *, cap: int) -> str:
    """One bar a day: how many mails are planned; those above the cap apart. The cap as a line, where there is one."""
    within = [day.planned - day.over_cap for day in days]
    shown: list[dict[str, Any]] = [
        {"label": "Planned", "data": within, "backgroundColor": "var(--color-primary-600)"},
        {"label": "Above the cap", "data": [day.over_cap for day in days], "backgroundColor": "var(--color-red-500)"},
    ]
    if cap:
        line = {"type": "line", "label": "Daily cap", "data": [cap] * len(days), "stack": "cap", "pointRadius": 0, "borderWidth": 2}
        shown.append(line | {"borderColor": "var(--color-orange-400)", "backgroundColor": "var(--color-orange-400)"})
    return json.dumps({"labels": [date_format(day.on, "M j") for day in days], "datasets": shown})


def bars(hours: Sequence[Hour]) -> str:
    return json.dumps(data(hours))


def data(hours: Sequence[Hour]) -> dict[str, Any]:
    """One bar an hour: production below, test above."""
    return {
        "labels": [date_format(hour.starts_at, "H:i") for hour in hours],
        "datasets": [
            {"label": "Production", "data": [hour.production for hour in hours], "backgroundColor": "var(--color-primary-600)"},
            {"label": "Test", "data": [hour.test for hour in hours], "backgroundColor": "var(--color-orange-400)"},
        ],
    }
