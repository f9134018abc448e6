"""What PostgreSQL itself keeps true of configuration, whoever writes. Migrations install this trigger; `REVERSE` takes it back."""

SQL = """
    CREATE FUNCTION portal_configversion_kept() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF TG_OP = 'UPDATE' AND to_jsonb(NEW) - 'in_force' = to_jsonb(OLD) - 'in_force' AND NEW.in_force <@ OLD.in_force
            AND (isempty(NEW.in_force) OR lower(NEW.in_force) = lower(OLD.in_force))
        THEN
            RETURN NEW;
        END IF;
        RAISE EXCEPTION '% on configuration version %: a version is never changed, it only ends earlier', TG_OP, OLD.id
            USING ERRCODE = 'check_violation';
    END $$;
    CREATE TRIGGER portal_configversion_kept BEFORE UPDATE OR DELETE ON portal_configversion
        FOR EACH ROW EXECUTE FUNCTION portal_configversion_kept();
"""

REVERSE = """
    DROP TRIGGER portal_configversion_kept ON portal_configversion;
    DROP FUNCTION portal_configversion_kept;
"""
