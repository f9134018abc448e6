"""The dashboard's chart, in the words of the theme's Chart.js."""

import json
from collections.abc import Sequence
from typing import Any

from django.utils.formats import date_format

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
