"""How often anybody may do something, counted in the database: the same for all hosts, and nothing to set up beside it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from math import ceil

from django.conf import settings
from django.db import connection, models
from django.http import HttpRequest
from django.utils.crypto import salted_hmac

HOUR = timedelta(hours=1)
IPV6_HOUSEHOLD = 64  # bits: what one line gets, to choose its addresses from
SWEPT_AT_ONCE = 100


class TooMany(Exception):
    """The limit is reached; `retry_after` is when it lets the next one through."""

    def __init__(self, subject: str, *, retry_after: timedelta) -> None:
        super().__init__(f"{subject}: again in {retry_after}")
        self.retry_after = retry_after


@dataclass(frozen=True, kw_only=True)
class Limit:
    """`most` at once, and then one more each time a `most`-th of `per` has gone by."""

    subject: str
    most: int
    per: timedelta = HOUR


class RateLimit(models.Model):
    """How full one subject is: each time adds a part to it, and it drains as time goes by. Drained, the row is as good as none."""

    subject = models.CharField(
        primary_key=True, max_length=100, help_text="What is counted, and of whom: never an address that can be read."
    )
    full_until = models.DateTimeField(help_text="When all of it will have drained.")

    class Meta:
        ordering = ["subject"]
        indexes = [models.Index(fields=["full_until"], name="rate_limit_drained")]

    def __str__(self) -> str:
        return self.subject


def take(limits: Sequence[Limit]) -> None:
    """Each limit has counted one more. Raises TooMany at the first that is reached; that one and those after it have counted nothing."""
    for limit in limits:
        if not _took(limit):
            raise TooMany(limit.subject, retry_after=_wait(limit))


def client_of(request: HttpRequest, *, proxies: int) -> str:
    """Who asks, as a keyed hash: the same for one address (one household, in IPv6), and of no use to whoever reads the table."""
    return salted_hmac("portal.rate_limits", str(_household(address_of(request, proxies=proxies)))).hexdigest()[:32]


def address_of(request: HttpRequest, *, proxies: int) -> str:
    """The caller's address. With proxies of ours before us it is what the outermost of them saw; what stands left of that is hearsay."""
    told = [part.strip() for part in request.headers.get("X-Forwarded-For", "").split(",")]
    told_by_ours = told[-proxies] if 0 < proxies <= len(told) else ""
    return told_by_ours or request.META.get("REMOTE_ADDR", "")


def address_behind_our_proxies(request: HttpRequest) -> str:
    """For whoever asks by name in the settings, as django-axes does."""
    return address_of(request, proxies=settings.AXES_IPWARE_PROXY_COUNT)


def _took(limit: Limit) -> bool:
    """One statement: it counts if there is room, and clears away what has drained meanwhile."""
    step = limit.per.total_seconds() / limit.most
    room = limit.per.total_seconds() - step
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH drained AS (
                DELETE FROM portal_ratelimit WHERE subject IN (
                    SELECT subject FROM portal_ratelimit WHERE full_until < clock_timestamp() AND subject <> %(subject)s
                    LIMIT %(swept)s FOR UPDATE SKIP LOCKED))
            INSERT INTO portal_ratelimit AS kept (subject, full_until)
                VALUES (%(subject)s, clock_timestamp() + %(step)s * interval '1 second')
            ON CONFLICT (subject) DO UPDATE SET full_until = greatest(kept.full_until, clock_timestamp()) + %(step)s * interval '1 second'
                WHERE greatest(kept.full_until, clock_timestamp()) <= clock_timestamp() + %(room)s * interval '1 second'
            RETURNING 1""",
            {"subject": limit.subject, "step": step, "room": room, "swept": SWEPT_AT_ONCE},
        )
        return cursor.fetchone() is not None


def _wait(limit: Limit) -> timedelta:
    """How long until there is room for one more, in whole seconds."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT full_until - clock_timestamp() FROM portal_ratelimit WHERE subject = %s", [limit.subject])
        row = cursor.fetchone()
    left = (row[0] if row else timedelta(0)) + limit.per / limit.most - limit.per
    return timedelta(seconds=max(1, ceil(left.total_seconds())))


def _household(address: str) -> object:
    try:
        found: IPv4Address | IPv6Address = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(found, IPv4Address):
        return found
    return found.ipv4_mapped or ip_network((found, IPV6_HOUSEHOLD), strict=False)
