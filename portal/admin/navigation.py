"""The menu at the side: the work first, then the machine room. Nobody sees what they may not open."""

from collections.abc import Callable
from typing import Any

from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse

from messaging.models import CmsNote, Message, Status
from portal.quotes.models import Quote
from portal.quotes.models import Status as QuoteStatus
from portal.quotes.selections import TO_FOLLOW_UP

MOST_COUNTED = 1_000
SUPERUSER = "a superuser only"

Entry = tuple[str, str, str, str]  # title, icon, view, permission

START: list[Entry] = [
    ("Dashboard", "dashboard", "admin:index", ""),
    ("Bulk send", "campaign", "bulk_send:choose", "messaging.send_message"),
]
WORK: list[Entry] = [
    ("Quotes", "request_quote", "admin:portal_quote_changelist", "portal.view_quote"),
    ("Messages", "mail", "admin:messaging_message_changelist", "messaging.view_message"),
    ("Analytics", "bar_chart", "analytics", "messaging.view_message"),
    ("CMS notes", "sticky_note_2", "admin:messaging_cmsnote_changelist", "messaging.view_cmsnote"),
    ("Cases", "folder_shared", "admin:messaging_case_changelist", "messaging.view_case"),
    ("Sessions", "view_list", "admin:messaging_messagesession_changelist", "messaging.view_messagesession"),
    ("Templates", "edit_document", "admin:messaging_emailtemplate_changelist", "messaging.view_emailtemplate"),
    ("Daily summaries", "summarize", "summaries", ""),
    ("Suppressions", "block", "admin:messaging_suppression_changelist", "messaging.view_suppression"),
]
CAMPAIGNS: list[Entry] = [
    ("Contacts", "contacts", "admin:campaigns_contact_changelist", "campaigns.view_contact"),
    ("Campaigns", "campaign", "admin:campaigns_campaigninstance_changelist", "campaigns.view_campaigninstance"),
    ("Campaign types", "category", "admin:campaigns_campaigntype_changelist", "campaigns.view_campaigntype"),
    ("Targets", "target", "admin:campaigns_contactcampaign_changelist", "campaigns.view_contactcampaign"),
    ("Planned mails", "calendar_month", "admin:campaigns_emailschedule_changelist", "campaigns.view_emailschedule"),
    ("Runs", "directions_run", "admin:campaigns_schedulerrun_changelist", "campaigns.view_schedulerrun"),
    ("Imports", "upload_file", "admin:campaigns_importjob_changelist", "campaigns.view_importjob"),
    ("Engagement", "ads_click", "admin:campaigns_engagementevent_changelist", "campaigns.view_engagementevent"),
    ("Changes", "change_history", "admin:campaigns_campaignchange_changelist", "campaigns.view_campaignchange"),
]
SETTINGS: list[Entry] = [
    ("States", "map", "states", "portal.view_configversion"),
    ("Configuration", "tune", "admin:portal_configversion_changelist", "portal.view_configversion"),
]
MACHINE_ROOM: list[Entry] = [
    ("Bulk actions", "playlist_play", "admin:portal_operation_changelist", "portal.view_operation"),
    ("Errors", "error", "admin:messaging_errorgroup_changelist", "messaging.view_errorgroup"),
    ("Events", "notifications", "admin:messaging_systemevent_changelist", "messaging.view_systemevent"),
    ("Delivery events", "mark_email_unread", "admin:messaging_deliveryevent_changelist", "messaging.view_deliveryevent"),
    ("Backups", "backup", "admin:messaging_backuphistory_changelist", "messaging.view_backuphistory"),
    ("Health", "monitor_heart", "health", "messaging.view_systemevent"),
    ("Proof", "fact_check", "proof", "messaging.view_systemevent"),
    ("Providers", "dns", "admin:messaging_provider_changelist", "messaging.view_provider"),
    ("AI runs", "smart_toy", "admin:portal_aicall_changelist", "portal.view_aicall"),
    ("Staff", "group", "admin:auth_user_changelist", "auth.view_user"),
    ("Roles", "badge", "admin:auth_group_changelist", "auth.view_group"),
    ("Who did what", "history", "admin:admin_logentry_changelist", SUPERUSER),
    ("Logins refused", "lock", "admin:axes_accessattempt_changelist", SUPERUSER),
]


def sections(request: HttpRequest) -> list[dict[str, Any]]:
    """The menu for this person, with the figures of what waits for one."""
    return [
        {"title": "", "items": items(START, request)},
        {"title": "Work", "separator": True, "items": items(WORK, request)},
        {"title": "Campaigns", "separator": True, "items": items(CAMPAIGNS, request)},
        {"title": "Settings", "separator": True, "items": items(SETTINGS, request)},
        {"title": "Machine room", "separator": True, "items": items(MACHINE_ROOM, request)},
    ]


def items(entries: list[Entry], request: HttpRequest) -> list[dict[str, Any]]:
    shown = []
    for title, icon, view, permission in entries:
        if may(request.user, permission) and (link := address(view)):
            badge = figure(WAITING[title]()) if title in WAITING else ""
            shown.append({"title": title, "icon": icon, "link": link} | ({"badge": badge} if badge else {}))
    return shown


def may(user: Any, permission: str) -> bool:
    if permission == SUPERUSER:
        return bool(user.is_active and user.is_superuser)
    return not permission or user.has_perm(permission)


def address(view: str) -> str:
    try:
        return reverse(view)
    except NoReverseMatch:  # a page that this deployment leaves out
        return ""


def messages_that_need_a_person() -> list[QuerySet]:
    return [Message.objects.filter(status__in=[Status.IN_DOUBT, Status.FAILED, Status.HELD])]


def notes_that_need_a_person() -> list[QuerySet]:
    return [CmsNote.objects.needs_attention(), CmsNote.objects.needs_pid().filter(attention="")]


def quotes_that_need_a_person() -> list[QuerySet]:
    return [Quote.objects.filter(Q(status=QuoteStatus.AI_ERROR) & ~Q(review_reason="") | Q(status__in=TO_FOLLOW_UP))]


def figure(parts: list[QuerySet]) -> str:
    """How many rows the parts have, no row being in two of them; each is found by an index of its own."""
    count = sum(part.order_by().values("pk")[: MOST_COUNTED + 1].count() for part in parts)
    return f"{MOST_COUNTED}+" if count > MOST_COUNTED else str(count or "")


WAITING: dict[str, Callable[[], list[QuerySet]]] = {
    "Quotes": quotes_that_need_a_person,
    "Messages": messages_that_need_a_person,
    "CMS notes": notes_that_need_a_person,
}
