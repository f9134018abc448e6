"""Every fault the sandbox can be told to show: its name, where it strikes, what it does and what an honest client concludes.

A fault is asked for by a spec: its name, for some faults `-<seconds>`, and for any fault `x<times>`: `refuse-450`, `slow-2.5`,
`refuse-450x2` (the first two times, then all is normal). Times are counted per stage and per address, note or server.
"""

from collections.abc import Iterable
from dataclasses import dataclass

SENT, LATER, REFUSED, IN_DOUBT, HOST = "sent", "later", "refused", "in doubt", "host"
PROCESSED, LOOK_UP, PERSON, ACCOUNT, ALARM, HOLD = "processed", "look up", "person", "account", "alarm", "hold"
ASSESSED, REVIEW = "assessed", "review"

OUTCOMES = {
    SENT: "the mail is sent",
    LATER: "nothing arrived: try again later",
    REFUSED: "refused for good: never again by itself",
    IN_DOUBT: "it may have arrived: a person or evidence decides",
    HOST: "the whole server is unwell: pause it, use up no attempt",
    PROCESSED: "the note is there: processed",
    LOOK_UP: "it may be there: look it up before repeating",
    PERSON: "a person must correct something first",
    ACCOUNT: "our account is wrong: pause it and tell somebody",
    ALARM: "the answer contradicts what we know: tell somebody, believe nothing",
    HOLD: "do not post blindly: wait until the look-up works",
    ASSESSED: "what it says is there counts, and nothing else it says",
    REVIEW: "no assessment: a person looks",
}


@dataclass(frozen=True)
class Fault:
    """`stored`: the server has the mail or note afterwards, or the AI has done its work and wants its money.

    `seconds`: the pause of a fault that takes one, unless the spec says it.
    """

    name: str
    stages: tuple[str, ...]
    outcome: str
    meaning: str
    stored: bool = False
    seconds: float | None = None


def by_name(faults: Iterable[Fault]) -> dict[str, Fault]:
    return {fault.name: fault for fault in faults}


MAIL_STAGES = {
    "listen": "while nothing listens",
    "connect": "when a client connects",
    "ehlo": "when the client says EHLO",
    "auth": "when the client logs in",
    "mail": "at MAIL FROM",
    "rcpt": "at RCPT TO",
    "data": "at DATA, before the body is complete",
    "dot": "after the final dot",
    "quit": "at QUIT",
}

MAIL_FAULTS = by_name(
    [
        Fault("down", ("listen",), HOST, "Connections are refused, open ones are cut. Only as a mode, without a count."),
        Fault("banner-421", ("connect",), HOST, "Greets with 421 and closes."),
        Fault("banner-554", ("connect",), HOST, "Greets with 554 and closes."),
        Fault("banner-drop", ("connect",), HOST, "Closes without a greeting."),
        Fault("banner-silent", ("connect",), HOST, "Never greets, keeps the connection open."),
        Fault("banner-garbage", ("connect",), HOST, "Greets with bytes that are no SMTP, then closes."),
        Fault("banner-long", ("connect",), HOST, "Greets with one line of 100 KB, then closes."),
        Fault("tls-missing", ("ehlo",), ACCOUNT, "Does not offer STARTTLS, though it has a certificate."),
        Fault("no-smtputf8", ("ehlo",), SENT, "Does not offer SMTPUTF8."),
        Fault("auth-535", ("auth",), ACCOUNT, "Refuses every login with 535."),
        Fault("auth-454", ("auth",), HOST, "Answers every login with 454, later."),
        Fault("mail-451", ("mail",), LATER, "Refuses the sender for now."),
        Fault("mail-550", ("mail",), REFUSED, "Refuses the sender for good."),
        Fault("drop-at-mail", ("mail",), LATER, "Closes instead of answering MAIL FROM."),
        Fault("refuse-421", ("rcpt",), LATER, "Says 421 and closes."),
        Fault("refuse-450", ("rcpt",), LATER, "Mailbox busy."),
        Fault("refuse-451", ("rcpt",), LATER, "Local error."),
        Fault("refuse-452", ("rcpt",), LATER, "Mailbox full for now."),
        Fault("refuse-550", ("rcpt",), REFUSED, "No such mailbox."),
        Fault("refuse-551", ("rcpt",), REFUSED, "Not a local user."),
        Fault("refuse-553", ("rcpt",), REFUSED, "Mailbox name not allowed."),
        Fault("refuse-hostile", ("rcpt",), REFUSED, "Refuses with a text full of HTML: whoever shows it must escape it."),
        Fault("drop-at-rcpt", ("rcpt",), LATER, "Closes instead of answering RCPT TO."),
        Fault("data-451", ("data",), LATER, "Refuses DATA for now: no body was asked for."),
        Fault("data-554", ("data",), REFUSED, "Refuses DATA for good: no body was asked for."),
        Fault("drop-before-body", ("data",), LATER, "Closes instead of answering DATA: no body was asked for."),
        Fault("drop-in-body", ("data",), IN_DOUBT, "Closes after the first line of the body. Nothing is stored."),
        Fault("after-dot-421", ("dot",), LATER, "Answers the whole mail with 421 and closes."),
        Fault("after-dot-451", ("dot",), LATER, "Answers the whole mail with 451."),
        Fault("after-dot-552", ("dot",), REFUSED, "Answers the whole mail with 552, too big."),
        Fault("after-dot-554", ("dot",), REFUSED, "Answers the whole mail with 554."),
        Fault("drop-before-accept", ("dot",), IN_DOUBT, "Reads the final dot, then closes. Nothing is stored."),
        Fault("drop-after-accept", ("dot",), IN_DOUBT, "Stores the mail, then closes without a 250.", stored=True),
        Fault("silent-after-accept", ("dot",), IN_DOUBT, "Stores the mail and never answers.", stored=True),
        Fault("odd-reply", ("dot",), IN_DOUBT, "Stores the mail, then answers 354.", stored=True),
        Fault("garbage-reply", ("dot",), IN_DOUBT, "Stores the mail, then answers with no SMTP at all.", stored=True),
        Fault("long-reply", ("dot",), IN_DOUBT, "Stores the mail, then answers 250 in one line of 100 KB.", stored=True),
        Fault("tarpit", ("dot",), IN_DOUBT, "Stores the mail, then answers one byte per pause.", stored=True, seconds=30),
        Fault("slow", ("dot",), SENT, "Stores the mail, then answers 250 after a pause.", stored=True, seconds=2),
        Fault("no-queue-id", ("dot",), SENT, "Stores the mail, then answers 250 without a queue id.", stored=True),
        Fault("quit-500", ("quit",), SENT, "Answers QUIT with 500.", stored=True),
        Fault("drop-at-quit", ("quit",), SENT, "Closes instead of answering QUIT.", stored=True),
    ]
)

NOTE_STAGES = {"post": "when a note is posted", "look-up": "when a note is looked up"}
POST, FIND, BOTH = ("post",), ("look-up",), ("post", "look-up")

NOTE_FAULTS = by_name(
    [
        Fault("down", BOTH, LOOK_UP, "Every connection to the case-management system is cut."),
        Fault("401", BOTH, ACCOUNT, "Says the token is not valid."),
        Fault("403", BOTH, ACCOUNT, "Says the account may not write notes."),
        Fault("404", POST, PERSON, "Says the record is unknown."),
        Fault("409", POST, PROCESSED, "Has the note and answers 409 with its id.", stored=True),
        Fault("422", POST, PERSON, "Refuses the text."),
        Fault("422-hostile", POST, PERSON, "Refuses with a text full of HTML: whoever shows it must escape it."),
        Fault("429", BOTH, LATER, "Too many requests; Retry-After names the pause in seconds.", seconds=1),
        Fault("429-odd", BOTH, LATER, "Too many requests, with a Retry-After that is no number."),
        Fault("429-for-ever", BOTH, LATER, "Too many requests, with a Retry-After of three years."),
        Fault("503", BOTH, LATER, "Not available."),
        Fault("500-before-commit", POST, LOOK_UP, "Answers 500; the note is not there."),
        Fault("500-after-commit", POST, LOOK_UP, "Stores the note, then answers 500.", stored=True),
        Fault("timeout-before-commit", POST, LOOK_UP, "Never answers; the note is not there."),
        Fault("timeout-after-commit", POST, LOOK_UP, "Stores the note and never answers.", stored=True),
        Fault("drop-before-commit", POST, LOOK_UP, "Closes; the note is not there."),
        Fault("drop-after-commit", POST, LOOK_UP, "Stores the note, then closes.", stored=True),
        Fault("slow-commit", POST, LOOK_UP, "Stores the note some seconds after the client gave up.", stored=True, seconds=2),
        Fault("slow-answer", POST, PROCESSED, "Stores the note, then answers after a pause.", stored=True, seconds=2),
        Fault("drip", POST, LOOK_UP, "Stores the note, then answers one byte per pause.", stored=True, seconds=10),
        Fault("html", POST, LOOK_UP, "Answers 200 with a login page; the note is not there."),
        Fault("empty", POST, LOOK_UP, "Stores the note, then answers 200 with nothing.", stored=True),
        Fault("204", POST, LOOK_UP, "Stores the note, then answers 204.", stored=True),
        Fault("null-id", POST, LOOK_UP, "Stores the note, then answers with the id null.", stored=True),
        Fault("zero-id", POST, LOOK_UP, "Stores the note, then answers with the id 0.", stored=True),
        Fault("garbage", POST, LOOK_UP, "Stores the note, then answers with no JSON at all.", stored=True),
        Fault("truncated", POST, LOOK_UP, "Stores the note, then answers with half the JSON.", stored=True),
        Fault("error-inside", POST, LOOK_UP, "Answers 201 with an error text inside; the note is not there."),
        Fault("foreign-id", POST, ALARM, "Stores the note, then answers with the id of another note, if there is one.", stored=True),
        Fault("redirect", POST, LATER, "Redirects to an address inside the network; the note is not there."),
        Fault("huge", POST, LOOK_UP, "Stores the note, then answers with 50 MB.", stored=True),
        Fault("gzip-bomb", POST, LOOK_UP, "Stores the note, then answers with 50 KB that unpack to 50 MB.", stored=True),
        Fault("look-up-broken", FIND, HOLD, "Answers a look-up with 500."),
        Fault("look-up-timeout", FIND, HOLD, "Never answers a look-up."),
        Fault("look-up-drop", FIND, HOLD, "Closes instead of answering a look-up."),
        Fault("look-up-html", FIND, HOLD, "Answers a look-up with a login page."),
        Fault("look-up-late", FIND, LOOK_UP, "Says there is no such note, though there is."),
        Fault("look-up-foreign", FIND, ALARM, "Answers with a note of somebody else, if there is one."),
        Fault("look-up-two-notes", FIND, ALARM, "Finds the note twice, under two ids."),
        Fault("no-look-up", FIND, HOLD, "Cannot look notes up at all: 405."),
    ]
)

AI_STAGES = {"ask": "when the AI is asked what is there"}
ASK = ("ask",)

AI_FAULTS = by_name(
    [
        Fault("down", ASK, LATER, "Every connection to the AI is cut."),
        Fault("401", ASK, ACCOUNT, "Says the key is not valid, and repeats it."),
        Fault("403", ASK, ACCOUNT, "Says the account may not use this model."),
        Fault("429", ASK, LATER, "Too many requests; Retry-After names the pause in seconds.", seconds=1),
        Fault("429-odd", ASK, LATER, "Too many requests, with a Retry-After that is no number."),
        Fault("429-for-ever", ASK, LATER, "Too many requests, with a Retry-After of three years."),
        Fault("429-quota", ASK, LATER, "Says the quota is used up."),
        Fault("500", ASK, LATER, "Internal error."),
        Fault("503", ASK, LATER, "Not available."),
        Fault("529", ASK, LATER, "Overloaded."),
        Fault("timeout", ASK, LATER, "Never answers."),
        Fault("drop-before", ASK, LATER, "Closes before it has done anything."),
        Fault("drop-after", ASK, LATER, "Does its work, then closes.", stored=True),
        Fault("slow", ASK, ASSESSED, "Answers after a pause.", stored=True, seconds=2),
        Fault("drip", ASK, LATER, "Answers one byte per pause.", stored=True, seconds=10),
        Fault("redirect", ASK, LATER, "Redirects to an address inside the network."),
        Fault("not-json", ASK, LATER, "Answers 200 with a login page."),
        Fault("no-choices", ASK, LATER, "Answers 200 with an error inside."),
        Fault("huge", ASK, REVIEW, "Answers with more than 1 MB.", stored=True),
        Fault("cut-off", ASK, REVIEW, "Stops in the middle, finish_reason length.", stored=True),
        Fault("filtered", ASK, REVIEW, "Stops, finish_reason content_filter.", stored=True),
        Fault("refusal", ASK, REVIEW, "Refuses to help.", stored=True),
        Fault("refusal-in-words", ASK, REVIEW, "Says in its answer that it cannot help.", stored=True),
        Fault("empty", ASK, REVIEW, "Answers with an empty text.", stored=True),
        Fault("prose", ASK, REVIEW, "Wraps the JSON in friendly words.", stored=True),
        Fault("fence", ASK, ASSESSED, "Wraps the JSON in one code fence.", stored=True),
        Fault("two-objects", ASK, REVIEW, "Gives two JSON objects.", stored=True),
        Fault("two-choices", ASK, REVIEW, "Gives two choices.", stored=True),
        Fault("missing-field", ASK, REVIEW, "Leaves cubic_yards out.", stored=True),
        Fault("extra-total", ASK, REVIEW, "Adds a field total.", stored=True),
        Fault("extra-recipient", ASK, REVIEW, "Adds a field recipient.", stored=True),
        Fault("wrong-types", ASK, REVIEW, "Gives the bags as a text.", stored=True),
        Fault("negative", ASK, REVIEW, "Gives -5 bags.", stored=True),
        Fault("nothing-there", ASK, REVIEW, "Gives no bags and no cubic yards.", stored=True),
        Fault("nan", ASK, REVIEW, "Gives NaN cubic yards.", stored=True),
        Fault("enormous", ASK, REVIEW, "Gives 1,000,000,000 bags.", stored=True),
        Fault("decimals", ASK, REVIEW, "Gives cubic yards with twelve decimals.", stored=True),
        Fault("doubled-field", ASK, REVIEW, "Names the bags twice.", stored=True),
        Fault("tool-call", ASK, REVIEW, "Asks for a tool that nobody offered.", stored=True),
        Fault("canary", ASK, REVIEW, "Repeats the instructions it was given.", stored=True),
        Fault("html", ASK, REVIEW, "Puts a script among the items.", stored=True),
        Fault("link", ASK, REVIEW, "Puts a Markdown picture with a link among the items.", stored=True),
        Fault("address", ASK, REVIEW, "Puts an e-mail address among the items.", stored=True),
        Fault("no-usage", ASK, ASSESSED, "Does not say how many tokens it took.", stored=True),
        Fault("obey", ASK, ASSESSED, "Does whatever the customer's text and pictures order.", stored=True),
    ]
)

FAULTS = {"mail": MAIL_FAULTS, "notes": NOTE_FAULTS, "ai": AI_FAULTS}
STAGES = {"mail": MAIL_STAGES, "notes": NOTE_STAGES, "ai": AI_STAGES}
