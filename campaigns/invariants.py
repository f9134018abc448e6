"""What must be true of schedules and campaign mails, as queries that return no row; the numbers are those of the reliability paper."""

from campaigns.rules.email_types import CAMPAIGN, FIXED_NAMES
from messaging.invariants import Invariant

YEARLY = ", ".join(f"'{name}'" for name in FIXED_NAMES[:3])
KINDS = ", ".join(f"'{name}'" for name in FIXED_NAMES)

OF_SCHEDULES = [
    Invariant(
        name="I-50",
        sentence="At most one run of the scheduler is under way or being undone.",
        sql="SELECT min(id) FROM campaigns_schedulerrun WHERE status IN ('running', 'undoing') HAVING count(*) > 1",
    ),
    Invariant(
        name="I-51",
        sentence="No run is under way of which nothing was heard for ten minutes.",  # after five, whoever comes next gives it up
        sql="""
            SELECT id FROM campaigns_schedulerrun
            WHERE status IN ('running', 'undoing') AND heartbeat_at < clock_timestamp() - interval '10 min'""",
    ),
    Invariant(
        name="I-52",
        sentence="The chunks of a run are numbered without a gap, and no contact is in two of them.",
        slow=True,
        sql="""
            SELECT id FROM (SELECT id, first_id, number, lag(last_id) OVER own AS last_before, lag(number, 1, 0) OVER own AS number_before
                FROM campaigns_runchunk WINDOW own AS (PARTITION BY run_id ORDER BY number)) AS chunk
            WHERE first_id <= last_before OR number <> number_before + 1""",
    ),
    Invariant(
        name="I-53",
        sentence="A completed run wrote every chunk, and they have all its contacts.",
        slow=True,
        sql="""
            SELECT r.id FROM campaigns_schedulerrun r LEFT JOIN campaigns_runchunk c ON c.run_id = r.id WHERE r.status = 'completed'
            GROUP BY r.id, r.contacts, r.chunk_count HAVING coalesce(sum(c.contacts), 0) <> r.contacts OR count(c.id) <> r.chunk_count
                OR count(c.id) <> count(c.done_at)""",
    ),
    Invariant(
        name="I-54",
        sentence="A run changed schedules only after its backup was verified, or says why it had none.",
        slow=True,
        sql="""
            SELECT r.id FROM campaigns_schedulerrun r LEFT JOIN messaging_backuphistory b ON b.id = r.backup_id
            WHERE r.without_backup = '' AND r.step <> 'backup' AND (b.verified_at IS NULL
                OR EXISTS (SELECT FROM campaigns_runchunk c WHERE c.run_id = r.id AND c.done_at < b.verified_at))""",
    ),
    Invariant(
        name="I-55",
        sentence="A contact has one schedule at most for each event: type, year or day, and campaign.",
        slow=True,
        sql=f"""
            SELECT min(id) FROM campaigns_emailschedule WHERE status <> 'skipped' AND parent_id IS NULL
            GROUP BY contact_id, email_type, campaign_instance_id,
                CASE WHEN email_type IN ({YEARLY}) THEN date_trunc('year', event_on)::date ELSE event_on END
            HAVING count(*) > 1""",
    ),
    Invariant(
        name="I-56",
        sentence="A skipped schedule has a reason and no e-mail; one that was handed over has its e-mail.",
        slow=True,
        sql="""
            SELECT s.id FROM campaigns_emailschedule s LEFT JOIN messaging_message m ON m.id = s.message_id
            WHERE (s.status = 'skipped' AND (coalesce(s.skip_reason, '') = '' OR s.message_id IS NOT NULL))
            OR (s.status = 'scheduled' AND m.id IS NULL)""",
    ),
    Invariant(
        name="I-57",
        sentence="No campaign e-mail is without its schedule.",
        slow=True,
        # a batch that staff send about cases may use such a template too, and owes no schedule
        sql=f"""
            SELECT m.id FROM messaging_message m WHERE (m.kind IN ({KINDS}) OR starts_with(m.kind, '{CAMPAIGN}'))
            AND m.case_id IS NULL AND NOT EXISTS (SELECT FROM campaigns_emailschedule s WHERE s.message_id = m.id)""",
    ),
]
