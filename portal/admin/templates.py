"""The desk of e-mail templates: words are checked, previewed with a real case, sent to oneself, and never changed once they were used."""

import uuid
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Count, Max, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString
from unfold.decorators import display

from messaging import outbox, rendering
from messaging.models import Case, EmailTemplate, Lane, MessageSession, Mode, TemplateVersion
from messaging.rendering import MissingVariables, Rendered, TemplateRefused, TemplateSource
from portal import tasks, wiring
from portal.admin import cells
from portal.admin.acts import Act, ActRefused
from portal.admin.previews import framed_mail, framed_words
from portal.admin.records import Desk, ReadOnly, Table
from portal.admin.template_form import CaseChoice, TemplateForm, TestMailForm, source_of
from portal.template_fields import example_of, fields_of, values_of

VERSIONS_SHOWN = 50


def rendered(source: TemplateSource, *, kind: str, case: Case, by: Any) -> Rendered:
    """The mail of this case in these words; a campaign's of a made-up contact. Raises TemplateRefused, MissingVariables."""
    return rendering.render(source, values=values_of(kind, case=case, by=by))


def send_test(request: HttpRequest, rows: QuerySet, answers: Mapping[str, Any]) -> int:
    """Queue the template as it is saved, filled in for a case, to the person who asked; recorded like any mail."""
    template, case = rows.get(), answers["case"]
    address = getattr(request.user, "email", "")
    version = template.current
    if not address:
        raise ActRefused("Your account has no e-mail address: have it entered under Staff, then try again.")
    if version is None:
        raise ActRefused("This template has no words yet: save a subject and a text first.")
    try:
        source = TemplateSource(subject=version.subject, text=version.text, html=version.html)
        mail = rendered(source, kind=template.kind, case=case, by=request.user)
    except (MissingVariables, TemplateRefused) as refusal:
        raise ActRefused(str(refusal)) from None
    draft = outbox.Draft(
        key=f"template_test:{template.pk}:{uuid.uuid4().hex}",
        kind=template.kind,
        recipient=address,
        subject=mail.subject,
        text=mail.text,
        html=mail.html,
        case=case,
        template_version=version,
        queued_by=request.user,
        lane=Lane.PERSON,
    )
    with transaction.atomic():
        outbox.queue([draft], sender=replace(wiring.sender(Mode.TEST), test_recipient=address))
        tasks.ring()
    return 1


SEND_TEST = Act(
    name="send_test",
    label="Send a test to me",
    explains="The version that is saved, filled in for a case you choose, goes to your own address. It is recorded like any other mail.",
    done=("is on its way to you", "are on their way to you"),
    permission="messaging.send_message",
    carry_out=send_test,
    form=TestMailForm,
    icon="send",
    in_bulk=False,
    on_the_row=False,
)


@admin.register(EmailTemplate)
class TemplateDesk(Desk):
    acts = (SEND_TEST,)
    form = TemplateForm
    change_form_template = "admin/template.html"
    list_display = ["title", "name", "kind", "version", "used", "is_active"]
    ordering = ["title", "pk"]
    search_fields = ["title", "name"]
    fieldsets = [
        ("The words", {"fields": ["subject", "text", "html", "seen_version"]}),
        ("The template", {"fields": [("title", "name"), ("kind", "is_active")]}),
    ]

    @display(description="version in use")
    def version(self, template: Any) -> SafeString:
        return cells.two_lines(f"version {template.newest}", cells.when(template.newest_at)) if template.newest else cells.NOTHING

    @display(description="sessions")
    def used(self, template: Any) -> int:
        return template.sessions_count

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        facts = {"newest": Max("versions__number"), "newest_at": Max("versions__created_at")}
        return super().get_queryset(request).annotate(**facts, sessions_count=Count("versions__sessions", distinct=True))

    def save_model(self, request: HttpRequest, obj: EmailTemplate, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if form.has_new_words:
            number = (obj.versions.aggregate(last=Max("number"))["last"] or 0) + 1
            source = source_of(form.cleaned_data)
            author: Any = request.user
            TemplateVersion.objects.create(
                template=obj, number=number, subject=source.subject.strip(), text=source.text, html=source.html, created_by=author
            )

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any) -> HttpResponse:
        choice = CaseChoice(required=False)
        context |= {
            "merge_fields": fields_of(getattr(context.get("original"), "kind", "")).items(),
            "preview_url": reverse("admin:messaging_emailtemplate_preview"),
            "preview_case": choice.widget.render("preview_case", None, attrs={"id": "id_preview_case"}),
        }
        context["media"] = context["media"] + choice.widget.media
        return super().render_change_form(request, context, *args, **kwargs)

    def tables(self, row: Any) -> list[Table]:
        versions = row.versions.select_related("created_by").order_by("-number")[:VERSIONS_SHOWN]
        rows = [
            [cells.link(one, f"version {one.number}"), cells.when(one.created_at), one.created_by or cells.NOTHING, one.subject]
            for one in versions
        ]
        return [Table("Versions, newest first", ["Version", "Saved", "By", "Subject"], rows)]

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.preview_view)
        return [path("preview/", view, name="messaging_emailtemplate_preview"), *super().get_urls()]

    def preview_view(self, request: HttpRequest) -> HttpResponse:
        """The words in the editor, saved or not, filled in for a case; for the frame beside the editor."""
        if not (self.has_view_permission(request) and request.user.has_perm("messaging.view_case")):
            raise PermissionDenied
        if request.method != "POST":
            return framed_words("Preview", lines=["Choose a case, then press “Preview”."])
        case = chosen_case(request.POST.get("preview_case", ""))
        if case is None:
            return framed_words("No case", lines=["There is no case to preview with: choose one."])
        source, kind = source_of(request.POST.dict()), request.POST.get("kind", "")
        if problems := rendering.check(source, example=example_of(kind)):
            return framed_words("Not yet", lines=[str(problem) for problem in problems])
        try:
            mail = rendered(source, kind=kind, case=case, by=request.user)
        except (MissingVariables, TemplateRefused) as refusal:
            return framed_words("Not yet", lines=[f"{case}: {refusal}"])
        return framed_mail(subject=mail.subject, text=mail.text, html=mail.html)


def chosen_case(key: str) -> Case | None:
    """The case asked for, or the first one that is worked where nobody chose."""
    if not key:
        return Case.objects.active().order_by("pk").first()
    return Case.objects.filter(pk=int(key)).first() if key.isascii() and key.isdecimal() and len(key) < 19 else None


@admin.register(TemplateVersion)
class TemplateVersionDesk(ReadOnly):
    """Reached from messages and templates; it has no place of its own in the menu."""

    change_form_template = "admin/version.html"
    list_display = ["template", "number", "subject", "created_by", "created_at"]
    list_select_related = ["template", "created_by"]
    list_defer = ["text", "html"]
    ordering = ["-pk"]

    def facts(self, row: TemplateVersion) -> list[tuple[str, Any]]:
        return [
            ("Template", cells.link(row.template)),
            ("Version", row.number),
            ("Saved", cells.when(row.created_at)),
            ("By", row.created_by or cells.NOTHING),
            ("Subject", row.subject),
            ("Sessions", cells.listed(MessageSession, "those that used it", template_version__id__exact=row.pk)),
        ]
