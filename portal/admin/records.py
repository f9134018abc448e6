"""What every desk shares: records are looked at and acted upon, never edited."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from django.contrib import messages
from django.contrib.admin import helpers
from django.contrib.admin.utils import quote, unquote
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html, format_html_join
from django.utils.http import urlencode
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin
from unfold.views import ChangeList

from portal.admin.acts import MOST_AT_ONCE, Act, ActRefused
from portal.admin.listing import UNREADABLE, BoundedPaginator, DeskChangeList, is_plain, is_unreadable

FILTERS = "_changelist_filters"  # Django's own name for the list one came from


@dataclass(frozen=True)
class Table:
    """Rows shown below a record."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    empty: str = "None."
    link: str = ""
    link_text: str = "Show them all"


class Desk(ModelAdmin):
    """A list, a page per row, and the acts staff may do to them. Nothing is deleted here; acts put things right and say why."""

    acts: Sequence[Act] = ()
    list_defer: Sequence[str] = ()
    list_per_page: ClassVar[int] = 50
    list_max_show_all = 200
    list_fullwidth = True
    show_full_result_count = False
    paginator: Any = BoundedPaginator
    sortable_by: Any = ()  # an order without an index would read the whole table
    compressed_fields = True

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def prepare(self, rows: list[Any]) -> None:
        """Fetch, at once, what the list shows of these rows beyond their own columns."""

    def known_as(self, row: Any) -> str:
        """How staff would name this row when they are asked about it."""
        return str(row)

    def title(self, row: Any) -> str:
        """What stands above this row's page, after the name of its list."""
        return str(row)

    def facts(self, row: Any) -> list[tuple[str, Any]]:
        """What a record's page says at its top, as labels and values."""
        return []

    def tables(self, row: Any) -> list[Table]:
        """What a record's page lists below its facts."""
        return []

    # acts

    def acts_on(self, row: Any, request: HttpRequest, *, listed: bool = False) -> list[Act]:
        """The acts that apply to this row as it stands and that this person may do; of a row in a list those that are offered there."""
        asked = [act for act in self.acts if act.on_the_row or not listed]
        return [act for act in asked if act.applies(row) and act.is_allowed(request)]

    def act_named(self, name: str) -> Act:
        for act in self.acts:
            if act.name == name:
                return act
        raise Http404(f"there is no act {name!r} here")

    def act_url(self, act: Act, row: Model) -> str:
        return reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_act", args=[quote(row.pk), act.name])

    def get_urls(self) -> list[URLPattern]:
        name = f"{self.opts.app_label}_{self.opts.model_name}_act"
        view = self.admin_site.admin_view(self.act_view)
        return [path("<path:object_id>/act/<slug:act_name>/", view, name=name), *super().get_urls()]

    def act_view(self, request: HttpRequest, object_id: str, act_name: str) -> HttpResponse:
        """One row's act: GET asks, POST does it."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        act = self.act_named(act_name)
        if not act.is_allowed(request):
            raise PermissionDenied
        row = self.get_object(request, unquote(object_id))
        if row is None:
            raise Http404(f"there is no {self.opts.verbose_name} {object_id}")
        return self.ask(request, act, self.get_queryset(request).filter(pk=row.pk), back=self.way_back(request, row))

    def way_back(self, request: HttpRequest, row: Model) -> str:
        info = (self.opts.app_label, self.opts.model_name)
        if FILTERS in request.GET:
            filters = request.GET[FILTERS]
            return reverse("admin:{}_{}_changelist".format(*info)) + (f"?{filters}" if filters else "")
        return reverse("admin:{}_{}_change".format(*info), args=[quote(row.pk)])

    def ask(self, request: HttpRequest, act: Act, rows: QuerySet, *, back: str) -> HttpResponse:
        """Show what the act would do and to which rows; carry it out once that has been confirmed."""
        is_confirmed = request.method == "POST" and "confirmed" in request.POST
        form = act.form(request.POST if is_confirmed else None)
        asked = list(rows[: MOST_AT_ONCE + 1])
        if len(asked) > MOST_AT_ONCE:
            messages.error(request, f"At most {MOST_AT_ONCE:,} rows at once: narrow the list with its filters, then select again.")
            return HttpResponseRedirect(back)
        if is_confirmed and form.is_valid():
            try:
                done = act.carry_out(request, rows, form.cleaned_data)
            except ActRefused as refusal:
                form.add_error(None, str(refusal))
            else:
                self.tell(request, act, asked, done)
                return HttpResponseRedirect(back)
        return self.confirmation(request, act, asked, form=form, back=back)

    def tell(self, request: HttpRequest, act: Act, asked: list[Any], done: int) -> None:
        noun, nouns = str(self.opts.verbose_name), str(self.opts.verbose_name_plural)
        if not done and len(asked) == 1:
            messages.warning(request, act.refusal(self.get_object(request, str(asked[0].pk))))
        else:
            level = messages.SUCCESS if done == len(asked) else messages.WARNING
            messages.add_message(request, level, act.answer(done=done, asked=len(asked), noun=noun, nouns=nouns))

    def confirmation(self, request: HttpRequest, act: Act, asked: list[Any], *, form: Any, back: str) -> HttpResponse:
        fitting = [row for row in asked if act.applies(row)]
        context = self.admin_site.each_context(request) | {
            "title": act.label,
            "act": act,
            "opts": self.opts,
            "form": form,
            "rows": [self.known_as(row) for row in fitting[:10]],
            "more": len(fitting[10:]),
            "count": len(fitting),
            "left_out": len(asked) - len(fitting),
            "refusal": act.refusal(asked[0]) if len(asked) == 1 and not fitting else "",
            "hidden": self.selection(request, asked) if "action" in request.POST else [],
            "back": back,
            "media": self.media + form.media,
        }
        return TemplateResponse(request, "admin/act.html", context)

    def selection(self, request: HttpRequest, asked: list[Any]) -> list[tuple[str, Any]]:
        """What makes the confirming POST the same question again: exactly the rows that were shown."""
        keys = [(helpers.ACTION_CHECKBOX_NAME, row.pk) for row in asked]
        return [("action", request.POST.get("action", "")), ("select_across", "0"), ("index", "0"), *keys]

    # acts on a selection

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        return {act.name: (bulk(act), act.name, act.label) for act in self.acts if act.in_bulk and act.is_allowed(request)}

    def response_action(self, request: HttpRequest, queryset: QuerySet) -> HttpResponse | None:
        chosen = request.POST.getlist(helpers.ACTION_CHECKBOX_NAME)
        if not all(key.isascii() and key.isdecimal() and len(key) < 19 for key in chosen):
            messages.error(request, "That selection cannot be read; tick the rows again.")
            return HttpResponseRedirect(request.get_full_path())
        return super().response_action(request, queryset)

    # lists and pages

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """No pattern, and no function of a column, is run over a whole table because an address says so."""
        return is_plain(self.model, lookup) and super().lookup_allowed(lookup, value, request)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return DeskChangeList

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        if is_unreadable(request):
            messages.warning(request, UNREADABLE)
            return HttpResponseRedirect(request.path)
        asked = request.POST.get("action", "")
        if any(act.name == asked and not act.is_allowed(request) for act in self.acts):  # Django would show the list and say nothing
            raise PermissionDenied
        return super().changelist_view(request, extra_context)

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        row: Any = self.get_object(request, unquote(object_id)) if object_id else None
        extra = dict(extra_context or {})
        if row is not None and self.has_view_permission(request, row):
            row.page_title = self.title(row)
            extra |= self.page(request, row) | {"original": row, "subtitle": row.page_title}  # the theme's header names the original
        return super().changeform_view(request, object_id, form_url, extra)

    def page(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        """What a row's page shows beside Django's own form."""
        acts = [(act, self.act_url(act, row)) for act in self.acts_on(row, request)]
        return {"record": row, "record_acts": acts, "facts": self.facts(row), "tables": self.tables(row)}


class ReadOnly(Desk):
    """A record: looked at and acted upon, never edited."""

    change_form_template = "admin/record.html"

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


def bulk(act: Act) -> Any:
    """The act as Django's list action. The list's own POST only opens the confirmation; the second POST carries it out."""

    def action(desk: Desk, request: HttpRequest, queryset: QuerySet) -> HttpResponse:
        if "confirmed" in request.POST:  # the rows that were shown, also those that the list's filter has lost meanwhile
            queryset = desk.get_queryset(request).filter(pk__in=request.POST.getlist(helpers.ACTION_CHECKBOX_NAME))
        return desk.ask(request, act, queryset, back=request.get_full_path())

    action.act = act  # type: ignore[attr-defined]
    action.allowed_permissions = [act.permission]  # type: ignore[attr-defined]
    return action


def buttons(desk: Desk, row: Any) -> SafeString:
    """Links to the acts that apply to a listed row."""
    query = urlencode({FILTERS: row.list_query})
    links = (("danger" if act.is_dangerous else "plain", desk.act_url(act, row), query, act.label) for act in row.acts)
    return format_html('<div class="row-acts">{}</div>', format_html_join("", '<a class="row-act {}" href="{}?{}">{}</a>', links))
