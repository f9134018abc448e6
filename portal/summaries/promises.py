"""What PostgreSQL itself keeps true of daily summaries, whoever writes. Migrations install these triggers; `REVERSE` takes them back."""

from messaging.lifecycles import guard_sql
from portal.summaries.models import FACTS, MOVES

SUMMARY_MAIL = "daily_summary"  # the kind of its message

# Deferred: the row comes first, then its mail, and both are committed together.
SCHEDULED_HAS_A_MAIL = """
    CREATE FUNCTION portal_summary_has_its_mail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF EXISTS (SELECT FROM portal_dailysummary WHERE id = NEW.id AND status <> 'failed' AND message_id IS NULL) THEN
            RAISE EXCEPTION 'daily summary % is scheduled or completed, but has no message', NEW.id USING ERRCODE = 'check_violation';
        END IF;
        RETURN NULL;
    END $$;
    CREATE CONSTRAINT TRIGGER portal_summary_has_its_mail AFTER INSERT OR UPDATE OF status, message_id ON portal_dailysummary
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION portal_summary_has_its_mail();
"""

EXPIRED_STAYS_CLOSED = """
    CREATE FUNCTION portal_summary_day_is_open() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF EXISTS (SELECT FROM portal_summarypreference WHERE user_id = NEW.user_id AND expired_through >= NEW.day) THEN
            RAISE EXCEPTION 'the daily summaries of user % have expired through %', NEW.user_id, NEW.day
                USING ERRCODE = 'check_violation', CONSTRAINT = 'summary_day_is_open';
        END IF;
        RETURN NEW;
    END $$;
    CREATE TRIGGER portal_summary_day_is_open BEFORE INSERT ON portal_dailysummary
        FOR EACH ROW EXECUTE FUNCTION portal_summary_day_is_open();
    CREATE TRIGGER portal_dailysummary_pinned BEFORE UPDATE OF user_id, day, zone, due_at, created_at ON portal_dailysummary
        FOR EACH ROW WHEN (
            (OLD.user_id, OLD.day, OLD.zone, OLD.due_at) IS DISTINCT FROM (NEW.user_id, NEW.day, NEW.zone, NEW.due_at)
        ) EXECUTE FUNCTION messaging_frozen();
"""

SQL = guard_sql(table="portal_dailysummary", moves=MOVES, facts=FACTS) + SCHEDULED_HAS_A_MAIL + EXPIRED_STAYS_CLOSED

REVERSE = """
    DROP TRIGGER portal_dailysummary_pinned ON portal_dailysummary;
    DROP TRIGGER portal_summary_day_is_open ON portal_dailysummary;
    DROP TRIGGER portal_summary_has_its_mail ON portal_dailysummary;
    DROP TRIGGER portal_dailysummary_guard ON portal_dailysummary;
    DROP FUNCTION portal_summary_day_is_open, portal_summary_has_its_mail, portal_dailysummary_guard;
"""
