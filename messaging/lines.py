"""A worker's line to the outside: the first mail server that is not paused, opened when needed, given up when it breaks."""

from collections.abc import Sequence
from datetime import timedelta

from messaging import journal
from messaging.gateways.mail import AccountRefused, Connection, MailServer, MailUnavailable
from messaging.models import Level, Provider, Purpose

FIRST_PAUSE = timedelta(seconds=1)
LONGEST_PAUSE = timedelta(minutes=5)
ACCOUNT_PAUSE = timedelta(minutes=15)
PROBE_FOR = timedelta(seconds=60)  # while one worker tries a server again, the others leave it alone
BREAKS_IN_ROW = 5  # fresh connections that broke before the body, until the server itself is held to be down
SENDER_REFUSALS_IN_ROW = 3  # 5xx answers to our own address, until the account is held to be at fault


class NoLine(Exception):
    """Every mail server is paused: nothing can be sent now, and nothing is used up."""


class Line:
    """At most one open connection, to the first server in order that works."""

    def __init__(self, servers: Sequence[MailServer]) -> None:
        assert servers, "at least one mail server"
        self._servers = servers
        self._providers = {server.name: self._provider(server) for server in servers}
        self._connection: Connection | None = None
        self._breaks_in_row = 0
        self.is_fresh = True
        self._proved = False  # this connection has brought an answer to a mail

    @staticmethod
    def _provider(server: MailServer) -> Provider:
        return Provider.objects.get_or_create(name=server.name, defaults={"purpose": Purpose.MAIL})[0]

    @property
    def server_name(self) -> str:
        """The server spoken to last, or nothing before the first."""
        return self._connection.server.name if self._connection else ""

    def turn_in(self, *, per_second: float) -> float:
        """Seconds until it is this worker's turn under the rate that all workers share."""
        self.connection()
        return self.provider.next_turn_in(per_second=per_second)

    @property
    def provider(self) -> Provider:
        assert self._connection is not None
        return self._providers[self._connection.server.name]

    def connection(self) -> Connection:
        """An open connection. Raises NoLine when no server takes one; each that refused is paused for all workers."""
        if self._connection is not None and self._connection.is_open:
            self.is_fresh = False
            return self._connection
        self._connection = None
        for server in self._servers:
            if self._providers[server.name].may_try(probe_for=PROBE_FOR) and (opened := self._open(server)):
                self._connection, self.is_fresh = opened, True
                return opened
        raise NoLine("every mail server is paused; the dashboard says until when and why")

    def _open(self, server: MailServer) -> Connection | None:
        connection, provider = Connection(server), self._providers[server.name]
        try:
            connection.open()
        except AccountRefused as refusal:
            self._pause(provider, str(refusal), span=ACCOUNT_PAUSE, level=Level.ALARM)
            return None
        except MailUnavailable as trouble:
            self._pause(provider, str(trouble))
            return None
        provider.resume()
        self._proved = False
        return connection

    def _pause(self, provider: Provider, why: str, *, span: timedelta | None = None, level: Level = Level.WARNING) -> None:
        provider.refresh_from_db(fields=["failures_in_row"])
        span = span or min(FIRST_PAUSE * 2 ** min(provider.failures_in_row, 20), LONGEST_PAUSE)
        provider.pause(reason=why, span=span)
        journal.record(level, "delivery", f"{provider.name} is paused for {span}: {why}", detail={"provider": provider.name})
        journal.count_error("delivery", why)

    def broke(self, why: str) -> None:
        """A fresh connection broke before the body. One is the message's bad luck, several in a row are the server's."""
        self._breaks_in_row += 1
        if self._breaks_in_row >= BREAKS_IN_ROW and self._connection is not None:
            self._pause(self.provider, f"{BREAKS_IN_ROW} connections in a row broke before the body; last: {why}")
            self._breaks_in_row = 0

    def refused_our_sender(self, why: str) -> None:
        """5xx to our own address: once is final for that message, several in a row hold the account for a person."""
        provider = self.provider
        provider.refresh_from_db(fields=["sender_refusals_in_row"])
        provider.sender_refusals_in_row += 1
        provider.save(update_fields=["sender_refusals_in_row"])
        if provider.sender_refusals_in_row >= SENDER_REFUSALS_IN_ROW:
            self.hang_up()
            self._pause(provider, f"our sender address is refused: {why}", span=ACCOUNT_PAUSE, level=Level.ALARM)

    def took_one(self) -> None:
        """The server took a mail, or refused one for its own sake: it works, and whatever was in a row is so no longer."""
        self._breaks_in_row = 0
        if not self._proved:
            self.provider.works()
            self._proved = True
        if self.provider.sender_refusals_in_row:
            self.provider.sender_refusals_in_row = 0
            self.provider.save(update_fields=["sender_refusals_in_row"])

    def hang_up(self) -> None:
        """Drop the connection without a word: whatever was prepared on it never leaves."""
        if self._connection is not None:
            self._connection.close()

    def quit(self) -> None:
        if self._connection is not None:
            self._connection.quit()
