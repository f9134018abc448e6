"""One holder at a time, by the database's clock."""

import threading
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.db.models.functions import Now

from messaging.models import Message, Status
from tests.factories import make_message

LEASE = timedelta(minutes=11)


def claim(limit: int = 20) -> list[Message]:
    return Message.objects.due().claim(lease=LEASE, limit=limit, status=Status.CLAIMED)


@pytest.mark.django_db
def test_a_claim_takes_at_most_its_limit_under_one_token_of_its_own():
    for _ in range(5):
        make_message()

    first, second = claim(2), claim(20)

    assert (len(first), len(second), claim()) == (2, 3, [])
    assert len({row.lease for row in first}) == 1
    assert {row.lease for row in first} != {row.lease for row in second}
    assert Message.objects.filter(leased_until__gt=Now() + LEASE - timedelta(seconds=30), leased_until__lte=Now() + LEASE).count() == 5


@pytest.mark.django_db
def test_a_hold_ends_by_itself():
    make_message()
    (row,) = claim()
    assert (list(Message.objects.free()), list(Message.objects.lapsed())) == ([], [])

    Message.objects.update(leased_until=Now() - timedelta(seconds=1))

    assert (list(Message.objects.free()), list(Message.objects.lapsed())) == ([row], [row])


@pytest.mark.django_db(transaction=True)
def test_a_row_that_somebody_is_looking_at_is_passed_over_and_not_waited_for():
    looked_at, other = make_message(), make_message()
    taken: list[int] = []

    def elsewhere() -> None:
        taken.extend(row.pk for row in claim())
        connection.close()

    with transaction.atomic():
        Message.objects.select_for_update().get(pk=looked_at.pk)
        worker = threading.Thread(target=elsewhere)
        worker.start()
        worker.join(10)

    assert taken == [other.pk]


@pytest.mark.django_db(transaction=True)
def test_of_many_workers_each_row_has_one():
    for _ in range(40):
        make_message()
    taken: list[int] = []

    def worker() -> None:
        while rows := claim(3):
            taken.extend(row.pk for row in rows)
        connection.close()

    workers = [threading.Thread(target=worker) for _ in range(4)]
    for each in workers:
        each.start()
    for each in workers:
        each.join()

    assert sorted(taken) == sorted(Message.objects.values_list("pk", flat=True))
