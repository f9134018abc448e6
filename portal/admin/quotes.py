"""The desk of quotes: what customers asked for, what it costs, whether both mails are out, and what the customer said."""

from dataclasses import dataclass
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.safestring import SafeString
from unfold.decorators import display
from unfold.widgets import UnfoldAdminTextareaWidget

from messaging import text_input
from portal import wiring
from portal.admin import cells, quote_pages, quote_story
from portal.admin.acts import Act
from portal.admin.quote_acts import ACTS, may_be_tried, needs_trying
from portal.admin.quote_filters import AdminMailFilter, CustomerMailFilter, SourceFilter, StateFilter, search
from portal.admin.quote_pages import QuotePages, leg_cell
from portal.admin.quote_review import MAY_APPROVE, QuoteReview
from portal.admin.quotes_import import QuoteImport
from portal.admin.records import Desk, Table, buttons
from portal.quotes import legs
from portal.quotes.models import AiCall, Kind, Outcome, Quote, Status
from portal.text_fields import TypedText

LEG_OF = {"try_customer": "customer", "try_admin": "admin"}  # the acts that a row shows only where they help
TONES = {
    Status.PENDING: "blue",
    Status.AI_PROCESSING: "blue",
    Status.AI_QUOTED: "green",
    Status.AI_ERROR: "red",
    Status.CONTACTED: "violet",
    Status.QUOTED: "violet",
    Status.ACCEPTED: "green",
    Status.CONSIDERING: "amber",
    Status.REJECTED: "grey",
    Status.TALK_TO_MANAGER: "amber",
    Status.COMPLETED: "grey",
}


@dataclass(frozen=True)
class Link:
    """A page of its own, shown among the acts."""

    label: str
    icon: str
    is_dangerous: bool = False


REVIEW = Link("Review and approve", "rate_review")


class NotesForm(forms.ModelForm):
    """The one thing on a quote that people type. What somebody else wrote meanwhile is never overwritten unseen."""

    admin_notes = TypedText(
        named="The notes",
        read=text_input.many_lines,
        required=False,
        max_length=5_000,
        label="Notes of the office",
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
    )
    seen = forms.CharField(required=False, strip=False, widget=forms.HiddenInput)

    class Meta:
        model = Quote
        fields = ["admin_notes"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "seen" in self.fields:
            self.fields["seen"].initial = as_posted(self.instance.admin_notes)

    def clean(self) -> dict[str, Any]:
        answers = super().clean() or {}
        stored = Quote.objects.values_list("admin_notes", flat=True).get(pk=self.instance.pk)
        if as_posted(stored) != as_posted(answers.get("seen", "")):
            raise forms.ValidationError(f"Somebody else changed these notes while you had them open. They now say: {stored[:500]}")
        return answers


@admin.register(Quote)
class QuoteDesk(QuotePages, QuoteReview, QuoteImport, Desk):
    acts = ACTS
    form = NotesForm
    fields = ["admin_notes", "seen"]
    change_form_template = "admin/quote.html"
    list_display = ["received", "customer", "state", "customer_mail", "admin_mail", "helps"]
    list_display_links = ["received"]
    list_filter = [StateFilter, CustomerMailFilter, AdminMailFilter, SourceFilter]
    list_filter_submit = True
    list_per_page = 25
    list_defer = ["description", "admin_notes", "ai_analysis", "waste_assessment", "generated_quote", "fingerprint", "ai_error_message"]
    ordering = ["-pk"]
    search_fields = ["number"]  # what is searched, and how, is said in quote_filters
    search_help_text = "Number, or the beginning of the name or e-mail address"

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def get_search_results(self, request: HttpRequest, queryset: QuerySet, search_term: str) -> tuple[QuerySet, bool]:
        return search(queryset, search_term), False

    def prepare(self, rows: list[Any]) -> None:
        down = wiring.mail_servers_down()
        for quote in rows:
            quote.servers_down = down
            quote.acts = [act for act in quote.acts if helps_now(act, quote)]

    @display(description="quote")
    def received(self, quote: Quote) -> SafeString:
        return cells.two_lines(cells.unbroken(quote.number), cells.when(quote.created_at))

    @display(description="customer")
    def customer(self, quote: Quote) -> SafeString:
        return cells.two_lines(quote.name, quote.city)

    @display(description="state and price")
    def state(self, quote: Quote) -> SafeString:
        price = dollars(quote.quote_amount) if quote.quote_amount else ""
        return cells.two_lines(status_badge(quote), cells.words(quote.review_reason) if quote.review_reason else price)

    @display(description="customer's mail")
    def customer_mail(self, quote: Any) -> Any:
        return leg_cell(quote, "customer", servers_down=quote.servers_down)

    @display(description="admin's mail")
    def admin_mail(self, quote: Any) -> Any:
        return leg_cell(quote, "admin", servers_down=quote.servers_down)

    @display(description="what helps")
    def helps(self, quote: Any) -> SafeString:
        return buttons(self, quote)

    def acts_on(self, row: Any, request: HttpRequest, *, listed: bool = False) -> list[Act]:
        """Both mails are offered together only where both may be tried."""
        both = all(may_be_tried(row, leg) for leg in legs.LEGS)
        return [act for act in super().acts_on(row, request, listed=listed) if both or act.name != "try_both"]

    def known_as(self, row: Any) -> str:
        return f"{row.number} – {row.name}, {row.city}"

    def title(self, row: Any) -> str:
        return f"{row.number}, {row.name}"

    def save_model(self, request: HttpRequest, obj: Quote, form: Any, change: bool) -> None:
        """The notes alone: saving the row would write back what the mails' columns said when the page was opened."""
        Quote.objects.filter(pk=obj.pk).update(admin_notes=obj.admin_notes)

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        quotes = super().get_queryset(request)
        one = request.resolver_match is not None and request.resolver_match.url_name == "portal_quote_change"
        return quotes.select_related("customer_message", "admin_message") if one else quotes

    def facts(self, quote: Quote) -> list[tuple[str, Any]]:
        return [
            ("State", status_badge(quote)),
            ("Customer", cells.two_lines(quote.name, quote.phone)),
            ("E-mail", cells.address(quote.email)),
            ("Address", cells.two_lines(quote.address, quote.city)),
            ("Preferred", wished(quote) or cells.NOTHING),
            ("Received", cells.two_lines(cells.when(quote.created_at), quote.get_source_display())),
            ("Total, taxes included", f"{dollars(quote.quote_amount)} CAD" if quote.quote_amount else cells.NOTHING),
            ("Valid until", date_format(quote.valid_until, "M j, Y") if quote.valid_until else cells.NOTHING),
            ("Answer", answer_of(quote)),
            ("Price book", book_of(quote)),
        ]

    def page(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        runs = list(row.ai_calls.select_related("by").defer("assessment").order_by("pk"))
        is_stale = Quote.objects.stale(lock=settings.QUOTE_LOCK).filter(pk=row.pk).exists()
        shown = super().page(request, row)
        if row.status == Status.AI_ERROR and row.review_reason and request.user.has_perm(MAY_APPROVE):
            shown["record_acts"].insert(0, (REVIEW, reverse("admin:portal_quote_review", args=[row.pk])))
        return shown | {
            "what_next": quote_story.what_next(row, is_stale=is_stale),
            "pictures": quote_pages.pictures(row),
            "amounts": quote_pages.price_of(row),
            "assessed_by": assessed_by(runs),
            "assessment": quote_story.assessment_in_words(row.waste_assessment),
            "mails": quote_pages.mails(row, servers_down=wiring.mail_servers_down()),
            "story": quote_story.story(row, runs),
            "tables": [table_of(runs)],
        }


def as_posted(text: str) -> str:
    """Browsers send their own line ends."""
    return "\n".join(text.splitlines()).strip()


def helps_now(act: Act, quote: Quote) -> bool:
    return act.name not in LEG_OF or needs_trying(quote, LEG_OF[act.name])


def status_badge(quote: Quote) -> SafeString:
    if quote.status == Status.AI_ERROR and quote.review_reason:
        return cells.together(cells.badge(quote.get_status_display(), "amber"), cells.badge("Needs review", "amber"))
    return cells.badge(quote.get_status_display(), TONES[Status(quote.status)])


def dollars(amount: Any) -> Any:
    return cells.NOTHING if amount is None else f"${amount:,.2f}"


def wished(quote: Quote) -> str:
    day = date_format(quote.preferred_date, "l, M j, Y") if quote.preferred_date else ""
    return ", ".join(filter(None, [day, quote.get_preferred_time_display()]))


def book_of(quote: Quote) -> Any:
    if quote.price_book is None:
        return cells.NOTHING
    return f"version {quote.price_book}" if quote.price_book else "as shipped"


def answer_of(quote: Quote) -> SafeString:
    if not quote.customer_response:
        return cells.NOTHING
    return cells.two_lines(quote.get_customer_response_display(), cells.when(quote.customer_response_date))


def assessed_by(runs: list[AiCall]) -> str:
    """Who said what is there, by the run the price came from or, before there is one, the last that saw something."""
    seen = [run for run in runs if run.outcome in (Outcome.APPLIED, Outcome.REVIEW) and run.kind != Kind.MANUAL]
    if not seen:
        return ""
    last = seen[-1]
    if last.kind == Kind.ESTIMATOR:
        return "Assessed by the built-in estimator, from the words of the description alone: no AI has looked at it."
    return f"Assessed by {last.model or 'the AI model'}, {timezone.localtime(last.started_at):%Y-%m-%d %H:%M}."


def table_of(runs: list[AiCall]) -> Table:
    rows = [
        [
            cells.link(run, cells.when(run.started_at)),
            cells.two_lines(cells.unbroken(run.get_kind_display()), run.model or (run.by and str(run.by)) or ""),
            cells.badge(run.get_outcome_display().partition(":")[0], quote_story.RUN_TONES[Outcome(run.outcome)]),
            f"{run.prompt_tokens + run.completion_tokens:,}",
            quote_story.money(run.cost) if run.cost else "–",
            f"{run.seconds:.1f}" if run.seconds is not None else "–",
            cells.words(run.error, tone="bad"),
        ]
        for run in reversed(runs)
    ]
    columns = ["When", "Who", "Outcome", "Tokens", "Cost", "Seconds", "What went wrong"]
    return Table("Runs, each with its raw answer", columns, rows, empty="Nobody has looked at it yet.")
