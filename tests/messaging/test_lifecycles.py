"""A lifecycle is a table of moves; one compare-and-set obeys it. What the database refuses is in test_promises."""

import pytest

from messaging.lifecycles import guard_sql, sources
from messaging.models import Message, Status
from messaging.models.message import MOVES
from tests.factories import make_message

pytestmark = pytest.mark.django_db


def test_sources_are_the_states_from_which_a_move_is_legal():
    assert sources(MOVES, to=Status.SENT) == ["transmitting", "in_doubt"]
    assert sources(MOVES, to=Status.CLAIMED) == ["queued"]


def test_a_move_takes_along_its_facts_and_tells_how_many_moved():
    for _ in range(2):
        make_message()
    held = make_message()
    Message.objects.filter(pk=held.pk).move(Status.HELD, reason="first")

    assert Message.objects.move(Status.HELD, reason="second") == 2
    assert sorted(Message.objects.values_list("status", "reason")) == [("held", "first"), ("held", "second"), ("held", "second")]


def test_what_may_become_something_is_found_by_it():
    queued, held = make_message(), make_message()
    Message.objects.filter(pk=held.pk).move(Status.HELD, reason="why")

    assert list(Message.objects.may_become(Status.CLAIMED)) == [queued]
    assert set(Message.objects.may_become(Status.CANCELLED)) == {queued, held}


def test_the_guard_names_every_legal_move_and_no_other():
    told = guard_sql(table="messaging_message", moves=MOVES)

    assert told.count("'queued claimed'") == told.count("'in_doubt sent'") == 2  # asked with all else, then for its own sentence
    assert "'sent queued'" not in told
