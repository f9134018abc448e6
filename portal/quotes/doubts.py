"""Why a person has to look at a price before anybody is told it. Pure: an answer, its price, and the words of the customer.

Customers cannot set a price, but they can try to make an AI see less than there is: their own words are held against its answer.
"""

from portal.quotes.amounts import Amounts
from portal.quotes.assessment import Assessment
from portal.quotes.gateways.assessors import AssessmentRefused, Request
from portal.quotes.gateways.estimator import Estimator
from portal.quotes.price_book import PriceBook

OUR_WORDS = [name for name in Assessment.model_fields if "_" in name]  # nobody writes "cubic_yards" about a sofa
MUCH_LESS = 2  # times


def why_review(assessment: Assessment, amounts: Amounts, *, book: PriceBook, request: Request) -> str:
    """The sentence that staff read; empty if the price may go out by itself."""
    if orders := [word for word in OUR_WORDS if word in request.description.casefold()]:
        return f"The customer's text speaks to the AI ({orders[0]!r}): read it before you believe the answer."
    if assessment.sureness < book.least_confidence:
        return f"The assessment is only {assessment.sureness} % sure; {book.least_confidence} % are needed."
    if not book.least_total <= amounts.total <= book.most_total:
        return f"Total {amounts.total:,.2f} is outside {book.least_total:,.0f}…{book.most_total:,.0f}."
    return sees_less(assessment, request)


def sees_less(assessment: Assessment, request: Request) -> str:
    """Far less than the customer's own words say is there."""
    try:
        stated = Estimator().assess(request).assessment
    except AssessmentRefused:
        return ""
    if MUCH_LESS * assessment.bags < stated.bags and MUCH_LESS * assessment.cubic_yards < stated.cubic_yards:
        return f"The customer speaks of {stated.bags} bags, the answer of {assessment.bags}."
    if stated.hazardous_items and not assessment.hazardous_items:
        return "The customer speaks of something hazardous, the answer of nothing."
    return ""
