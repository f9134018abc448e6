"""Text messages: the port a provider would be connected to. Nothing is sent by itself: no contact's consent to texts is recorded yet.

A schedule keeps the name of its template for a text message, where its contact has a phone; see `campaigns.wording`.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

LONGEST = 1_600  # characters: ten texts in one


class TextMessageRefused(Exception):
    """It will never be sent: no number, or too long."""


@dataclass(frozen=True, kw_only=True)
class TextMessage:
    """`key` names the event it is about: a provider sends the same key once."""

    key: str
    phone: str
    text: str

    def __post_init__(self) -> None:
        if not any(character.isdigit() for character in self.phone):
            raise TextMessageRefused(f"{self.key}: {self.phone[:20]!r} is no telephone number.")
        if not 0 < len(self.text) <= LONGEST:
            raise TextMessageRefused(f"{self.key}: a text message has 1 to {LONGEST} characters; this one has {len(self.text)}.")


class TextMessages(Protocol):
    def send(self, message: TextMessage) -> str:
        """Hand one over; returns the provider's own id. Raises TextMessageRefused."""
        ...


class SandboxTextMessages:
    """Writes what would be sent into a file, one line each; the same key once."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def send(self, message: TextMessage) -> str:
        if message.key not in self.keys():
            with self.file.open("a", encoding="utf-8") as lines:
                lines.write(json.dumps(asdict(message)) + "\n")
        return f"sandbox:{message.key}"

    def keys(self) -> set[str]:
        return {json.loads(line)["key"] for line in self.file.read_text("utf-8").splitlines()} if self.file.exists() else set()
