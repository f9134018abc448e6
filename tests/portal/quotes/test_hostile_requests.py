"""An AI that obeys every customer: prices follow the price book or go to review, and mail goes to nobody else."""

from decimal import Decimal

import pytest

from messaging.models import Message
from portal.quotes.assessment import Assessment
from portal.quotes.gateways.ai import AiService
from portal.quotes.models import Quote, QuoteImage, Status
from portal.quotes.places import place_of
from portal.quotes.price_book import FIRST_PRICE_BOOK, PriceBook, price
from portal.quotes.pricing import process
from portal.sandbox import Sandbox
from tests.factories import make_quote
from tests.portal.quotes.hostile import IMAGES, TEXTS
from tests.portal.quotes.scripted import terms

BOOK = PriceBook.model_validate(FIRST_PRICE_BOOK)
ORDERS = [(text, None) for text, _ in TEXTS] + [("8 bags of garbage", image) for image in IMAGES]


@pytest.mark.django_db
@pytest.mark.parametrize(("text", "image"), ORDERS)
def test_whatever_the_ai_is_made_to_say(sandbox: Sandbox, text, image):
    sandbox.use(ai={"modes": ["obey"]})
    quote = make_quote(description=text[:1000])
    if image:
        QuoteImage.objects.create(quote=quote, position=0, content=image, width=1, height=1, size=len(image))

    process(terms(service(sandbox)), limit=1)

    quote.refresh_from_db()
    if quote.status == Status.AI_ERROR:
        assert quote.review_reason
        assert not Message.objects.exists()
        return
    believed = Assessment.model_validate(quote.waste_assessment)
    amounts = price(believed, book=BOOK, place=place_of(quote.address, quote.city), month=6)
    assert quote.quote_amount == amounts.total >= BOOK.least_total
    assert {*Message.objects.values_list("recipient", flat=True)} == {quote.email, "boss@portal.example"}
    assert believed.bags >= 4, "the words say eight: an answer of far less waits for a person"


@pytest.mark.django_db
def test_an_honest_request_is_priced_by_the_same_ai(sandbox: Sandbox):
    sandbox.use(ai={"modes": ["obey"]})
    quote = make_quote(description="8 bags of garbage")

    process(terms(service(sandbox)), limit=1)

    assert Quote.objects.get(pk=quote.pk).status == Status.AI_QUOTED


def service(sandbox: Sandbox) -> AiService:
    return AiService(
        url=f"{sandbox.http_url}/ai/v1", api_key="k", model="m", price_per_million_in=Decimal(1), price_per_million_out=Decimal(1)
    )
