"""The schedule as the auditor has it: every row that was ever touched, by its number, by its contact, and counted by day."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

from tests.audit.moves import Mail


@dataclass
class Record:
    """`load` counts what each day carries of mails that go, follow-ups aside; `marked` those of them that say they are over the cap."""

    mails: dict[int, Mail] = field(default_factory=dict)
    own: defaultdict[int, dict[int, Mail]] = field(default_factory=lambda: defaultdict(dict))
    load: Counter[date] = field(default_factory=Counter)
    marked: Counter[date] = field(default_factory=Counter)
    balanced: Counter[date] = field(default_factory=Counter)  # `load`, with what the frequency limit took out after balancing
    due: dict[int, date] = field(default_factory=dict)  # the day of each row, before it left perhaps a day late

    def take(self, stand: Mapping[int, Mail], gone: Iterable[int]) -> list[Mail]:
        """The rows as they stand now; what stood under the numbers that are gone."""
        for number, mail in stand.items():
            self.drop(number)
            self.mails[number] = self.own[mail.contact][number] = mail
            if mail.status != "sent":
                self.due[number] = mail.date
            self.count(mail, 1)
        return [mail for mail in map(self.drop, gone) if mail]

    def drop(self, number: int) -> Mail | None:
        mail = self.mails.pop(number, None)
        if mail:
            del self.own[mail.contact][number]
            self.count(mail, -1)
        return mail

    def count(self, mail: Mail, by: int) -> None:
        if not mail.is_follow_up and (mail.goes or mail.reason == "frequency_limit"):
            self.balanced[mail.date] += by
        if mail.goes and not mail.is_follow_up:
            self.load[mail.date] += by
            self.marked[mail.date] += by * mail.over_cap

    def of(self, contacts: Iterable[int], *, since: date) -> list[Mail]:
        return [mail for contact in contacts for mail in self.own[contact].values() if mail.date >= since]

    def as_due(self, contacts: Iterable[int], *, since: date) -> list[Mail]:
        """The rows of these contacts with the day they were for; a mail may have waited for its mail server, and left later."""
        own = (numbered for contact in contacts for numbered in self.own[contact].items())
        return [replace(mail, date=self.due[number]) for number, mail in own if mail.date >= since]

    def history(self, contact: int) -> list[dict[str, Any]]:
        """The contact's mails as the oracle is told of them."""
        return [told(mail) for mail in self.own[contact].values() if not mail.is_follow_up]


def told(mail: Mail) -> dict[str, Any]:
    return {
        "email_type": mail.email_type,
        "date": str(mail.date),
        "status": mail.status,
        "skip_reason": mail.reason,
        "event_date": str(mail.event_date),
        "campaign_instance": mail.instance,
        "moved_from": str(mail.moved_from) if mail.moved_from else None,
    }
