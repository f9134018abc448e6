"""The desk of staff: who may log in and what they may do; what people did; and the pages that nobody but a superuser sees."""

from typing import Any

from axes.models import AccessAttempt, AccessFailureLog, AccessLog
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group, User
from django.db.models import Model
from django.http import HttpRequest
from django_q.models import Failure, OrmQ, Schedule, Success
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from portal.admin.records import Desk, ReadOnly

CLOSED = [Schedule, Success, Failure, OrmQ]  # whoever could add a schedule could run anything; reading results unpickles them
REDONE = [User, Group, AccessAttempt, AccessLog, AccessFailureLog]

for model in (*CLOSED, *REDONE):
    if admin.site.is_registered(model):
        admin.site.unregister(model)


@admin.register(User)
class UserDesk(UserAdmin, Desk):
    """Staff are never deleted, for what they did carries their name: take away "active" instead."""

    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ["username", "first_name", "last_name", "email", "is_active", "is_superuser", "last_login"]
    list_filter = ["is_active", "is_superuser", "groups"]
    ordering = ["username", "pk"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Only a superuser hands out rights: else whoever may edit staff could take them all."""
        given = ("is_superuser", "is_staff", "groups", "user_permissions")
        return () if is_superuser(request) else (*super().get_readonly_fields(request, obj), *given)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody but a superuser changes a superuser, or their password."""
        return super().has_change_permission(request, obj) and (is_superuser(request) or not getattr(obj, "is_superuser", False))


@admin.register(Group)
class GroupDesk(GroupAdmin, Desk):
    ordering = ["name", "pk"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return is_superuser(request)

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return is_superuser(request)


class SuperusersOnly(ReadOnly):
    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return is_superuser(request)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return is_superuser(request)

    def facts(self, row: Any) -> list[tuple[str, Any]]:
        return [(str(field.verbose_name), getattr(row, field.name)) for field in row._meta.fields]


@admin.register(LogEntry)
class LogDesk(SuperusersOnly):
    list_display = ["action_time", "user", "content_type", "object_repr", "said"]
    list_select_related = ["user", "content_type"]
    ordering = ["-action_time", "-pk"]

    @admin.display(description="what")
    def said(self, entry: LogEntry) -> str:
        return entry.get_change_message() or entry.get_action_flag_display()


@admin.register(AccessAttempt)
class AttemptDesk(SuperusersOnly):
    list_display = ["attempt_time", "username", "ip_address", "failures_since_start", "path_info"]
    ordering = ["-attempt_time", "-pk"]


@admin.register(AccessLog)
class AccessDesk(SuperusersOnly):
    list_display = ["attempt_time", "username", "ip_address", "logout_time"]
    ordering = ["-attempt_time", "-pk"]


@admin.register(AccessFailureLog)
class FailureDesk(SuperusersOnly):
    list_display = ["attempt_time", "username", "ip_address", "locked_out"]
    ordering = ["-attempt_time", "-pk"]


def is_superuser(request: HttpRequest) -> bool:
    return bool(request.user.is_active and request.user.is_superuser)
