"""What the portal must answer, case by case, as it was agreed before it was built."""

import json
from pathlib import Path
from typing import Any

VECTORS = {vector["id"]: vector for path in Path(__file__).parent.glob("*.json") for vector in json.loads(path.read_text())}


def of_kind(kind: str) -> list[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Id, input and expected answer of each vector of a kind."""
    return [(name, vector["input"], vector["spec_expected"]) for name, vector in VECTORS.items() if vector["kind"] == kind]


def expected(name: str) -> dict[str, Any]:
    return VECTORS[name]["spec_expected"]
