"""Choosing the contacts of a campaign on three steps: whom and when, how many and who first, then it is done. And taking one out again."""

from collections.abc import Mapping
from typing import Any

from django.contrib import messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from campaigns import targeting
from campaigns.models import CampaignInstance, Targeted
from portal import tasks
from portal.admin import cells
from portal.admin.acts import Act
from portal.admin.listing import COUNTED_AT_MOST
from portal.admin.records import Desk, Table
from portal.admin.target_form import TargetForm

MAY_TARGET = "campaigns.add_contactcampaign"
SHOWN = 10  # contacts before it is confirmed
CHOOSE = {"label": "Choose contacts", "icon": "group_add"}


def take_out(request: HttpRequest, rows: QuerySet, answers: Mapping[str, Any]) -> int:
    taken = targeting.take_out(rows)
    tasks.ring_rescheduling()
    return taken


TARGET = Act(
    name="take_out",
    label="Take out of the campaign",
    explains="The campaign no longer means these contacts. What was handed over stays as it is; planned mails go within minutes.",
    done=("is taken out", "are taken out"),
    permission="campaigns.delete_contactcampaign",
    carry_out=take_out,
    icon="person_remove",
    is_dangerous=True,
)


class ChoosesContacts(Desk):
    """The part of the desk of campaigns where contacts are chosen."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.target_view)
        return [path("<path:object_id>/target/", view, name="campaigns_campaigninstance_target"), *super().get_urls()]

    def page(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        shown = super().page(request, row)
        if not request.user.has_perm(MAY_TARGET):
            return shown
        address = reverse("admin:campaigns_campaigninstance_target", args=[row.pk])
        return shown | {"record_acts": [(CHOOSE, address), *shown["record_acts"]]}

    def target_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """GET: whom and when. POST: how many that would be and the first of them; confirmed: they are in the campaign."""
        if not request.user.has_perm(MAY_TARGET):
            raise PermissionDenied
        campaign: Any = self.get_object(request, unquote(object_id))
        if campaign is None:
            raise Http404(f"there is no campaign {object_id}")
        form = TargetForm(request.POST if request.method == "POST" else None)
        if not form.is_valid() or "edit" in request.POST:
            return self.target_page(request, campaign, "admin/target.html", {"form": form, "media": self.media + form.media})
        if "confirmed" in request.POST:
            return self.add_targets(request, campaign, form)
        return self.target_page(request, campaign, "admin/target_confirm.html", preview(request, campaign, form))

    def target_page(self, request: HttpRequest, campaign: CampaignInstance, template: str, told: dict[str, Any]) -> HttpResponse:
        around = {
            "title": f"Contacts for {campaign.name}",
            "opts": self.opts,
            "campaign": campaign,
            "back": self.way_back(request, campaign),
        }
        return TemplateResponse(request, template, self.admin_site.each_context(request) | around | told)

    def add_targets(self, request: HttpRequest, campaign: CampaignInstance, form: TargetForm) -> HttpResponse:
        targeted = Targeted.HAND if form.is_by_hand else Targeted.FILTER
        new = targeting.add(form.contacts(), instance_id=campaign.pk, plan=form.cleaned_data["plan"], targeted=targeted)
        noun = "contact is" if new == 1 else "contacts are"
        if new:
            messages.success(request, f"{new:,} {noun} now meant by “{campaign.name}”. Their mails are planned within minutes.")
            tasks.ring_rescheduling()
        else:
            messages.warning(request, "Nobody was added: all of them were in the campaign already.")
        return HttpResponseRedirect(self.way_back(request, campaign))


def preview(request: HttpRequest, campaign: CampaignInstance, form: TargetForm) -> dict[str, Any]:
    """How many contacts that would be, the first of them, and when."""
    chosen, plan = form.contacts(), form.cleaned_data["plan"]
    new = targeting.new_among(chosen, instance_id=campaign.pk, plan=plan)
    count, every = new.count(), chosen.count()
    first = [[cells.link(one), one.state, one.carrier or "–"] for one in new.order_by("pk")[:SHOWN]]
    return {
        "count": count,
        "known": every - count,
        "problems": form.cleaned_data["problems"],
        "when": in_words(plan, count),
        "tables": [Table("The first of them" if count > SHOWN else "Who", ["Contact", "State", "Carrier"], first, empty="Nobody.")],
        "hidden": [(name, value) for name, values in request.POST.lists() for value in values if name != "csrfmiddlewaretoken"],
        "ignores": not campaign.campaign_type.respect_exclusion_windows,
    }


def in_words(plan: targeting.Plan, count: int) -> str:
    if plan.trigger_on is None:
        return "no trigger date: as soon as the campaign is active"
    if plan.spread_days == 1:
        return f"trigger date {plan.trigger_on}"
    a_day = max(1, round(count / plan.spread_days))
    return f"trigger dates from {plan.trigger_on} on, over {plan.spread_days} days, about {a_day:,} a day"


def bounded(rows: QuerySet) -> str:
    """How many rows, counted no further than is worth it."""
    found = rows.order_by().values("pk")[: COUNTED_AT_MOST + 1].count()
    return f"over {COUNTED_AT_MOST:,}" if found > COUNTED_AT_MOST else f"{found:,}"
