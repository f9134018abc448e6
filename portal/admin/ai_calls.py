"""The desk of AI runs: every look an AI, the estimator or a person took at a quote, with what it said and what it cost."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import display

from portal.admin import cells, quote_story
from portal.admin.records import ReadOnly
from portal.quotes.models import AiCall, Outcome

QUOTE_DEFERRED = ("description", "admin_notes", "ai_analysis", "waste_assessment", "generated_quote")


@admin.register(AiCall)
class AiCallDesk(ReadOnly):
    change_form_template = "admin/ai_call.html"
    list_display = ["when", "quote_shown", "who", "outcome_shown", "tokens", "cost_shown", "seconds_shown", "trouble"]
    list_display_links = ["when"]
    list_filter = [("outcome", ChoicesDropdownFilter), ("kind", ChoicesDropdownFilter)]
    list_filter_submit = True
    list_select_related = ["quote", "by"]
    list_defer = ["raw_answer", "assessment", *(f"quote__{name}" for name in QUOTE_DEFERRED)]
    ordering = ["-pk"]
    search_fields = ["quote__number"]
    search_help_text = "Beginning of the quote's number"

    @display(description="when")
    def when(self, call: AiCall) -> SafeString:
        return cells.when(call.started_at)

    @display(description="quote")
    def quote_shown(self, call: AiCall) -> SafeString:
        return cells.link(call.quote, cells.unbroken(call.quote.number))

    @display(description="who")
    def who(self, call: AiCall) -> SafeString:
        return cells.two_lines(cells.unbroken(call.get_kind_display()), call.by or call.model.replace(call.kind, ""))

    @display(description="outcome")
    def outcome_shown(self, call: AiCall) -> SafeString:
        return outcome_badge(call)

    @display(description="tokens")
    def tokens(self, call: AiCall) -> str:
        return f"{call.prompt_tokens + call.completion_tokens:,}"

    @display(description="cost")
    def cost_shown(self, call: AiCall) -> str:
        return quote_story.money(call.cost) if call.cost else "–"

    @display(description="seconds")
    def seconds_shown(self, call: AiCall) -> str:
        return f"{call.seconds:.1f}" if call.seconds is not None else "–"

    @display(description="what went wrong")
    def trouble(self, call: AiCall) -> SafeString:
        return cells.words(call.error, tone="bad")

    def get_search_results(self, request: HttpRequest, queryset: QuerySet, search_term: str) -> tuple[QuerySet, bool]:
        term = search_term.strip().upper()[:20]
        return (queryset.filter(quote__number__startswith=term) if term else queryset), False

    def title(self, row: Any) -> str:
        return f"{row.get_kind_display()}, {row.quote.number}"

    def facts(self, call: AiCall) -> list[tuple[str, Any]]:
        return [
            ("Quote", cells.link(call.quote, call.quote.number)),
            ("Outcome", outcome_badge(call)),
            ("Who", cells.two_lines(call.get_kind_display(), call.model or call.by or "")),
            ("Began", cells.when(call.started_at)),
            ("Seconds", self.seconds_shown(call)),
            ("Tokens", f"{call.prompt_tokens:,} in, {call.completion_tokens:,} out"),
            ("Cost", self.cost_shown(call)),
            ("Set aside before", quote_story.money(call.reserved_cost) if call.reserved_cost else cells.NOTHING),
            ("How sure", f"{call.confidence} %" if call.confidence is not None else cells.NOTHING),
            ("Prompt", call.prompt_version or cells.NOTHING),
            ("By force", "yes" if call.was_forced else "no"),
            ("Asked for by", call.by or cells.NOTHING),
            ("What went wrong", call.error or cells.NOTHING),
        ]

    def page(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        return super().page(request, row) | {"assessment": quote_story.assessment_in_words(row.assessment)}


def outcome_badge(call: AiCall) -> SafeString:
    words = call.get_outcome_display()
    return cells.badge(words.partition(":")[0], quote_story.RUN_TONES[Outcome(call.outcome)], title=words)
