from dataclasses import asdict
from typing import Any

from django.apps import AppConfig
from django.apps.registry import Apps
from django.apps.registry import apps as every_app
from django.db.models.signals import post_migrate

from campaigns.rules.email_types import FIRST_CAMPAIGN_TYPES


class CampaignsConfig(AppConfig):
    name = "campaigns"
    verbose_name = "Campaigns"

    def ready(self) -> None:
        post_migrate.connect(ship_campaign_types, sender=self)


def ship_campaign_types(*, using: str, apps: Apps = every_app, **told: Any) -> None:
    """The five built-in campaign types exist; one that somebody changed stays as it is."""
    try:
        campaign_type = apps.get_model("campaigns", "CampaignType")
    except LookupError:  # migrated back to nothing
        return
    campaign_type.objects.using(using).bulk_create(
        [campaign_type(name=name, **asdict(first)) for name, first in FIRST_CAMPAIGN_TYPES.items()], ignore_conflicts=True
    )
