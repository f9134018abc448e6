"""Who alters a campaign. The database notes every change by itself; this only tells it by whom, until the transaction ends."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection, transaction


@contextmanager
def made_by(user: Any) -> Iterator[None]:
    """All changes of campaigns inside, bulk ones too, bear this user's name; one transaction."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT set_config('app.actor', %s, true)", [str(user.pk) if user else ""])
        yield
        cursor.execute("SELECT set_config('app.actor', '', true)")
