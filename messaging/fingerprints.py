"""Which failures are the same failure: the text without what differs from one message to the next. Pure."""

import hashlib
import re

VARIABLES = [  # from the most particular to the least
    (re.compile(r"<[^<>\s]+@[^<>\s]+>"), "<address>"),
    (re.compile(r"[\w.'+-]+@[\w.-]+"), "<address>"),
    (re.compile(r"\b[0-9a-f]{8}-[0-9a-f-]{27}\b", re.I), "<id>"),
    (re.compile(r"\b(?=[0-9A-Fa-f]*\d)[0-9A-Fa-f]{10,}\b"), "<id>"),
    (re.compile(r"\b\d+(?:\.\d+){3}\b"), "<host>"),
    (re.compile(r"(?<![\w.-])\d{4,}\b"), "<number>"),  # reply codes (550, 5.1.1) are what tells failures apart
]


def shape(text: str) -> str:
    """The text of a failure with addresses, ids, hosts and long numbers blanked out: at most 300 characters, one line."""
    for pattern, blank in VARIABLES:
        text = pattern.sub(blank, text)
    return " ".join(text.split())[:300]


def fingerprint(*, component: str, text: str) -> str:
    """Sixteen hex digits, equal for equal shapes of the same component."""
    return hashlib.sha256(f"{component}\n{shape(text).lower()}".encode()).hexdigest()[:16]
