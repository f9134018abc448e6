"""Every named fault point of hand-over and of unsubscribing, met by every fault, in a real worker: each event has one mail, sent once."""

import pytest

from messaging.faults import POINTS
from tests.faults.campaign_acts import MAILS
from tests.faults.lab import Lab
from tests.faults.test_sweep import strike

FAULTS = {"kill": "kill", "raise": "raise", "sleep": "sleep:0.5", "stop the database": "touch:mark"}
LEASE_SECONDS = 0.7
HANDED = "SELECT count(*), count(DISTINCT message_id) FROM campaigns_emailschedule WHERE status = 'scheduled'"
MAILED = "SELECT count(*), count(DISTINCT key), count(*) FILTER (WHERE status = 'sent') FROM messaging_message"


def struck(lab: Lab, point: str, fault: str, *, steps: list[str], when: int = 1) -> None:
    place = lab.place(lease_seconds=LEASE_SECONDS, settle_seconds=0)
    plan = f"{point}={FAULTS[fault]}@{when}"
    worker = lab.fork("work", place=place, steps=["plan", *steps], fault=plan, marks=str(lab.folder / "marks"))
    strike(lab, lab.folder / "marks" / point, fault)
    if fault != "kill":
        assert worker.answer() == (f"raised at {point}" if fault == "raise" else "done")


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("point", ["enqueue.before_commit", *sorted(point for point in POINTS if point.startswith("hand_over."))])
def test_whatever_strikes_a_hand_over_each_event_has_one_mail(clean_lab: Lab, point: str, fault: str):
    place = clean_lab.place(lease_seconds=LEASE_SECONDS, settle_seconds=0)

    struck(clean_lab, point, fault, steps=["hand over"], when=2)
    clean_lab.zygote.run("hand_all_over")
    clean_lab.zygote.run("drain", place=place)

    assert clean_lab.zygote.run("verify_schedules") == []
    assert clean_lab.wrong() == []
    assert clean_lab.database.ask(HANDED) == [(MAILS, MAILS)]
    assert clean_lab.database.ask(MAILED) == [(MAILS, MAILS, MAILS)]


@pytest.mark.parametrize("fault", FAULTS)
def test_whatever_strikes_an_unsubscribing_it_is_whole_or_nothing_and_asked_again_it_holds(clean_lab: Lab, fault: str):
    place = clean_lab.place(lease_seconds=LEASE_SECONDS, settle_seconds=0)
    struck(clean_lab, "unsubscribe.before_commit", fault, steps=["hand over", "unsubscribe"])

    clean_lab.zygote.run("unsubscribe_one")
    clean_lab.zygote.run("drain", place=place)

    assert clean_lab.wrong() == []
    assert clean_lab.database.ask("SELECT count(*) FROM messaging_suppression") == [(1,)]
    assert dict(clean_lab.database.ask("SELECT status, count(*) FROM messaging_message GROUP BY 1")) == {"sent": MAILS - 1, "cancelled": 1}
