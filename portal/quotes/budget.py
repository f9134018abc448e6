"""What the AI may cost: asked before the call, for the quote and for the day, by all workers together."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import connection, transaction
from django.db.models import Sum
from django.db.models.functions import Greatest

from portal.quotes.models import AiCall

NOTHING = Decimal(0)
ONE_AT_A_TIME = 715_030  # the name of the lock in the database


def reserve(call: AiCall, *, most: Decimal, daily: Decimal, per_quote: Decimal, day_start: datetime) -> str:
    """Set `most` USD aside for this call; returns "" if that was possible, else the sentence that says which budget is used up."""
    if not most:
        return ""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [ONE_AT_A_TIME])
        on_quote, today = spent(quote_id=call.quote_id), spent(started_at__gte=day_start)
        if on_quote + most > per_quote:
            return (
                f"The AI budget of this quote is used up: {on_quote:.2f} of {per_quote:.2f} USD spent, the next call may cost {most:.2f}."
            )
        if today + most > daily:
            return f"Today's AI budget is used up: {today:.2f} of {daily:.2f} USD spent, the next call may cost {most:.2f}."
        AiCall.objects.filter(pk=call.pk).update(reserved_cost=most)
    return ""


def spent(**calls: Any) -> Decimal:
    """USD that these calls cost, or may still cost while their answer is not known."""
    return AiCall.objects.filter(**calls).aggregate(usd=Sum(Greatest("cost", "reserved_cost")))["usd"] or NOTHING
