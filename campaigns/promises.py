"""What PostgreSQL itself keeps true of campaigns beyond the models' constraints, whoever writes. The migration installs it.

A schedule is written by millions, so its guards are conditions of triggers: no function runs unless something is refused.
"""

from campaigns.models.imports import IMPORT_FACTS, IMPORT_MOVES
from campaigns.models.run import RUN_MOVES
from campaigns.models.schedule import SCHEDULE_MOVES
from messaging.autovacuum import tuned, untuned
from messaging.lifecycles import guard_sql

LEGAL = ", ".join(f"'{source.value} {target.value}'" for source, targets in SCHEDULE_MOVES.items() for target in sorted(targets))
PINNED = "contact_id, email_type, campaign_instance_id, event_on, parent_id, message_id"


def row(name: str) -> str:
    return f"({', '.join(f'{name}.{column.strip()}' for column in PINNED.split(','))})"


SCHEDULE = f"""
    CREATE FUNCTION campaigns_schedule_refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF TG_OP = 'DELETE' THEN
            RAISE EXCEPTION 'schedule % is % and is kept', OLD.id, OLD.status USING ERRCODE = 'check_violation';
        ELSIF OLD.status <> NEW.status THEN
            RAISE EXCEPTION 'schedule % cannot go from % to %', OLD.id, OLD.status, NEW.status USING ERRCODE = 'check_violation';
        END IF;
        RAISE EXCEPTION 'schedule % was handed over: whom it is for and what about is final', OLD.id USING ERRCODE = 'check_violation';
    END $$;
    CREATE TRIGGER campaigns_schedule_moves BEFORE UPDATE OF status ON campaigns_emailschedule
        FOR EACH ROW WHEN (OLD.status <> NEW.status AND OLD.status || ' ' || NEW.status NOT IN ({LEGAL}))
        EXECUTE FUNCTION campaigns_schedule_refuse();
    CREATE TRIGGER campaigns_schedule_pinned BEFORE UPDATE OF {PINNED} ON campaigns_emailschedule
        FOR EACH ROW WHEN (OLD.status = 'scheduled' AND NEW.status = 'scheduled' AND {row("OLD")} IS DISTINCT FROM {row("NEW")})
        EXECUTE FUNCTION campaigns_schedule_refuse();
    CREATE FUNCTION campaigns_schedule_release() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF NOT EXISTS (SELECT FROM messaging_message WHERE id = OLD.message_id AND is_test) THEN
            RAISE EXCEPTION 'schedule % was handed over as a real mail, which is final', OLD.id USING ERRCODE = 'check_violation';
        END IF;
        RETURN NEW;
    END $$;
    CREATE TRIGGER campaigns_schedule_released BEFORE UPDATE OF status ON campaigns_emailschedule
        FOR EACH ROW WHEN (OLD.status = 'scheduled' AND NEW.status <> 'scheduled') EXECUTE FUNCTION campaigns_schedule_release();
    CREATE TRIGGER campaigns_schedule_kept BEFORE DELETE ON campaigns_emailschedule
        FOR EACH ROW WHEN (OLD.status IN ('scheduled', 'cancelled')) EXECUTE FUNCTION campaigns_schedule_refuse();
"""

# Who did it is told by set_config('app.actor', <user id>, true) in the same transaction; see changes.py.
CHANGES = """
    CREATE FUNCTION campaigns_note_change() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        before jsonb := to_jsonb(OLD);
        after jsonb := to_jsonb(NEW);
    BEGIN
        INSERT INTO campaigns_campaignchange
            (campaign_type_id, instance_id, field, old_value, new_value, changed_by_id, requires_rescheduling)
        SELECT
            CASE WHEN TG_TABLE_NAME = 'campaigns_campaigntype' THEN NEW.id END,
            CASE WHEN TG_TABLE_NAME = 'campaigns_campaigninstance' THEN NEW.id END,
            told.key, before ->> told.key, told.value,
            nullif(current_setting('app.actor', true), '')::bigint,
            told.key NOT IN ('name', 'metadata', 'enable_followups')
        FROM jsonb_each_text(after) AS told
        WHERE told.key NOT IN ('id', 'created_at', 'updated_at') AND before ->> told.key IS DISTINCT FROM told.value;
        RETURN NULL;
    END $$;
    CREATE TRIGGER campaigns_type_changed AFTER UPDATE ON campaigns_campaigntype
        FOR EACH ROW EXECUTE FUNCTION campaigns_note_change();
    CREATE TRIGGER campaigns_instance_changed AFTER UPDATE ON campaigns_campaigninstance
        FOR EACH ROW EXECUTE FUNCTION campaigns_note_change();

    CREATE FUNCTION campaigns_change_kept() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        RAISE EXCEPTION '% of campaign change %: what was changed is final', TG_OP, OLD.id USING ERRCODE = 'check_violation';
    END $$;
    CREATE TRIGGER campaigns_change_frozen BEFORE UPDATE ON campaigns_campaignchange
        FOR EACH ROW WHEN (
            (OLD.campaign_type_id, OLD.instance_id, OLD.field, OLD.old_value, OLD.new_value, OLD.changed_at, OLD.changed_by_id)
            IS DISTINCT FROM
            (NEW.campaign_type_id, NEW.instance_id, NEW.field, NEW.old_value, NEW.new_value, NEW.changed_at, NEW.changed_by_id)
        ) EXECUTE FUNCTION campaigns_change_kept();
    CREATE TRIGGER campaigns_change_kept BEFORE DELETE ON campaigns_campaignchange
        FOR EACH ROW EXECUTE FUNCTION campaigns_change_kept();
"""

REPLACED = """
    CREATE FUNCTION campaigns_replaced_refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        RAISE EXCEPTION 'what schedule % was before run % is final', OLD.id, OLD.replaced_in USING ERRCODE = 'check_violation';
    END $$;
    CREATE TRIGGER campaigns_replaced_frozen BEFORE UPDATE ON campaigns_replacedschedule
        FOR EACH ROW EXECUTE FUNCTION campaigns_replaced_refuse();
"""

IMPORTS = guard_sql(table="campaigns_importjob", moves=IMPORT_MOVES, facts=IMPORT_FACTS)

EXTERNAL = 'ALTER TABLE campaigns_runchunk ALTER COLUMN "{}" SET STORAGE EXTERNAL;\n'
PACKED = "".join(map(EXTERNAL.format, ("plan", "left", "found", "flow", "earlier")))  # to compress them would cost more than to write them
BIG = ("campaigns_emailschedule", "campaigns_engagementevent")
SQL = tuned(*BIG) + PACKED + SCHEDULE + CHANGES + REPLACED + guard_sql(table="campaigns_schedulerrun", moves=RUN_MOVES) + IMPORTS

REVERSE = f"""{untuned(*BIG)}
    DROP TRIGGER campaigns_importjob_guard ON campaigns_importjob;
    DROP TRIGGER campaigns_schedulerrun_guard ON campaigns_schedulerrun;
    DROP TRIGGER campaigns_replaced_frozen ON campaigns_replacedschedule;
    DROP TRIGGER campaigns_change_kept ON campaigns_campaignchange;
    DROP TRIGGER campaigns_change_frozen ON campaigns_campaignchange;
    DROP TRIGGER campaigns_instance_changed ON campaigns_campaigninstance;
    DROP TRIGGER campaigns_type_changed ON campaigns_campaigntype;
    DROP TRIGGER campaigns_schedule_kept ON campaigns_emailschedule;
    DROP TRIGGER campaigns_schedule_released ON campaigns_emailschedule;
    DROP TRIGGER campaigns_schedule_pinned ON campaigns_emailschedule;
    DROP TRIGGER campaigns_schedule_moves ON campaigns_emailschedule;
    DROP FUNCTION campaigns_importjob_guard, campaigns_replaced_refuse;
    DROP FUNCTION campaigns_schedulerrun_guard, campaigns_change_kept, campaigns_note_change, campaigns_schedule_release,
        campaigns_schedule_refuse;
"""
