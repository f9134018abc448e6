"""The portal's addresses."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from portal import analytics_page, health, hooks, metrics, proof
from portal.dashboard import views as dashboard
from portal.operations import views as operations

handler403 = "portal.refusals.refused"

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("admin/dashboard/live/", dashboard.live, name="dashboard_live"),
    path("admin/dashboard/chart/", dashboard.chart, name="dashboard_chart"),
    path("admin/analytics/", admin.site.admin_view(analytics_page.page), name="analytics"),
    path("admin/proof/", admin.site.admin_view(proof.proof), name="proof"),
    path("admin/bulk-send/", include("portal.bulk_send.urls")),
    path("admin/quotes/retry/", operations.retry, name="retry_quote_mails"),
    path("admin/search/", RedirectView.as_view(pattern_name="admin:index")),  # the theme's search over all tables is switched off
    path("admin/", admin.site.urls),
    path("quote/", include("portal.quotes.urls")),
    path("hooks/mail/<provider>/", hooks.mail, name="mail_hook"),
    path("healthz", health.live, name="healthz"),
    path("readyz", health.ready, name="readyz"),
    path("metrics", metrics.metrics, name="metrics"),
]
