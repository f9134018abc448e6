"""Where this portal's mail goes, said on every page."""

from django.conf import settings
from django.http import HttpRequest

from messaging.models import Mode


def environment(request: HttpRequest) -> list[str]:
    """The badge's words, its colour, and the sentence of the banner; no sentence where mail really leaves."""
    if settings.MAIL_MODE == Mode.PRODUCTION:
        return ["Production", "info", ""]
    return ["Test mode", "warning", f"Every mail goes to {settings.TEST_RECIPIENT}. No customer is written to."]
