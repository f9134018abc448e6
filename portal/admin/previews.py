"""A mail's own HTML, shown to staff: in a frame of its own that runs nothing, fetches nothing and may not reach the portal around it."""

from django.http import HttpResponse
from django.utils.html import format_html

POLICY = "sandbox; default-src 'none'; img-src data:; style-src 'unsafe-inline'; frame-ancestors 'self'"
PAGE = (
    '<!doctype html><meta charset="utf-8"><title>{}</title><body style="margin:16px;font:14px/1.5 system-ui,sans-serif;color:#1f2937;'
    'background:#fff">{}</body>'
)


def framed(html: str, *, status: int = 200) -> HttpResponse:
    """`html` as a response that any browser keeps in a box, also when its address is opened directly."""
    headers = {
        "Content-Security-Policy": POLICY,
        "Cache-Control": "private, no-store",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "SAMEORIGIN",
    }
    return HttpResponse(html, headers=headers, status=status)


def framed_words(title: str, *, lines: list[str], status: int = 200) -> HttpResponse:
    """Plain sentences in the same box."""
    body = format_html("".join("<p>{}</p>" for _ in lines), *lines) if lines else ""
    return framed(format_html(PAGE, title, body), status=status)


def framed_mail(*, subject: str, text: str, html: str) -> HttpResponse:
    """A rendered mail: its subject on top, then its HTML as it is, or its text."""
    head = format_html('<p style="margin:0 0 12px;padding:0 0 8px;border-bottom:1px solid #d1d5db"><b>{}</b></p>', subject)
    body = html or format_html('<pre style="white-space:pre-wrap;font:inherit;margin:0">{}</pre>', text)
    return framed(format_html(PAGE, subject, head) + body)
