"""The desks of campaigns: types, which say how a campaign behaves, and campaigns, which say what, to whom and when."""

from typing import Any

from django.contrib import admin
from django.db.models import Count, QuerySet
from django.db.models.functions import Now
from django.http import HttpRequest
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import AutocompleteSelectFilter, ChoicesDropdownFilter
from unfold.decorators import display

from campaigns.models import CampaignChange, CampaignInstance, CampaignType, ContactCampaign, EmailSchedule
from messaging.models import EmailTemplate
from portal import tasks, wiring
from portal.admin import cells, schedule_cells
from portal.admin.campaign_confirm import ConfirmsWindows
from portal.admin.campaign_form import CampaignForm, CampaignTypeForm
from portal.admin.campaign_targets import TARGET, ChoosesContacts, bounded
from portal.admin.contact_filters import some
from portal.admin.records import ReadOnly, Table

SHOWN = 10  # targets and changes below a campaign


@admin.register(CampaignType)
class CampaignTypeDesk(ConfirmsWindows):
    form = CampaignTypeForm
    change_form_after_template = "admin/tables.html"
    list_display = ["name", "state", "windows", "day", "priority", "follow_ups", "for_all", "campaigns"]
    ordering = ["name"]
    search_fields = ["name"]
    search_help_text = "Name"
    fieldsets = [
        ("The type", {"fields": ["name", "active", "priority"]}),
        ("When, and to whom", {"fields": ["days_before_event", "target_all_contacts", "enable_followups"]}),
        ("Exclusion windows", {"fields": ["respect_exclusion_windows", "seen_at"]}),
    ]

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        return super().get_queryset(request).annotate(instance_count=Count("instances"))

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return ["name"] if obj else []  # it is the e-mail type of what was sent

    @display(description="state")
    def state(self, one: CampaignType) -> SafeString:
        return cells.badge("Active", "green") if one.active else cells.badge("Off", "grey")

    @display(description="exclusion windows")
    def windows(self, one: CampaignType) -> SafeString:
        return cells.badge("Respected", "green") if one.respect_exclusion_windows else cells.badge("Ignored", "red")

    @display(description="send day")
    def day(self, one: CampaignType) -> str:
        days = one.days_before_event
        plural = "" if abs(days) == 1 else "s"
        return f"{abs(days)} day{plural} {'before' if days > 0 else 'after'} the trigger" if days else "on the trigger date"

    @display(description="follow-ups")
    def follow_ups(self, one: CampaignType) -> Any:
        return schedule_cells.yes_or_no(one.enable_followups)

    @display(description="all contacts")
    def for_all(self, one: CampaignType) -> Any:
        return schedule_cells.yes_or_no(one.target_all_contacts)

    @display(description="campaigns")
    def campaigns(self, one: Any) -> Any:
        return cells.listed(CampaignInstance, one.instance_count, campaign_type__id__exact=one.pk) if one.instance_count else cells.NOTHING

    def save_model(self, request: HttpRequest, obj: CampaignType, form: Any, change: bool) -> None:
        saved(obj, change)
        super().save_model(request, obj, form, change)
        tasks.ring_rescheduling()

    def tables(self, row: Any) -> list[Table]:
        return [changes(CampaignChange.objects.filter(campaign_type=row), campaign_type__id__exact=row.pk)]


@admin.register(CampaignInstance)
class CampaignDesk(ChoosesContacts, ConfirmsWindows):
    form = CampaignForm
    change_form_outer_before_template = "admin/record_head.html"
    change_form_after_template = "admin/tables.html"
    list_display = ["campaign", "state", "begins", "ends", "template", "meant"]
    list_filter = [("campaign_type", AutocompleteSelectFilter)]
    list_filter_submit = True
    list_select_related = ["campaign_type", "email_template"]
    ordering = ["-pk"]
    search_fields = ["name"]
    search_help_text = "Beginning of the name"
    fieldsets = [
        ("The campaign", {"fields": [("campaign_type", "name"), ("active_from", "active_until")]}),
        ("What it says", {"fields": [("email_template", "sms_template"), "metadata", "seen_at"]}),
    ]

    @display(description="campaign")
    def campaign(self, one: CampaignInstance) -> SafeString:
        return cells.two_lines(one.name, schedule_cells.kind(one.campaign_type.name))

    @display(description="state")
    def state(self, one: CampaignInstance) -> SafeString:
        return standing(one)

    @display(description="from")
    def begins(self, one: CampaignInstance) -> Any:
        return schedule_cells.day(one.active_from)

    @display(description="until")
    def ends(self, one: CampaignInstance) -> Any:
        return schedule_cells.day(one.active_until)

    @display(description="template")
    def template(self, one: CampaignInstance) -> SafeString:
        return cells.link(one.email_template)

    @display(description="contacts")
    def meant(self, one: CampaignInstance) -> Any:
        if one.campaign_type.target_all_contacts:
            return "all contacts"
        return cells.listed(ContactCampaign, bounded(one.targets.all()), instance__id__exact=one.pk)

    def get_search_results(self, request: HttpRequest, queryset: QuerySet, search_term: str) -> tuple[QuerySet, bool]:
        return (queryset.filter(name__istartswith=search_term.strip()) if search_term.strip() else queryset), False

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        field: Any = super().formfield_for_foreignkey(db_field, request, **kwargs)
        if db_field.name.endswith("_template"):
            field.queryset = EmailTemplate.objects.in_use()
        return field

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return ["campaign_type"] if obj else []  # what was planned is known by it

    def save_model(self, request: HttpRequest, obj: CampaignInstance, form: Any, change: bool) -> None:
        saved(obj, change)
        super().save_model(request, obj, form, change)
        tasks.ring_rescheduling()

    def title(self, row: Any) -> str:
        return row.name

    def facts(self, one: CampaignInstance) -> list[tuple[str, Any]]:
        mails = EmailSchedule.objects.filter(campaign_instance=one)
        planned = cells.listed(EmailSchedule, bounded(mails.planned()), campaign_instance__id__exact=one.pk, state="planned")
        return [
            ("State", standing(one)),
            ("Exclusion windows", "respected" if one.campaign_type.respect_exclusion_windows else cells.badge("Ignored", "red")),
            ("Contacts", self.meant(one)),
            ("Mails planned", planned),
        ]

    def tables(self, row: Any) -> list[Table]:
        return [targets(row), changes(CampaignChange.objects.filter(instance=row), instance__id__exact=row.pk)]


@admin.register(ContactCampaign)
class TargetDesk(ReadOnly):
    acts = (TARGET,)
    list_display = ["contact_shown", "campaign", "trigger", "targeted", "since"]
    list_filter = [("instance", AutocompleteSelectFilter), ("targeted", ChoicesDropdownFilter)]
    list_filter_submit = True
    list_select_related = ["contact", "instance__campaign_type"]
    ordering = ["-pk"]
    search_fields = ["pk"]  # what is searched, and how, is said below
    search_help_text = "Contact: id, or the beginning of the e-mail address or last name"

    @display(description="contact")
    def contact_shown(self, one: ContactCampaign) -> SafeString:
        return cells.two_lines(one.contact.full_name or one.contact.email, cells.address(one.contact.email))

    @display(description="campaign")
    def campaign(self, one: ContactCampaign) -> SafeString:
        return cells.link(one.instance)

    @display(description="trigger date")
    def trigger(self, one: ContactCampaign) -> Any:
        return schedule_cells.day(one.trigger_on)

    @display(description="since")
    def since(self, one: ContactCampaign) -> SafeString:
        return cells.when(one.created_at)

    def get_search_results(self, request: HttpRequest, queryset: QuerySet, search_term: str) -> tuple[QuerySet, bool]:
        return (queryset.filter(contact__in=some(search_term)) if search_term.strip() else queryset), False

    def known_as(self, row: Any) -> str:
        return f"{row.contact.email} in “{row.instance.name}”"

    def title(self, row: Any) -> str:
        return f"{row.contact.email} in {row.instance.name}"

    def facts(self, one: ContactCampaign) -> list[tuple[str, Any]]:
        return [
            ("Contact", cells.link(one.contact)),
            ("Campaign", cells.link(one.instance)),
            ("Trigger date", schedule_cells.day(one.trigger_on)),
            ("How", one.get_targeted_display()),
            ("Since", cells.when(one.created_at)),
        ]

    def tables(self, row: Any) -> list[Table]:
        mails = schedule_cells.told(EmailSchedule.objects.filter(contact=row.contact, campaign_instance=row.instance))[:SHOWN]
        lines = [[cells.link(mail, mail.send_on), schedule_cells.state(mail), schedule_cells.why(mail)] for mail in mails]
        return [Table("What became of it", ["Send date", "State", "Why"], lines, empty="The scheduler has not planned a mail for it yet.")]


def saved(row: CampaignType | CampaignInstance, change: bool) -> None:
    if change:
        row.updated_at = Now()


def standing(one: CampaignInstance) -> SafeString:
    today = wiring.today()
    if not one.campaign_type.active:
        return cells.badge("Type is off", "grey")
    if one.active_from and one.active_from > today:
        return cells.badge("To come", "blue")
    return cells.badge("Over", "grey") if one.active_until and one.active_until < today else cells.badge("Active", "green")


def targets(one: CampaignInstance) -> Table:
    rows = one.targets.select_related("contact").order_by("-pk")[:SHOWN]
    return Table(
        "Contacts it means, the newest",
        ["Contact", "Trigger date", "How", "Since"],
        [
            [cells.link(row.contact), schedule_cells.day(row.trigger_on), row.get_targeted_display(), cells.when(row.created_at)]
            for row in rows
        ],
        empty="It means all contacts." if one.campaign_type.target_all_contacts else "It means nobody yet: choose contacts.",
        link=cells.list_url(ContactCampaign, instance__id__exact=one.pk),
    )


def changes(rows: QuerySet[CampaignChange], **parameters: Any) -> Table:
    told = rows.select_related("changed_by").order_by("-pk")[:SHOWN]
    return Table(
        "What was changed",
        ["When", "Field", "Before", "After", "By"],
        [[cells.when(one.changed_at), one.field, one.old_value, one.new_value, one.changed_by or "a program"] for one in told],
        empty="Nothing since it was made.",
        link=cells.list_url(CampaignChange, **parameters),
    )
