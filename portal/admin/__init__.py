"""The desks: one file each. Django looks here."""

from portal.admin import (
    ai_calls,
    cases,
    config_versions,
    delivery_events,
    errors,
    events,
    messages,
    notes,
    operations,
    providers,
    quotes,
    sessions,
    staff,
    suppressions,
    templates,
)

__all__ = [
    "ai_calls",
    "cases",
    "config_versions",
    "delivery_events",
    "errors",
    "events",
    "messages",
    "notes",
    "operations",
    "providers",
    "quotes",
    "sessions",
    "staff",
    "suppressions",
    "templates",
]
