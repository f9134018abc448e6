"""The customer's doors: ask for a quote, be told that it was received, answer the price. No account; nothing is changed by looking."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.conf import settings
from django.core import signing
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from django.views.decorators.http import require_http_methods, require_safe

from messaging.journal import record as note_down
from messaging.models import Level
from portal import rate_limits, tasks, wiring
from portal.quotes import answers, intake
from portal.quotes.forms import MOST_PICTURES, RequestForm
from portal.quotes.models import Answer, Quote
from portal.quotes.pictures import MOST_BYTES
from portal.rate_limits import Limit, TooMany

MOST_SENT = MOST_PICTURES * MOST_BYTES + 1024 * 1024  # bytes of one request, all together
RECEIVED_SALT = "portal.quotes.received"
SHOWN_FOR_SECONDS = 30 * 24 * 60 * 60
STALE = "It is too old, or not all of it is here: copy it from the mail into your browser, to its very end."
View = Callable[..., HttpResponse]

MEANINGS = {  # answer: what is asked, what it means, the words on its button, what happens then
    Answer.ACCEPT: (
        "Do you accept this price?",
        "You agree to the price, and we call you to set the day.",
        "Yes, I accept",
        "We call you soon to set the day.",
    ),
    Answer.CONSIDER: (
        "Do you want to think it over?",
        "We keep your quote open and do not press you. Call us once you have made up your mind.",
        "I am thinking it over",
        "Take your time, and call us once you have made up your mind.",
    ),
    Answer.DECLINE: (
        "Do you decline this price?",
        "We close your request. You owe nothing.",
        "No, I decline",
        "We have closed your request. You owe nothing, and you are welcome back.",
    ),
    Answer.TALK_TO_MANAGER: (
        "Would you like to talk to a manager?",
        "A manager calls you at the number that you gave us.",
        "Please call me",
        "A manager will call you at the number that you gave us.",
    ),
}


def page(request: HttpRequest, name: str, context: dict[str, Any], *, status: int = 200) -> HttpResponse:
    return render(request, f"quotes/{name}.html", {"office": wiring.office()} | context, status=status)


def said(request: HttpRequest, heading: str, *sentences: str, status: int = 200, ask_again: bool = False) -> HttpResponse:
    """A page that only tells something, with the office's telephone number."""
    told = {"heading": heading, "sentences": sentences, "ask_again": ask_again}
    return page(request, "said", told, status=status)


def bounded(view: View) -> View:
    """A post is counted, and refused if it is too large or one too many, before anything of it is read."""

    protected = csrf_protect(view)

    @csrf_exempt  # checking the token reads the post, so that comes last
    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **told: Any) -> HttpResponse:
        if request.method == "POST":
            try:
                rate_limits.take(posts_of(request))
            except TooMany as reached:
                return too_many(request, reached)
            if length_of(request) > MOST_SENT:
                return too_large(request)
        return protected(request, *args, **told)

    return guarded


def private(view: View) -> View:
    """Its address is for one person: kept by no browser and no search engine. SECURE_REFERRER_POLICY tells it to no other site.

    (No stricter policy: without a referrer a browser calls the origin of its post "null", and the post is refused.)
    """

    @never_cache
    @wraps(view)
    def kept_private(request: HttpRequest, *args: Any, **told: Any) -> HttpResponse:
        response = view(request, *args, **told)
        response.headers["X-Robots-Tag"] = "noindex, nofollow"
        return response

    return kept_private


@bounded
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def ask(request: HttpRequest) -> HttpResponse:
    """The request form."""
    today = timezone.localdate()
    if request.method != "POST":
        return page(request, "request", {"form": RequestForm(today=today)})
    form = RequestForm(request.POST, request.FILES, today=today)
    if form.is_trapped:
        return trapped()
    if not form.is_valid():
        return page(request, "request", {"form": form, "had_pictures": bool(request.FILES)}, status=422)
    asked = form.request()
    try:
        quote = intake.receive(asked, terms=wiring.quote_mail_terms(), may_add=lambda: rate_limits.take([requests_of(request)]))
    except TooMany as reached:
        return too_many(request, reached)
    return redirect("quotes:received", received_token(quote.number, is_changed=not intake.is_what_was_sent(quote, asked)))


@private
@require_safe
def received(request: HttpRequest, token: str) -> HttpResponse:
    """What the customer sees once the request is here: its number, and what comes next."""
    try:
        number, is_changed = signing.loads(token, salt=RECEIVED_SALT, max_age=SHOWN_FOR_SECONDS)
    except (signing.BadSignature, ValueError):
        return said(request, "This page is gone", STALE, status=404, ask_again=True)
    quote = Quote.objects.filter(number=number).only("name").first()
    first_name = quote.name.split()[0] if quote else ""
    return page(request, "received", {"number": number, "first_name": first_name, "is_changed": is_changed})


@bounded
@private
@require_http_methods(["GET", "HEAD", "POST"])
def answer(request: HttpRequest, token: str) -> HttpResponse:
    """What a link of the mail asks. Looking at it, as mail scanners do, changes nothing; the button answers."""
    try:
        if request.method == "POST":
            answers.record(token, at=timezone.now(), terms=wiring.quote_mail_terms())
            tasks.ring()
            return redirect(request.path)
        return page(request, "answer", question(answers.look(token, at=timezone.now())))
    except answers.NotALink:
        return said(request, "This link does not work", STALE, status=404, ask_again=True)
    except answers.AlreadyAnswered as before:
        return page(request, "answered", what_was_said(before.quote))
    except answers.PriceHoldsNoLonger as gone:
        return said(request, "This price holds no longer", gone.sentence, f"It was quote {gone.quote.number}.", status=410)


def question(asked: answers.Asked) -> dict[str, Any]:
    quote = asked.quote
    asks, means, button, _ = MEANINGS[asked.answer]
    others = [(other.label, answers.link(quote, other, site_url="")) for other in Answer if other != asked.answer]
    return facts(quote) | {"asks": asks, "means": means, "button": button, "others": others, "is_refusal": asked.answer == Answer.DECLINE}


def what_was_said(quote: Quote) -> dict[str, Any]:
    said = Answer(quote.customer_response)
    return facts(quote) | {"said": said.label, "said_at": quote.customer_response_date, "then": MEANINGS[said][3]}


def facts(quote: Quote) -> dict[str, Any]:
    return {"number": quote.number, "amount": f"${quote.quote_amount:,.2f}", "valid_until": quote.valid_until}


def received_token(number: str, *, is_changed: bool = False) -> str:
    return signing.dumps([number, is_changed], salt=RECEIVED_SALT)


def trapped() -> HttpResponse:
    """Whoever filled in what nobody sees is told that all went well; nothing is stored, and the first in an hour is noted."""
    try:
        rate_limits.take([Limit(subject="quotes:traps", most=1)])
        note_down(Level.INFO, "quotes", "A request with its trap filled in was not taken. More of them in this hour are not noted.")
    except TooMany:
        pass
    return redirect("quotes:received", received_token(intake.new_number()))


def length_of(request: HttpRequest) -> int:
    """How many bytes the post says it has; Django reads no more than that, and nothing where it says nothing."""
    told = str(request.META.get("CONTENT_LENGTH", ""))
    return int(told) if told.isascii() and told.isdecimal() else 0


def posts_of(request: HttpRequest) -> list[Limit]:
    client = rate_limits.client_of(request, proxies=settings.AXES_IPWARE_PROXY_COUNT)
    return [
        Limit(subject=f"quotes:posts:{client}", most=settings.QUOTE_POSTS_PER_HOUR),
        Limit(subject="quotes:posts", most=settings.QUOTE_POSTS_OF_ALL_PER_HOUR),
    ]


def requests_of(request: HttpRequest) -> Limit:
    client = rate_limits.client_of(request, proxies=settings.AXES_IPWARE_PROXY_COUNT)
    return Limit(subject=f"quotes:requests:{client}", most=settings.QUOTE_REQUESTS_PER_HOUR)


def too_many(request: HttpRequest, reached: TooMany) -> HttpResponse:
    seconds = int(reached.retry_after.total_seconds())
    minutes = -(-seconds // 60)
    wait = f"Please try again in {minutes} minutes." if minutes > 1 else "Please try again in a minute."
    what = "More was sent from your connection lately than one person sends, so this was not taken."
    response = said(request, "One moment, please", what, wait, "What you sent before is with us.", status=429)
    response.headers["Retry-After"] = str(seconds)
    return response


def too_large(request: HttpRequest) -> HttpResponse:
    what = f"We take up to {MOST_PICTURES} pictures of 5 MB each."
    return said(request, "That was too large", what, "Go back, choose fewer or smaller pictures, and send it again.", status=413)
