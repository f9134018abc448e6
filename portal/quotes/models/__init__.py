"""The nouns of quotes. What may be said about a quote's waste is not here, but in `assessment.py`."""

from portal.quotes.models.ai_call import AiCall, Kind, Outcome
from portal.quotes.models.image import QuoteImage
from portal.quotes.models.quote import MOVES, OPEN, Answer, Quote, QuoteQuerySet, Status, TimeSlot

__all__ = ["MOVES", "OPEN", "AiCall", "Answer", "Kind", "Outcome", "Quote", "QuoteImage", "QuoteQuerySet", "Status", "TimeSlot"]
