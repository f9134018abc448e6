"""A worker's line: the first server that is not paused, opened when it is needed and given up when it breaks."""

from datetime import timedelta

import pytest
from django.db.models.functions import Now

from messaging.gateways.mail import MailServer
from messaging.lines import Line, NoLine
from messaging.models import Provider
from tests.fakes import FakeMailServer

pytestmark = pytest.mark.django_db


def told(name: str, server: FakeMailServer) -> MailServer:
    return MailServer(name=name, host="127.0.0.1", port=server.port)


def test_one_connection_is_opened_and_used_again():
    with FakeMailServer({}) as server:
        line = Line([told("first", server)])
        one, fresh = line.connection(), line.is_fresh
        again, stale = line.connection(), not line.is_fresh

        assert (one is again, fresh, stale, len(server.connections)) == (True, True, True, 1)
        line.hang_up()
        assert line.connection() is not one
        assert (line.is_fresh, len(server.connections)) == (True, 2)


def test_nothing_is_opened_before_it_is_needed():
    with FakeMailServer({}) as server:
        line = Line([told("first", server)])

        assert (line.server_name, server.connections) == ("", [])
        line.quit()
        line.hang_up()


def test_the_servers_are_tried_in_order_and_each_that_fails_is_paused():
    with FakeMailServer({"banner": b"421 busy\r\n"}) as first, FakeMailServer({}) as second:
        line = Line([told("first", first), told("second", second)])
        line.connection()

        assert (line.server_name, line.provider.name) == ("second", "second")
        assert list(Provider.objects.paused().values_list("name", flat=True)) == ["first"]


def test_with_every_server_paused_there_is_no_line_and_nobody_is_called():
    with FakeMailServer({}) as server:
        Provider.objects.create(name="first", purpose="mail", paused_until=Now() + timedelta(minutes=1), reason="down")

        with pytest.raises(NoLine):
            Line([told("first", server)]).connection()
        assert server.connections == []


def test_a_line_needs_a_server():
    with pytest.raises(AssertionError):
        Line([])
