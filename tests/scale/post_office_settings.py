"""django-post-office at its fastest."""

import os

from tests.scale.surroundings import DATABASES, EMAIL_HOST, EMAIL_PORT  # noqa: F401

SECRET_KEY = "only for the bench"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = ["django.contrib.contenttypes", "post_office"]
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates"}]
POST_OFFICE = {
    "BATCH_SIZE": 1_000_000,  # everything at once: each batch forks its workers anew and connects again (default 100)
    "THREADS_PER_PROCESS": int(os.environ.get("SCALE_THREADS", "5")),
    "LOG_LEVEL": 1,  # failures only: it writes no row per mail that was sent
}
