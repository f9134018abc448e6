"""The mail that every contestant sends: the same words, each time to another address."""

from dataclasses import dataclass

SENDER = "Operations Portal <office@portal.example>"
LINE = "We ask for the present status of the case named above; a short answer to this mail is all we need."
LINES = 20


@dataclass(frozen=True, kw_only=True)
class Mail:
    number: int
    recipient: str
    subject: str
    text: str


def mails(count: int) -> list[Mail]:
    return [
        Mail(
            number=number,
            recipient=f"attorney-{number}@firm.example",
            subject=f"Status of case {number}",
            text="".join(f"{line:>2}. {LINE}\n" for line in range(1, LINES + 1)),
        )
        for number in range(1, count + 1)
    ]
