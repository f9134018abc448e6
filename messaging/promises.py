"""What PostgreSQL itself keeps true beyond the models' constraints, whoever writes: the ORM, raw SQL, or a hand in psql.

Migrations install these triggers; `SQL` is what they run and `REVERSE` takes it back.
"""

from messaging import autovacuum, seed_tables
from messaging.lifecycles import guard_sql
from messaging.models.message import FACTS, MOVES
from messaging.models.note import NOTE_MOVES

# The golden rule. Deferred: the message and its note are written in one transaction, in whichever order. `OF sent_at`: nothing is sent
# without its time (a FACT), and a condition is read anew in every statement that might meet it.
SENT_OWES_A_NOTE = """
    CREATE FUNCTION messaging_sent_owes_a_note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF NOT EXISTS (SELECT FROM messaging_cmsnote WHERE message_id = NEW.id) THEN
            RAISE EXCEPTION 'message % is sent and owes a CMS note, but has none', NEW.id USING ERRCODE = 'check_violation';
        END IF;
        RETURN NULL;
    END $$;
    CREATE CONSTRAINT TRIGGER messaging_sent_owes_a_note AFTER INSERT OR UPDATE OF sent_at ON messaging_message
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.status = 'sent' AND NEW.needs_note)
        EXECUTE FUNCTION messaging_sent_owes_a_note();

    CREATE FUNCTION messaging_note_only_for_sent() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF NOT EXISTS (SELECT FROM messaging_message WHERE id = NEW.message_id AND status = 'sent') THEN
            RAISE EXCEPTION 'note % is for message %, which is not sent', NEW.id, NEW.message_id USING ERRCODE = 'check_violation';
        END IF;
        RETURN NULL;
    END $$;
    CREATE CONSTRAINT TRIGGER messaging_note_only_for_sent AFTER INSERT ON messaging_cmsnote
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION messaging_note_only_for_sent();
"""

FROZEN = """
    CREATE FUNCTION messaging_frozen() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        RAISE EXCEPTION '% on % %: this record is final', TG_OP, TG_TABLE_NAME, OLD.id USING ERRCODE = 'check_violation';
    END $$;
    CREATE TRIGGER messaging_note_frozen BEFORE UPDATE ON messaging_cmsnote
        FOR EACH ROW WHEN (OLD.status = 'processed') EXECUTE FUNCTION messaging_frozen();
    CREATE TRIGGER messaging_note_pinned BEFORE UPDATE OF message_id, reference ON messaging_cmsnote
        FOR EACH ROW WHEN ((OLD.message_id, OLD.reference) IS DISTINCT FROM (NEW.message_id, NEW.reference))
        EXECUTE FUNCTION messaging_frozen();
    CREATE TRIGGER messaging_note_kept BEFORE DELETE ON messaging_cmsnote
        FOR EACH ROW EXECUTE FUNCTION messaging_frozen();
    CREATE TRIGGER messaging_noteattempt_frozen BEFORE UPDATE ON messaging_noteattempt
        FOR EACH ROW WHEN (OLD.ended_at IS NOT NULL) EXECUTE FUNCTION messaging_frozen();
    CREATE TRIGGER messaging_noteattempt_kept BEFORE DELETE ON messaging_noteattempt
        FOR EACH ROW EXECUTE FUNCTION messaging_frozen();
    CREATE TRIGGER messaging_attempt_frozen BEFORE UPDATE ON messaging_attempt
        FOR EACH ROW EXECUTE FUNCTION messaging_frozen();
    CREATE TRIGGER messaging_decision_frozen BEFORE UPDATE ON messaging_decision
        FOR EACH ROW EXECUTE FUNCTION messaging_frozen();
    CREATE TRIGGER messaging_templateversion_frozen BEFORE UPDATE ON messaging_templateversion
        FOR EACH ROW EXECUTE FUNCTION messaging_frozen();
    CREATE TRIGGER messaging_message_pinned BEFORE UPDATE OF key, message_id, is_test, needs_note ON messaging_message
        FOR EACH ROW WHEN (
            (OLD.key, OLD.message_id, OLD.is_test, OLD.needs_note) IS DISTINCT FROM (NEW.key, NEW.message_id, NEW.is_test, NEW.needs_note)
        ) EXECUTE FUNCTION messaging_frozen();
    CREATE TRIGGER messaging_message_words_kept BEFORE UPDATE OF recipient, sender, subject, text, html, headers ON messaging_message
        FOR EACH ROW WHEN (OLD.status IN ('transmitting', 'sent', 'in_doubt')) EXECUTE FUNCTION messaging_frozen();
"""

# A trigger and not a constraint: a message changes state three times for each time its words are written.
SINGLE_LINES = """
    CREATE FUNCTION messaging_line_break() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        RAISE EXCEPTION 'message %: recipient, sender and subject are single lines', NEW.key USING ERRCODE = 'check_violation';
    END $$;
    CREATE TRIGGER messaging_message_single_lines BEFORE INSERT OR UPDATE OF recipient, sender, subject ON messaging_message
        FOR EACH ROW WHEN (concat(NEW.recipient, NEW.sender, NEW.subject) ~ '[\\r\\n]') EXECUTE FUNCTION messaging_line_break();
"""

# A list of cases by their silence would otherwise look for the last of all mails of each.
LAST_MAIL = """
    CREATE FUNCTION messaging_last_mail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF NOT EXISTS (SELECT FROM messaging_lastmail WHERE case_id = NEW.case_id AND sent_at >= NEW.sent_at) THEN  -- nor is it locked
            INSERT INTO messaging_lastmail AS known (case_id, sent_at) VALUES (NEW.case_id, NEW.sent_at)
            ON CONFLICT (case_id) DO UPDATE SET sent_at = EXCLUDED.sent_at WHERE known.sent_at < EXCLUDED.sent_at;
        END IF;
        RETURN NULL;
    END $$;
    CREATE TRIGGER messaging_last_mail AFTER INSERT OR UPDATE OF sent_at ON messaging_message
        FOR EACH ROW WHEN (NEW.status = 'sent' AND NEW.case_id IS NOT NULL AND NOT NEW.is_test) EXECUTE FUNCTION messaging_last_mail();
"""

SQL = "".join(
    [
        guard_sql(table="messaging_message", moves=MOVES, facts=FACTS),
        guard_sql(table="messaging_cmsnote", moves=NOTE_MOVES),
        SENT_OWES_A_NOTE,
        FROZEN,
        SINGLE_LINES,
        LAST_MAIL,
        seed_tables.SQL,
        autovacuum.SQL,
    ]
)

REVERSE = (
    seed_tables.REVERSE
    + autovacuum.REVERSE
    + """
    DROP TRIGGER messaging_last_mail ON messaging_message;
    DROP TRIGGER messaging_message_single_lines ON messaging_message;
    DROP TRIGGER messaging_message_words_kept ON messaging_message;
    DROP TRIGGER messaging_message_pinned ON messaging_message;
    DROP TRIGGER messaging_templateversion_frozen ON messaging_templateversion;
    DROP TRIGGER messaging_decision_frozen ON messaging_decision;
    DROP TRIGGER messaging_attempt_frozen ON messaging_attempt;
    DROP TRIGGER messaging_noteattempt_kept ON messaging_noteattempt;
    DROP TRIGGER messaging_noteattempt_frozen ON messaging_noteattempt;
    DROP TRIGGER messaging_note_pinned ON messaging_cmsnote;
    DROP TRIGGER messaging_note_kept ON messaging_cmsnote;
    DROP TRIGGER messaging_note_frozen ON messaging_cmsnote;
    DROP TRIGGER messaging_note_only_for_sent ON messaging_cmsnote;
    DROP TRIGGER messaging_sent_owes_a_note ON messaging_message;
    DROP TRIGGER messaging_cmsnote_guard ON messaging_cmsnote;
    DROP TRIGGER messaging_message_guard ON messaging_message;
    DROP FUNCTION messaging_last_mail, messaging_line_break, messaging_frozen, messaging_note_only_for_sent, messaging_sent_owes_a_note,
        messaging_cmsnote_guard, messaging_message_guard;
"""
)
