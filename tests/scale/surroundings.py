"""What the settings of all contestants share: the same PostgreSQL with the same connection options, and the sink."""

import os

from portal.settings import DATABASES

DATABASES["default"]["NAME"] = os.environ.get("SCALE_DATABASE", "")
EMAIL_HOST = "127.0.0.1"
EMAIL_PORT = int(os.environ.get("SCALE_SMTP_PORT", "0"))
