"""What PostgreSQL itself keeps true of quotes, whoever writes. Migrations install these triggers; `REVERSE` takes them back."""

from messaging.lifecycles import guard_sql
from portal.quotes.models.quote import FACTS, MOVES

CUSTOMER_MAIL, ADMIN_MAIL = "quote_customer", "quote_admin"  # the kinds of messages that are legs of a quote

# One truth: what became of a mail is known by its message. A quote's columns say the same from the same commit on.
FOLLOWS = """
        UPDATE portal_quote SET
            {leg}_email_state = NEW.status,
            email_sent_to_{leg} = email_sent_to_{leg} OR (NEW.status = 'sent' AND NOT NEW.is_test),
            {leg}_email_attempts = {leg}_email_attempts + tried,
            {leg}_email_error = CASE NEW.status WHEN 'sent' THEN '' ELSE coalesce(nullif(NEW.error, ''), NEW.reason) END,
            last_email_attempt = CASE WHEN tried > 0 THEN clock_timestamp() ELSE last_email_attempt END
        WHERE {leg}_message_id = NEW.id;"""
FOLLOW_THE_MAILS = f"""
    CREATE FUNCTION portal_quote_follows_its_mails() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE tried integer := CASE WHEN NEW.round = OLD.round THEN NEW.attempts - OLD.attempts ELSE 0 END;
    BEGIN{FOLLOWS.format(leg="customer")}{FOLLOWS.format(leg="admin")}
        RETURN NULL;
    END $$;
    CREATE TRIGGER portal_quote_follows_its_mails AFTER UPDATE ON messaging_message FOR EACH ROW
        WHEN (NEW.kind IN ('{CUSTOMER_MAIL}', '{ADMIN_MAIL}') AND NEW.status <> 'claimed')
        EXECUTE FUNCTION portal_quote_follows_its_mails();
"""

SQL = guard_sql(table="portal_quote", moves=MOVES, facts=FACTS) + FOLLOW_THE_MAILS

REVERSE = """
    DROP TRIGGER portal_quote_follows_its_mails ON messaging_message;
    DROP TRIGGER portal_quote_guard ON portal_quote;
    DROP FUNCTION portal_quote_follows_its_mails, portal_quote_guard;
"""
