"""The desk of contacts: who they are, what is planned for them, which campaigns mean them, what they did."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.safestring import SafeString
from unfold.decorators import display

from campaigns.models import Contact, ContactCampaign, EmailSchedule, EngagementEvent, Flag
from campaigns.targeting import wait_for_run
from messaging.models import Suppression
from portal import tasks, wiring
from portal.admin import cells, schedule_cells
from portal.admin.contact_filters import CarrierFilter, LookFilter, StateFilter, search
from portal.admin.contact_form import ContactForm
from portal.admin.records import Desk, Table

SHOWN = 20  # mails, campaigns and events below a contact
UNKNOWN = "The state has an exclusion window, and the date it is counted from is missing"
COUNTED_WITH = {"email", "zip_code", "birth_date", "effective_date"}  # by the rules: a change plans the contact anew
WHY = {"label": "Why?", "icon": "help"}


@admin.register(Contact)
class ContactDesk(Desk):
    form = ContactForm
    change_form_outer_before_template = "admin/record_head.html"
    change_form_after_template = "admin/tables.html"
    list_display = ["contact", "place", "born", "effective", "carrier", "next_mail", "look"]
    list_filter = [StateFilter, CarrierFilter, LookFilter]
    list_filter_submit = True
    ordering = ["-pk"]
    search_fields = ["email"]  # what is searched, and how, is said in contact_filters
    search_help_text = "Id, or the beginning of the e-mail address or last name"
    fieldsets = [
        ("The person", {"fields": [("first_name", "last_name"), ("email", "phone")]}),
        ("What the rules count with", {"fields": ["zip_code", ("birth_date", "effective_date")]}),
        ("The policy", {"fields": ["carrier", "seen_at"]}),
    ]

    def prepare(self, rows: list[Any]) -> None:
        stopped = Suppression.objects.addresses_among([row.email for row in rows])
        planned = EmailSchedule.objects.planned().filter(contact__in=rows).order_by("contact_id", "send_on", "pk").distinct("contact_id")
        nexts = {mail.contact_id: mail for mail in planned}
        for row in rows:
            row.is_suppressed = row.email.lower() in stopped
            row.planned = nexts.get(row.pk)

    @display(description="contact")
    def contact(self, contact: Contact) -> SafeString:
        return cells.two_lines(contact.full_name or "–", cells.address(contact.email))

    @display(description="state")
    def place(self, contact: Contact) -> SafeString:
        return cells.two_lines(contact.state, contact.zip_code)

    @display(description="born")
    def born(self, contact: Contact) -> Any:
        return schedule_cells.day(contact.birth_date)

    @display(description="policy since")
    def effective(self, contact: Contact) -> Any:
        return schedule_cells.day(contact.effective_date)

    @display(description="next mail")
    def next_mail(self, contact: Any) -> SafeString:
        mail = contact.planned
        return cells.two_lines(schedule_cells.day(mail.send_on), schedule_cells.kind(mail.email_type)) if mail else cells.NOTHING

    @display(description="needs a look")
    def look(self, contact: Any) -> SafeString:
        stop = [cells.badge("No mail", "red", title="The address is on the list of suppressions")] if contact.is_suppressed else []
        return cells.together(*stop, *flags(contact)) if stop or contact.flags else cells.NOTHING

    def get_search_results(self, request: HttpRequest, queryset: QuerySet, search_term: str) -> tuple[QuerySet, bool]:
        return search(queryset, search_term), False

    def save_model(self, request: HttpRequest, obj: Contact, form: Any, change: bool) -> None:
        if change:
            obj.updated_at = Now()
        super().save_model(request, obj, form, change)
        if COUNTED_WITH & set(form.changed_data):
            wait_for_run([obj.pk])
            tasks.ring_rescheduling()

    def title(self, row: Any) -> str:
        return row.full_name or row.email

    def facts(self, contact: Contact) -> list[tuple[str, Any]]:
        stop = Suppression.objects.in_force().filter(address=contact.email.lower()).first()
        unknown = Contact.objects.filter(pk=contact.pk).exclusion_unknown(wiring.scheduler_settings()[0].state_rules).exists()
        doubts = [*flags(contact), *([cells.badge("Exclusion unknown", "amber", title=UNKNOWN)] if unknown else [])]
        return [
            ("Id", contact.pk),
            ("State by the ZIP code", contact.state),
            ("Mail", cells.two_lines(cells.badge("No mail", "red"), cells.link(stop, stop.reason)) if stop else "may be sent"),
            ("Doubtful", cells.together(*doubts) if doubts else cells.NOTHING),
            ("Changed", cells.when(contact.updated_at)),
        ]

    def tables(self, row: Any) -> list[Table]:
        return [mails(row), campaigns(row), engagement(row)]

    def page(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        shown = super().page(request, row)
        why = [(WHY, address)] if (address := explained(row)) else []
        return shown | {"record_acts": [*why, *shown["record_acts"]]}


def explained(contact: Contact) -> str:
    """Where the rules tell what they do with this contact, if there is such a page."""
    try:
        return reverse("admin:campaigns_contact_explain", args=[contact.pk])
    except NoReverseMatch:
        return ""


def flags(contact: Contact) -> list[SafeString]:
    short = {Flag.STATE_ZIP_MISMATCH: "State?", Flag.BIRTH_DATE_INVALID: "Birth date?", Flag.EFFECTIVE_DATE_INVALID: "Policy date?"}
    return [cells.badge(short[Flag(flag)], "amber", title=str(Flag(flag).label)) for flag in contact.flags]


def mails(contact: Contact) -> Table:
    rows = schedule_cells.told(EmailSchedule.objects.filter(contact=contact).order_by("-send_on", "-pk"))[:SHOWN]
    return Table(
        "Mails: planned, skipped, handed over",
        ["Send date", "State", "Mail", "Event", "Why"],
        [
            [
                schedule_cells.day(mail.send_on),
                schedule_cells.state(mail),
                cells.link(mail, schedule_cells.kind(mail.email_type)),
                schedule_cells.day(mail.event_on),
                schedule_cells.why(mail),
            ]
            for mail in rows
        ],
        empty="The scheduler has not planned anything for this contact yet.",
        link=cells.list_url(EmailSchedule, contact__id__exact=contact.pk),
    )


def campaigns(contact: Contact) -> Table:
    rows = ContactCampaign.objects.filter(contact=contact).select_related("instance__campaign_type").order_by("-pk")[:SHOWN]
    return Table(
        "Campaigns that mean this contact",
        ["Campaign", "Trigger date", "How", "Since"],
        [
            [cells.link(one.instance), schedule_cells.day(one.trigger_on), one.get_targeted_display(), cells.when(one.created_at)]
            for one in rows
        ],
        empty="No campaign means this contact by name.",
        link=cells.list_url(ContactCampaign, contact__id__exact=contact.pk),
    )


def engagement(contact: Contact) -> Table:
    rows = EngagementEvent.objects.filter(contact=contact).order_by("-at", "-pk")[:SHOWN]
    return Table(
        "What this contact did",
        ["When", "What", "Told of conditions"],
        [[cells.when(one.at), cells.link(one, one.get_kind_display()), schedule_cells.yes_or_no(one.has_conditions)] for one in rows],
        empty="No click and no answer yet.",
        link=cells.list_url(EngagementEvent, contact__id__exact=contact.pk),
    )
