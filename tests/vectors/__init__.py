"""What the portal must answer, case by case, as it was agreed before it was built."""

import json
from pathlib import Path
from typing import Any

VECTORS = {vector["id"]: vector for path in Path(__file__).parent.glob("*.json") for vector in json.loads(path.read_text())}

BY_SIZE = "an extension: the seed has one cap, 7 % of the contacts, whatever their number"
BY_ORGANISATION = "an extension: the seed has no options of an organisation, and one portal serves one organisation"
BY_ID = "not a rule: the source names this contact's id to make its own file of answers pass"
LEFT_OUT = {  # vectors that nothing asks about, and why; no other may be skipped
    **dict.fromkeys(("OCS-018", "OCS-019", "OCS-020", "OCS-022"), BY_SIZE),
    **dict.fromkeys(("OCS-023", "OCS-026", "OCS-028", "OCS-029"), BY_ORGANISATION),
    **dict.fromkeys(("PEG-016", "PEG-017"), BY_ID),
}


def of_kind(kind: str) -> list[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Id, input and expected answer of each vector of a kind."""
    return [(name, vector["input"], vector["spec_expected"]) for name, vector in VECTORS.items() if vector["kind"] == kind]


def expected(name: str) -> dict[str, Any]:
    return VECTORS[name]["spec_expected"]
