"""django-post-office with its own number of threads (5 per process), and the least to write."""

import os

from tests.scale.surroundings import DATABASES, EMAIL_HOST, EMAIL_PORT  # noqa: F401

SECRET_KEY = "only for the bench"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = ["django.contrib.contenttypes", "post_office"]
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates"}]
POST_OFFICE = {
    "BATCH_SIZE": int(os.environ.get("SCALE_BATCH", "100")),  # each batch forks its workers anew, and its results are written together
    "LOG_LEVEL": 1,  # failures only: no row per mail that was sent
}
