from importlib import import_module

from django.apps import AppConfig
from django.conf import settings
from django.db.models.signals import post_migrate

from portal import embedded_postgres


class PortalConfig(AppConfig):
    name = "portal"
    verbose_name = "Portal"

    def ready(self) -> None:
        """Whoever starts Django (a command, a worker, the tests) finds the database up."""
        if settings.EMBEDDED_POSTGRES:
            embedded_postgres.hold(settings.VAR_DIR / "postgres")
        import_module("portal.checks")  # needs the models
        import_module("django_q.signals").pre_execute.connect(import_module("portal.structured_logs").name_task)
        import_module("messaging.journal").keep_in(settings.SPOOL_DIR)  # likewise
        post_migrate.connect(import_module("portal.roles").after_migrate, sender=self)
