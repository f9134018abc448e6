"""Day after day, plan, hand over and send, and after each of them everything that must hold of what was touched; of all, now and then."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Protocol

from tests.audit import forgetting, moves
from tests.audit.in_database import Changes
from tests.audit.moves import Mail
from tests.audit.office import Office
from tests.audit.oracle import Numbers, Row, conflicts, expected, identity, is_active, respects
from tests.audit.people import STATES
from tests.audit.record import Record
from tests.audit.windows import ONE_DAY, excluded, walk

EXAMPLES = 5  # of each kind of breach
REMEMBERED = 400 * ONE_DAY  # how far back an event can still concern a plan
WAITS = {"scheduled", "processing"}  # handed over, not sent


class Machine(Protocol):
    """Whoever plans, hands over and sends. `reported`: the days that the last plan names as above the cap."""

    reported: Collection[date]

    def plan(self, office: Office) -> Changes: ...
    def hand_over(self, office: Office) -> Changes: ...
    def send(self, office: Office) -> Changes: ...


@dataclass
class Findings:
    """What was counted, and what was broken, with examples."""

    counted: Counter[str] = field(default_factory=Counter)
    broken: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=dict)

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


def audit(office: Office, machine: Machine, *, nights: int, oracle_every: int, full_every: int = 30) -> Findings:
    """The whole simulation. Every night the oracle works out the schedule of every `oracle_every`-th contact."""
    auditor = Auditor(office, machine, oracle_every=oracle_every, full_every=full_every)
    for _ in auditor.days(nights):
        pass
    return auditor.told


@dataclass
class Auditor:
    office: Office
    machine: Machine
    oracle_every: int
    full_every: int = 30
    told: Findings = field(default_factory=Findings)
    record: Record = field(default_factory=Record)
    known: dict[int, tuple[dict[str, Any], Numbers]] = field(default_factory=dict)  # of mails that wait, what was true when handed over
    events: set[Any] = field(default_factory=set)  # that were mailed about
    planned_with: Numbers = field(default_factory=lambda: Numbers(lead=-1))
    planned_on: date = date.min
    runs: set[date] = field(default_factory=set)
    rules_since: dict[str, date] = field(default_factory=dict)  # by state

    def days(self, count: int) -> Iterator[Findings]:
        """Day after day, what was found until then."""
        for number, day in enumerate(self.office.days(count), start=1):
            if day.plans:
                self.plan(everybody=number % self.full_every == 0)
            self.office.morning()
            if day.hands_over:
                self.hand_over()
            if day.sends:
                self.send()
            yield self.told
        self.told.counted.update(self.office.counted)

    def found(self, promise: str, breaches: Iterable[Any]) -> None:
        self.told.found(promise, breaches, day=self.office.day)

    def plan(self, *, everybody: bool) -> None:
        office = self.office
        turn = [number for number in office.people if (number + office.day.toordinal()) % self.oracle_every == 0]
        before = {number: self.known_of(number) for number in turn}
        changes = self.machine.plan(office)
        self.found("what was kept back is not told as missed", (mail for mail in changes.stand.values() if self.was_kept_back(mail)))
        gone = self.record.take(changes.stand, changes.gone)
        new_rules = office.numbers != self.planned_with
        self.note_rules()
        touched = {mail.contact for mail in (*changes.stand.values(), *gone)}
        self.check_plan(office.people if everybody or new_rules else touched)
        self.check_days()
        self.check_expected(before)
        self.check_gone(gone)
        self.planned_with, self.planned_on = office.numbers, office.day
        self.runs.add(office.day)
        self.told.counted.update({"plans": 1, "rows touched by plans": len(changes.stand) + len(gone)})
        if everybody:
            self.check_untold()

    def known_of(self, number: int) -> dict[str, Any]:
        """What the oracle is told of a contact."""
        return {**self.office.people[number], "history": self.record.history(number)}

    def was_kept_back(self, mail: Mail) -> bool:
        """Missed, it says; and before tonight it said that it was skipped for a reason, on a day that is over (5.6)."""
        if mail.reason != "missed":
            return False
        same = (old for old in self.record.own[mail.contact].values() if old.event == mail.event and not old.is_follow_up)
        return any(old.status == "skipped" and old.reason != "missed" and old.date < self.office.day for old in same)

    def check_plan(self, contacts: Collection[int]) -> None:
        """The schedule of these contacts as it stands after tonight's plan."""
        office, day = self.office, self.office.day
        rows = self.record.of(contacts, since=day - REMEMBERED)
        ahead = [mail for mail in rows if mail.date >= day]
        planned = [mail for mail in ahead if mail.status == "pre-scheduled"]
        live = [mail for mail in rows if mail.date >= day or mail.status != "pre-scheduled"]  # without the overdue ones
        self.found("nothing is planned inside a window", moves.inside_windows(planned, office.people, numbers=office.numbers))
        self.found("nothing is planned beyond its event", moves.beyond_events(planned))
        self.found("no event is planned twice", moves.twice(rows))
        self.found("nobody is planned to get too many mails", moves.above_frequency(live, limit=office.limit))
        silent = moves.needlessly_silent(rows, limit=office.limit, day=day)
        self.found("nobody is left out for the frequency limit without need", silent)
        self.found("nothing is moved to an earlier day", moves.wrong_moves(planned))
        self.found("nothing is moved past a day with room", self.past_room(planned))
        self.found("a contact has one open follow-up at the most", moves.several_open(rows))
        due = self.record.as_due(contacts, since=day - REMEMBERED)
        self.found("campaigns of one day are settled", moves.several_campaigns(due))
        self.told.counted["rows looked at"] += len(rows)
        self.told.counted["rows marked over the cap"] += sum(mail.over_cap for mail in ahead)
        self.told.counted["rows moved"] += sum(mail.moved_from is not None for mail in ahead)
        self.told.counted["rows silent for the frequency limit"] += sum(mail.reason == "frequency_limit" for mail in ahead)

    def past_room(self, planned: Iterable[Mail]) -> Iterator[Mail]:
        """Those pushed tonight further than the next later day with room (5.11); effective-date mails are spread besides."""
        day = self.office.day
        pushed = [mail for mail in planned if mail.moved_from and mail.moved_from >= day and mail.email_type != "effective_date"]
        doubtful = self.kept_silent() if pushed else 0
        return (mail for mail in pushed if self.passes_room(mail, doubtful=doubtful))

    def passes_room(self, mail: Mail, *, doubtful: int) -> bool:
        """A day before its own had room for it, whatever became of the `doubtful` mails that may have taken some."""
        assert mail.moved_from
        numbers, contact, cap = self.office.numbers, self.office.people[mail.contact], moves.daily_cap(len(self.office.people))
        free = [one for one in walk(mail.moved_from, mail.date - ONE_DAY) if self.record.balanced[one] < cap]
        if respects(mail.email_type, numbers):
            free = [one for one in free if not excluded(contact, one, lead=numbers.lead, rules=numbers.rules)]
        if mail.instance is not None:  # of the contact's campaigns one a day, skipped ones aside (5.9)
            free = [one for one in free if one not in self.campaign_days(mail.contact)]
        return any(self.record.balanced[one] + doubtful < cap for one in free)

    def campaign_days(self, contact: int) -> set[date]:
        """The days on which this contact's campaigns may have stood when mails were moved.

        The frequency limit silences only afterwards (5.12); one that it silenced, or that failed, may have caught up until its event.
        """
        own = [mail for mail in self.record.own[contact].values() if mail.instance is not None and mail.reason in {None, "frequency_limit"}]
        stood = {one for mail in own for one in (mail.date, mail.moved_from) if one}
        return stood.union(*(walk(self.office.day, mail.event_date) for mail in own if not mail.goes))

    def kept_silent(self) -> int:
        """Mails that may have taken room on a day to come; the frequency limit silenced them again, on the day they had (5.6)."""
        day, silent = self.office.day, (mail for mail in self.record.mails.values() if mail.reason == "frequency_limit")
        return sum(mail.date < day <= mail.event_date for mail in silent)

    def check_days(self) -> None:
        """What each day to come carries."""
        cap, day, record = moves.daily_cap(len(self.office.people)), self.office.day, self.record
        above = {one: (mails, record.marked[one]) for one, mails in record.load.items() if one >= day and mails > cap}
        self.found("mails above a day's cap say so", ((one, *both) for one, both in above.items() if both[0] - both[1] > cap))
        self.found("a day above the cap is reported", ((one, *both) for one, both in above.items() if one not in self.machine.reported))
        self.told.counted["days above the cap, each of them reported"] += len(above)

    def check_expected(self, known: Mapping[int, Mapping[str, Any]]) -> None:
        """The oracle's schedule, row by row, against what stands."""
        for number, contact in known.items():
            own = list(self.record.own[number].values())
            owed, possible = self.expected(without_doubtful(contact, day=self.office.day)), self.expected(contact)
            missing = moves.unexplained(owed, own, day=self.office.day)
            self.found("the schedule is what the oracle expects", ((*pair, contact) for pair in missing))
            more = moves.unexpected([*owed, *possible], own, day=self.office.day)
            self.found("nothing is planned that the oracle does not expect", ((mail, contact) for mail in more))
            self.told.counted["schedules that the oracle worked out"] += 1
            self.told.counted["rows that the oracle expected"] += len(owed)

    def expected(self, contact: Mapping[str, Any]) -> list[Row]:
        numbers = self.office.numbers
        return conflicts(expected(contact, day=self.office.day, numbers=numbers), numbers=numbers)

    def note_rules(self) -> None:
        """Since when each state has had the rule that it has."""
        self.rules_since |= {state: self.office.day for state in STATES if not self.same_rule(state)}

    def same_rule(self, state: str) -> bool:
        """The windows of this state are those of the last plan."""
        now, then = self.office.numbers, self.planned_with
        return now.lead == then.lead and now.rules.get(state) == then.rules.get(state)

    def check_gone(self, gone: Iterable[Mail]) -> None:
        """Rows that are gone, though neither their contact, nor its rule, nor their campaign has changed since the last plan."""
        kept = [mail for mail in gone if not mail.is_follow_up and not self.stands(mail)]
        self.found("what was of a day that is over stays", (mail for mail in kept if mail.date < self.office.day))  # 5.6
        self.found("no event is forgotten", (mail for mail in kept if self.still_due(mail)))

    def stands(self, mail: Mail) -> bool:
        return any(identity(other.event) == identity(mail.event) for other in self.record.own[mail.contact].values())

    def still_due(self, mail: Mail) -> bool:
        """A plan that is ahead may go for a new rule, a changed contact, or a campaign that is over: that runs today is what counts (5.9).

        A post-window mail may go when its window keeps nothing back any more (5.13). That no mail which it kept back goes without
        need is asked of each of those by itself.
        """
        contact = self.office.people[mail.contact]
        if mail.email_type == "post_window" and not forgetting.still_owed(mail, contact, self.record, numbers=self.office.numbers):
            return False
        own = [target for target in contact["targets"] if target["instance"] == mail.instance]
        runs = mail.instance is None or any(is_active(target, self.office.day) for target in own)
        as_before = contact["as_it_is_since"] < self.planned_on and self.same_rule(contact["state"])
        return runs and as_before and mail.event_date > self.office.day - REMEMBERED

    def check_untold(self) -> None:
        """Events of the month behind that nobody ever said anything about."""
        untold = forgetting.untold(self.office, self.record, runs=self.runs, rules_since=self.rules_since, counted=self.told.counted)
        self.found("every event is sent, planned or skipped with its reason", untold)

    def hand_over(self) -> None:
        office, before = self.office, self.record.mails
        changes = self.machine.hand_over(office)
        handed = {number: mail for number, mail in changes.stand.items() if mail.status in WAITS and before[number].status not in WAITS}
        self.known |= {number: ({mail.contact: dict(office.people[mail.contact])}, office.numbers) for number, mail in handed.items()}
        self.record.take(changes.stand, changes.gone)
        self.check_handed(list(handed.values()))
        stopped = (mail.reason or mail.status for number, mail in changes.stand.items() if number not in handed)
        self.told.counted.update(f"mails stopped at hand-over: {why}" for why in stopped)

    def check_handed(self, handed: Sequence[Mail]) -> None:
        office, cap = self.office, moves.daily_cap(len(self.office.people))
        within = sum(not mail.over_cap for mail in handed)
        self.found("mails handed over above the cap say so", [(within, cap)] if within > cap else [])
        self.found("nothing is handed over inside a window", moves.inside_windows(handed, office.people, numbers=office.numbers))
        self.found("nothing is handed over beyond its event", moves.beyond_events(handed))
        self.found("nobody suppressed is handed over", (mail for mail in handed if mail.contact in office.suppressed))
        self.found("what is handed over has this day", (mail for mail in handed if mail.date != office.day))
        self.told.counted["mails handed over"] += len(handed)

    def send(self) -> None:
        """What leaves today, together with all that ever left."""
        office, day = self.office, self.office.day
        changes = self.machine.send(office)
        self.record.take(changes.stand, changes.gone)
        sent = {number: mail for number, mail in changes.stand.items() if mail.status == "sent"}
        for number, mail in sent.items():
            people, numbers = self.known.pop(number)
            self.found("nothing is sent inside a window", moves.inside_windows([mail], people, numbers=numbers))
        gone = list(sent.values())
        own = self.record.of({mail.contact for mail in gone}, since=day - moves.PERIOD)
        self.found("nothing is sent beyond its event", moves.beyond_events(gone))
        self.found(
            "nobody is sent too many mails", moves.above_frequency([mail for mail in own if mail.status == "sent"], limit=office.limit)
        )
        self.found("nobody suppressed is mailed", (mail for mail in gone if mail.contact in office.suppressed))
        self.found("no event is mailed twice", (mail for mail in gone if moves.again(event_of(mail), self.events)))
        self.found("a follow-up follows a mail that was sent", (mail for mail in gone if mail.is_follow_up and not self.follows(mail)))
        self.told.counted["mails sent"] += len(gone)
        self.told.counted["follow-ups sent"] += sum(mail.is_follow_up for mail in gone)

    def follows(self, mail: Mail) -> bool:
        parent = self.record.mails[mail.parent or 0]
        return parent.status == "sent" and parent.contact == mail.contact and parent.date < mail.date


def event_of(mail: Mail) -> Any:
    return mail.parent if mail.is_follow_up else (mail.contact, identity(mail.event))


def without_doubtful(contact: Mapping[str, Any], *, day: date) -> dict[str, Any]:
    """Without the campaigns that were missed, or ended before their day and left nothing behind: only what runs is planned (5.9).

    Whether a window kept one of them back, by a rule of later perhaps, 5.13 does not say: its mail may be there, and need not.
    """
    left = {row["campaign_instance"]: row["skip_reason"] for row in contact["history"] if row["date"] < str(day)}
    ended = [one for one in contact["targets"] if (one["active_end_date"] or "9") < min(one["trigger_date"], str(day))]
    known = [one for one in contact["targets"] if one["instance"] in left or one not in ended]
    return {**contact, "targets": [one for one in known if left.get(one["instance"]) != "missed"]}
