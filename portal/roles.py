"""Who may do what: three roles that every portal has after `migrate`. People are given them, and more, by a superuser."""

from typing import Any

from django.apps.registry import Apps
from django.apps.registry import apps as every_app
from django.contrib.auth.models import Group, Permission
from django.db import DEFAULT_DB_ALIAS

VIEWER = [
    *("view_case", "view_acknowledgment", "view_message", "view_attempt", "view_decision", "view_cmsnote", "view_noteattempt"),
    *("view_messagesession", "view_emailtemplate", "view_templateversion", "view_suppression"),
    *("view_systemevent", "view_errorgroup", "view_provider", "view_deliveryevent", "view_backuphistory"),
    *("view_contact", "view_engagementevent", "view_campaigntype", "view_campaigninstance", "view_contactcampaign", "view_campaignchange"),
    *("view_emailschedule", "view_schedulerrun", "view_runchunk", "view_importjob"),
    "view_dailysummary",
    *("view_quote", "view_quoteimage", "view_aicall", "view_operation", "view_operationitem", "view_configversion", "view_configseries"),
]
OPERATOR = [
    *VIEWER,
    *("send_message", "decide_message", "post_cmsnote", "confirm_cmsnote"),
    *("change_case", "add_acknowledgment", "change_acknowledgment"),
    *("change_quote", "process_quote", "send_quote", "cancel_operation", "send_dailysummary"),
    *("add_contact", "change_contact", "add_contactcampaign", "delete_contactcampaign"),
]
MANAGER = [
    *OPERATOR,
    *("add_case", "import_case", "delete_acknowledgment", "add_emailtemplate", "change_emailtemplate", "add_templateversion"),
    *("add_suppression", "delete_suppression", "change_errorgroup", "change_provider"),
    *("view_summarypreference", "add_summarypreference", "change_summarypreference"),
    *("add_quote", "approve_quote", "add_configversion"),
    *("import_contact", "add_campaigntype", "change_campaigntype", "add_campaigninstance", "change_campaigninstance", "run_scheduler"),
]
OURS = ["messaging", "campaigns", "portal"]  # the apps whose permissions these are
ROLES = {"Viewer": VIEWER, "Operator": OPERATOR, "Manager": MANAGER}


def make_roles(*, using: str = DEFAULT_DB_ALIAS) -> None:
    """Each role is there and may do at least what stands above; what somebody gave it besides stays."""
    for name, codenames in ROLES.items():
        role, _ = Group.objects.using(using).get_or_create(name=name)
        needed = Permission.objects.using(using).filter(content_type__app_label__in=OURS, codename__in=codenames)
        role.permissions.add(*needed)


def after_migrate(*, using: str, apps: Apps = every_app, **told: Any) -> None:
    """What Django calls after every `migrate`. One that ended before there were groups makes no roles."""
    if "group" in apps.all_models["auth"]:
        make_roles(using=using)
