"""What the database says against what the servers outside really saw (reliability §3.5). Every list must be empty."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from tests.faults.pgctl import Cluster

Line = dict[str, Any]

MESSAGES = """
    SELECT m.message_id, m.status, m.recipient,
        count(d.id) FILTER (WHERE d.verdict = 'send_again'),
        count(d.id) FILTER (WHERE d.verdict = 'mark_as_sent' AND d.source = 'person') > 0
    FROM messaging_message m LEFT JOIN messaging_decision d ON d.message_id = m.id GROUP BY m.id
"""
NOTES = "SELECT reference::text, status, remote_id FROM messaging_cmsnote"


def disagreements(database: Cluster, *, mails: list[Line], notes: list[Line], nonce: str) -> dict[str, list[str]]:
    """L-01 to L-05 of the reliability document, those that are broken, with examples."""
    strangers = [line["nonce"] for line in [*mails, *notes] if line["nonce"] != nonce]
    found = {"nonce": strangers, **about_mails(database.ask(MESSAGES), mails), **about_notes(database.ask(NOTES), notes)}
    return {name: wrong[:5] for name, wrong in found.items() if wrong}


def about_mails(rows: Iterable[tuple[Any, ...]], mails: list[Line]) -> dict[str, list[str]]:
    seen = Counter(line["message_id"] for line in mails)
    known = {row[0]: row for row in rows}
    envelope = {line["message_id"]: line["recipient"] for line in mails}
    return {
        "L-01 lost": [i for i, (_, status, _, _, on_a_word) in known.items() if status == "sent" and not on_a_word and not seen[i]],
        "L-02 silent duplicate": [i for i, times in seen.items() if i in known and times > 1 + known[i][3]],
        "L-03 unowned": [i for i in seen if i not in known or known[i][1] not in ("sent", "in_doubt")],
        "L-04 wrong person": [i for i, to in envelope.items() if i in known and known[i][2].lower() != to.lower()],
    }


def about_notes(rows: Iterable[tuple[Any, ...]], notes: list[Line]) -> dict[str, list[str]]:
    stored = Counter(line["reference"] for line in notes)
    ids = {(line["reference"], line["id"]) for line in notes}
    known = {row[0]: row for row in rows}
    return {
        "L-05 duplicate note": [story(notes, reference) for reference, times in stored.items() if times > 1],
        "L-05 processed, not there": [r for r, status, remote in known.values() if status == "processed" and (r, remote) not in ids],
        "L-05 there, unowned": [r for r in stored if r not in known or known[r][1] not in ("processed", "unknown")],
    }


def story(notes: list[Line], reference: str) -> str:
    """When the CMS kept this note, each time, and what it did to the answer."""
    return f"{reference}: " + ", ".join(f"at {line['at']} ({line['fault']})" for line in notes if line["reference"] == reference)
