"""A lifecycle is a table of legal moves; one compare-and-set obeys it, and the database refuses the rest."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
        return self.may_become(to).update(status=to, **facts)

    def may_become(self, to: str) -> Self:
        return self.filter(status__in=sources(self.model.MOVES, to=to))


@dataclass(frozen=True, kw_only=True)
class Fact:
    """What must be true of every row: an SQL condition on NEW, and the sentence that says so."""

    name: str
    condition: str
    sentence: str


def guard_sql(*, table: str, moves: Moves, facts: Sequence[Fact] = ()) -> str:
    """SQL for a trigger that refuses any other move and any row that breaks a fact, from raw SQL as from the ORM.

    One compiled function, because a row on its way changes three times: as CHECK constraints the same facts cost twice as much. All is
    asked in one expression first; only where that is not true it is asked again, piece by piece, what is wrong.
    """
    legal = ", ".join(f"'{source.value} {target.value}'" for source, targets in moves.items() for target in sorted(targets))
    known = ", ".join(f"'{state.value}'" for state in moves)
    legal_move = f"OLD.status IS NULL OR OLD.status = NEW.status OR OLD.status || ' ' || NEW.status IN ({legal})"
    facts = [Fact(name=f"{table}_status_known", condition=f"NEW.status IN ({known})", sentence="has an unknown status"), *facts]
    broken = "".join(
        f"""
            IF NOT ({fact.condition}) THEN
                RAISE EXCEPTION '{table} % {fact.sentence}', NEW.id USING ERRCODE = 'check_violation', CONSTRAINT = '{fact.name}';
            END IF;"""
        for fact in facts
    )
    return f"""
        CREATE FUNCTION {table}_guard() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF ({") AND (".join([legal_move, *(fact.condition for fact in facts)])}) THEN
                RETURN NEW;
            END IF;
            IF NOT ({legal_move}) THEN
                RAISE EXCEPTION '{table} % cannot go from % to %', OLD.id, OLD.status, NEW.status
                    USING ERRCODE = 'check_violation', CONSTRAINT = '{table}_moves';
            END IF;{broken}
            RETURN NEW;
        END $$;
        CREATE TRIGGER {table}_guard BEFORE INSERT OR UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION {table}_guard();
    """
