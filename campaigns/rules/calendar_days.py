"""Days of the year, year after year. A 29 February is the 28th in common years."""

from typing import Any

import numpy as np

from campaigns.rules.shapes import DAY, MONTH, YEAR, Array


def in_year(date: Array, year: Any) -> Array:
    """The same day and month in `year` (datetime64[Y], one or one per date)."""
    month = date.astype(MONTH)
    there = year.astype(MONTH) + (month - date.astype(YEAR).astype(MONTH))
    return np.minimum(there.astype(DAY) + (date - month.astype(DAY)), (there + 1).astype(DAY) - 1)


def next_yearly(date: Array, day: Any) -> Array:
    """The first return of `date` on `day` or later: this year's if it is not over, else next year's."""
    year = np.asarray(day).astype(YEAR)
    this = in_year(date, year)
    return np.where(this < day, in_year(date, year + 1), this)
