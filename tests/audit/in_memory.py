"""Plans and hand-over without a database: `what_if` plans, and what it said is kept as the schedule's rows would be."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

from tests.audit.comparing import scheduler_says
from tests.audit.moves import GOING, Mail, fits, mail_told
from tests.audit.office import Office
from tests.audit.oracle import NEVER_AFTER_THEIR_EVENT, identity, is_active, respects
from tests.audit.windows import ONE_DAY, excluded

OVERDUE_DAYS = 7
REMEMBERED = 400 * ONE_DAY


@dataclass
class InMemory:
    """One row per contact and event, as the schedule has it."""

    rows: dict[int, dict[Any, Mail]] = field(default_factory=dict)

    def plan(self, office: Office) -> list[Mail]:
        """Tonight's plan, written as its difference to last night's; everything that stands afterwards."""
        told = [{**one, "history": self.history(one["id"])} for one in office.people.values()]
        for answer in scheduler_says(told, day=office.day, config=office.config, rules_only=False):
            own = [row for row in answer["rows"] if not row["email_type"].startswith("followup_")]
            self.keep(answer["id"], [mail_told(answer["id"], row) for row in own], day=office.day)
        return self.all()

    def history(self, contact: int) -> list[dict[str, Any]]:
        return [history_of(mail) for mail in self.of(contact).values()]

    def of(self, contact: int) -> dict[Any, Mail]:
        return self.rows.setdefault(contact, {})

    def all(self) -> list[Mail]:
        return [mail for own in self.rows.values() for mail in own.values()]

    def keep(self, contact: int, plan: Iterable[Mail], *, day: date) -> None:
        """Past rows stay; of those to come, what the plan does not have goes (5.6)."""
        planned = {identity(mail.event): mail for mail in plan}
        kept = {key: mail for key, mail in self.of(contact).items() if stands(mail, day)}
        self.rows[contact] = {**{key: given_up(mail, day) for key, mail in kept.items()}, **planned}

    def hand_over(self, office: Office) -> list[Mail]:
        """The due ones go, each checked against the rules, the suppressions and the limit of this moment."""
        gone = []
        for contact, own in self.rows.items():
            for key, mail in own.items():
                if mail.status == "pre-scheduled" and office.day - OVERDUE_DAYS * ONE_DAY <= mail.date <= office.day:
                    own[key] = sent_or_not(mail, own.values(), office)
                    gone += [own[key]] if own[key].status == "sent" else []
            self.rows[contact] = own
        return gone


def sent_or_not(mail: Mail, own: Iterable[Mail], office: Office) -> Mail:
    contact, today = office.people[mail.contact], replace(mail, date=office.day)
    if mail.contact in office.suppressed:
        return replace(mail, status="cancelled")
    late = mail.email_type in NEVER_AFTER_THEIR_EVENT and office.day > mail.event_date
    barred = respects(mail.email_type, office.numbers) and excluded(
        contact, office.day, lead=office.numbers.lead, rules=office.numbers.rules
    )
    others = [one.date for one in own if one.status == "sent"]
    return (
        mail
        if late or barred or not fits(office.day, sorted(others), office.limit) or over(mail, office)
        else replace(today, status="sent")
    )


def over(mail: Mail, office: Office) -> bool:
    """The mail's campaign does not run any more."""
    own = [one for one in office.people[mail.contact]["targets"] if one["instance"] == mail.instance]
    return mail.instance is not None and not any(is_active(one, office.day) for one in own)


def stands(mail: Mail, day: date) -> bool:
    if mail.status in GOING - {"pre-scheduled"} or mail.status == "cancelled":
        return mail.date > day - REMEMBERED
    return day - REMEMBERED < mail.date < day or (mail.status == "skipped" and mail.event_date <= day)


def given_up(mail: Mail, day: date) -> Mail:
    """Overdue too long, it is missed."""
    too_late = mail.status == "pre-scheduled" and mail.date < day - OVERDUE_DAYS * ONE_DAY
    return replace(mail, status="skipped", reason="missed") if too_late else mail


def history_of(mail: Mail) -> dict[str, Any]:
    return {
        "email_type": mail.email_type,
        "date": str(mail.date),
        "status": mail.status,
        "event_date": str(mail.event_date),
        "campaign_instance": mail.instance,
        "moved_from": str(mail.moved_from) if mail.moved_from else None,
    }
