"""The office as rows of a database: real runs, real follow-ups, real hand-over, and mails that leave but for the mail server.

What the schedule says is never asked of those who write it: a trigger of the auditor's notes every row that anybody touches.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from django.db import connection

from campaigns import runs
from campaigns.following_up import schedule_follow_ups
from campaigns.hand_over import hand_over
from campaigns.models import CampaignInstance, CampaignType, Contact, ContactCampaign, EngagementEvent
from campaigns.rules.email_types import FIRST_CAMPAIGN_TYPES, FIXED_NAMES
from campaigns.settings import SchedulerSettings
from messaging.models import Suppression
from portal.config import kinds, scheduler
from tests.audit.moves import Mail
from tests.audit.office import News, Office
from tests.audit.windows import ONE_DAY, read_date
from tests.campaigns.mails import TERMS, make_template

ZONE = ZoneInfo("America/Chicago")
PROGRESS = {"queued": "scheduled", "claimed": "processing", "transmitting": "processing"}
WATCH = """
    SET synchronous_commit = off;  -- nobody pulls the plug of an audit
    CREATE TABLE audit_touched (id bigint NOT NULL);
    CREATE FUNCTION audit_watch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        INSERT INTO audit_touched SELECT id FROM touched;
        RETURN NULL;
    END $$;
    CREATE TRIGGER audit_added AFTER INSERT ON campaigns_emailschedule
        REFERENCING NEW TABLE AS touched FOR EACH STATEMENT EXECUTE FUNCTION audit_watch();
    CREATE TRIGGER audit_changed AFTER UPDATE ON campaigns_emailschedule
        REFERENCING NEW TABLE AS touched FOR EACH STATEMENT EXECUTE FUNCTION audit_watch();
    CREATE TRIGGER audit_removed AFTER DELETE ON campaigns_emailschedule
        REFERENCING OLD TABLE AS touched FOR EACH STATEMENT EXECUTE FUNCTION audit_watch();
"""
TOUCHED = """
    SELECT touched.id, mail.contact_id, mail.email_type::text,
        coalesce((message.sent_at AT TIME ZONE 'America/Chicago')::date, mail.send_on), mail.event_on,
        coalesce(message.status, mail.status)::text, nullif(mail.skip_reason, '')::text, mail.campaign_instance_id, mail.moved_from,
        mail.over_cap, mail.parent_id
    FROM (SELECT DISTINCT id FROM audit_touched) AS touched
    LEFT JOIN campaigns_emailschedule AS mail ON mail.id = touched.id
    LEFT JOIN messaging_message AS message ON message.id = mail.message_id
    ORDER BY touched.id
"""
STEP = """
    WITH moved AS (UPDATE messaging_message SET {change} WHERE status = '{before}' {which} RETURNING id)
    INSERT INTO audit_touched SELECT mail.id FROM campaigns_emailschedule AS mail JOIN moved ON moved.id = mail.message_id
"""
SUPPRESSED = "AND EXISTS (SELECT FROM messaging_suppression AS stop WHERE stop.address = lower(recipient))"
TOKEN = "00000000-0000-0000-0000-000000000001"
STEPS = (  # how a queued mail leaves, or does not: change, before, which
    ("status = 'cancelled', reason = 'suppressed'", "queued", SUPPRESSED),
    ("status = 'cancelled', reason = 'expired'", "queued", "AND expires_at <= %(at)s"),
    (f"status = 'claimed', lease = '{TOKEN}', leased_until = %(at)s", "queued", ""),
    ("status = 'transmitting', transmitting_since = %(at)s", "claimed", ""),
    ("status = 'sent', sent_at = %(at)s, lease = NULL, leased_until = NULL", "transmitting", ""),
)
PLANS_BETWEEN_COUNTS = 10


@dataclass(frozen=True)
class Changes:
    """What was touched: the rows as they stand now, by number, and the numbers of those that are gone."""

    stand: dict[int, Mail]
    gone: list[int]


@dataclass
class InDatabase:
    """The office's contacts, campaigns and configuration as rows, kept up whenever something happens."""

    config: dict[str, Any] = field(default_factory=dict)
    reported: frozenset[date] = frozenset()  # days above the cap, by the last run
    plans: int = 0

    def __post_init__(self) -> None:
        for name, one in FIRST_CAMPAIGN_TYPES.items():  # the office names whom a campaign means: no type means everybody
            CampaignType.objects.update_or_create(name=name, defaults=vars(one) | {"target_all_contacts": False})
        self.types = {one.name: one for one in CampaignType.objects.all()}
        for name in [*FIXED_NAMES, *(f"campaign_{name}" for name in self.types)]:
            make_template(name, html="")
        with connection.cursor() as cursor:
            cursor.execute(WATCH)

    def plan(self, office: Office) -> Changes:
        """A run on what the office knows tonight, and the follow-ups of the early morning."""
        self.write(office)
        self.count_rows()
        settings, versions = in_force(moment(office.day, hour=2))
        done = runs.run(runs.Order(day=office.day, settings=settings, versions=dict(versions), without_backup="A test"))
        self.reported = frozenset(date.fromisoformat(one["day"]) for one in done.over_cap if one["cap"] == "daily")
        schedule_follow_ups(day=office.day, at=moment(office.day, hour=5), settings=settings)
        return self.changes()

    def count_rows(self) -> None:
        """Now and then. In a transaction of months the server's own worker sees no rows, and would have the planner believe it."""
        self.plans += 1
        if self.plans % PLANS_BETWEEN_COUNTS == 1:
            with connection.cursor() as cursor:
                cursor.execute("ANALYZE")

    def hand_over(self, office: Office) -> Changes:
        """Hand-over at half past eight, by the rules of this moment."""
        self.write(office)
        now = moment(office.day, hour=8, minute=30)
        hand_over(day=office.day, terms=replace(TERMS, settings=in_force(now)[0], now=now))
        return self.changes()

    def send(self, office: Office) -> Changes:
        """Whatever waits leaves at ten, unless its time is over or its address is suppressed."""
        self.write(office)
        with connection.cursor() as cursor:
            for change, before, which in STEPS:
                cursor.execute(STEP.format(change=change, before=before, which=which), {"at": moment(office.day, hour=10)})
        return self.changes()

    def changes(self) -> Changes:
        with connection.cursor() as cursor:
            cursor.execute(TOUCHED)
            rows = cursor.fetchall()
            cursor.execute("DELETE FROM audit_touched")
        return Changes({row[0]: mail_of(row) for row in rows if row[1]}, [row[0] for row in rows if not row[1]])

    # What happens in the office

    def write(self, office: Office) -> None:
        """What has happened in the office since it was asked last."""
        self.put_versions(office)
        news = office.tells()
        write_people([office.people[number] for number in sorted(news.people)])
        self.write_campaigns(news)
        Suppression.objects.bulk_create([Suppression(address=address(number), reason="asked") for number in sorted(news.suppressed)])
        EngagementEvent.objects.bulk_create(list(events_of(news.behaviour, office.day)), ignore_conflicts=True)

    def write_campaigns(self, news: News) -> None:
        CampaignInstance.objects.bulk_create([self.instance_row(one) for one in news.campaigns])
        ContactCampaign.objects.bulk_create([target_row(*one) for one in news.targets], batch_size=2_000)
        for number, day in news.ended.items():
            CampaignInstance.objects.filter(pk=number).update(active_until=day)

    def instance_row(self, told: Mapping[str, Any]) -> CampaignInstance:
        number, begin, end = told["instance"], told["active_start_date"], told["active_end_date"]
        kind = self.types[told["campaign_type"]]
        return CampaignInstance(pk=number, campaign_type=kind, name=f"campaign {number}", active_from=begin, active_until=end)

    def put_versions(self, office: Office) -> None:
        """What the office has changed of its configuration, as versions in force from this moment on."""
        changed = {name: value for name, value in office.config.items() if self.config.get(name) != value}
        self.config = dict(office.config)
        at = moment(office.day, hour=1 if office.is_night else 7)
        for name, value in changed.items():
            kind = kind_of(name)
            data = kinds.data_in_force(kind, at=at)[1] | (value if name == "state_rules" else {name: value})
            kinds.put(kind, data, valid_from=at, author=None, note="The auditor's office decided so.")


def in_force(at: datetime) -> tuple[SchedulerSettings, Mapping[str, int]]:
    return scheduler.in_force(at=at, environment="")


def moment(day: date, *, hour: int, minute: int = 0) -> datetime:
    """That time in the office, in UTC."""
    return datetime.combine(day, time(hour, minute), tzinfo=ZONE).astimezone(UTC)


def kind_of(setting: str) -> str:
    """The kind of configuration that has it; the state rules are one by themselves."""
    return next(name for name, kind in kinds.KINDS.items() if setting == name or (name in kinds.OF_SCHEDULER and setting in kind.shipped))


def address(number: int) -> str:
    return f"c{number}@example.org"


def write_people(people: list[dict[str, Any]]) -> None:
    changed = {"update_conflicts": True, "unique_fields": ["id"], "update_fields": ["state", "birth_date", "effective_date"]}
    Contact.objects.bulk_create([contact_row(one) for one in people], batch_size=2_000, **changed)


def contact_row(told: Mapping[str, Any]) -> Contact:
    born, began = read_date(told["birth_date"]), read_date(told["effective_date"])
    number = told["id"]
    return Contact(pk=number, email=address(number), zip_code="00000", state=told["state"], birth_date=born, effective_date=began)


def target_row(number: int, target: Mapping[str, Any]) -> ContactCampaign:
    return ContactCampaign(contact_id=number, instance_id=target["instance"], trigger_on=target["trigger_date"])


def events_of(behaviour: Mapping[int, str], day: date) -> Iterator[EngagementEvent]:
    for number, what in behaviour.items():
        told: dict[str, Any] = (
            {"kind": "clicked"} if what == "clicks" else {"kind": "eligibility_answered", "has_conditions": what == "ill"}
        )
        yield EngagementEvent(key=f"{number} {day} {what}", contact_id=number, at=moment(day - ONE_DAY, hour=18), **told)


def mail_of(row: tuple[Any, ...]) -> Mail:
    _, contact, email_type, day, event, status, reason, instance, moved_from, over_cap, parent = row
    return Mail(
        contact=contact,
        email_type=email_type,
        date=day,
        event_date=event,
        status=PROGRESS.get(status, status),
        reason=reason,
        instance=instance,
        moved_from=moved_from,
        over_cap=over_cap,
        parent=parent,
    )
