"""At most one holder at a time, and a hold that runs out by the database's clock."""

import uuid
from datetime import timedelta
from typing import Any, Self

from django.db import models, transaction
from django.db.models.functions import Now

from messaging.lifecycles import LifecycleQuerySet


class LeaseQuerySet(LifecycleQuerySet):
    """Rows with a lifecycle that a worker takes for a while. Their `due()` says which are worth taking."""

    def free(self) -> Self:
        return self.filter(models.Q(leased_until=None) | models.Q(leased_until__lte=Now()))

    def leased(self) -> Self:
        return self.filter(leased_until__gt=Now())

    def lapsed(self) -> Self:
        """Their holder vanished: the hold ran out before it was given back."""
        return self.filter(leased_until__lte=Now())

    @transaction.atomic
    def claim(self, *, lease: timedelta, limit: int, **facts: Any) -> list[Any]:
        """Take up to `limit` of these rows; nobody else has them until `lease` runs out. Committed before this returns.

        Rows that another worker is looking at are passed over, never waited for. `facts` are written with the claim.
        """
        token = uuid.uuid4()
        rows = list(self.select_for_update(skip_locked=True, of=("self",))[:limit])
        held = self.model._default_manager.filter(pk__in=[row.pk for row in rows])
        held.update(lease=token, leased_until=Now() + lease, **facts)
        for row in rows:
            row.lease = token
        return rows


class Leased(models.Model):
    lease = models.UUIDField(null=True, editable=False, help_text="Who holds this row: a token, new with every claim.")
    leased_until = models.DateTimeField(null=True, editable=False, help_text="When the hold ends by itself.")

    class Meta:
        abstract = True
