"""What PostgreSQL itself keeps true of the portal's own rows, room by room. The migration installs it; `REVERSE` takes it back."""

from portal.config import promises as config
from portal.operations import promises as operations
from portal.quotes import promises as quotes
from portal.summaries import promises as summaries

SQL = quotes.SQL + operations.SQL + config.SQL + summaries.SQL
REVERSE = summaries.REVERSE + config.REVERSE + operations.REVERSE + quotes.REVERSE
