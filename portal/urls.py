"""The portal's addresses."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from portal import analytics_page, contact_links, health, health_page, hooks, metrics, proof
from portal.admin import listing, states
from portal.dashboard import views as dashboard
from portal.explaining import urls as explaining
from portal.operations import views as operations
from portal.summaries import views as summaries

desks, _, namespace = admin.site.urls
autocomplete = path("autocomplete/", admin.site.admin_view(listing.autocomplete), name="autocomplete")
handler400 = "portal.refusals.not_understood"
handler403 = "portal.refusals.refused"
handler500 = "portal.refusals.failed"

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("admin/dashboard/live/", dashboard.live, name="dashboard_live"),
    path("admin/dashboard/chart/", dashboard.chart, name="dashboard_chart"),
    path("admin/analytics/", admin.site.admin_view(analytics_page.page), name="analytics"),
    path("admin/health/", admin.site.admin_view(health_page.page), name="health"),
    path("admin/proof/", admin.site.admin_view(proof.proof), name="proof"),
    path("admin/states/", admin.site.admin_view(states.page), name="states"),
    path("admin/bulk-send/", include("portal.bulk_send.urls")),
    path("admin/quotes/retry/", operations.retry, name="retry_quote_mails"),
    path("admin/summaries/", admin.site.admin_view(summaries.page), name="summaries"),
    path("admin/summaries/mine/", admin.site.admin_view(summaries.mine), name="my_summary"),
    path("admin/search/", RedirectView.as_view(pattern_name="admin:index")),  # the theme's search over all tables is switched off
    path("admin/", ([autocomplete, *explaining.urlpatterns, *desks], "admin", namespace)),
    path("quote/", include("portal.quotes.urls")),
    path("unsubscribe/<token>/", contact_links.unsubscribe, name="unsubscribe"),
    path("t/<token>/", contact_links.click, name="click"),
    path("hooks/mail/<provider>/", hooks.mail, name="mail_hook"),
    path("healthz", health.live, name="healthz"),
    path("readyz", health.ready, name="readyz"),
    path("metrics", metrics.metrics, name="metrics"),
]
