"""django-post-office with its own defaults (5 threads per process, 100 mails per batch, for which workers are forked anew)."""

import json
import os

from tests.scale.surroundings import DATABASES, EMAIL_HOST, EMAIL_PORT  # noqa: F401

SECRET_KEY = "only for the bench"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = ["django.contrib.contenttypes", "post_office"]
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates"}]
POST_OFFICE = json.loads(os.environ.get("SCALE_TOLD", "{}"))
