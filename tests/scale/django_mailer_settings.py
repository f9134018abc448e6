"""django-mailer at its fastest."""

from tests.scale.surroundings import DATABASES, EMAIL_HOST, EMAIL_PORT  # noqa: F401

SECRET_KEY = "only for the bench"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = ["mailer"]
MAILER_USE_FILE_LOCK = False
MAILER_EMAIL_LOG_MESSAGE_DATA = False
