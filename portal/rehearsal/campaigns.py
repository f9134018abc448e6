"""The campaigns of the day: contacts come in from a file, mails are planned, handed over, clicked, unsubscribed; and of the day after."""

import csv
import random
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import date
from email.message import EmailMessage
from itertools import islice
from pathlib import Path
from typing import Any

from campaigns import engagement, hand_over, runs, unsubscribing
from campaigns.importing import jobs
from campaigns.invariants import OF_SCHEDULES
from campaigns.models import EmailSchedule, EngagementEvent, ImportKind, SchedulerRun
from messaging import invariants
from messaging.models import Message, Status, Suppression
from portal import wiring
from portal.rehearsal.patience import Tell
from portal.sample_data import contacts
from portal.sandbox import Sandbox
from portal.sandbox.mailbox import body, opened

CONTACTS = 200  # of the file, where no other number is asked for
SEED = 20_263
COLUMNS = ("email", "first_name", "last_name", "zip_code", "birth_date", "effective_date", "phone", "carrier")
UNKNOWN_ZIP = {"email": "nowhere@contact.example", "zip_code": "00000"}  # the last row of each file
CLICK_EACH, LEAVE_EACH, OPENED = 5, 7, 60  # every fifth clicks, every seventh leaves; of as many of the mails as are opened
IN_A_MAIL = re.compile(r"https?://\S+/(t|unsubscribe)/([^/\s>]+)/")
Facts = dict[str, Any]


@dataclass
class CampaignDesk:
    """`expected` beside `found`: what had to come of each step, by the words of the ledger. Mails leave with the rest of the day's."""

    sandbox: Sandbox
    terms: hand_over.Terms
    tell: Tell
    expected: Counter[str] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    left: set[str] = field(default_factory=set)  # the addresses that have unsubscribed

    def take_in(self, count: int, *, folder: Path) -> None:
        """So many contacts are in, and the one row without a place is refused."""
        path = folder / "contacts.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS)
            writer.writeheader()
            writer.writerows([*made_up(count), UNKNOWN_ZIP])
        job = jobs.import_file(path, kind=ImportKind.CONTACTS, terms=jobs.Terms(on=wiring.today()))
        self.tell(job.rows, job.rows, "rows of contacts read")
        self.expected.update(contacts_imported=count, contacts_refused=1)
        self.found.update(contacts_imported=job.new, contacts_refused=job.refused)

    def plan(self, day: date) -> None:
        """Everybody's mails are planned; a second run on the day has nothing to write."""
        settings, versions = wiring.scheduler_settings()
        first, second = (runs.run(runs.Order(day=day, settings=settings, versions=versions, without_backup="A rehearsal")) for _ in "12")
        self.tell(first.contacts, first.contacts, "contacts planned for")
        self.expected["second_run_writes"] += 0
        self.found["second_run_writes"] += rows_written(second)

    def hand_over(self, day: date) -> None:
        """Each mail that is due is queued, or stopped for a reason; a second call finds nothing."""
        terms = replace(self.terms, now=self.terms.begins(day))
        due = EmailSchedule.objects.due(day, overdue_days=terms.settings.overdue_days).count()
        first, second = (hand_over.hand_over(day=day, terms=terms) for _ in "12")
        self.tell(first.handed_over, due, "campaign mails handed over")
        self.expected["handed_over"] += due - first.stopped_by.total()
        self.found["handed_over"] += first.handed_over + second.handed_over
        self.wrong += [f"{count} mails stay planned: {sentence}" for sentence, count in first.attention.items()]

    def react(self) -> None:
        """Some people click, and some want no more mails, by the links of the mails that the mail server has."""
        for number, mail in enumerate(islice(self.mailbox(), OPENED)):
            if number % CLICK_EACH == 0:
                self.click(mail)
            if number % LEAVE_EACH == 0:
                self.unsubscribe(mail)
        self.found["clicks"] = EngagementEvent.objects.filter(message__isnull=False).count()
        self.found["unsubscribed"] = Suppression.objects.in_force().filter(address__in=self.left).count()

    def click(self, mail: EmailMessage) -> None:
        schedule_id, target = self.terms.links.read_click(token_in(body(mail, "plain") or "", "t"))
        self.expected["clicks"] += 1
        engagement.record_click(schedule_id, target=target, at=self.terms.now)

    def unsubscribe(self, mail: EmailMessage) -> None:
        self.expected["unsubscribed"] += 1
        self.left.add(str(mail["To"]).lower())
        unsubscribing.unsubscribe(self.terms.links.read_unsubscribe(token_in(str(mail["List-Unsubscribe"]), "unsubscribe")))

    def mailbox(self) -> Iterator[EmailMessage]:
        """The campaign mails that the mail server has, oldest first."""
        ours = set(of_campaigns().values_list("message_id", flat=True))
        for line in self.sandbox.mail_ledger():
            if line["message_id"] in ours:
                yield opened((self.sandbox.folder / "mail" / f"{line['n']}.eml").read_bytes())

    def day_after(self, day: date, *, send: Callable[[], None]) -> None:
        """Planned anew and handed over; nobody who has left is written to any more."""
        before = set(of_campaigns().values_list("pk", flat=True))
        self.plan(day)
        self.hand_over(day)
        send()
        self.expected["to_those_who_left"] = 0
        self.found["to_those_who_left"] = of_campaigns().exclude(pk__in=before).filter(intended_for__in=self.left).count()

    def ledger(self) -> Facts:
        """What is found, what was expected, and every difference in a sentence."""
        mails, ours = of_campaigns(), Counter(line["message_id"] for line in self.sandbox.mail_ledger())
        arrived = [ours[message_id] for message_id in mails.values_list("message_id", flat=True)]
        self.expected.update(sent=self.expected["handed_over"], arrived=self.expected["handed_over"])
        self.found.update(sent=mails.filter(status=Status.SENT).count(), arrived=sum(arrived))
        wrong = [f"A campaign mail arrived {times} times" for times in arrived if times > 1]
        wrong += [
            f"{name}: {self.found[name]}, and was to be {count}" for name, count in self.expected.items() if self.found[name] != count
        ]
        wrong += [f"{broken.name} {broken.sentence} {broken.rows} rows" for broken in invariants.verify(*OF_SCHEDULES)]
        figures = {name: self.found[name] for name in self.expected}
        return figures | {f"expected_{name}": count for name, count in self.expected.items()} | {"differences": [*self.wrong, *wrong]}


def of_campaigns() -> Any:
    return Message.objects.filter(schedules__isnull=False)


def rows_written(run: SchedulerRun) -> int:
    return run.added + run.changed + run.removed


def token_in(text: str, door: str) -> str:
    """The signed part of the first link of this door. Raises StopIteration where there is none."""
    return next(found[2] for found in IN_A_MAIL.finditer(text) if found[1] == door)


def made_up(count: int) -> Iterator[dict[str, Any]]:
    """Rows about invented people who are none of the sample's."""
    people = contacts.people(random.Random(SEED), today=wiring.today(), count=count)
    for number, one in enumerate(people, start=1):
        yield {name: getattr(one, name) or "" for name in COLUMNS} | {"email": f"person{number}@contact.example"}
