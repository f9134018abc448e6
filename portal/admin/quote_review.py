"""The review of a quote: its lines corrected, its total worked out again, and then approved, after which both mails go out."""

from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from unfold.widgets import UnfoldAdminDecimalFieldWidget, UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from messaging import text_input
from portal import tasks, wiring
from portal.admin import quote_pages, quote_story
from portal.quotes import amounts, review
from portal.quotes.models import Quote, Status
from portal.text_fields import TypedText

FREE_LINES = 2  # empty ones below those that are there
MAY_APPROVE = "portal.approve_quote"


class LineForm(forms.Form):
    label = TypedText(
        named="What it is for",
        required=False,
        max_length=amounts.LONGEST_LABEL,
        widget=UnfoldAdminTextInputWidget(attrs={"aria-label": "What it is for"}),
    )
    amount = forms.DecimalField(
        required=False,
        max_digits=12,
        decimal_places=2,
        localize=False,
        widget=UnfoldAdminDecimalFieldWidget(attrs={"aria-label": "Amount in CAD, before tax", "inputmode": "decimal", "step": "0.01"}),
    )

    def clean(self) -> dict[str, Any]:
        line = super().clean() or {}
        if line.get("amount") is not None and not line.get("label"):
            self.add_error("label", "Say what this amount is for; customers read it.")
        if line.get("label") and "amount" in line and line["amount"] is None:
            self.add_error("amount", f"{line['label']} has no amount: enter one, or empty the line.")
        return line


Lines = forms.formset_factory(LineForm, extra=FREE_LINES, max_num=amounts.MOST_LINES, validate_max=True)


class NoteForm(forms.Form):
    note = TypedText(
        named="The note",
        read=text_input.many_lines,
        max_length=2_000,
        label="What you checked",
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        help_text="It stays with the quote, under your name. The customer does not see it.",
        error_messages={"required": "Say what you checked: the next person must be able to see why."},
    )


class QuoteReview(ModelAdmin):
    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.review_view)
        return [path("<int:quote_id>/review/", view, name="portal_quote_review"), *super().get_urls()]

    def review_view(self, request: HttpRequest, quote_id: int) -> HttpResponse:
        """GET shows the lines; POST recalculates them, or approves them, after which the mails go out."""
        if not self.has_view_permission(request) or not request.user.has_perm(MAY_APPROVE):
            raise PermissionDenied
        quote = Quote.objects.filter(pk=quote_id).first()
        if quote is None:
            raise Http404(f"there is no quote {quote_id}")
        if quote.status != Status.AI_ERROR or not quote.review_reason:
            messages.warning(request, f"{quote.number} does not wait for a review: it is {quote.get_status_display()}.")
            return HttpResponseRedirect(page_of(quote))
        if request.method != "POST":
            return self.show(request, quote, lines=Lines(initial=lines_of(quote)), note=NoteForm())
        return self.answered(request, quote)

    def answered(self, request: HttpRequest, quote: Quote) -> HttpResponse:
        is_final = "approve" in request.POST
        lines, note = Lines(request.POST), NoteForm(request.POST if is_final else None, initial={"note": request.POST.get("note", "")})
        refusal, result = "", None
        if lines.is_valid():
            written = [(line["label"], line["amount"]) for line in lines.cleaned_data if line.get("label")]
            try:
                terms = wiring.pricing_terms()
                result = review.with_lines(quote, written, book=terms.book()[1])
                if is_final and note.is_valid():
                    review.approve(quote, lines=written, by=request.user, note=note.cleaned_data["note"], terms=terms)
                    tasks.ring()
                    messages.success(request, f"{quote.number} is approved at ${result.total:,.2f}; both mails go out now.")
                    return HttpResponseRedirect(page_of(quote))
            except review.NotApproved as refused:
                refusal = str(refused)
            lines = Lines(initial=[{"label": label, "amount": amount} for label, amount in written]) if not refusal else lines
        return self.show(request, quote, lines=lines, note=note, result=result, refusal=refusal)

    def show(self, request: HttpRequest, quote: Quote, *, lines: Any, note: Any, result: Any = None, refusal: str = "") -> HttpResponse:
        result = result or (quote_pages.price_of(quote) if request.method != "POST" else None)
        context = self.admin_site.each_context(request) | {
            "title": f"Review {quote.number}",
            "opts": self.opts,
            "quote": quote,
            "lines": lines,
            "note": note,
            "amounts": result,
            "refusal": refusal,
            "pictures": quote_pages.pictures(quote),
            "assessment": quote_story.assessment_in_words(quote.waste_assessment),
            "back": page_of(quote),
            "media": self.media,
        }
        return TemplateResponse(request, "admin/quote_review.html", context)


def lines_of(quote: Quote) -> list[dict[str, Decimal | str]]:
    """The lines before tax, as the price book made them; none where nothing could be priced."""
    priced = quote_pages.price_of(quote)
    return [{"label": line.label, "amount": line.amount} for line in priced.before_tax] if priced else []


def page_of(quote: Quote) -> str:
    return reverse("admin:portal_quote_change", args=[quote.pk])
