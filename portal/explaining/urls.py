"""The address of the page, among those of the admin: for staff who may look at contacts."""

from django.contrib import admin
from django.contrib.auth.decorators import permission_required
from django.urls import path

from portal.explaining.views import explain_contact

urlpatterns = [
    path(
        "campaigns/contact/<int:contact_id>/explain/",
        admin.site.admin_view(permission_required("campaigns.view_contact", raise_exception=True)(explain_contact)),
        name="campaigns_contact_explain",
    ),
]
