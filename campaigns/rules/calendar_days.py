"""Days of the year, year after year. A 29 February is the 28th in common years.

Looked up in tables, since a run asks this of some hundred million dates; what lies beyond the tables is computed.
"""

from typing import Any

import numpy as np

from campaigns.rules.shapes import DAY, MONTH, YEAR, Array

FIRST_YEAR, LAST_YEAR = 1850, 2150  # in the tables, both included
FIRST = int(np.datetime64(str(FIRST_YEAR), "D").astype("i8"))
DAYS = np.arange(str(FIRST_YEAR), str(LAST_YEAR + 1), dtype=DAY)
YEARS = DAYS.astype(YEAR).astype("i2")  # after 1970, of each day
MONTHS = (DAYS.astype(MONTH) - DAYS.astype(YEAR).astype(MONTH)).astype("i1")  # after January
PLACES = (DAYS - DAYS.astype(MONTH).astype(DAY)).astype("i1")  # after the first of its month
STARTS = np.arange(str(FIRST_YEAR), str(LAST_YEAR + 2), dtype=MONTH).astype(DAY).astype("i8")  # the first of each month


def in_year(date: Array, year: Any) -> Array:
    """The same day and month in `year` (datetime64[Y], one or one per date)."""
    at, inside = looked_up(date)
    years = np.asarray(year).astype("i8") + 1970
    inside &= (years >= FIRST_YEAR) & (years <= LAST_YEAR)
    if inside.all():
        return in_tables(at, years)
    found = np.empty(inside.shape, DAY)
    years = np.broadcast_to(years, inside.shape)
    found[inside] = in_tables(at[inside], years[inside])
    found[~inside] = computed(date[~inside], np.broadcast_to(year, inside.shape)[~inside])
    return found


def looked_up(date: Array) -> tuple[Array, Array]:
    """Where each date stands in the tables, and whether it does."""
    at = date.astype(DAY).view("i8") - FIRST
    return at, (at >= 0) & (at < len(DAYS))


def in_tables(at: Array, years: Array) -> Array:
    month = (years - FIRST_YEAR) * 12 + MONTHS[at]
    return np.minimum(STARTS[month] + PLACES[at], STARTS[month + 1] - 1).view(DAY)


def computed(date: Array, year: Array) -> Array:
    month = date.astype(MONTH)
    there = year.astype(MONTH) + (month - date.astype(YEAR).astype(MONTH))
    return np.minimum(there.astype(DAY) + (date - month.astype(DAY)), (there + 1).astype(DAY) - 1)


def years_of(days: Any) -> Array:
    """The year of each day, or of one; datetime64[Y]."""
    days = np.asarray(days)
    if not days.ndim:
        return days.astype(YEAR)
    at, inside = looked_up(days)
    return YEARS[at].astype("i8").view(YEAR) if inside.all() else days.astype(YEAR)


def next_yearly(date: Array, day: Any) -> Array:
    """The first return of `date` on `day` or later: this year's if it is not over, else next year's."""
    year = years_of(day)
    this = in_year(date, year)
    return np.where(this < day, in_year(date, year + 1), this)
