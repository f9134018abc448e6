"""What PostgreSQL itself keeps true of operations, whoever writes. Migrations install these triggers; `REVERSE` takes them back."""

from messaging.lifecycles import guard_sql
from portal.operations.models import FACTS, MOVES

WRITTEN_ONCE = """
    CREATE TRIGGER portal_operationitem_frozen BEFORE UPDATE ON portal_operationitem
        FOR EACH ROW WHEN (OLD.outcome <> '') EXECUTE FUNCTION messaging_frozen();
    CREATE TRIGGER portal_operation_pinned BEFORE UPDATE OF kind, parameters, author_id, total ON portal_operation
        FOR EACH ROW WHEN (
            (OLD.kind, OLD.parameters, OLD.author_id, OLD.total) IS DISTINCT FROM (NEW.kind, NEW.parameters, NEW.author_id, NEW.total)
        )
        EXECUTE FUNCTION messaging_frozen();
"""

SQL = guard_sql(table="portal_operation", moves=MOVES, facts=FACTS) + WRITTEN_ONCE

REVERSE = """
    DROP TRIGGER portal_operation_pinned ON portal_operation;
    DROP TRIGGER portal_operationitem_frozen ON portal_operationitem;
    DROP TRIGGER portal_operation_guard ON portal_operation;
    DROP FUNCTION portal_operation_guard;
"""
