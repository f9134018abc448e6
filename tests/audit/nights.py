"""Night after night, plan and hand over, and after each of them everything that must hold."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Protocol

from tests.audit import moves
from tests.audit.moves import Mail
from tests.audit.office import Office
from tests.audit.oracle import Row, conflicts, expected, identity, is_active
from tests.audit.windows import ONE_DAY

EXAMPLES = 5  # of each kind of breach
A_YEAR = 365 * ONE_DAY


class Scheduler(Protocol):
    """Whoever plans and hands over: in memory, or on the database's rows."""

    def history(self, contact: int) -> list[dict[str, Any]]: ...
    def plan(self, office: Office) -> list[Mail]: ...
    def hand_over(self, office: Office) -> list[Mail]: ...


@dataclass
class Audit:
    """What was counted, and what was broken, with examples."""

    counted: Counter[str] = field(default_factory=Counter)
    broken: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=dict)
    sent: list[Mail] = field(default_factory=list)
    events: set[Any] = field(default_factory=set)

    def again(self, gone: Iterable[Mail]) -> list[Mail]:
        return [mail for mail in gone if moves.again((mail.contact, identity(mail.event)), self.events)]

    def found(self, promise: str, breaches: Iterable[Any], *, day: date) -> None:
        for breach in breaches:
            self.broken[promise] += 1
            kept = self.examples.setdefault(promise, [])
            if len(kept) < EXAMPLES:
                kept.append(f"{day}: {breach}")

    def report(self) -> str:
        counted = [f"{count:>12,} {what}" for what, count in sorted(self.counted.items())]
        broken = [f"BROKEN {count:,} times: {what}" for what, count in self.broken.items()]
        return "\n".join([*counted, *broken, *(f"    {one}" for some in self.examples.values() for one in some)])


def audit(office: Office, scheduler: Scheduler, *, nights: int, oracle_every: int) -> Audit:
    """The whole simulation. Every night the oracle works out the schedule of every `oracle_every`-th contact."""
    told, last = Audit(), Night(office)
    for runs in office.nights(nights):
        if not runs:
            continue
        turn = [number for number in office.people if (number + office.day.toordinal()) % oracle_every == 0]
        known = {number: {**office.people[number], "history": scheduler.history(number)} for number in turn}
        rows = scheduler.plan(office)
        check_plan(rows, office, told)
        check_expected(rows, known, office, told)
        tonight = Night(office, rows)
        told.found("no event is forgotten", last.forgotten_by(tonight), day=office.day)
        last = tonight
        check_sent(scheduler.hand_over(office), office, told)
    told.counted.update(office.counted)
    return told


def check_plan(rows: Sequence[Mail], office: Office, told: Audit) -> None:
    """The schedule as it stands after tonight's plan."""
    day, cap = office.day, moves.daily_cap(len(office.people))
    ahead = [mail for mail in rows if mail.date >= day]
    live = [mail for mail in rows if mail.date >= day or mail.status != "pre-scheduled"]  # without the overdue ones
    over = moves.above_cap_unreported(rows, cap=cap, day=day)
    told.found("nothing is planned inside a window", moves.inside_windows(ahead, office.people, numbers=office.numbers), day=day)
    told.found("nothing is planned beyond its event", moves.beyond_events(ahead), day=day)
    told.found("no event is planned twice", moves.twice(rows), day=day)
    told.found("nobody is planned to get too many mails", moves.above_frequency(live, limit=office.limit), day=day)
    told.found(
        "nobody is left out for the frequency limit without need", moves.needlessly_silent(rows, limit=office.limit, day=day), day=day
    )
    told.found("a day above the cap says so", over.items(), day=day)
    told.found("nothing is moved to an earlier day", moves.wrong_moves(ahead), day=day)
    told.found("campaigns of one day are settled", moves.several_campaigns(live), day=day)
    told.counted["plans"] += 1
    told.counted["rows looked at"] += len(rows)
    told.counted["rows marked over the cap"] += sum(mail.over_cap for mail in ahead)
    told.counted["rows moved"] += sum(mail.moved_from is not None for mail in ahead)
    told.counted["rows silent for the frequency limit"] += sum(mail.reason == "frequency_limit" for mail in ahead)


def check_expected(rows: Sequence[Mail], known: Mapping[int, Mapping[str, Any]], office: Office, told: Audit) -> None:
    """The oracle's schedule, row by row, against what stands."""
    own = moves.by_contact(mail for mail in rows if mail.contact in known)
    for number, contact in known.items():
        wanted: list[Row] = conflicts(expected(contact, day=office.day, numbers=office.numbers), numbers=office.numbers)
        missing = moves.unexplained(wanted, own[number])
        told.found("the schedule is what the oracle expects", ((*pair, contact) for pair in missing), day=office.day)
        told.counted["schedules that the oracle worked out"] += 1
        told.counted["rows that the oracle expected"] += len(wanted)


def check_sent(gone: Sequence[Mail], office: Office, told: Audit) -> None:
    """What left today, together with all that ever left."""
    told.sent += gone
    recent = [mail for mail in told.sent if mail.date >= office.day - moves.PERIOD]
    told.found("nothing is sent inside a window", moves.inside_windows(gone, office.people, numbers=office.numbers), day=office.day)
    told.found("nothing is sent beyond its event", moves.beyond_events(gone), day=office.day)
    told.found("nobody is sent too many mails", moves.above_frequency(recent, limit=office.limit), day=office.day)
    told.found("nobody suppressed is mailed", (mail for mail in gone if mail.contact in office.suppressed), day=office.day)
    told.found("no event is mailed twice", told.again(gone), day=office.day)
    told.counted["mails sent"] += len(gone)


@dataclass
class Night:
    """What stood after a night's plan, and under which circumstances."""

    facts: dict[int, tuple[Any, ...]]
    rules: Any
    rows: dict[tuple[Any, ...], Mail]
    running: set[tuple[int, Any]]
    day: date

    def __init__(self, office: Office, rows: Iterable[Mail] = ()) -> None:
        self.day, self.rules = office.day, office.numbers
        self.facts = {number: (one["state"], one["birth_date"], one["effective_date"]) for number, one in office.people.items()}
        self.rows = {(mail.contact, *identity(mail.event)): mail for mail in rows}
        targets = ((number, target) for number, one in office.people.items() for target in one["targets"])
        self.running = {(number, target["instance"]) for number, target in targets if is_active(target, office.day)}

    def forgotten_by(self, tonight: "Night") -> list[Mail]:
        """Rows that are gone tonight, though neither their contact, nor a rule, nor their campaign has changed."""
        gone = [mail for key, mail in self.rows.items() if key not in tonight.rows and self.rules == tonight.rules]
        return [mail for mail in gone if self.facts[mail.contact] == tonight.facts[mail.contact] and self.still_due(mail, tonight)]

    def still_due(self, mail: Mail, tonight: "Night") -> bool:
        runs = mail.instance is None or (mail.contact, mail.instance) in tonight.running
        return runs and mail.event_date > tonight.day - A_YEAR
