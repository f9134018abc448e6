"""Which fault strikes when: known in advance, because every choice is a pure function of the plan and of how often this came by."""

import re
import threading
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import blake2b
from typing import Any

from portal.sandbox.faults import FAULTS, HOST, IN_DOUBT, LATER, SENT, Fault

SPEC = re.compile(r"(?P<name>[a-z0-9-]+?)(?:-(?P<seconds>\d+(?:\.\d+)?))?(?:x(?P<times>[1-9]\d{0,5}))?")
LONGEST_PAUSE_SECONDS = 3600
ANYONE = "*"


class NotUnderstood(ValueError):
    """A script names a fault, a rate or a key that does not exist; nothing of it is in force."""


@dataclass(frozen=True)
class Spec:
    """One fault as asked for: how long its pause is, and how many times it strikes before all is normal."""

    fault: Fault
    seconds: float = 0.0
    times: int | None = None

    @property
    def name(self) -> str:
        return self.fault.name


@dataclass(frozen=True)
class Plan:
    """What one server was told. Asked for the same stage, keys and count it always answers the same."""

    server: str  # "mail", "notes" or "ai"
    seed: int = 0
    rates: Mapping[str, float] = field(default_factory=dict)
    table: Mapping[str, str] = field(default_factory=dict)
    modes: tuple[str, ...] = ()
    honours_keys: bool = False

    def fault_for(self, stage: str, *keys: str, nth: Mapping[str, int] | int = 1) -> Spec | None:
        """The fault that strikes at `stage`: a mode's, else the table's or the address's, else by the rates of the first key."""
        count = nth if isinstance(nth, Mapping) else dict.fromkeys((ANYONE, *keys), nth)
        asked = [(text, count[ANYONE]) for text in self.modes]
        asked += [(text, count[key]) for key in keys for text in self.written_for(key)]
        for text, n in asked:
            spec = parsed(text, self.server)
            if stage in spec.fault.stages and (spec.times is None or n <= spec.times):
                return spec
        first = keys[0] if keys else ANYONE
        return self.rolled(stage, first, count[first])

    def written_for(self, key: str) -> list[str]:
        """The specs that the table gives this key, and those that an address spells in its own name."""
        listed = [self.table[key]] if key in self.table else []
        if self.server != "mail" or "@" not in key:
            return listed
        return listed + [piece for piece in key.rpartition("@")[0].split("+") if understood(piece, self.server)]

    def rolled(self, stage: str, key: str, nth: int) -> Spec | None:
        """The fault the rates deal to the nth time that `key` comes by this stage."""
        if not self.rates:
            return None
        draw = share(f"{self.seed}|{stage}|{key}|{nth}")
        for text, rate in sorted(self.rates.items()):
            spec = parsed(text, self.server)
            if stage in spec.fault.stages:
                if draw < rate:
                    return spec
                draw -= rate
        return None

    def as_json(self) -> dict[str, Any]:
        plain = {"seed": self.seed, "modes": list(self.modes), "rates": dict(self.rates), "table": dict(self.table)}
        return plain | {"honours_keys": self.honours_keys} if self.server == "notes" else plain


@dataclass
class Script:
    """A plan in force, and how often each stage and key came by since it is."""

    plan: Plan
    seen: Counter[tuple[str, str]] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def follow(self, plan: Plan) -> None:
        """Put `plan` in force and count from nothing."""
        with self.lock:
            self.plan = plan
            self.seen.clear()

    def meet(self, stage: str, *keys: str) -> Spec | None:
        """Count this visit and say which fault it meets."""
        with self.lock:
            self.seen.update((stage, key) for key in {ANYONE, *keys})
            nth = {key: self.seen[stage, key] for key in (ANYONE, *keys)}
            plan = self.plan
        return plan.fault_for(stage, *keys, nth=nth)


@dataclass(frozen=True)
class Foretold:
    """What each try of a mail will meet (None: nothing), and how the mail must end: sent, failed or in_doubt."""

    faults: list[str | None]
    outcome: str


def foretell_mail(plan: Plan, *, recipient: str, message_id: str, tries: int = 3) -> Foretold:
    """What becomes of a mail under `plan`, if no one else writes to this recipient and no worker dies."""
    met: list[str | None] = []
    visits: Counter[str] = Counter()
    for _ in range(tries):
        spec = first_fault(plan, visits, recipient=recipient.lower(), message_id=message_id)
        met.append(spec.name if spec else None)
        if spec is None or spec.fault.outcome == SENT:
            return Foretold(met, "sent")
        if spec.fault.outcome not in (LATER, HOST):
            return Foretold(met, "in_doubt" if spec.fault.outcome == IN_DOUBT else "failed")
    return Foretold(met, "failed")


def first_fault(plan: Plan, visits: Counter[str], *, recipient: str, message_id: str) -> Spec | None:
    for stage, keys in (("rcpt", (recipient,)), ("data", (recipient,)), ("dot", (message_id, recipient))):
        visits[stage] += 1
        spec = plan.fault_for(stage, *keys, nth=visits[stage])
        if spec:
            return spec
    return None


def plan_from(told: object, *, server: str) -> Plan:
    """The plan that JSON asks for: {"seed", "modes", "rates", "table"}, all optional. Raises NotUnderstood, saying what is wrong."""
    if not isinstance(told, dict):
        raise NotUnderstood(f"a script is an object such as {{'modes': ['down']}}; got {told!r:.80}")
    known = {"seed", "modes", "rates", "table"} | ({"honours_keys"} if server == "notes" else set())
    if unknown := sorted(set(told) - known):
        raise NotUnderstood(f"a script has no {', '.join(map(repr, unknown))}; it has {', '.join(sorted(known))}")
    seed, modes, rates, table = told.get("seed", 0), told.get("modes", []), told.get("rates", {}), told.get("table", {})
    if isinstance(seed, bool) or not isinstance(seed, int):
        raise NotUnderstood(f"seed is a whole number; got {seed!r:.80}")
    if not isinstance(told.get("honours_keys", False), bool):
        raise NotUnderstood(f"honours_keys is true or false; got {told['honours_keys']!r:.80}")
    return Plan(
        server=server,
        seed=seed,
        modes=checked_modes(modes, server),
        rates=checked_rates(rates, server),
        table=checked_table(table, server),
        honours_keys=told.get("honours_keys", False),
    )


def checked_modes(modes: object, server: str) -> tuple[str, ...]:
    if not isinstance(modes, list):
        raise NotUnderstood(f"modes is a list of faults; got {modes!r:.80}")
    for text in modes:
        if parsed(text, server).fault.stages == ("listen",) and text != "down":
            raise NotUnderstood("down takes no count: switch it on and off")
    return tuple(modes)


def checked_rates(rates: object, server: str) -> dict[str, float]:
    if not isinstance(rates, dict):
        raise NotUnderstood(f"rates is an object of fault and share; got {rates!r:.80}")
    totals: defaultdict[str, float] = defaultdict(float)
    for text, rate in rates.items():
        spec = strikes_alone(text, server)
        if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 <= rate <= 1:
            raise NotUnderstood(f"the rate of {text} is a share between 0 and 1; got {rate!r:.80}")
        if spec.times:
            raise NotUnderstood(f"a rate takes no count: {text}")
        for stage in spec.fault.stages:
            totals[stage] += rate
    if over := [stage for stage, total in totals.items() if total > 1.000001]:
        raise NotUnderstood(f"the rates at stage {', '.join(over)} add up to more than 1")
    return dict(rates)


def checked_table(table: object, server: str) -> dict[str, str]:
    if not isinstance(table, dict):
        raise NotUnderstood(f"table is an object of key and fault; got {table!r:.80}")
    for text in table.values():
        strikes_alone(text, server)
    return {key.lower() if server == "mail" and not key.startswith("<") else key: text for key, text in table.items()}


def strikes_alone(text: object, server: str) -> Spec:
    """A fault that can strike one mail or note."""
    spec = parsed(text, server)
    if spec.fault.stages == ("listen",):
        raise NotUnderstood(f"{spec.name} is for the whole server: ask for it under modes")
    return spec


def parsed(text: object, server: str) -> Spec:
    """`refuse-450x2`, `slow-2.5` or a bare name as a Spec. Raises NotUnderstood when there is no such fault."""
    spec = understood(text, server)
    if spec is None:
        raise NotUnderstood(f"there is no fault {text!r:.80}; there are {', '.join(FAULTS[server])}")
    return spec


@lru_cache(maxsize=4096)
def understood(text: object, server: str) -> Spec | None:
    faults = FAULTS[server]
    match = SPEC.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        return None
    times = int(match["times"]) if match["times"] else None
    whole = match["name"] + (f"-{match['seconds']}" if match["seconds"] else "")
    if whole in faults:
        return Spec(faults[whole], seconds=faults[whole].seconds or 0.0, times=times)
    fault = faults.get(match["name"])
    if fault is None or fault.seconds is None or float(match["seconds"]) > LONGEST_PAUSE_SECONDS:
        return None
    return Spec(fault, seconds=float(match["seconds"]), times=times)


def share(text: str) -> float:
    """A number in [0, 1) that depends on `text` alone."""
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big") / 2**64
