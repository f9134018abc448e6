"""The shape of the house: who may import whom, how large a piece may be, and words that are no names."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import pytest

ROOT = Path(__file__).resolve().parent.parent
FLOORS = ["messaging", "campaigns", "portal"]  # a floor may import itself and the floors before it
ONLY_PORTAL = (
    "django.contrib.admin",
    "django.http",
    "django.urls",
    "django.core.management",
    "django.shortcuts",
    "django.views",
    "django_q",
)
DRAWERS = {"utils", "util", "common", "helpers", "misc", "core", "base", "services", "managers", "exceptions", "constants", "types"}
LONGEST_FUNCTION, LONGEST_FILE = 40, 300

# Inside messaging. A module may import the rows below its own, never one beside it.
LAYERS = [
    {"promises"},
    {"message_log", "restoring"},
    {"delivery", "notes", "note_decisions", "reaper", "batches", "cms_recovery", "cms_logs", "importing_cases", "invariants"}
    | {"database_health", "retention", "delivery_facts"},
    {"replay", "export", "backup"},
    {"answers", "lines", "note_outcomes", "logged", "analytics"},
    {"claims", "outcomes", "journal", "outbox", "rendering"},
    {"decisions"},
    {"models"},
    {"leases", "merge_fields", "template_language", "sheets", "html_bodies"},
    {"prepared", "lifecycles", "retry", "gateways", "spool", "fingerprints", "note_texts", "log_lines", "bounces"},
    {"seed_tables", "autovacuum", "paging", "postgres_programs", "faults", "mime", "text_input"},
]

# Likewise inside campaigns.
CAMPAIGN_LAYERS = [
    {"__init__", "apps", "promises", "explain", "impact", "hand_over", "following_up", "invariants", "rescheduling"}
    | {"undoing", "proving"},
    {"explaining"},
    {"what_if", "runs"},
    {"run_totals", "trials", "safeguard"},
    {"chunks"},
    {"counts", "placing", "writing", "mail_writing"},
    {"contact_json", "loading", "differences", "importing", "targeting", "stopping", "rechecks", "wording", "mail_frame"},
    {"scheduler", "day_counts", "packing", "state_table"},
    {"settings"},
    {"engagement", "unsubscribing", "schedule_rows", "replaced_rows"},
    {"ranges", "changes", "loading_queries", "contact_fields", "links"},
    {"models"},
    {"zip_codes", "outages"},
    {"rules"},
]
PURE = {
    "retry",
    "fingerprints",
    "note_texts",
    "log_lines",
    "text_input",
    "mime",
    "faults",
    "spool",
    "html_bodies",
    "bounces",
}  # no Django ORM


def sources(*folders: str) -> list[Path]:
    return [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py")) if "migrations" not in path.parts]


def imports(path: Path) -> Iterator[tuple[str, int]]:
    """Every module a file imports, by its full name; `from a import b` may mean module a.b and is told as that."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((name.name, node.lineno) for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{where(path)}:{node.lineno} imports by a relative name"
            yield from ((f"{node.module}.{name.name}", node.lineno) for name in node.names)


def where(path: Path) -> str:
    return str(path.relative_to(ROOT))


def module_of(path: Path) -> str:
    """The part of messaging a file belongs to: its module, or its folder."""
    return path.relative_to(ROOT / "messaging").parts[0].removesuffix(".py")


def layer(module: str) -> int:
    return next(number for number, row in enumerate(LAYERS) if module in row)


@pytest.mark.parametrize("floor", FLOORS)
def test_imports_point_down_the_floors(floor):
    above = FLOORS[FLOORS.index(floor) + 1 :]
    wrong = [
        f"{where(path)}:{line} imports {name}" for path in sources(floor) for name, line in imports(path) if name.split(".")[0] in above
    ]

    assert wrong == []


def test_only_the_top_floor_knows_of_pages_commands_and_the_task_queue():
    wrong = [
        f"{where(path)}:{line} imports {name}"
        for path in sources("messaging", "campaigns")
        for name, line in imports(path)
        if name.startswith(ONLY_PORTAL)
    ]

    assert wrong == []


def test_every_module_of_messaging_has_its_place():
    modules = {module_of(path) for path in sources("messaging")} - {"__init__", "apps"}

    assert modules - set().union(*LAYERS) == set(), "add it to the layer it belongs to"
    assert set().union(*LAYERS) - modules == set(), "it is gone: take it out"


def test_imports_point_down_inside_messaging():
    wrong = []
    for path in sources("messaging"):
        module = module_of(path)
        if module in ("__init__", "apps"):
            continue
        for name, line in imports(path):
            floor, _, rest = name.partition(".")
            target = rest.split(".")[0]
            if floor != "messaging" or target == module:
                continue
            if target not in set().union(*LAYERS) or layer(target) <= layer(module):
                wrong.append(f"{where(path)}:{line} imports {name}")

    assert wrong == []


def test_rules_know_nothing_of_the_database():
    wrong = [
        f"{where(path)}:{line} imports {name}"
        for path in sources("messaging")
        if module_of(path) in PURE
        for name, line in imports(path)
        if name.startswith(("django.db", "django.apps")) or name.startswith("messaging.models")
    ]

    assert wrong == []


def test_the_rules_of_campaigns_know_numbers_and_nothing_else():
    allowed = ("numpy", "campaigns.rules")
    wrong = [
        f"{where(path)}:{line} imports {name}"
        for path in sources("campaigns/rules")
        for name, line in imports(path)
        if name.split(".")[0] not in sys.stdlib_module_names and not name.startswith(allowed)
    ]

    assert wrong == []


def test_the_rules_and_the_scheduler_know_no_clock():
    wrong = [
        f"{where(path)}:{line} imports {name}"
        for path in [*sources("campaigns/rules"), ROOT / "campaigns" / "scheduler.py"]
        for name, line in imports(path)
        if name.split(".")[0] in ("datetime", "time", "random", "zoneinfo")
    ]

    assert wrong == []


def test_imports_point_down_inside_campaigns():
    rank = {module: row for row, modules in enumerate(CAMPAIGN_LAYERS) for module in modules}
    wrong = []
    for path in sources("campaigns"):
        module = path.relative_to(ROOT / "campaigns").parts[0].removesuffix(".py")
        targets = {(name.split(".")[1], line) for name, line in imports(path) if name.startswith("campaigns.")}
        wrong += [f"{where(path)}:{line} imports {target}" for target, line in targets if target != module and rank[target] <= rank[module]]

    assert wrong == []


def test_the_outside_world_is_one_file_per_system():
    clients = {
        "smtplib": {"messaging/gateways/mail.py", "messaging/gateways/smtp_dialogue.py"},
        "httpx": {"messaging/gateways/cms.py", "messaging/gateways/http_call.py", "portal/quotes/gateways/ai.py"},
    }
    wrong = [
        f"{where(path)}:{line} imports {name}"
        for path in sources("messaging", "campaigns", "portal")
        for name, line in imports(path)
        if name.split(".")[0] in clients and where(path) not in clients[name.split(".")[0]]
    ]

    assert wrong == []


def test_there_are_no_drawers():
    assert [where(path) for path in sources(*FLOORS, "tests") if {*path.with_suffix("").relative_to(ROOT).parts} & DRAWERS] == []


def test_the_clock_is_read_at_the_door_only():
    wrong = []
    for path in sources("messaging", "campaigns"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and ast.unparse(node) in {
                "timezone.now",
                "timezone.localdate",
                "date.today",
                "datetime.today",
            }:
                wrong.append(f"{where(path)}:{node.lineno} reads the clock: {ast.unparse(node)}")

    assert wrong == []


def test_settings_are_read_at_the_door_only():
    allowed = {"AUTH_USER_MODEL"}  # a name in the schema, not a knob
    wrong = [
        f"{where(path)}:{node.lineno} reads settings.{node.attr}"
        for path in sources("messaging", "campaigns")
        if "django.conf.settings" in {name for name, _ in imports(path)}
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "settings" and node.attr not in allowed
    ]

    assert wrong == []


def functions() -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef, int]]:
    for path in sources(*FLOORS):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield where(path), node, (node.end_lineno or 0) - node.lineno + 1


def test_functions_are_small():
    lengths = [length for _, _, length in functions()]

    assert [f"{path} {node.name}: {length}" for path, node, length in functions() if length > LONGEST_FUNCTION] == []
    assert median(lengths) <= 8
    assert sum(length <= 20 for length in lengths) >= 0.9 * len(lengths)


def test_files_are_small():
    lengths = {where(path): len(path.read_text().splitlines()) for path in sources(*FLOORS)}

    assert {path: length for path, length in lengths.items() if length > LONGEST_FILE} == {}
