"""What was foretold, what the database says, and what the servers outside really saw, side by side."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from messaging.models import CmsNote, Message, Status
from portal.sandbox import Sandbox

Facts = dict[str, Any]
EXAMPLES = 10
OF_QUOTES = [
    ("quotes asked for", "asked"),
    ("questions to AI", "ai_calls"),
    ("quoted", "quoted"),
    ("to be reviewed", "review"),
    ("notices sent", "notices_sent"),
    ("quote mails sent", "mails_sent"),
    ("  failed", "mails_failed"),
    ("  in doubt", "mails_in_doubt"),
    ("rounds opened", "rounds_opened"),
]


OF_CAMPAIGNS = [
    ("contacts imported", "contacts_imported"),
    ("  refused", "contacts_refused"),
    ("changed by a 2nd run", "second_run_writes"),
    ("campaign mails", "handed_over"),
    ("  sent", "sent"),
    ("  arrived", "arrived"),
    ("  clicks", "clicks"),
    ("  unsubscribed", "unsubscribed"),
    ("  sent after that", "to_those_who_left"),
]
OF_SUMMARIES = [("daily summaries", "queued"), ("  completed", "completed"), ("  arrived", "arrived")]
PARTS = {"quotes": OF_QUOTES, "campaigns": OF_CAMPAIGNS, "summary": OF_SUMMARIES}


def ledger(sandbox: Sandbox, *, foretold: Mapping[str, str], parts: Mapping[str, Facts]) -> Facts:
    """The day in figures. It balances when every mail ended as foretold, and each sent one has its note in the CMS exactly once.

    Mails about no case are none of these figures: what is told of quotes, campaigns and the summary in `parts` must balance as well.
    """
    became = dict(Message.objects.filter(needs_note=True).order_by("pk").values_list("message_id", "status"))
    elsewhere = set(Message.objects.filter(needs_note=False).values_list("message_id", flat=True))
    ended, expected = Counter(became.values()), Counter(foretold.values())
    arrived = Counter(line["message_id"] for line in sandbox.mail_ledger() if line["message_id"] not in elsewhere)
    stored = Counter(line["reference"] for line in sandbox.note_ledger())
    wrong = [*about_mails(became, foretold, arrived), *about_notes(sandbox, stored)]
    return {
        "queued": len(became),
        **{name: ended[name] for name in (Status.SENT, Status.FAILED, Status.IN_DOUBT)},
        "left_in_queue": Message.objects.unfinished().filter(needs_note=True).count(),
        **{f"expected_{name}": expected[name] for name in (Status.SENT, Status.FAILED, Status.IN_DOUBT)},
        "arrived": len(arrived),
        "notes_owed": CmsNote.objects.count(),
        "notes_in_cms": stored.total(),
        "processed": CmsNote.objects.processed().count(),
        "faults_met": len(sandbox.fault_ledger()),
        "differences": wrong[:EXAMPLES],
        **parts,
        "balanced": not wrong and not any(part["differences"] for part in parts.values()),
    }


def about_mails(became: Mapping[str, str], foretold: Mapping[str, str], arrived: Mapping[str, int]) -> Iterable[str]:
    for message_id in became.keys() | foretold.keys() | arrived.keys():
        status, expected, times = became.get(message_id, "unknown"), foretold.get(message_id, "unknown"), arrived.get(message_id, 0)
        if status != expected:
            yield f"{message_id} is {status} and was to be {expected}"
        if times > 1 or (times and status not in (Status.SENT, Status.IN_DOUBT)):
            yield f"{message_id} arrived {times} times and is {status}"
        if status == Status.SENT and not times:
            yield f"{message_id} is sent and never arrived"


def about_notes(sandbox: Sandbox, stored: Mapping[str, int]) -> Iterable[str]:
    ids = {line["reference"]: line["id"] for line in sandbox.note_ledger()}
    owed = {str(note.reference): note for note in CmsNote.objects.select_related("message")}
    for reference in owed.keys() | stored.keys():
        note, times = owed.get(reference), stored.get(reference, 0)
        if note is None or times != 1:
            yield f"note {reference} stands {times} times in the CMS and is {'known' if note else 'unknown'} to us"
        elif note.remote_id != ids[reference]:
            yield f"the note of {note.message.message_id} is {note.status} as {note.remote_id}; the CMS has it as {ids[reference]}"
    without = Message.objects.sent().filter(needs_note=True, note=None)
    yield from (f"{message.message_id} is sent and has no note" for message in without)


def as_table(facts: Facts) -> str:
    """The ledger for people."""
    rows = [
        ("", "expected", "is"),
        ("queued", "", facts["queued"]),
        ("sent", facts["expected_sent"], facts["sent"]),
        ("failed", facts["expected_failed"], facts["failed"]),
        ("in doubt", facts["expected_in_doubt"], facts["in_doubt"]),
        ("left in the queue", 0, facts["left_in_queue"]),
        ("notes owed", facts["sent"], facts["notes_owed"]),
        ("notes in the CMS", facts["sent"], facts["notes_in_cms"]),
        ("processed", facts["sent"], facts["processed"]),
    ]
    for part, lines_of in PARTS.items():
        rows += [(label, facts[part][f"expected_{name}"], facts[part][name]) for label, name in lines_of]
    lines = [f"{name:<20}{expected!s:>9}{found!s:>7}" for name, expected, found in rows]
    verdict = "The ledger balances." if facts["balanced"] else "The ledger does NOT balance:"
    met = f"{facts['faults_met']} scripted faults met, {facts['seconds']} seconds."
    wrong = [*facts["differences"], *(line for part in PARTS for line in facts[part]["differences"])]
    return "\n".join([*lines, "", met, verdict, *(f"  {line}" for line in wrong)])
