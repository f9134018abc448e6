"""What must be true of the record, as queries that return no row. The rows one does return are the ids of what is wrong.

"Always" holds at every moment, while workers are busy; "drained" once nothing is due any more.
"""

from dataclasses import dataclass

from django.db import connection

from messaging.models import Verdict
from messaging.models.message import POISON_CLAIMS

SAMPLE = 5  # ids that a violation shows
ANSWERED = "('accepted', 'rejected', 'lost_post')"  # what counts against max_attempts
BODY_LEFT = "('accepted', 'lost_post')"


@dataclass(frozen=True, kw_only=True)
class Invariant:
    """`slow` ones read every row of the record; `drained` ones hold only when nothing is due."""

    name: str
    sentence: str
    sql: str
    slow: bool = False
    drained: bool = False


@dataclass(frozen=True, kw_only=True)
class Violation:
    name: str
    sentence: str
    rows: int
    ids: list[int]


def verify(*more: Invariant, fast: bool = False, drained: bool = False) -> list[Violation]:
    """What is wrong with the record; empty when all is well. `drained` asks too what must hold once nothing is due.

    `more` are what the floors above promise.
    """
    return [found for one in chosen(*more, fast=fast, drained=drained) if (found := violation(one))]


def chosen(*more: Invariant, fast: bool = False, drained: bool = False) -> list[Invariant]:
    every = sorted([*INVARIANTS, *more], key=lambda one: one.name)
    return [one for one in every if not (one.slow and fast) and (drained or not one.drained)]


def violation(invariant: Invariant) -> Violation | None:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*), (array_agg(id ORDER BY id))[1:{SAMPLE}] FROM ({invariant.sql}) AS wrong (id)")
        rows, ids = cursor.fetchone()
    return Violation(name=invariant.name, sentence=invariant.sentence, rows=rows, ids=list(ids)) if rows else None


MESSAGES = [
    Invariant(
        name="I-01",
        sentence="No message is both finished and held by a worker.",
        sql="SELECT id FROM messaging_message WHERE lease IS NOT NULL AND status NOT IN ('claimed', 'transmitting')",
    ),
    Invariant(
        name="I-02",
        sentence="No message or note stays with a worker for more than two minutes after its hold has ended.",
        sql="""
            SELECT id FROM messaging_message
            WHERE status IN ('claimed', 'transmitting') AND leased_until < clock_timestamp() - interval '120 s'
            UNION ALL
            SELECT id FROM messaging_cmsnote WHERE status = 'posting' AND leased_until < clock_timestamp() - interval '120 s'""",
    ),
    Invariant(
        name="I-03",
        sentence="A sent message has its proof: a server's yes, or a decision to mark it as sent.",
        slow=True,
        sql=f"""
            SELECT id FROM messaging_message m WHERE status = 'sent'
            AND NOT EXISTS (SELECT FROM messaging_attempt a WHERE a.message_id = m.id AND a.phase = 'accepted')
            AND NOT EXISTS (
                SELECT FROM messaging_decision d WHERE d.message_id = m.id AND d.verdict = '{Verdict.MARK_AS_SENT.value}')""",
    ),
    Invariant(
        name="I-11",
        sentence="Once drained, no message is due or with a worker.",
        drained=True,
        sql="""
            SELECT id FROM messaging_message
            WHERE status IN ('claimed', 'transmitting') OR (status = 'queued' AND due_at <= clock_timestamp())""",
    ),
    Invariant(
        name="I-12",
        sentence="No two messages share a key or a Message-ID.",
        slow=True,
        sql="""
            SELECT min(id) FROM messaging_message GROUP BY key HAVING count(*) > 1
            UNION ALL SELECT min(id) FROM messaging_message GROUP BY message_id HAVING count(*) > 1""",
    ),
    Invariant(
        name="I-16",
        sentence="A message has failed only by a final refusal, or when all tries of its round are used.",
        sql="""
            SELECT id FROM messaging_message m WHERE status = 'failed' AND attempts < max_attempts AND NOT EXISTS (
                SELECT FROM messaging_attempt a WHERE a.message_id = m.id AND a.round = m.round AND a.phase = 'rejected'
                AND (a.reply_code IS NULL OR a.reply_code >= 500))""",  # no code: it could not be written as a mail at all
    ),
    Invariant(
        name="I-17",
        sentence="A message that no worker brings to an outcome is held for a person.",
        # a claim may come between a lost hold and the sweep that holds the message
        sql=f"SELECT id FROM messaging_message WHERE status IN ('queued', 'claimed') AND claims > {POISON_CLAIMS + 5}",
    ),
    Invariant(
        name="I-18",
        sentence="When a case was last written to is when its last production mail was sent.",
        slow=True,
        sql="""
            SELECT case_id FROM messaging_lastmail l FULL JOIN (SELECT case_id, max(sent_at) AS sent_at FROM messaging_message
                WHERE status = 'sent' AND NOT is_test AND case_id IS NOT NULL GROUP BY 1) m USING (case_id)
            WHERE l.sent_at IS DISTINCT FROM m.sent_at""",
    ),
]

ATTEMPTS = [
    Invariant(
        name="I-04",
        sentence="No message was accepted twice.",
        slow=True,
        sql="SELECT message_id FROM messaging_attempt WHERE phase = 'accepted' GROUP BY message_id HAVING count(*) > 1",
    ),
    Invariant(
        name="I-05",
        sentence="Nothing is tried again after it was accepted.",
        slow=True,
        sql="""
            SELECT b.id FROM messaging_attempt a JOIN messaging_attempt b ON b.message_id = a.message_id AND b.number > a.number
            WHERE a.phase = 'accepted'""",
    ),
    Invariant(
        name="I-06",
        sentence="After a try whose answer was lost, nothing is sent again without a decision that ended that round.",
        sql=f"""
            SELECT b.id FROM messaging_attempt a JOIN messaging_attempt b ON b.message_id = a.message_id AND b.number > a.number
            WHERE a.phase = 'lost_post' AND (b.round <= a.round OR NOT EXISTS (
                SELECT FROM messaging_decision d WHERE d.message_id = a.message_id AND d.round = a.round
                AND d.verdict = '{Verdict.SEND_AGAIN.value}' AND d.decided_at <= b.started_at))""",
    ),
    Invariant(
        name="I-07",
        sentence="Every try has its attempt, but for the one on its way while the message is transmitting.",
        slow=True,
        sql="""
            SELECT m.id FROM messaging_message m LEFT JOIN (
                SELECT message_id, count(*) AS written FROM messaging_attempt GROUP BY 1
            ) a ON a.message_id = m.id
            WHERE m.tries <> coalesce(a.written, 0) + (m.status = 'transmitting')::int""",
    ),
    Invariant(
        name="I-09",
        sentence="A message counts exactly the tries of its round that a server answered, or may have.",
        slow=True,
        sql=f"""
            SELECT m.id FROM messaging_message m LEFT JOIN (
                SELECT message_id, round, count(*) AS answered FROM messaging_attempt WHERE phase IN {ANSWERED} GROUP BY 1, 2
            ) a ON a.message_id = m.id AND a.round = m.round
            WHERE m.attempts <> coalesce(a.answered, 0) + (m.status = 'transmitting')::int""",
    ),
    Invariant(
        name="I-10",
        sentence="No round has more tries than its message allows.",
        slow=True,
        sql=f"""
            SELECT m.id FROM messaging_message m JOIN messaging_attempt a ON a.message_id = m.id AND a.phase IN {ANSWERED}
            GROUP BY m.id, m.max_attempts, a.round HAVING count(*) > m.max_attempts
            UNION SELECT id FROM messaging_message WHERE attempts > max_attempts""",
    ),
    Invariant(
        name="I-13",
        sentence="Nothing leaves for a suppressed address once the suppression is in force.",
        # five seconds: a suppression is in force when it is committed, a little after it was written
        sql=f"""
            SELECT m.id FROM messaging_message m
            JOIN messaging_suppression s ON s.address = lower(m.recipient) JOIN messaging_attempt a ON a.message_id = m.id
            WHERE NOT m.is_test AND a.phase IN {BODY_LEFT} AND a.started_at > s.created_at + interval '5 s'
            AND (s.suppressed_until IS NULL OR a.started_at < s.suppressed_until)""",
    ),
    Invariant(
        name="I-14",
        sentence="Nothing leaves after its time has passed.",
        sql=f"""
            SELECT m.id FROM messaging_message m JOIN messaging_attempt a ON a.message_id = m.id
            WHERE a.phase IN {BODY_LEFT} AND a.started_at > m.expires_at""",
    ),
    Invariant(
        name="I-15",
        sentence="Within a round, nothing is tried again after a final refusal.",
        sql="""
            SELECT b.id FROM messaging_attempt a
            JOIN messaging_attempt b ON b.message_id = a.message_id AND b.round = a.round AND b.number > a.number
            WHERE a.phase = 'rejected' AND a.reply_code >= 500""",
    ),
    Invariant(
        name="I-08",
        sentence="Every decision names who or what decided, when, and why.",
        sql="""
            SELECT id FROM messaging_decision WHERE decided_at IS NULL OR coalesce(trim(reason), '') = ''
            OR (decided_by_id IS NULL AND coalesce(source, '') IN ('', 'person'))""",
    ),
]

NOTES = [
    Invariant(
        name="I-20",
        sentence="Every sent message that owes a note has exactly one, pending or processed.",
        slow=True,
        sql="""
            SELECT m.id FROM messaging_message m LEFT JOIN messaging_cmsnote n ON n.message_id = m.id
            WHERE m.status = 'sent' AND m.needs_note GROUP BY m.id HAVING count(n.id) <> 1""",
    ),
    Invariant(
        name="I-21",
        sentence="No note is owed for a message that was not sent.",
        slow=True,
        sql="""
            SELECT n.id FROM messaging_cmsnote n LEFT JOIN messaging_message m ON m.id = n.message_id
            WHERE m.status IS DISTINCT FROM 'sent'""",
    ),
    Invariant(
        name="I-22",
        sentence="A note is processed only with the CMS's own id, and an attempt that added, found or confirmed it.",
        slow=True,
        sql="""
            SELECT id FROM messaging_cmsnote n WHERE status = 'processed' AND (coalesce(remote_id, '') = '' OR NOT EXISTS (
                SELECT FROM messaging_noteattempt a WHERE a.note_id = n.id AND a.outcome IN ('created', 'exists', 'confirmed')))""",
    ),
    Invariant(
        name="I-23",
        sentence="No note was added twice.",
        slow=True,
        sql="SELECT note_id FROM messaging_noteattempt WHERE outcome = 'created' GROUP BY note_id HAVING count(*) > 1",
    ),
    Invariant(
        name="I-24",
        sentence="No note of the CMS stands for two e-mails.",
        slow=True,
        sql="SELECT min(id) FROM messaging_cmsnote WHERE remote_id IS NOT NULL GROUP BY remote_id HAVING count(*) > 1",
    ),
    Invariant(
        name="I-25",
        sentence="After a lost answer of the CMS a note is not simply pending again: the CMS is asked first.",
        sql="""
            SELECT n.id FROM messaging_cmsnote n JOIN messaging_noteattempt a ON a.note_id = n.id AND a.outcome = 'lost_post'
            WHERE n.status = 'pending'
            AND NOT EXISTS (SELECT FROM messaging_noteattempt b WHERE b.note_id = n.id AND b.number > a.number)""",
    ),
    Invariant(
        name="I-26",
        sentence="Once drained, no note has been pending for more than a day.",
        drained=True,
        sql="SELECT id FROM messaging_cmsnote WHERE status <> 'processed' AND created_at < clock_timestamp() - interval '24 h'",
    ),
]

LOG = [
    Invariant(
        name="I-60",
        sentence="Ten minutes after a mail was sent, the log has the word of it, whichever way it came: a server's yes, or a decision.",
        slow=True,
        sql="""
            SELECT id FROM messaging_message m WHERE status = 'sent' AND sent_at < clock_timestamp() - interval '10 min'
            AND NOT EXISTS (SELECT FROM messaging_attempt a WHERE a.message_id = m.id AND a.phase = 'accepted')
            AND NOT EXISTS (SELECT FROM messaging_decision d WHERE d.message_id = m.id)""",
    ),
    Invariant(
        name="I-61",
        sentence="Once drained, every file of the spool that was begun is brought in to its last line.",
        drained=True,
        sql="SELECT id FROM messaging_spoolfile WHERE replayed_at IS NULL",
    ),
    Invariant(
        name="I-80",
        sentence="A verified backup has its size, digest and time; where backups are made, the newest good one is younger than 26 hours.",
        sql="""
            SELECT id FROM messaging_backuphistory
            WHERE status = 'verified' AND (coalesce(size_bytes, 0) = 0 OR coalesce(sha256, '') = '' OR verified_at IS NULL)
            UNION ALL SELECT 0 WHERE EXISTS (SELECT FROM messaging_backuphistory WHERE purpose = 'nightly') AND NOT EXISTS (
                SELECT FROM messaging_backuphistory
                WHERE status = 'verified' AND tables = '[]' AND started_at > clock_timestamp() - interval '26 h')""",
    ),
    Invariant(
        name="I-81",
        sentence="Where backups are made every night, one was restored within the last eight days, to try it.",
        drained=True,
        sql="""
            SELECT 0 WHERE EXISTS (SELECT FROM messaging_backuphistory WHERE purpose = 'nightly') AND NOT EXISTS (
                SELECT FROM messaging_backuphistory WHERE restore_tested_at > clock_timestamp() - interval '8 d')
            AND EXISTS (SELECT FROM messaging_backuphistory WHERE started_at < clock_timestamp() - interval '8 d')""",
    ),
]

INVARIANTS = MESSAGES + ATTEMPTS + NOTES + LOG
