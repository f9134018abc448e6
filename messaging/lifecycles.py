"""A lifecycle is a table of legal moves; one compare-and-set obeys it, and the database refuses the rest."""

from collections.abc import Mapping
from typing import Any, Self

from django.db import models

Moves = Mapping[Any, frozenset[Any]]


def sources(moves: Moves, *, to: str) -> list[str]:
    """The states from which `to` may be reached, in the order the table lists them."""
    return [source.value for source, targets in moves.items() if to in targets]


class LifecycleQuerySet(models.QuerySet[Any]):
    """Rows with a `status` whose legal moves stand in the model's `MOVES`."""

    model: Any

    def move(self, to: str, **facts: Any) -> int:
        """Move every row that may go to `to`, with its new facts; return how many did."""
        return self.filter(status__in=sources(self.model.MOVES, to=to)).update(status=to, **facts)

    def may_become(self, to: str) -> Self:
        return self.filter(status__in=sources(self.model.MOVES, to=to))


def guard_sql(*, table: str, moves: Moves) -> str:
    """SQL for a trigger that refuses any other move, from raw SQL as from the ORM. Its WHEN costs no function call on legal ones."""
    legal = ", ".join(f"'{source.value} {target.value}'" for source, targets in moves.items() for target in sorted(targets))
    return f"""
        CREATE FUNCTION {table}_moves() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            RAISE EXCEPTION '{table} % cannot go from % to %', OLD.id, OLD.status, NEW.status USING ERRCODE = 'check_violation';
        END $$;
        CREATE TRIGGER {table}_moves BEFORE UPDATE OF status ON {table} FOR EACH ROW
            WHEN (OLD.status <> NEW.status AND OLD.status || ' ' || NEW.status NOT IN ({legal}))
            EXECUTE FUNCTION {table}_moves();
    """
