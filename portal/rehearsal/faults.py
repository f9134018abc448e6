"""What the servers of a rehearsal will do, decided before anything is sent, so that every mail's end can be foretold. Pure."""

import random
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from portal.sandbox.faults import ASSESSED, IN_DOUBT, LATER, SENT
from portal.sandbox.script import first_fault, foretell_mail, plan_from

# At an address, everybody's mail is struck; after the final dot one mail alone, named by its Message-ID.
ADDRESS_FAULTS = ("refuse-450x1", "refuse-550")
MAIL_FAULTS = (
    *("drop-after-accept", "drop-before-accept", "odd-reply", "garbage-reply"),
    *("after-dot-451x1", "after-dot-451x2", "after-dot-421x1", "after-dot-451", "after-dot-552", "after-dot-554"),
    *("slow-0.1", "no-queue-id"),
)
NOTE_FAULTS = (
    *("500-before-commitx1", "500-after-commitx1", "drop-before-commitx1", "drop-after-commitx1", "409x1"),
    *("htmlx1", "emptyx1", "garbagex1", "truncatedx1", "null-idx1", "error-insidex1"),
)
AI_FAULTS = ("503x1", "500x1", "refusal", "cut-off", "extra-total", "slow-0.5", "drop-afterx2")  # each strikes one request
LEG_ADDRESS_FAULTS = ("refuse-550x1", "refuse-550", "refuse-450x1", "refuse-551x1")
LEG_FAULTS = ("after-dot-554x1", "after-dot-451x1", "after-dot-552", "drop-after-accept", "drop-before-accept", "no-queue-id")
ROUNDS = 2  # of a quote's mail: its own, and the one that a retry opens
STRUCK_SHARE = 0.15

Script = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Look:
    """What comes of asking the AI about one request: is it priced, after how many questions."""

    is_priced: bool
    questions: int


@dataclass(frozen=True, kw_only=True)
class LegEnd:
    """How one mail of a quote ends: sent, failed or in_doubt, in which round, and whether the other side has it."""

    status: str
    round: int
    arrives: bool


def mail_script(mails: Iterable[tuple[str, str]], *, chance: random.Random) -> Script:
    """A script for these (Message-ID, recipient). A mail whose address is struck meets no other fault: both would be hard to foretell."""
    mails = list(mails)
    addresses = sorted({recipient for _, recipient in mails})
    table = dict(zip(chance.sample(addresses, min(len(ADDRESS_FAULTS), len(addresses))), ADDRESS_FAULTS, strict=False))
    free = [message_id for message_id, recipient in mails if recipient not in table]
    return {"table": table | dealt(free, MAIL_FAULTS, chance=chance)}


def note_script(references: Iterable[str], *, chance: random.Random) -> Script:
    return {"table": dealt(list(references), NOTE_FAULTS, chance=chance)}


def ai_script(descriptions: Iterable[str], *, chance: random.Random) -> Script:
    """A script for these requests: every fault strikes one of them, the rest are answered as they should be."""
    return {"table": one_each(list(descriptions), AI_FAULTS, chance=chance)}


def leg_script(mails: Iterable[tuple[str, str]], *, office: str, chance: random.Random) -> Script:
    """A script for the (Message-ID, recipient) of quotes' mails. Many go to the office, so its address itself is not struck."""
    mails = list(mails)
    table = one_each([recipient for _, recipient in mails if recipient != office], LEG_ADDRESS_FAULTS, chance=chance)
    free = [message_id for message_id, recipient in mails if recipient not in table]
    return {"table": table | one_each(free, LEG_FAULTS, chance=chance)}


def foretold(mails: Iterable[tuple[str, str]], script: Script, *, tries: int) -> dict[str, str]:
    """How each mail must end under this script: sent, failed or in_doubt, by Message-ID."""
    plan = plan_from(script, server="mail")
    return {i: foretell_mail(plan, recipient=recipient, message_id=i, tries=tries).outcome for i, recipient in mails}


def foretold_look(description: str, script: Script) -> Look:
    """What the AI will say to this request, asked again as long as it cannot answer."""
    plan, nth = plan_from(script, server="ai"), 1
    while (spec := plan.fault_for("ask", description, nth=nth)) and spec.fault.outcome == LATER:
        nth += 1
    return Look(is_priced=spec is None or spec.fault.outcome == ASSESSED, questions=nth)


def foretold_leg(script: Script, *, recipient: str, message_id: str) -> LegEnd:
    """How a quote's mail ends: one try in each round, and another round only after a refusal."""
    plan, visits = plan_from(script, server="mail"), Counter[str]()
    for number in range(1, ROUNDS + 1):
        spec = first_fault(plan, visits, recipient=recipient.lower(), message_id=message_id)
        if spec is None or spec.fault.outcome in (SENT, IN_DOUBT):
            status = "in_doubt" if spec and spec.fault.outcome == IN_DOUBT else "sent"
            return LegEnd(status=status, round=number, arrives=spec is None or spec.fault.stored)
    return LegEnd(status="failed", round=ROUNDS, arrives=False)


def one_each(keys: list[str], faults: tuple[str, ...], *, chance: random.Random) -> dict[str, str]:
    """Each fault for one of the keys."""
    return dict(zip(chance.sample(keys, min(len(faults), len(keys))), faults, strict=False))


def dealt(keys: list[str], faults: tuple[str, ...], *, chance: random.Random) -> dict[str, str]:
    """A fault for some of the keys, every kind of fault about as often."""
    struck = chance.sample(keys, round(len(keys) * STRUCK_SHARE))
    first = chance.randrange(len(faults))
    return {key: faults[(first + number) % len(faults)] for number, key in enumerate(struck)}
