"""Which assessor the settings ask for."""

from decimal import Decimal

import pytest

from portal import wiring
from portal.quotes.gateways.ai import AiService
from portal.quotes.gateways.estimator import Estimator

URL = "https://ai.office.example/v1"


def test_without_an_address_the_estimator_assesses(settings):
    settings.AI_URL = ""

    assert wiring.assessor() == Estimator()


def test_with_an_address_the_model_is_asked_at_its_prices(settings):
    settings.AI_URL, settings.AI_MODEL, settings.AI_API_KEY = URL, "m", "key"
    settings.AI_PRICE_IN, settings.AI_PRICE_OUT = 0.15, 0.6

    assert wiring.assessor() == AiService(
        url=URL, api_key="key", model="m", price_per_million_in=Decimal("0.15"), price_per_million_out=Decimal("0.6")
    )
    assert wiring.assessor().kind == "model"


@pytest.mark.parametrize(
    ("told", "why"),
    [
        ({"AI_URL": "ai.office.example", "AI_MODEL": "m"}, "AI_URL is http"),
        ({"AI_URL": "ftp://ai.office.example", "AI_MODEL": "m"}, "got scheme 'ftp'"),
        ({"AI_URL": URL, "AI_MODEL": ""}, "AI_MODEL is empty"),
        ({"AI_URL": URL, "AI_MODEL": "m", "AI_API_KEY": "a\nb"}, "AI_API_KEY has a character"),
    ],
)
def test_what_is_not_understood_is_named(settings, told, why):
    for name, value in told.items():
        setattr(settings, name, value)

    with pytest.raises(ValueError, match=why):
        wiring.assessor()
