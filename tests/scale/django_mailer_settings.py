"""django-mailer with its own defaults."""

import json
import os

from tests.scale.surroundings import DATABASES, EMAIL_HOST, EMAIL_PORT  # noqa: F401

SECRET_KEY = "only for the bench"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = ["mailer"]
MAILER_LOCK_PATH = os.environ.get("SCALE_LOCK_FILE")
globals().update(json.loads(os.environ.get("SCALE_TOLD", "{}")))
