"""A configuration as tables to read: whatever its kind, each of its parts becomes one, and single values share the first."""

from collections.abc import Sequence
from typing import Any

from django.utils.html import format_html

from portal.admin.cells import NOTHING
from portal.admin.records import Table
from portal.config.data import Difference
from portal.config.kinds import Kind

SHORT = 12  # characters of a value that stay in one line, also on a phone


def tables_of(data: Any, kind: Kind | None) -> list[Table]:
    """All of it; what the kind, where it is still known, says of a part stands beside its name. Entries of one sort share a table."""
    if not isinstance(data, dict):
        return [Table("Value", ["Value"], [[cell(data)]])]
    data, said = (kind.in_order(data), kind.described()) if kind else (data, {})
    if data and all(isinstance(value, dict) for value in data.values()) and not said:
        return [part_table(kind.title if kind else "Entries", data)]
    single = {name: value for name, value in data.items() if not isinstance(value, dict | list)}
    plain = [[title(name), cell(value), said.get(name, "")] for name, value in single.items()]
    parts = [part_table(titled(name, said), value) for name, value in data.items() if name not in single]
    return [*([Table("Single values", ["Name", "Value", "Meaning"], plain)] if plain else []), *parts]


def part_table(name: str, part: Any) -> Table:
    named = part.items() if isinstance(part, dict) else enumerate(part, start=1)
    entries = [(cell(str(entry_name).replace("_", " ")), entry) for entry_name, entry in named]
    if entries and all(isinstance(entry, dict) for _, entry in entries):
        columns = list(dict.fromkeys(column for _, entry in entries for column in entry))
        rows = [[entry_name, *(cell(entry.get(column)) for column in columns)] for entry_name, entry in entries]
        return Table(name, ["", *map(title, columns)], rows)
    return Table(name, ["", "Value"], [[entry_name, cell(entry)] for entry_name, entry in entries])


def difference_table(name: str, found: Sequence[Difference], *, before: str, after: str, empty: str) -> Table:
    rows = [[one.path or "All of it", cell(one.before), cell(one.after)] for one in found]
    return Table(name, ["Where", before, after], rows, empty=empty)


def cell(value: Any) -> Any:
    text = in_words(value)
    if not text:
        return NOTHING
    return format_html('<span class="whitespace-nowrap">{}</span>', text) if len(text) <= SHORT else text


def in_words(value: Any) -> str:
    """One value as text; a small table within a table in one line."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return " ".join(map(in_words, value.values()))
    if isinstance(value, list):
        return ", ".join(map(in_words, value))
    return "" if value is None else str(value)


def titled(name: str, said: dict[str, str]) -> str:
    return f"{title(name)}: {said[name]}" if said.get(name) else title(name)


def title(name: str) -> str:
    words = name.replace("_", " ")
    return f"{words[:1].upper()}{words[1:]}"
