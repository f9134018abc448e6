"""What must hold of a full plan, after balancing and frequency: every check answers with the mails that break it."""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from tests.audit.oracle import NEVER_AFTER_THEIR_EVENT, Event, Numbers, Row, identity, respects
from tests.audit.windows import ONE_DAY, excluded

GOING = {"pre-scheduled", "scheduled", "processing", "sent", "delivered"}
OPEN = {"pre-scheduled", "scheduled", "processing"}
PERIOD = 30 * ONE_DAY


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """One line of a plan or of the record, wherever it was read."""

    contact: int
    email_type: str
    date: date
    event_date: date
    status: str
    reason: str | None = None
    instance: Any = None
    moved_from: date | None = None
    over_cap: bool = False
    parent: int | None = None  # of a follow-up, the number of the mail it follows

    @property
    def event(self) -> Event:
        return self.email_type, self.instance, self.event_date

    @property
    def goes(self) -> bool:
        return self.status in GOING

    @property
    def is_follow_up(self) -> bool:
        return self.email_type.startswith("followup_")


def by_contact(mails: Iterable[Mail]) -> dict[int, list[Mail]]:
    own = defaultdict(list)
    for mail in mails:
        own[mail.contact].append(mail)
    return own


def inside_windows(mails: Iterable[Mail], people: Mapping[int, Mapping[str, Any]], *, numbers: Numbers) -> list[Mail]:
    """Mails that go on a day that a window of their contact covers, though their type respects windows."""
    return [
        mail
        for mail in mails
        if mail.goes
        and respects(mail.email_type, numbers)
        and excluded(people[mail.contact], mail.date, lead=numbers.lead, rules=numbers.rules)
    ]


def beyond_events(mails: Iterable[Mail]) -> list[Mail]:
    return [mail for mail in mails if mail.goes and mail.email_type in NEVER_AFTER_THEIR_EVENT and mail.date > mail.event_date]


def twice(mails: Iterable[Mail]) -> list[Mail]:
    """Mails beyond the first about one event of one contact. A follow-up's event is the mail it follows, told elsewhere."""
    seen: set[Any] = set()
    return [mail for mail in mails if mail.goes and not mail.is_follow_up and again((mail.contact, identity(mail.event)), seen)]


def again(key: Any, seen: set[Any]) -> bool:
    known = key in seen
    seen.add(key)
    return known


def above_frequency(mails: Iterable[Mail], *, limit: int) -> list[Mail]:
    """The last mail of each span of 31 days that holds more than `limit` mails to one contact."""
    counted = by_contact(mail for mail in mails if mail.goes and not mail.is_follow_up)
    return [last for own in counted.values() for last in spans_above(sorted(own, key=lambda mail: mail.date), limit)]


def spans_above(own: Sequence[Mail], limit: int) -> Iterator[Mail]:
    for first, last in zip(own, own[limit:], strict=False):
        if last.date - first.date <= PERIOD:
            yield last


def needlessly_silent(mails: Iterable[Mail], *, limit: int, day: date) -> list[Mail]:
    """Mails skipped for the frequency limit that would exceed it in no span of 31 days.

    From `day` on, and only those whose own day is not over: a run decides anew about what it plans (5.6), and accepts what exceeds no
    span (5.12). Of a mail whose own day is over it plans nothing but a catch-up, which the oracle expects where there is one.
    """
    silent = []
    for own in by_contact(mail for mail in mails if not mail.is_follow_up).values():
        going = sorted(mail.date for mail in own if mail.goes)
        lost = [mail for mail in own if mail.reason == "frequency_limit" and (mail.moved_from or mail.date) >= day]
        silent += [mail for mail in lost if fits(mail.date, going, limit)]
    return silent


def fits(day: date, going: Sequence[date], limit: int) -> bool:
    """One more mail that day would leave every span of 31 days within the limit."""
    together = sorted([*going[bisect_left(going, day - PERIOD) : bisect_right(going, day + PERIOD)], day])
    return all(last - first > PERIOD for first, last in zip(together, together[limit:], strict=False))


def daily_cap(contacts: int, share: float = 0.07) -> int:
    return max(1, int(contacts * round(share * 100)) // 100)


def wrong_moves(mails: Iterable[Mail], *, spread: int = 2) -> list[Mail]:
    """Mails moved to an earlier day; effective-date mails may be so by as much as the smoothing spreads them."""
    return [
        mail
        for mail in mails
        if mail.moved_from and mail.date < mail.moved_from - (spread * ONE_DAY if mail.email_type == "effective_date" else 0 * ONE_DAY)
    ]


def several_campaigns(mails: Iterable[Mail]) -> list[Mail]:
    """Campaign mails beyond the first that one day of the plan, before anything was moved, had for a contact."""
    seen: set[tuple[int, date]] = set()
    return [
        mail
        for mail in mails
        if mail.goes and mail.email_type.startswith("campaign_") and again((mail.contact, mail.moved_from or mail.date), seen)
    ]


def several_open(mails: Iterable[Mail]) -> list[Mail]:
    """Follow-ups beyond the first of a contact that are planned, overdue or on their way (5.14, D-47)."""
    seen: set[int] = set()
    return [mail for mail in mails if mail.is_follow_up and mail.status in OPEN and again(mail.contact, seen)]


def unexpected(expected: Iterable[Row], own: Sequence[Mail], *, day: date) -> list[Mail]:
    """Planned mails about events that nobody is owed a mail about. Overdue ones were expected when they were planned."""
    wanted = {row.event for row in expected}
    ahead = (mail for mail in own if mail.status == "pre-scheduled" and mail.date >= day and not mail.is_follow_up)
    return [mail for mail in ahead if mail.event not in wanted]


def unexplained(expected: Iterable[Row], own: Sequence[Mail], *, day: date) -> list[tuple[Row, Mail | None]]:
    """Expected rows that the plan neither has as they are, nor moved, nor silent for the frequency limit: forgotten, or wrong."""
    found = {mail.event: mail for mail in own if not mail.is_follow_up}
    return [(row, found.get(row.event)) for row in expected if not explains(found.get(row.event), row, day=day)]


def explains(mail: Mail | None, row: Row, *, day: date) -> bool:
    if mail is None:
        return False
    if mail.status == "skipped" and (mail.date < day or mail.date == row.date):
        # skipped rows of past days stay as history (5.6, D-31), a campaign's too when its day passes
        return mail.reason == (row.reason or "frequency_limit") or (mail.date < day and row.reason == "missed")
    once_more = mail.moved_from is not None and mail.moved_from < row.date < mail.date  # it stood on a day that is crowded now
    on_its_day = row.date in (mail.date, mail.moved_from) or once_more
    return row.status != "skipped" and on_its_day and (mail.goes or mail.reason == "frequency_limit")
