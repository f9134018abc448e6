"""The guided bulk send, step by step: choose, look through, confirm, watch it leave."""

from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib import admin, messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.clickjacking import xframe_options_sameorigin
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from messaging import batches
from messaging.models import MessageSession, Mode, Status
from portal import tasks, wiring
from portal.bulk_send import batch as batch_of
from portal.bulk_send import progress
from portal.bulk_send.forms import Choose, Confirm, Edit
from portal.bulk_send.models import BulkDraft

ROWS_PER_PAGE = 50
STEPS = ["Choose", "Look through", "Confirm", "Progress"]
IN_A_FRAME = {  # it runs nothing and fetches nothing, also when its address is opened directly
    "Content-Security-Policy": "sandbox; default-src 'none'; img-src data:; style-src 'unsafe-inline'; frame-ancestors 'self'"
}


def page(request: HttpRequest, step: int, context: dict[str, Any], *, status: int = 200) -> HttpResponse:
    name = ["choose", "look_through", "confirm", "progress"][step - 1]
    steps = [(number, title, number == step, number < step) for number, title in enumerate(STEPS, start=1)]
    shown = {**admin.site.each_context(request), "title": "Bulk send", "steps": steps, **context}
    return render(request, f"bulk_send/{name}.html", shown, status=status)


@require_http_methods(["GET", "POST"])
def choose(request: HttpRequest) -> HttpResponse:
    today = timezone.localdate()
    form = Choose(request.POST or None, production_allowed=production_allowed(), on=today)
    nobody: list[batches.Skip] = []
    if request.method == "POST" and form.is_valid():
        answer = form.cleaned_data
        draft, nobody = batch_of.begin(
            form.selection,
            asked=form.asked,
            version=answer["template"].current,
            mode=answer["mode"],
            by=request.user,
            on=today,
            at=timezone.now(),
        )
        if draft:
            return redirect("bulk_send:look_through", draft.pk)
    told = {"form": form, "nobody": nobody, "asked_and_empty": form.is_bound and form.is_valid(), "test_recipient": settings.TEST_RECIPIENT}
    return page(request, 1, told, status=422 if form.is_bound else 200)


@require_http_methods(["GET", "POST"])
def look_through(request: HttpRequest, draft_id: UUID) -> HttpResponse:
    draft = my_draft(request, draft_id)
    if draft.session_id:
        return redirect("bulk_send:progress", draft.session_id)
    at = page_number(request.POST.get("at") or request.GET.get("page"))
    refusal = ""
    if request.method == "POST":
        refusal = remember_ticks(request, draft)
        if not refusal:
            return redirect(where_to(request, draft, at))
    batch = look(draft)
    pages = max(1, -(-len(batch.rows) // ROWS_PER_PAGE))
    at = min(at, pages)
    told = {
        "draft": draft,
        "batch": batch,
        "rows": batch.rows[(at - 1) * ROWS_PER_PAGE : at * ROWS_PER_PAGE],
        "at": at,
        "pages": range(1, pages + 1),
        "refusal": refusal,
        "wanted": request.POST.get("numbers", ""),
        "test_recipient": settings.TEST_RECIPIENT,
    }
    return page(request, 2, told, status=422 if refusal else 200)


@require_http_methods(["GET", "POST"])
def edit(request: HttpRequest, draft_id: UUID, pv: str) -> HttpResponse:
    draft = my_draft(request, draft_id)
    row = None if draft.session_id else look(draft).row(pv)
    if row is None:
        messages.warning(request, "This mail is no longer part of the batch; nothing was changed.")
        return redirect("bulk_send:look_through", draft.pk)
    form = Edit(request.POST or None, initial={"subject": row.mail.subject, "text": row.mail.text})
    if request.method == "POST" and ("undo" in request.POST or form.is_valid()):
        remember_edit(draft, pv, None if "undo" in request.POST else form.cleaned_data)
        return redirect(f"{page_url(draft, (row.number - 1) // ROWS_PER_PAGE + 1)}#mail-{pv}")
    shown = {**admin.site.each_context(request), "title": "Edit one mail", "draft": draft, "row": row, "form": form}
    return render(request, "bulk_send/edit.html", shown, status=422 if form.is_bound else 200)


@require_GET
@xframe_options_sameorigin
def mail(request: HttpRequest, draft_id: UUID, pv: str) -> HttpResponse:
    """One mail as it would leave, for a frame of its own."""
    draft = my_draft(request, draft_id)
    row = look(draft).row(pv)
    if row is None:
        return render(request, "bulk_send/mail_gone.html", status=404)
    if row.mail.html:
        return HttpResponse(row.mail.html, headers=IN_A_FRAME)
    return HttpResponse(render_to_string("bulk_send/mail_text.html", {"text": row.mail.text}), headers=IN_A_FRAME)


@require_http_methods(["GET", "POST"])
def confirm(request: HttpRequest, draft_id: UUID) -> HttpResponse:
    draft = my_draft(request, draft_id)
    if draft.session_id:
        return redirect("bulk_send:progress", draft.session_id)
    if draft.mode == Mode.PRODUCTION and not production_allowed():
        messages.error(request, "Production is switched off here (MAIL_MODE=test): begin again in test mode.")
        return redirect("bulk_send:choose")
    batch = look(draft)
    form = Confirm(request.POST or None, seen=batch.seal, mails=len(batch.ticked), mode=draft.mode)
    if request.method == "POST" and form.is_valid():
        with transaction.atomic():
            session = batch_of.send(draft, batch, sender=wiring.sender(Mode(draft.mode)), by=request.user, at=timezone.now())
            tasks.ring()
        return redirect("bulk_send:progress", session.pk)
    if form.is_bound and (session_id := BulkDraft.objects.values_list("session", flat=True).get(pk=draft.pk)):
        return redirect("bulk_send:progress", session_id)  # the first of two clicks has sent it meanwhile
    told = {
        "draft": draft,
        "batch": batch,
        "form": form,
        "production": draft.mode == Mode.PRODUCTION,
        "firms": len({row.mail.case.firm for row in batch.ticked}),
        "unticked": len(batch.rows) - len(batch.ticked),
        "edited": sum(row.edited for row in batch.ticked),
        "test_recipient": settings.TEST_RECIPIENT,
    }
    return page(request, 3, told, status=422 if form.is_bound else 200)


@require_GET
def watch(request: HttpRequest, session_id: int) -> HttpResponse:
    """The session's progress; asked for by the page itself, only the part that moves."""
    session = get_object_or_404(MessageSession, pk=session_id)
    so_far = progress.of(session)
    told = {"session": session, "progress": so_far, "states": states(session, so_far), "test_recipient": settings.TEST_RECIPIENT}
    if request.headers.get("HX-Request"):
        return render(request, "bulk_send/progress_live.html", told)
    return page(request, 4, told)


@require_POST
def drop(request: HttpRequest, draft_id: UUID) -> HttpResponse:
    BulkDraft.objects.unsent().filter(pk=draft_id, owner_id=request.user.pk).delete()
    messages.info(request, "The batch was dropped. Nothing was sent.")
    return redirect("bulk_send:choose")


def states(session: MessageSession, so_far: progress.Progress) -> list[dict[str, Any]]:
    """The session's counts in the order people ask for them, each with the list of its messages."""

    def state(label: str, name: str, *statuses: Status, grave: bool = False) -> dict[str, Any]:
        href = reverse("admin:messaging_message_changelist", query={"session__id__exact": str(session.pk), "state": name})
        count = sum(so_far.by_status.get(status, 0) for status in statuses)
        return {"label": label, "name": name, "count": count, "href": href, "grave": grave}

    return [
        state("Sent", "sent", Status.SENT),
        state("Waiting", "waiting", *progress.UNFINISHED),
        state("Failed", "failed", Status.FAILED, grave=True),
        state("In doubt", "in_doubt", Status.IN_DOUBT, grave=True),
        state("Held", "held", Status.HELD),
        state("Cancelled", "cancelled", Status.CANCELLED),
    ]


def production_allowed() -> bool:
    return settings.MAIL_MODE == Mode.PRODUCTION


def my_draft(request: HttpRequest, draft_id: UUID) -> BulkDraft:
    return get_object_or_404(BulkDraft.objects.select_related("owner", "template_version__template"), pk=draft_id, owner_id=request.user.pk)


def look(draft: BulkDraft) -> batch_of.Batch:
    return batch_of.look(draft, office=wiring.office(draft.owner), on=timezone.localdate())


def where_to(request: HttpRequest, draft: BulkDraft, at: int) -> str:
    """Where the button that was pressed leads; the ticks are kept by now."""
    if "confirm" in request.POST:
        return reverse("bulk_send:confirm", args=[draft.pk])
    if request.POST.get("edit") in draft.pvs:
        return reverse("bulk_send:edit", args=[draft.pk, request.POST["edit"]])
    return page_url(draft, page_number(request.POST.get("page") or str(at)))


def page_url(draft: BulkDraft, number: int) -> str:
    return reverse("bulk_send:look_through", args=[draft.pk], query={"page": number})


def page_number(text: str | None) -> int:
    return max(1, min(int(text), 1_000)) if text and text.isascii() and text.isdecimal() and len(text) < 5 else 1


@transaction.atomic
def remember_ticks(request: HttpRequest, draft: BulkDraft) -> str:
    """Keep what was ticked on this page, or the numbers that were typed; returns why the numbers cannot be read, or nothing."""
    draft = BulkDraft.objects.select_for_update(of=("self",)).get(pk=draft.pk)
    shown, ticked = set(request.POST.getlist("shown")), set(request.POST.getlist("ticked"))
    unticked, refusal = (set(draft.unticked) - shown) | (shown - ticked), ""
    if "all" in request.POST or "none" in request.POST:
        unticked = set(draft.pvs if "none" in request.POST else [])
    elif "choose_numbers" in request.POST:
        try:
            chosen = chosen_numbers(request.POST.get("numbers", ""), most=len(draft.pvs))
            unticked = {pv for number, pv in enumerate(draft.pvs, start=1) if number not in chosen}
        except batches.ListRefused as error:
            refusal = str(error)
    draft.unticked = [pv for pv in draft.pvs if pv in unticked]
    draft.save(update_fields=["unticked", "touched_at"])
    return refusal


def chosen_numbers(text: str, *, most: int) -> set[int]:
    if not (chosen := set(batches.numbers(text, most=most))):
        raise batches.ListRefused("Write which numbers to tick, for example 1,3,5-8.")
    return chosen


@transaction.atomic
def remember_edit(draft: BulkDraft, pv: str, edit: dict[str, str] | None) -> None:
    draft = BulkDraft.objects.select_for_update(of=("self",)).get(pk=draft.pk)
    draft.edits = {other: kept for other, kept in draft.edits.items() if other != pv} | ({pv: edit} if edit else {})
    draft.save(update_fields=["edits", "touched_at"])
