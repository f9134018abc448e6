"""What must be true of schedules and campaign mails, as queries that return no row; the numbers are those of the reliability paper."""

from campaigns.rules.email_types import CAMPAIGN, FIXED_NAMES
from messaging.invariants import Invariant

YEARLY = ", ".join(f"'{name}'" for name in FIXED_NAMES[:3])
KINDS = ", ".join(f"'{name}'" for name in FIXED_NAMES)

OF_SCHEDULES = [
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
