"""The way in: a request becomes a quote once, however often it is sent."""

import hashlib
import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta

from django.db import IntegrityError, connection, transaction
from django.db.models.functions import Now
from django.utils import timezone

from portal import tasks
from portal.quotes import replies
from portal.quotes.models import Quote, QuoteImage
from portal.quotes.pictures import NewPicture

SAME_WITHIN = timedelta(hours=24)  # the same words and pictures, sent again in that time, are the same request
UNAMBIGUOUS = "23456789ABCDEFGHJKMNPQRSTVWXYZ"  # no 0 O 1 I L U
NUMBERS_TRIED = 5


@dataclass(frozen=True, kw_only=True)
class NewRequest:
    """What a customer asks for, already checked. The same `key` is the same request."""

    key: str
    name: str
    email: str
    phone: str
    address: str
    city: str
    description: str = ""
    preferred_date: date | None = None
    preferred_time: str = ""
    images: tuple[NewPicture, ...] = ()
    source: str = "form"


def receive(request: NewRequest, *, terms: replies.MailTerms, may_add: Callable[[], None] = lambda: None) -> Quote:
    """The request's one quote, with its pictures and the office's notice, whether it is new or was here before.

    `may_add` is called before a new one is stored, and may refuse it by raising: then nothing has happened.
    """
    mark = fingerprint(request)
    with transaction.atomic():
        one_at_a_time(mark)
        here = known(request.key) or sent_before(mark)
        if here:
            return here
        may_add()
        quote, is_new = stored(request, mark)
        if is_new:
            QuoteImage.objects.bulk_create(pictures(quote, request.images))
            replies.announce(quote, terms=terms)
            tasks.ring()
            tasks.ring_quotes()
    return quote


def known(key: str) -> Quote | None:
    """The quote that was asked for under this key."""
    return Quote.objects.filter(key=key).first()


def sent_before(mark: str) -> Quote | None:
    return Quote.objects.filter(fingerprint=mark, created_at__gt=Now() - SAME_WITHIN).order_by("-created_at").first()


def is_what_was_sent(quote: Quote, request: NewRequest) -> bool:
    """The quote has these very words and pictures: nothing was changed between two times of sending."""
    return quote.fingerprint == fingerprint(request)


def fingerprint(request: NewRequest) -> str:
    """What was typed and sent, as one hash: the same whatever the case, the spaces and the way to write a phone number."""
    told = vars(request) | {"phone": "".join(c for c in request.phone if c.isdigit())}
    words = {name: " ".join(str(value or "").casefold().split()) for name, value in told.items() if name not in ("key", "source", "images")}
    seen = [hashlib.sha256(picture.content).hexdigest() for picture in request.images]
    return hashlib.sha256(json.dumps([words, seen], sort_keys=True).encode()).hexdigest()


def one_at_a_time(mark: str) -> None:
    """Until this transaction ends, nobody else stores the same words and pictures."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"quote:{mark}"])


def stored(request: NewRequest, mark: str) -> tuple[Quote, bool]:
    """The quote of this key, and whether it was stored just now."""
    facts = {name: value for name, value in vars(request).items() if name != "images"}
    for _ in range(NUMBERS_TRIED):
        try:
            with transaction.atomic():
                return Quote.objects.create(number=new_number(), fingerprint=mark, **facts), True
        except IntegrityError:  # the key was used meanwhile by another form, or the number is taken
            if here := known(request.key):
                return here, False
    raise RuntimeError(f"{NUMBERS_TRIED} numbers in a row were taken: {new_number()} and others like it")


def new_number() -> str:
    """GC-YYYYMMDD-XXXXXX, by the office's calendar, in characters that nobody confuses on the telephone."""
    return f"GC-{timezone.localdate():%Y%m%d}-" + "".join(secrets.choice(UNAMBIGUOUS) for _ in range(6))


def pictures(quote: Quote, images: tuple[NewPicture, ...]) -> list[QuoteImage]:
    return [
        QuoteImage(quote=quote, position=position, size=len(image.content), **vars(image)) for position, image in enumerate(images, start=1)
    ]
