"""The three ports of a portal on one machine, and what to do about one that is taken."""

import errno
import socket
import time
from urllib.parse import urlsplit

from django.conf import settings

LOOPBACK = "127.0.0.1"
SANDBOX_SMTP = 8025  # where EMAIL_URL names a real provider, the sandbox listens for nobody
LET_GO_WITHIN_SECONDS = 15.0  # an earlier portal that was killed gives its processes a moment to end


class PortTaken(Exception):
    """Another program listens where the portal wants to; the text says where, and names a command that avoids it."""


def sandbox_ports() -> tuple[int, int]:
    """Where the sandbox takes mail, and where its pages and its case-management system are."""
    mail, pages = urlsplit(settings.EMAIL_URL), urlsplit(settings.SANDBOX_URL)
    is_here = mail.hostname in (LOOPBACK, "localhost")
    return (mail.port if is_here and mail.port else SANDBOX_SMTP), pages.port or 80


def refuse_taken(*, web: int) -> None:
    """All three are free, or PortTaken is raised."""
    deadline = time.monotonic() + LET_GO_WITHIN_SECONDS
    while taken := [number for number in (web, *sandbox_ports()) if is_taken(number)]:
        if time.monotonic() > deadline:
            raise PortTaken(_way_out(taken, web=web))
        time.sleep(0.2)


def is_taken(number: int) -> bool:
    """Whether a program listens there on this machine."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, number))
        except OSError as error:
            return error.errno == errno.EADDRINUSE
    return False


def _way_out(taken: list[int], *, web: int) -> str:
    smtp, pages = sandbox_ports()
    other = _free_ports({web, smtp, pages})
    words = {
        web: f"PORT={other[0]}",
        smtp: f"EMAIL_URL=smtp://{LOOPBACK}:{other[1]}",
        pages: f"SANDBOX_URL=http://{LOOPBACK}:{other[2]} CMS_URL=http://{LOOPBACK}:{other[2]}/cms",
    }
    ports = " and ".join(str(number) for number in taken)
    return f"Another program listens on port {ports}. Stop it, or let the portal use others: {' '.join(words[n] for n in taken)} make run"


def _free_ports(wanted: set[int]) -> list[int]:
    """Three free ports that are easy to remember: the wanted ones' neighbours in later thousands."""
    for step in range(1000, 50_000, 1000):
        neighbours = [number + step for number in sorted(wanted)]
        if neighbours[-1] < 65_536 and not any(map(is_taken, neighbours)):
            return neighbours
    return sorted(wanted)
