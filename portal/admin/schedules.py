"""The desk of planned mails: what each contact gets and when, what is skipped and why. The scheduler writes them; a person may stop one."""

from collections.abc import Mapping
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from unfold.decorators import display

from campaigns import stopping
from campaigns.models import EmailSchedule, SchedulerRun, Status
from portal.admin import cells, schedule_cells
from portal.admin.acts import Act, ReasonForm
from portal.admin.contact_filters import some
from portal.admin.days import DaysFilter
from portal.admin.records import ReadOnly, Table, buttons
from portal.admin.schedule_filters import (
    STATES,
    ContactStateFilter,
    MarkFilter,
    ProgressFilter,
    ReasonFilter,
    TypeFilter,
    asked_state,
)


def stop(request: HttpRequest, rows: QuerySet, answers: Mapping[str, Any]) -> int:
    return stopping.stop(rows, reason=answers["reason"], by=request.user)


def why_not(mail: EmailSchedule) -> str:
    match Status(mail.status):
        case Status.SCHEDULED:
            return "It was handed over: it is a message now. Open the message, and hold it or give it up there."
        case Status.CANCELLED:
            return f"{schedule_cells.stopped_because(mail)}. There is nothing left to stop."
        case Status.SKIPPED:
            return f"It is skipped and not sent: {schedule_cells.skipped_because(mail)}."
        case Status.PRE_SCHEDULED:
            return "It is planned anew; try again."


STOP = Act(
    name="stop",
    label="Stop",
    explains="It is not sent, and no run of the scheduler plans it again. Other mails to the contact go on. This cannot be taken back.",
    done=("is stopped", "are stopped"),
    permission="messaging.decide_message",
    carry_out=stop,
    applies=lambda mail: mail.status == Status.PRE_SCHEDULED,
    refusal=why_not,
    form=ReasonForm,
    icon="cancel",
    is_dangerous=True,
)


@admin.register(EmailSchedule)
class ScheduleDesk(ReadOnly):
    acts = (STOP,)
    list_display = ["send", "state", "mail", "contact_shown", "event", "why", "helps"]
    list_display_links = ["send"]
    list_filter = [ProgressFilter, TypeFilter, ReasonFilter, MarkFilter, ContactStateFilter, ("send_on", DaysFilter)]
    list_filter_submit = True
    list_select_related = ["contact", "campaign_instance__campaign_type", "message"]
    list_defer = schedule_cells.MAIL_BODY
    search_fields = ["pk"]  # what is searched, and how, is said below
    search_help_text = "Contact: id, or the beginning of the e-mail address or last name"

    def get_ordering(self, request: HttpRequest) -> list[str]:
        """What is planned: the next first, by the index. What is over: the latest first."""
        state = asked_state(request)
        if state == "planned":
            return ["send_on", "pk"]
        return ["-send_on", "-pk"] if state in STATES else ["-pk"]

    @display(description="send date")
    def send(self, mail: EmailSchedule) -> SafeString:
        return cells.two_lines(schedule_cells.day(mail.send_on), f"{mail.send_time:%H:%M}")

    @display(description="state")
    def state(self, mail: EmailSchedule) -> SafeString:
        return cells.two_lines(schedule_cells.state(mail), cells.link(mail.message, "its message") if mail.message else "")

    @display(description="e-mail")
    def mail(self, mail: EmailSchedule) -> SafeString:
        campaign = cells.link(mail.campaign_instance, schedule_cells.about(mail)) if mail.campaign_instance else ""
        return cells.two_lines(schedule_cells.kind(mail.email_type), campaign)

    @display(description="contact")
    def contact_shown(self, mail: EmailSchedule) -> SafeString:
        contact = mail.contact
        about = f"{contact.full_name}, {contact.state}" if contact.full_name else contact.state
        return cells.two_lines(cells.link(contact, cells.address(contact.email)), about)

    @display(description="event")
    def event(self, mail: EmailSchedule) -> Any:
        return schedule_cells.day(mail.event_on)

    @display(description="why")
    def why(self, mail: EmailSchedule) -> Any:
        return schedule_cells.why(mail)

    @display(description="what helps")
    def helps(self, mail: EmailSchedule) -> SafeString:
        return buttons(self, mail)

    def get_search_results(self, request: HttpRequest, queryset: QuerySet, search_term: str) -> tuple[QuerySet, bool]:
        return (queryset.filter(contact__in=some(search_term)) if search_term.strip() else queryset), False

    def known_as(self, row: Any) -> str:
        return f"{schedule_cells.kind(row.email_type)} to {row.contact.email} on {row.send_on}"

    def title(self, row: Any) -> str:
        return f"{schedule_cells.kind(row.email_type)} on {row.send_on}"

    def facts(self, mail: EmailSchedule) -> list[tuple[str, Any]]:
        moved = f"moved from {mail.moved_from} for load" if mail.moved_from else ""
        return [
            ("State", schedule_cells.state(mail)),
            ("Contact", cells.two_lines(cells.link(mail.contact, mail.contact.email), f"{mail.contact.full_name}, {mail.contact.state}")),
            ("E-mail type", schedule_cells.kind(mail.email_type)),
            ("Campaign", cells.link(mail.campaign_instance)),
            ("Send date", cells.two_lines(f"{mail.send_on} at {mail.send_time:%H:%M}", moved)),
            ("Event", schedule_cells.day(mail.event_on)),
            ("Why", schedule_cells.why(mail)),
            ("Priority", mail.priority),
            ("Template", mail.email_template or "chosen when it is handed over"),
            ("Message", cells.link(mail.message, mail.message.subject) if mail.message else cells.NOTHING),
            ("Follows", cells.link(mail.parent, f"mail {mail.parent_id}") if mail.parent_id else cells.NOTHING),
            ("Written by", cells.link(SchedulerRun(pk=mail.run_id), f"run {mail.run_id}") if mail.run_id else cells.NOTHING),
            ("Planned", cells.when(mail.created_at)),
            ("Changed", cells.when(mail.updated_at)),
        ]

    def tables(self, row: Any) -> list[Table]:
        stands_for = row.metadata if isinstance(row.metadata, dict) else {}
        told = [[name.replace("_", " "), str(value)[:500]] for name, value in stands_for.items()]
        follow_ups = [[schedule_cells.day(one.send_on), schedule_cells.state(one), cells.link(one)] for one in row.follow_ups.all()[:5]]
        return [
            *([Table("What is kept beside it", ["What", "Value"], told)] if told else []),
            Table("Follow-up", ["Send date", "State", "Mail"], follow_ups, empty="None is planned after this mail."),
        ]

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        return schedule_cells.told(super().get_queryset(request))
