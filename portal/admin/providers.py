"""The desk of providers: which servers outside work, which are paused and why."""

from collections.abc import Mapping
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString
from unfold.decorators import display

from messaging import journal
from messaging.models import Level, Provider
from portal import tasks
from portal.admin import cells
from portal.admin.acts import Act
from portal.admin.records import ReadOnly, buttons


def try_now(request: HttpRequest, rows: QuerySet, answers: Mapping[str, Any]) -> int:
    """End the pause; the next worker tries the server, and pauses it again if it is still away."""
    paused = Provider.objects.down().filter(pk__in=rows.values("pk"))
    names = list(paused.values_list("name", flat=True))
    done = paused.update(paused_until=Now())
    for name in names:
        journal.record(Level.INFO, "providers", f"{name} is to be tried at once, although it was paused.", by_id=request.user.pk)
    tasks.ring()
    tasks.ring_notes()
    return done


TRY_NOW = Act(
    name="try_now",
    label="Try it now",
    explains="The pause ends and the server is tried at once. If it is still away it is paused again; no message uses up a try.",
    done=("is tried now", "are tried now"),
    permission="messaging.change_provider",
    carry_out=try_now,
    applies=lambda provider: provider.paused_until is not None,
    refusal=lambda provider: f"{provider} is not paused.",
    icon="play_circle",
)


@admin.register(Provider)
class ProviderDesk(ReadOnly):
    acts = (TRY_NOW,)
    list_display = ["name", "purpose", "state", "until", "why", "failures_in_row", "last_ok", "helps"]

    @display(description="state")
    def state(self, provider: Provider) -> SafeString:
        if provider.paused_until is None:
            return cells.badge("Working", "green") if provider.last_ok_at else cells.badge("Not tried yet", "grey")
        return cells.badge("Paused", "red") if provider.paused_until > timezone.now() else cells.badge("To be tried", "amber")

    @display(description="paused until")
    def until(self, provider: Provider) -> SafeString:
        return cells.when(provider.paused_until)

    @display(description="why")
    def why(self, provider: Provider) -> SafeString:
        return cells.words(provider.reason, tone="bad")

    @display(description="last worked")
    def last_ok(self, provider: Provider) -> SafeString:
        return cells.when(provider.last_ok_at)

    @display(description="what helps")
    def helps(self, provider: Provider) -> SafeString:
        return buttons(self, provider)

    def facts(self, provider: Provider) -> list[tuple[str, Any]]:
        return [
            ("State", self.state(provider)),
            ("For", provider.get_purpose_display()),
            ("Paused until", cells.when(provider.paused_until)),
            ("Why", provider.reason or cells.NOTHING),
            ("Failures in a row", provider.failures_in_row),
            ("Refusals of our sender address in a row", provider.sender_refusals_in_row),
            ("Last worked", cells.when(provider.last_ok_at)),
        ]
