"""The figures as text that can be pasted into the README."""

from statistics import median
from typing import Any

from tests.scale.races import Run

MICROSECONDS = 1_000_000


def medians(runs: list[Run]) -> dict[int, float]:
    """Per number of workers, the median rate of its runs."""
    return {count: median(run.per_second for run in runs if run.workers == count) for count in sorted({run.workers for run in runs})}


def best(runs: list[Run]) -> tuple[int, float]:
    """The number of workers that is fastest, and its rate."""
    return max(medians(runs).items(), key=lambda each: each[1])


def summary(runs: list[Run]) -> dict[str, Any]:
    """The medians, the best of them, and what a mail or note cost there in CPU time."""
    workers, rate = best(runs)
    those = [run for run in runs if run.workers == workers]
    postgres = [run.postgres_cpu_seconds / run.number for run in those if run.postgres_cpu_seconds is not None]
    return {
        "per_second_by_workers": {count: round(each, 1) for count, each in medians(runs).items()},
        "best_workers": workers,
        "best_per_second": round(rate, 1),
        "python_cpu_microseconds": round(median(run.python_cpu_seconds / run.number for run in those) * MICROSECONDS),
        "postgres_cpu_microseconds": round(median(postgres) * MICROSECONDS) if postgres else None,
    }


def rendered(results: dict[str, list[Run]], *, ours: str, unit: str) -> str:
    """One row per contestant; the ratio is that of the best medians, so above 1 means that this portal is faster."""
    counts = sorted({run.workers for runs in results.values() for run in runs})
    several = len(results) > 1
    ratio = ["portal ÷ this"] if several else []
    head = [f"{unit} a second, by workers", *map(str, counts), "best", *ratio, "CPU µs, Python + PostgreSQL"]
    rows = [row(name, runs, counts=counts, ours=best(results[ours])[1] if several else None) for name, runs in results.items()]
    return aligned([head, *rows])


def row(name: str, runs: list[Run], *, counts: list[int], ours: float | None) -> list[str]:
    known = summary(runs)
    rates = known["per_second_by_workers"]
    ratio = f"{ours / known['best_per_second']:.2f} ×" if ours else ""
    postgres = "?" if known["postgres_cpu_microseconds"] is None else f"{known['postgres_cpu_microseconds']:,}"
    return [
        name,
        *(f"{rates[count]:,.0f}" if count in rates else "" for count in counts),
        f"{known['best_per_second']:,.0f}",
        *([ratio] if ours else []),
        f"{known['python_cpu_microseconds']:,} + {postgres}",
    ]


def aligned(rows: list[list[str]]) -> str:
    """A Markdown table that is also legible as it stands: the first column to the left, figures to the right."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    padded = [[cells[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(cells[1:], widths[1:], strict=True))] for cells in rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [padded[0], rule, *padded[1:]])


def machine_line(machine: dict[str, Any]) -> str:
    return (
        f"{machine['cores']} cores of {machine['processor']}, Python {machine['python']}, PostgreSQL {machine['server_version']} "
        f"(fsync {machine['fsync']}, synchronous_commit {machine['synchronous_commit']}; "
        f"a small commit alone: {machine['commit_milliseconds']} ms), load before: {machine['load_before']}"
    )
