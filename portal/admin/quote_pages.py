"""What a quote's page shows in parts of their own: the customer's pictures, and both mails as they went out or would go out."""

from dataclasses import dataclass
from typing import Any

from django.contrib.admin import ModelAdmin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse

from portal import wiring
from portal.admin import cells
from portal.admin.previews import framed, framed_mail
from portal.admin.quote_story import LEGS
from portal.quotes import legs
from portal.quotes.amounts import Amounts
from portal.quotes.models import Quote, QuoteImage

DRAWN = {"image/jpeg": "jpg", "image/png": "png"}  # what a browser may be told a picture is
ALONE = {  # a picture runs nothing and is kept by nobody but the browser that asked
    "Content-Security-Policy": "sandbox; default-src 'none'",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "private, max-age=3600",
    "Cross-Origin-Resource-Policy": "same-origin",
}


@dataclass(frozen=True, kw_only=True)
class Mail:
    """One of a quote's two mails, as its page shows it."""

    title: str
    state: Any
    to: str = ""
    subject: str = ""
    text: str = ""
    frame: str = ""
    link: Any = ""
    trouble: str = ""
    is_draft: bool = False


class QuotePages(ModelAdmin):
    def get_urls(self) -> list[URLPattern]:
        picture, mail = self.admin_site.admin_view(self.picture_view), self.admin_site.admin_view(self.mail_view)
        return [
            path("<int:quote_id>/pictures/<int:position>/", picture, name="portal_quote_picture"),
            path("<int:quote_id>/mails/<slug:leg>/", mail, name="portal_quote_mail"),
            *super().get_urls(),
        ]

    def picture_view(self, request: HttpRequest, quote_id: int, position: int) -> HttpResponse:
        """One picture, as the portal made it anew when it was sent."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        image = QuoteImage.objects.filter(quote_id=quote_id, position=position).first()
        if image is None or image.media_type not in DRAWN:
            raise Http404(f"quote {quote_id} has no picture {position}")
        name = f"quote-{quote_id}-picture-{position}.{DRAWN[image.media_type]}"
        headers = ALONE | {"Content-Disposition": f'inline; filename="{name}"'}
        return HttpResponse(bytes(image.content), content_type=image.media_type, headers=headers)

    def mail_view(self, request: HttpRequest, quote_id: int, leg: str) -> HttpResponse:
        """The HTML of one mail, for the frame on the quote's page: it runs nothing and fetches nothing."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        quote = Quote.objects.select_related(*(f"{one}_message" for one in LEGS)).filter(pk=quote_id).first()
        if quote is None or leg not in LEGS:
            raise Http404(f"there is no mail {leg!r} of quote {quote_id}")
        if message := getattr(quote, f"{leg}_message"):
            return framed(message.html)
        try:
            draft = legs.MAILS[leg](quote, terms=wiring.quote_mail_terms())
        except ValueError as refusal:
            raise Http404(str(refusal)) from None
        return framed_mail(subject=draft.subject, text=draft.text, html=draft.html)


def pictures(quote: Quote) -> list[dict[str, Any]]:
    found = quote.images.defer("content").order_by("position")
    return [{"image": one, "url": reverse("admin:portal_quote_picture", args=[quote.pk, one.position])} for one in found]


def mails(quote: Quote, *, servers_down: str) -> list[Mail]:
    return [one_mail(quote, leg, servers_down=servers_down) for leg in LEGS]


def one_mail(quote: Quote, leg: str, *, servers_down: str) -> Mail:
    """The message itself once there is one; before, what it would be."""
    told: dict[str, Any] = {"title": LEGS[leg], "state": leg_cell(quote, leg, servers_down=servers_down)}
    frame = reverse("admin:portal_quote_mail", args=[quote.pk, leg])
    if message := getattr(quote, f"{leg}_message"):
        whom = f"{message.intended_for}, as a test to {message.recipient}" if message.is_test else message.recipient
        mail = {"to": whom, "subject": message.subject, "text": message.text, "frame": frame if message.html else ""}
        return Mail(**told, **mail, link=cells.link(message, "The message, its tries and what may be decided"))
    if not quote.generated_quote:
        return Mail(**told)
    try:
        draft = legs.MAILS[leg](quote, terms=wiring.quote_mail_terms())
    except ValueError as refusal:
        return Mail(**told, trouble=str(refusal))
    return Mail(**told, to=draft.recipient, subject=draft.subject, text=draft.text, frame=frame, is_draft=True)


def leg_cell(quote: Quote, leg: str, *, servers_down: str) -> Any:
    """How this mail stands, what went wrong, and how often it was tried; nothing before there is a price to tell."""
    if quote.status in legs.UNPRICED:
        return cells.NOTHING
    state, attempts = legs.state_of(quote, leg, servers_down=servers_down), quote.facts_of(leg)["attempts"]
    tries = f"{attempts} {'try' if attempts == 1 else 'tries'}" if attempts else ""
    said = cells.words(state.text, tone="bad" if state.tone == "red" else "") if state.text else ""
    return cells.leg(cells.badge(state.word, state.tone), tries, said)


def price_of(quote: Quote) -> Amounts | None:
    """The price line by line; None where there is none, or none that can be read."""
    try:
        return Amounts.from_json(quote.generated_quote) if quote.generated_quote else None
    except (KeyError, TypeError, ArithmeticError):
        return None
