"""What must be true of quotes, as queries that return no row; the numbers are those of the reliability paper."""

from datetime import timedelta

from messaging.invariants import Invariant
from portal.quotes.promises import ADMIN_MAIL, CUSTOMER_MAIL

LATE_SECONDS = 120  # after which somebody must have cleared a stale lock away
LEG_SAYS = """
    SELECT q.id FROM portal_quote q LEFT JOIN messaging_message m ON m.id = q.{leg}_message_id
    WHERE (m.id IS NULL AND q.{leg}_email_state NOT IN ('', 'sent'))
    OR (m.id IS NOT NULL AND (
        (q.{leg}_email_state <> m.status AND NOT (m.status = 'claimed' AND q.{leg}_email_state = 'queued'))
        OR (m.status = 'sent' AND NOT m.is_test AND NOT q.email_sent_to_{leg})))"""

KEYS = "('quote:' || q.id || ':{leg}', 'test:quote:' || q.id || ':{leg}')"
TRIED = f"""
    SELECT q.id FROM portal_quote q WHERE q.source <> 'import' AND q.{{leg}}_email_attempts <>
        (SELECT count(*) FROM messaging_message m JOIN messaging_attempt a ON a.message_id = m.id
            WHERE m.key IN {KEYS} AND a.phase IN ('accepted', 'rejected', 'lost_post'))
        + (SELECT count(*) FROM messaging_message m WHERE m.key IN {KEYS} AND m.status = 'transmitting')"""

ALWAYS = [
    Invariant(
        name="I-40",
        sentence="A quote is locked exactly while it is ai_processing.",
        sql="SELECT id FROM portal_quote WHERE (processing_lock IS NOT NULL) <> (status = 'ai_processing')",
    ),
    Invariant(
        name="I-48",
        sentence="A run that goes on has its quote's lock.",
        sql="""
            SELECT c.id FROM portal_aicall c JOIN portal_quote q ON q.id = c.quote_id
            WHERE c.outcome = 'running' AND q.processing_lock IS DISTINCT FROM c.token::text""",
    ),
    Invariant(
        name="I-42",
        sentence="At most one answer was applied to a quote.",
        sql="SELECT quote_id FROM portal_aicall WHERE outcome = 'applied' GROUP BY quote_id HAVING count(*) > 1",
    ),
    Invariant(
        name="I-43",
        sentence="A quote is ai_quoted only with an applied answer, a positive amount and the time it was done.",
        sql="""
            SELECT id FROM portal_quote q WHERE status = 'ai_quoted' AND (ai_processed_at IS NULL OR coalesce(quote_amount, 0) <= 0
                OR NOT EXISTS (SELECT FROM portal_aicall c WHERE c.quote_id = q.id AND c.outcome = 'applied'))""",
    ),
    Invariant(
        name="I-44",
        sentence="Two runs over one quote never overlap in time, but for those whose answer came too late to be applied.",
        slow=True,
        sql="""
            SELECT a.id FROM portal_aicall a JOIN portal_aicall b ON b.quote_id = a.quote_id AND b.id > a.id
            AND b.started_at < coalesce(a.ended_at, 'infinity') WHERE a.outcome <> 'fenced' AND b.outcome <> 'fenced'""",
    ),
    *(
        Invariant(
            name=name,
            sentence=f"What a quote says of its mail to the {leg} is what the message says.",
            slow=True,
            sql=LEG_SAYS.format(leg=leg),
        )
        for name, leg in (("I-45", "customer"), ("I-46", "admin"))
    ),
    Invariant(
        name="I-47",
        sentence="Every mail of a quote is linked from it.",
        slow=True,
        sql=f"""
            SELECT m.id FROM messaging_message m WHERE m.kind IN ('{CUSTOMER_MAIL}', '{ADMIN_MAIL}') AND NOT m.is_test
            AND NOT EXISTS (SELECT FROM portal_quote q WHERE m.id IN (q.customer_message_id, q.admin_message_id))""",
    ),
    Invariant(
        name="I-49",
        sentence="A quote has counted each try of its mails that the server answered, or may have.",
        slow=True,
        sql=f"({TRIED.format(leg='customer')}) UNION ALL ({TRIED.format(leg='admin')})",
    ),
]


def of_quotes(*, lock: timedelta) -> list[Invariant]:
    """All of them, for a portal where a lock holds that long."""
    longest = lock.total_seconds() + LATE_SECONDS
    stuck = Invariant(
        name="I-41",
        sentence="No lock of a quote outlives its limit by more than two minutes.",
        sql=f"""
            SELECT id FROM portal_quote WHERE processing_lock IS NOT NULL
            AND ai_processing_started_at < clock_timestamp() - make_interval(secs => {longest})""",
    )
    return [*ALWAYS, stuck]
