"""The desk of messages: what we owe, tried, sent and proved, and the decisions that only a person can take."""

from typing import Any

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.db.models.functions import Lower
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import AutocompleteSelectFilter, DropdownFilter
from unfold.decorators import display

from messaging.models import Case, EmailTemplate, Message, Mode, Status
from messaging.models.message import WORKED_ON
from portal.admin import cells, message_export, timeline
from portal.admin.days import DaysFilter
from portal.admin.message_acts import ACTS
from portal.admin.previews import framed
from portal.admin.records import ReadOnly, buttons

GROUPS: dict[str, tuple[str, list[Status]]] = {
    "needs_a_person": ("Needs a person", [Status.IN_DOUBT, Status.FAILED, Status.HELD]),
    "waiting": ("Waiting", [Status.QUEUED, Status.CLAIMED, Status.TRANSMITTING]),
    "sent": ("Sent", [Status.SENT]),
    "failed": ("Failed", [Status.FAILED]),
    "in_doubt": ("In doubt", [Status.IN_DOUBT]),
    "held": ("Held", [Status.HELD]),
    "cancelled": ("Cancelled", [Status.CANCELLED]),
}
MOST_CASES_FOUND = 200  # cases whose messages one search may show
LONGEST_SEARCH = 200  # characters


class StateFilter(DropdownFilter):
    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, title) for name, (title, _) in GROUPS.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        if not self.value():
            return queryset
        if self.value() not in GROUPS:
            raise IncorrectLookupParameters(f"no state {self.value()!r}")
        return queryset.filter(in_states(GROUPS[self.value()][1]))


def in_states(states: list[Status]) -> Q:
    """One condition for each index that has such rows: asked for together, PostgreSQL finds none of them and reads the table."""
    held = [state for state in states if state.value in WORKED_ON]
    others = [state for state in states if state.value not in WORKED_ON]
    if held and others:
        return Q(status__in=others) | Q(status__in=held)
    return Q(status__in=states)


class ModeFilter(DropdownFilter):
    title = "mode"
    parameter_name = "mode"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(Mode.TEST.value, "Test"), (Mode.PRODUCTION.value, "Production")]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        if not self.value():
            return queryset
        if self.value() not in Mode.values:
            raise IncorrectLookupParameters(f"no mode {self.value()!r}")
        return queryset.filter(is_test=self.value() == Mode.TEST)


class KindFilter(DropdownFilter):
    """The kinds that templates have. Asking a large table of messages for its kinds would read all of it."""

    title = "e-mail type"
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        kinds = {*EmailTemplate.objects.order_by().values_list("kind", flat=True), *request.GET.getlist("kind")}
        return [(kind, kind.replace("_", " ")) for kind in sorted(kinds)]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        return queryset.filter(kind=self.value()) if self.value() else queryset


@admin.register(Message)
class MessageDesk(ReadOnly):
    acts = ACTS
    change_form_template = "admin/message.html"
    list_display = ["state", "mail", "to", "next", "trouble", "helps"]
    list_display_links = ["mail"]
    list_filter = [StateFilter, ModeFilter, KindFilter, ("session", AutocompleteSelectFilter), ("created_at", DaysFilter)]
    list_filter_submit = True
    list_before_template = "admin/message_export.html"
    list_select_related = ["case", "session"]
    list_defer = ["text", "html", "headers"]
    ordering = ["-created_at", "-pk"]
    search_fields = ["key"]  # what is searched, and how, is said below
    search_help_text = "Address, PID, PV, number, key or Message-ID"

    @display(description="state")
    def state(self, message: Message) -> SafeString:
        return cells.together(cells.status_badge(message), cells.test_badge(message.is_test))

    @display(description="e-mail")
    def mail(self, message: Message) -> SafeString:
        about = [message.kind.replace("_", " "), message.session.name if message.session else ""]
        return cells.two_lines(cells.words(subject_of(message)), cells.words(" · ".join(filter(None, about))))

    @display(description="recipient")
    def to(self, message: Message) -> SafeString:
        case = message.case
        about = cells.link(case, f"{case.patient_name}, {case.firm}") if case else ""
        return cells.two_lines(cells.address(message.intended_for), about)

    @display(description="what went wrong")
    def trouble(self, message: Message) -> SafeString:
        return cells.words(message.reason or message.error, tone="bad" if message.status in (Status.FAILED, Status.IN_DOUBT) else "")

    @display(description="what helps")
    def helps(self, message: Message) -> SafeString:
        """Buttons where a person is needed, or where the next try could be sooner; none on mail that is simply in its turn."""
        return cells.NOTHING if message.status == Status.QUEUED and not message.error else buttons(self, message)

    @display(description="sent / next try")
    def next(self, message: Message) -> SafeString:
        at = {Status.SENT: message.sent_at, Status.QUEUED: message.due_at, Status.IN_DOUBT: message.doubt_since}.get(Status(message.status))
        word = {Status.SENT: "sent", Status.QUEUED: "next try", Status.IN_DOUBT: "in doubt"}.get(Status(message.status), "")
        tries = f"{message.attempts} of {message.max_attempts} tries"
        return cells.two_lines(cells.when(at), ", ".join(filter(None, [word, tries])))

    def get_search_results(self, request: HttpRequest, queryset: QuerySet, search_term: str) -> tuple[QuerySet, bool]:
        """By what an index finds at once: a number, a key, a Message-ID, or the beginning of the address it is meant for."""
        term = search_term.strip()[:LONGEST_SEARCH]
        return (queryset.alias(low=Lower("intended_for")).filter(self.found(term)) if term else queryset), False

    def found(self, term: str) -> Q:
        exactly = named_exactly(term)
        if term.isascii() and term.isdecimal():
            number = [int(term)] if len(term) < 19 else []
            return Q(pk__in=[*exactly, *number]) | Q(case__in=some_cases(Q(pid=term) | Q(pv=term)))
        return Q(pk__in=exactly) if exactly else Q(low__startswith=term.lower())

    def known_as(self, row: Any) -> str:
        return f"{subject_of(row)} – to {row.intended_for}"

    def title(self, row: Any) -> str:
        return subject_of(row)

    def facts(self, message: Message) -> list[tuple[str, Any]]:
        version = message.template_version
        return [
            ("State", cells.together(cells.status_badge(message), cells.test_badge(message.is_test))),
            ("To", cells.two_lines(message.intended_for, f"a test: really to {message.recipient}" if message.is_test else "")),
            ("From", message.sender),
            ("Case", cells.link(message.case)),
            ("Session", cells.link(message.session)),
            ("Template", cells.link(version) if version else cells.NOTHING),
            ("E-mail type", message.email_type),
            ("Tries", f"{message.attempts} of {message.max_attempts} in round {message.round}; {message.tries} in all"),
            ("Next try", cells.when(message.due_at) if message.status == Status.QUEUED else cells.NOTHING),
            ("Sent", cells.when(message.sent_at)),
            ("Delivered", cells.when(message.delivered_at)),
            ("Read", cells.when(message.read_at)),
            ("Came back", cells.when(message.bounced_at)),
            ("Complained of", cells.when(message.complained_at)),
            ("Provider", f"{message.provider} {message.remote_id}".strip() or cells.NOTHING),
            ("CMS note", cells.link(getattr(message, "note", None), getattr(getattr(message, "note", None), "get_status_display", str)())),
            ("Message-ID", message.message_id),
            ("Key", message.key),
        ]

    def page(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        frame = reverse("admin:messaging_message_body", args=[row.pk]) if row.html else ""
        mail = {"frame": frame, "headers": row.headers.items()}
        return super().page(request, row) | mail | {"story": timeline.story(row), "what_next": timeline.what_next(row)}

    def get_urls(self) -> list[URLPattern]:
        body = self.admin_site.admin_view(self.body_view)
        export = self.admin_site.admin_view(lambda request, form: message_export.download(self, request, form))
        ours = [path("export/<slug:form>/", export, name="messaging_message_export")]
        return [*ours, path("<int:message_id>/body/", body, name="messaging_message_body"), *super().get_urls()]

    def body_view(self, request: HttpRequest, message_id: int) -> HttpResponse:
        """The HTML of a mail, for the frame on its page: it runs nothing and fetches nothing."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        html = Message.objects.filter(pk=message_id).values_list("html", flat=True).first()
        if html is None:
            raise Http404(f"there is no message {message_id}")
        return framed(html)


def subject_of(message: Message) -> str:
    """As it was meant: without what test mode writes before it."""
    return message.subject.removeprefix(f"[TEST for {message.intended_for}] ")


def named_exactly(term: str) -> list[int]:
    """The messages with this key or Message-ID, fetched first: asked together with an address, all that begin like it would be read."""
    named = Q(key=term) | Q(message_id=f"<{term.strip('<>')}>")
    return list(Message.objects.filter(named).order_by().values_list("pk", flat=True))


def some_cases(condition: Q) -> list[int]:
    return list(Case.objects.filter(condition).values_list("pk", flat=True)[:MOST_CASES_FOUND])
