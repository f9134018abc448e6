"""A dozen sample quotes: invented people, reserved domains and telephone numbers, pictures drawn when they are loaded.

The built-in estimator looks at them and the price book prices them, as it would be; the hours are counted back from the day of loading.
"""

import json
import uuid
from datetime import date, datetime, timedelta
from decimal import Decimal
from io import BytesIO
from pathlib import Path
from random import Random
from typing import Any

from django.db import transaction
from PIL import Image, ImageDraw

from portal.quotes import doubts, importing, runs
from portal.quotes.gateways.assessors import Reading, Request
from portal.quotes.gateways.estimator import Estimator
from portal.quotes.models import AiCall, Answer, Kind, Outcome, Quote, QuoteImage, Status
from portal.quotes.pictures import made_anew
from portal.quotes.places import place_of
from portal.quotes.price_book import PriceBook, price

FOLDER = Path(__file__).parent
ANSWERED = {Status.ACCEPTED, Status.CONSIDERING, Status.REJECTED, Status.TALK_TO_MANAGER}
SAID = ("name", "email", "phone", "address", "city", "description", "preferred_time")
SIZE = (800, 600)  # pixels
SCENES = {  # how the ground, and the things on it, are coloured
    "leaves": ("#b7c4a1", ["#6b4f1d", "#8a6a2a", "#a3842f", "#55702f"]),
    "bags": ("#c9cdd2", ["#1f2937", "#111827", "#374151"]),
    "boxes": ("#d9cbb8", ["#a47148", "#8b5e34", "#bc8a5f"]),
    "rubble": ("#b8b3ac", ["#8d8d8d", "#a8a29e", "#d6d3d1", "#78716c"]),
}


def rows() -> list[dict[str, Any]]:
    return json.loads((FOLDER / "quotes.json").read_text(encoding="utf-8"))


@transaction.atomic
def load(*, now: datetime, today: date, book: tuple[int, PriceBook]) -> int:
    """The sample quotes that are not there yet; one that somebody has worked on since stays as it is."""
    keyed = {f"sample:{number}": row for number, row in enumerate(rows(), start=1)}
    known = set(Quote.objects.filter(key__in=keyed).values_list("key", flat=True))
    missing = {key: row for key, row in keyed.items() if key not in known}
    for key, row in reversed(missing.items()):  # the oldest first
        add(key, row, now=now, today=today, book=book)
    return len(missing)


def add(key: str, row: dict[str, Any], *, now: datetime, today: date, book: tuple[int, PriceBook]) -> None:
    received = now - timedelta(hours=row["hours_ago"])
    quote = Quote(
        key=key,
        number=importing.number_for(key, on=received.date()),
        created_at=received,
        preferred_date=today + timedelta(days=row["preferred_in_days"]),
        admin_notes=row.get("notes", ""),
        **{name: row[name] for name in SAID},
    )
    if row["status"] == Status.PENDING:
        quote.save()
    else:
        look_at(quote, row, now=now, today=today, book=book)
    for position, scene in enumerate(row.get("pictures", []), start=1):
        drawn = made_anew(draw(scene, seed=f"{key}:{position}"), name=f"{scene}.png")
        QuoteImage.objects.create(quote=quote, position=position, size=len(drawn.content), **vars(drawn))


def look_at(quote: Quote, row: dict[str, Any], *, now: datetime, today: date, book: tuple[int, PriceBook]) -> None:
    """What the estimator and the price book make of it, and what happened since as the sample tells it."""
    request = Request(description=quote.description, city=quote.city)
    reading = Estimator().assess(request)
    amounts = price(reading.assessment, book=book[1], place=place_of(quote.address, quote.city), month=today.month)
    for name, value in runs.looked_at(reading, amounts).items():
        setattr(quote, name, value)
    quote.status, quote.price_book = row["status"], book[0]
    quote.valid_until = today + timedelta(days=book[1].valid_days)
    if quote.status == Status.AI_ERROR:
        quote.review_reason = row.get("reason") or doubts.why_review(reading.assessment, amounts, request=request, book=book[1])
        quote.ai_error_message = quote.review_reason
    else:
        quote.ai_processed_at = quote.created_at + timedelta(minutes=2)
    tell_since(quote, row, now=now)
    quote.save()
    record(quote, reading)


def tell_since(quote: Quote, row: dict[str, Any], *, now: datetime) -> None:
    """Its mails went out as tests, before this record begins; its customer may have answered."""
    if row.get("mails"):
        quote.last_email_attempt = quote.ai_processed_at
        for leg in ("customer", "admin"):
            setattr(quote, f"{leg}_email_state", "sent")
    if "answered_hours_ago" in row:
        quote.customer_response = row["status"] if row["status"] in ANSWERED else Answer.ACCEPT
        quote.customer_response_date = now - timedelta(hours=row["answered_hours_ago"])


def record(quote: Quote, reading: Reading) -> None:
    began = quote.created_at + timedelta(minutes=2)
    AiCall.objects.create(
        quote=quote,
        token=uuid.uuid4(),
        kind=Kind.ESTIMATOR,
        outcome=Outcome.REVIEW if quote.review_reason else Outcome.APPLIED,
        started_at=began,
        ended_at=began,
        seconds=0.01,
        model=reading.model,
        prompt_version=reading.prompt_version,
        cost=Decimal(0),
        confidence=reading.assessment.sureness,
        raw_answer=reading.raw,
        assessment=reading.assessment.model_dump(mode="json"),
    )


def draw(scene: str, *, seed: str) -> bytes:
    """A picture of things on the ground: the same for the same seed."""
    ground, colours = SCENES[scene]
    chance, (wide, high) = Random(seed), SIZE
    picture = Image.new("RGB", SIZE, "#e5eaf0")
    pen = ImageDraw.Draw(picture)
    pen.rectangle((0, high * 0.4, wide, high), fill=ground)
    for step in range(60):
        size = 40 + step
        x, y = chance.randint(60, wide - 120), int(high * 0.42) + step * 3
        shape = pen.rectangle if scene in ("boxes", "rubble") else pen.ellipse
        shape((x, y, x + size, y + size * 0.8), fill=chance.choice(colours), outline="#00000040")
    kept = BytesIO()
    picture.save(kept, "PNG")
    return kept.getvalue()
