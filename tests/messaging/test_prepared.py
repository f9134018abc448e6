"""A statement past the cursors: the same answers, the same transactions and the same errors as through one."""

import pytest
from django.db import DataError, IntegrityError, OperationalError, connection, transaction

from messaging.models import Provider
from messaging.prepared import Prepared

ADD = "INSERT INTO messaging_provider (name, purpose, reason, failures_in_row, sender_refusals_in_row) VALUES (%(name)s, 'mail', '', 0, 0)"


@pytest.mark.django_db
def test_every_run_gives_the_same_answer_whether_the_server_keeps_the_plan_or_not():
    statement = Prepared("SELECT %(a)s::int + %(b)s::int, %(a)s::int > 1, NULL::text")

    assert [statement.row({"a": 2, "b": 40}) for _ in range(4)] == [[b"42", b"t", None]] * 4


@pytest.mark.django_db
def test_a_text_that_postgresql_cannot_hold_is_refused_whole():
    with pytest.raises(DataError):
        Prepared("SELECT %(a)s::text").row({"a": "cut\0here"})


@pytest.mark.django_db(transaction=True)
def test_as_the_first_statement_of_a_transaction_it_is_part_of_it():
    with transaction.atomic():
        Prepared(f"{ADD} RETURNING id").row({"name": "taken back"})
        transaction.set_rollback(True)

    assert not Provider.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_errors_are_those_of_django():
    statement = Prepared(f"{ADD} RETURNING id")
    statement.row({"name": "once"})

    with pytest.raises(IntegrityError):
        statement.row({"name": "once"})
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        backend = cursor.fetchone()[0]
    with pytest.raises(OperationalError):
        Prepared("SELECT pg_terminate_backend(%(backend)s::int)").row({"backend": backend})
    connection.close()
    assert Provider.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_new_connection_is_asked_as_if_for_the_first_time():
    statement = Prepared("SELECT %(a)s::int")
    for _ in range(2):
        assert [statement.row({"a": 7}) for _ in range(3)] == [[b"7"]] * 3
        connection.close()


@pytest.mark.django_db
def test_all_rows_of_an_answer_are_told_and_an_answer_without_rows_is_empty():
    statement = Prepared("SELECT number, NULL FROM generate_series(1, %(last)s::int) AS number")

    assert [statement.rows({"last": last}) for last in (2, 0, 1)] == [[[b"1", None], [b"2", None]], [], [[b"1", None]]]
