"""An auditor that notices nothing is worth nothing: each fault that is put into the machine is found, by the promise that it breaks."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from random import Random
from typing import Any

import pytest
from django.db.models import F

from campaigns import hand_over
from campaigns.models import EmailSchedule, Status
from campaigns.rules import standing
from tests.audit import in_database
from tests.audit.in_database import Changes, InDatabase
from tests.audit.nights import Auditor
from tests.audit.office import Office, Pace
from tests.audit.windows import ONE_DAY

NIGHTS = 60  # at most: it ends as soon as the fault is found
Patch = pytest.MonkeyPatch
BUSY = Pace(campaign=1 / 2, corrected=1 / 8, moved=1 / 30, suppressed=1 / 100, rules=1 / 20, in_the_morning=1 / 2)


class Forgets(InDatabase):
    """Loses the post-window mails, those of the first night too."""

    def plan(self, office: Office) -> Changes:
        made = super().plan(office)
        EmailSchedule.objects.planned().filter(email_type="post_window").delete()
        lost = self.changes()
        return Changes({number: mail for number, mail in made.stand.items() if number not in lost.gone}, made.gone + lost.gone)


class ForgetsLater(Forgets):
    """Loses them after a week."""

    def plan(self, office: Office) -> Changes:
        return super().plan(office) if office.day.day > 7 else InDatabase.plan(self, office)


class Meddles(InDatabase):
    """Somebody changes the schedule behind the scheduler's back, after each plan."""

    def plan(self, office: Office) -> Changes:
        made = super().plan(office)
        self.meddle(office.day)
        after = self.changes()
        gone = set(after.gone)
        stand = {number: mail for number, mail in (made.stand | after.stand).items() if number not in gone}
        return Changes(stand, [*made.gone, *after.gone])

    def meddle(self, day: date) -> None:
        raise NotImplementedError


class FollowsTwice(Meddles):
    """A second follow-up of a contact is planned while the first is open."""

    def meddle(self, day: date) -> None:
        for mail in EmailSchedule.objects.planned().filter(parent__isnull=False)[:1]:
            other = EmailSchedule.objects.filter(contact=mail.contact_id, parent=None).exclude(pk=mail.parent_id).first()
            mail.pk, mail.parent, mail.send_on = None, other, mail.send_on + ONE_DAY
            mail.save(force_insert=True)


class PushesFar(Meddles):
    """What has no room on its day goes a fortnight further than it must."""

    def meddle(self, day: date) -> None:
        moved = EmailSchedule.objects.planned().filter(moved_from__gte=day, email_type="aep")
        moved.update(send_on=F("send_on") + 14 * ONE_DAY)


class PlansForNothing(Meddles):
    """Birthdays have a day of their own."""

    def meddle(self, day: date) -> None:
        EmailSchedule.objects.planned().filter(email_type="birthday", send_on__gt=day).update(event_on=F("event_on") + ONE_DAY)


class TidiesUp(Meddles):
    """What was skipped is removed when its day is over."""

    def meddle(self, day: date) -> None:
        EmailSchedule.objects.filter(status=Status.SKIPPED, send_on__lt=day, parent=None).delete()


class Silent(InDatabase):
    """Says nothing of days above the cap."""

    def plan(self, office: Office) -> Changes:
        made = super().plan(office)
        self.reported = frozenset()
        return made


def told_otherwise(**settings: Any) -> Callable[[Patch], None]:
    """The scheduler and the hand-over work with other settings than the auditor was told."""

    def put(patch: Patch) -> None:
        real = in_database.in_force
        patch.setattr(in_database, "in_force", lambda at: (replace(real(at)[0], **settings), {}))

    return put


def no_fault(patch: Patch) -> None:
    pass


def mails_by_day_of_event(patch: Patch) -> None:
    """A birthday that is corrected is another birthday."""
    real = hand_over.key_of
    patch.setattr(standing, "YEARLY", ())
    patch.setattr(hand_over, "key_of", lambda mail: f"{real(mail)} {mail.event_on}")


def asks_no_rule(patch: Patch) -> None:
    real = hand_over.reasons
    patch.setattr(hand_over, "reasons", lambda batch: ([""] * len(batch.mails), real(batch)[1]))


def asks_nobody_who_is_suppressed(patch: Patch) -> None:
    patch.setattr(hand_over, "suppressed_among", lambda mails: {})


FAULTS: dict[str, tuple[type[InDatabase], Callable[[Patch], None], str]] = {
    "30 days before each window": (InDatabase, told_otherwise(pre_window_exclusion_days=30), "nothing is planned inside a window"),
    "twice the cap": (InDatabase, told_otherwise(daily_send_percentage_cap=0.14), "mails above a day's cap say so"),
    "four mails for three, planned": (InDatabase, told_otherwise(max_emails_per_period=4), "nobody is planned to get too many mails"),
    "four mails for three, sent": (InDatabase, told_otherwise(max_emails_per_period=4), "nobody is sent too many mails"),
    "two mails for three": (InDatabase, told_otherwise(max_emails_per_period=2), "nobody is left out for the frequency limit without need"),
    "no post-window mail": (Forgets, no_fault, "the schedule is what the oracle expects"),
    "no post-window mail any more": (ForgetsLater, no_fault, "no event is forgotten"),
    "two follow-ups at once": (FollowsTwice, no_fault, "a contact has one open follow-up at the most"),
    "moved further than needed": (PushesFar, no_fault, "nothing is moved past a day with room"),
    "a mail about nothing": (PlansForNothing, no_fault, "nothing is planned that the oracle does not expect"),
    "no history": (TidiesUp, no_fault, "what was of a day that is over stays"),
    "a full day that is not reported": (Silent, no_fault, "a day above the cap is reported"),
    "mails sent twice": (InDatabase, mails_by_day_of_event, "no event is mailed twice"),
    "a hand-over that asks no rule": (InDatabase, asks_no_rule, "nothing is handed over inside a window"),
    "the same, on the day of sending": (InDatabase, asks_no_rule, "nothing is sent inside a window"),
    "a hand-over that asks nobody": (InDatabase, asks_nobody_who_is_suppressed, "nobody suppressed is handed over"),
}


@pytest.mark.django_db
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_found(fault: str, monkeypatch: Patch) -> None:
    machine, put, promise = FAULTS[fault]
    office = Office(Random(7), date(2025, 9, 1), limit=3, pace=BUSY)
    office.open(120)
    put(monkeypatch)
    auditor = Auditor(office, machine(), oracle_every=10)
    assert any(promise in told.broken for told in auditor.days(NIGHTS)), auditor.told.report()
