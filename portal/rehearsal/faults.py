"""What the servers of a rehearsal will do, decided before anything is sent, so that every mail's end can be foretold. Pure."""

import random
from collections.abc import Iterable
from typing import Any

from portal.sandbox.script import foretell_mail, plan_from

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
STRUCK_SHARE = 0.15

Script = dict[str, Any]


def mail_script(mails: Iterable[tuple[str, str]], *, chance: random.Random) -> Script:
    """A script for these (Message-ID, recipient). A mail whose address is struck meets no other fault: both would be hard to foretell."""
    mails = list(mails)
    addresses = sorted({recipient for _, recipient in mails})
    table = dict(zip(chance.sample(addresses, min(len(ADDRESS_FAULTS), len(addresses))), ADDRESS_FAULTS, strict=False))
    free = [message_id for message_id, recipient in mails if recipient not in table]
    return {"table": table | dealt(free, MAIL_FAULTS, chance=chance)}


def note_script(references: Iterable[str], *, chance: random.Random) -> Script:
    return {"table": dealt(list(references), NOTE_FAULTS, chance=chance)}


def foretold(mails: Iterable[tuple[str, str]], script: Script, *, tries: int) -> dict[str, str]:
    """How each mail must end under this script: sent, failed or in_doubt, by Message-ID."""
    plan = plan_from(script, server="mail")
    return {i: foretell_mail(plan, recipient=recipient, message_id=i, tries=tries).outcome for i, recipient in mails}


def dealt(keys: list[str], faults: tuple[str, ...], *, chance: random.Random) -> dict[str, str]:
    """A fault for some of the keys, every kind of fault about as often."""
    struck = chance.sample(keys, round(len(keys) * STRUCK_SHARE))
    first = chance.randrange(len(faults))
    return {key: faults[(first + number) % len(faults)] for number, key in enumerate(struck)}
