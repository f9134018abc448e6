"""What must be true of daily summaries, as queries that return no row; the numbers are those of the reliability paper."""

from messaging.invariants import Invariant
from portal.summaries.models import KEPT
from portal.summaries.promises import SUMMARY_MAIL

# The clock on a person's wall, also where PostgreSQL does not know the zone: then nothing is claimed.
KNOWN = "EXISTS (SELECT FROM pg_timezone_names z WHERE z.name = {row}.zone)"
APART = "interval '1 hour'"  # PostgreSQL has a copy of the zones of its own, which may be of another year
LINKED_DAYS = KEPT.days - 1  # a mail outlives its row, which expires


def of_summaries() -> list[Invariant]:
    return [
        Invariant(
            name="I-30",
            sentence="Nobody has two summaries of one local day.",
            sql="SELECT min(id) FROM portal_dailysummary GROUP BY user_id, day HAVING count(*) > 1",
        ),
        Invariant(
            name="I-31",
            sentence="Every summary has one mail of its own, and every mail of a summary that was not given up belongs to one.",
            sql=f"""
                SELECT min(id) FROM portal_dailysummary WHERE message_id IS NOT NULL GROUP BY message_id HAVING count(*) > 1
                UNION ALL SELECT id FROM portal_dailysummary WHERE message_id IS NULL AND status <> 'failed'
                UNION ALL SELECT m.id FROM messaging_message m LEFT JOIN portal_dailysummary s ON s.message_id = m.id
                    WHERE m.kind = '{SUMMARY_MAIL}' AND m.status <> 'cancelled' AND s.id IS NULL
                    AND m.created_at > clock_timestamp() - interval '{LINKED_DAYS} days'""",
            slow=True,
        ),
        Invariant(
            name="I-32",
            sentence="An hour and a quarter after somebody's time, that day's summary is there.",
            sql=f"""
                SELECT p.id FROM portal_summarypreference p JOIN auth_user u ON u.id = p.user_id
                WHERE p.enable_daily_summary AND u.is_active AND u.is_staff AND CASE WHEN {KNOWN.format(row="p")} THEN
                    greatest((((clock_timestamp() AT TIME ZONE p.zone)::date + p.summary_time_local) AT TIME ZONE p.zone), p.changed_at)
                    < clock_timestamp() - interval '15 min' - {APART}
                    AND NOT EXISTS (SELECT FROM portal_dailysummary s
                        WHERE s.user_id = p.user_id AND s.day = (clock_timestamp() AT TIME ZONE p.zone)::date)
                END""",
            drained=True,
        ),
        Invariant(
            name="I-33",
            sentence="A summary is due on its own day, by the clock of the person it is for.",
            sql=f"""
                SELECT id FROM portal_dailysummary s WHERE CASE WHEN {KNOWN.format(row="s")} THEN
                    day NOT BETWEEN ((due_at - {APART}) AT TIME ZONE zone)::date AND ((due_at + {APART}) AT TIME ZONE zone)::date
                END""",
        ),
    ]
