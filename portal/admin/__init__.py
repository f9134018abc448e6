"""The desks: one file each. Django looks here."""

from portal.admin import cases, errors, events, messages, notes, providers, sessions, staff, suppressions, templates

__all__ = ["cases", "errors", "events", "messages", "notes", "providers", "sessions", "staff", "suppressions", "templates"]
