"""What a note in the case-management system says about a sent e-mail. Pure."""

from dataclasses import dataclass
from datetime import date, timedelta

CORRESPONDENCE = "COR"
NO_TYPE = "NA"
TEST_MARK = "🧪 TEST MODE"
NEXT_CONTACT_DAYS = 30

WORDINGS = {  # kind of e-mail, as `plain_kind` spells it: how its note begins
    "follow up": "FOLLOW UP EMAIL",
    "status request": "STATUS REQUEST",
    "bulk status request": "STATUS REQUEST",  # the law firm gets the same mail, so its file says the same
}


@dataclass(frozen=True, kw_only=True)
class NoteText:
    type_code: str
    text: str
    next_contact_on: date

    @property
    def next_contact(self) -> str:
        """The next contact date as the CMS writes it: MM/DD/YYYY."""
        return f"{self.next_contact_on:%m/%d/%Y}"


def note_for(*, kind: str, sent_to: str, intended_for: str, is_test: bool, today: date) -> NoteText:
    """The note that a mail of this kind owes. A test mail's note is marked, and names the address used and the one intended."""
    plain = plain_kind(kind)
    wording = WORDINGS.get(plain.removeprefix("test "), plain.removeprefix("test ").upper() or "EMAIL")
    if is_test or plain.startswith("test "):
        return note(CORRESPONDENCE, f"{TEST_MARK} - {wording} SENT TO {sent_to} (intended for {intended_for})", today=today)
    code = NO_TYPE if plain == "acknowledgment" else CORRESPONDENCE
    return note(code, f"{wording} SENT TO {sent_to.upper()}", today=today)


def acknowledgment_note(*, reason: str, notes: str, today: date) -> NoteText:
    """The note that says why a case rests for now."""
    return note(NO_TYPE, f"ACKNOWLEDGED: {reason} - {notes}" if notes else f"ACKNOWLEDGED: {reason}", today=today)


def plain_kind(kind: str) -> str:
    """FOLLOW-UP, follow_up and Follow Up are the same kind: "follow up"."""
    return " ".join(kind.replace("_", " ").replace("-", " ").lower().split())


def note(type_code: str, text: str, *, today: date) -> NoteText:
    return NoteText(type_code=type_code, text=text, next_contact_on=today + timedelta(days=NEXT_CONTACT_DAYS))
